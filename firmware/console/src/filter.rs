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
            (_, ethernet::IPV4) => self.matches_packet(payload),
            (_, ethernet::PPPOE_SESSION) if ppp_protocol(payload) == Some(IPV4) => {
                self.matches_packet(payload.get(SESSION_LEN..).unwrap_or_default())
            }
            _ => false,
        }
    }

    fn matches_packet(self, packet: &[u8]) -> bool {
        let octet = |at: usize| packet.get(at).copied().unwrap_or(0);
        let port = |at: usize| u16::from_be_bytes([octet(at), octet(at + 1)]);
        match self {
            Self::Protocol(protocol) => octet(9) == protocol,
            Self::Host(host) => {
                let is_at = |at: usize| packet.get(at..at + 4) == Some(host.octets().as_slice());
                is_at(12) || is_at(16)
            }
            Self::Ports(one, other) => {
                let header_len = usize::from(octet(0) & 15) * 4;
                // The fragment offset: 13 bits.
                let is_first = port(6) << 3 == 0;
                let is_one = |port: u16| port == one || port == other;
                matches!(octet(9), TCP | UDP)
                    && is_first
                    && (is_one(port(header_len)) || is_one(port(header_len + 2)))
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
const TCP: u8 = 6;
const UDP: u8 = 17;

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
        ];
        for (filter, expected) in [
            (Filter::All, [true; 6]),
            (Filter::Dial, [true, true, false, false, false, false]),
            (Filter::Ports(53, 53), [false, false, true, true, false, false]),
            (Filter::Ports(67, 68), [false; 6]),
            (Filter::Protocol(UDP), [false, false, true, true, false, false]),
            (Filter::Host([192, 168, 1, 5].into()), [false, false, true, true, false, false]),
            (Filter::Arp, [false, false, false, false, true, false]),
        ] {
            assert_eq!(frames.each_ref().map(|frame| filter.matches(frame)), expected, "{filter:?}");
        }
    }
}
