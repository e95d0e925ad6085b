//! Which frames a capture takes.

use gatelet_wire::ethernet::{self, Header};

use crate::command::Filter;

impl Filter {
    /// Whether a frame, from its destination address on, is wanted. What cannot be read is wanted only if all is.
    pub fn matches(self, frame: &[u8]) -> bool {
        if self == Self::All {
            return true;
        }
        let Ok((header, payload)) = Header::parse(frame) else { return false };
        match (self, header.ether_type) {
            (Self::Dial, ethernet::PPPOE_DISCOVERY) | (Self::Arp, ethernet::ARP) => true,
            (Self::Dial, ethernet::PPPOE_SESSION) => !matches!(ppp_protocol(payload), Some(IPV4 | IPV6)),
            (_, ethernet::IPV4 | ethernet::IPV6) => self.matches_packet(payload),
            (_, ethernet::PPPOE_SESSION) if matches!(ppp_protocol(payload), Some(IPV4 | IPV6)) => {
                self.matches_packet(payload.get(SESSION_LEN..).unwrap_or_default())
            }
            _ => false,
        }
    }

    /// An IPv6 packet's extension headers are not looked behind.
    fn matches_packet(self, packet: &[u8]) -> bool {
        let octet = |at: usize| packet.get(at).copied().unwrap_or(0);
        let port = |at: usize| u16::from_be_bytes([octet(at), octet(at + 1)]);
        let is_v6 = octet(0) >> 4 == 6;
        let protocol = octet(if is_v6 { 6 } else { 9 });
        match self {
            Self::Icmp => protocol == if is_v6 { ICMPV6 } else { ICMP },
            Self::Protocol(wanted) => protocol == wanted,
            Self::Host(host) => {
                let is_at = |at: usize| packet.get(at..at + 4) == Some(host.octets().as_slice());
                !is_v6 && (is_at(12) || is_at(16))
            }
            Self::Host6(host) => {
                let is_at = |at: usize| packet.get(at..at + 16) == Some(host.octets().as_slice());
                is_v6 && (is_at(8) || is_at(24))
            }
            Self::Ports(wanted) => {
                let header_len = if is_v6 { 40 } else { usize::from(octet(0) & 15) * 4 };
                // The fragment offset: 13 bits.
                let is_first = is_v6 || port(6) << 3 == 0;
                let is_wanted = |at: usize| wanted.contains(&port(at));
                matches!(protocol, TCP | UDP)
                    && is_first
                    && (is_wanted(header_len) || is_wanted(header_len + 2))
            }
            Self::All | Self::Dial | Self::Arp => false,
        }
    }
}

/// The protocol of a session's packet, behind the six octets of the `PPPoE` header (RFC 2516 §4).
fn ppp_protocol(payload: &[u8]) -> Option<u16> {
    payload.get(6..SESSION_LEN)?.try_into().ok().map(u16::from_be_bytes)
}

/// `PPPoE` and the protocol field.
const SESSION_LEN: usize = 8;
/// Protocols of PPP (RFC 1332 §2, RFC 5072 §2), and of IP.
const IPV4: u16 = 0x0021;
const IPV6: u16 = 0x0057;
const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn frame(ether_type: u16, payload: &[u8]) -> Vec<u8> {
        let mut frame = std::vec![2; 12];
        frame.extend(ether_type.to_be_bytes());
        frame.extend(payload);
        frame
    }

    fn udp(from: u16, to: u16) -> Vec<u8> {
        let mut packet = std::vec![0; 28];
        packet[0] = 0x45;
        packet[9] = UDP;
        packet[12..16].copy_from_slice(&[192, 168, 1, 5]);
        packet[20..22].copy_from_slice(&from.to_be_bytes());
        packet[22..24].copy_from_slice(&to.to_be_bytes());
        packet
    }

    fn udp6(from: u16, to: u16) -> Vec<u8> {
        let mut packet = std::vec![0; 48];
        packet[0] = 0x60;
        packet[6] = UDP;
        packet[23] = 5;
        packet[40..42].copy_from_slice(&from.to_be_bytes());
        packet[42..44].copy_from_slice(&to.to_be_bytes());
        packet
    }

    fn session(protocol: u16, packet: &[u8]) -> Vec<u8> {
        let mut payload = std::vec![0x11, 0, 0, 1, 0, 0];
        payload.extend(protocol.to_be_bytes());
        payload.extend(packet);
        frame(ethernet::PPPOE_SESSION, &payload)
    }

    #[test]
    fn what_each_filter_takes() {
        let dns = udp(5000, 53);
        let frames = [
            frame(ethernet::PPPOE_DISCOVERY, &[]),
            session(0xC021, &[1, 2, 3]),
            session(IPV4, &dns),
            frame(ethernet::IPV4, &dns),
            frame(ethernet::ARP, &[]),
            std::vec![1, 2, 3],
            session(IPV6, &udp6(53, 5000)),
            frame(ethernet::IPV6, &udp6(546, 547)),
        ];
        for (filter, expected) in [
            (Filter::All, [0, 1, 2, 3, 4, 5, 6, 7].as_slice()),
            (Filter::Dial, &[0, 1]),
            (Filter::Ports(&[53]), &[2, 3, 6]),
            (Filter::Ports(&[67, 68, 546, 547]), &[7]),
            (Filter::Protocol(UDP), &[2, 3, 6, 7]),
            (Filter::Icmp, &[]),
            (Filter::Host([192, 168, 1, 5].into()), &[2, 3]),
            (Filter::Host6("::5".parse().unwrap()), &[6, 7]),
            (Filter::Arp, &[4]),
        ] {
            let taken = (0..).zip(&frames).filter(|(_, frame)| filter.matches(frame)).map(|(n, _)| n);
            assert_eq!(taken.collect::<Vec<i32>>(), expected, "{filter:?}");
        }
    }
}
