//! An IPv4 packet as the slow path reads it: byte by byte, with every check (RFC 1812 §5.2.2), options and fragments.

use smoltcp::wire::{IpProtocol, Ipv4Packet};

use super::checksum;
use crate::Dropped;

/// The protocols whose ports or identifiers are translated.
pub(crate) const ICMP: u8 = 1;
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;

/// TCP's flags, of its 14th octet (RFC 9293 §3.1).
pub(crate) const FIN: u8 = 0x01;
pub(crate) const SYN: u8 = 0x02;
pub(crate) const RST: u8 = 0x04;
pub(crate) const ACK: u8 = 0x10;

/// What a packet says of itself. Addresses and ports in memory order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Packet {
    /// Where it begins in its frame.
    pub(crate) at: usize,
    /// Of the IP header, in bytes.
    pub(crate) header_len: usize,
    /// Of the whole packet, in bytes.
    pub(crate) len: usize,
    pub(crate) protocol: u8,
    pub(crate) ttl: u8,
    pub(crate) source: u32,
    pub(crate) destination: u32,
    /// Source and destination port; of an ICMP query its identifier in the place of the source port, of an answer in that of
    /// the destination port; else 0.
    pub(crate) ports: u32,
    pub(crate) fragment: Option<Fragment>,
    pub(crate) dont_fragment: bool,
    /// 0, if it is not TCP.
    pub(crate) tcp_flags: u8,
    /// The type, if it is ICMP.
    pub(crate) icmp_type: u8,
}

/// One part of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fragment {
    pub(crate) id: u16,
    /// In bytes.
    pub(crate) offset: u16,
    pub(crate) more: bool,
}

impl Packet {
    /// Reads the packet at `at` of `bytes`, where `room` bytes may belong to it: what is behind its total length is padding.
    pub(crate) fn parse(bytes: &[u8], at: usize, room: usize) -> Result<Self, Dropped> {
        let bytes = bytes.get(at..at + room).ok_or(Dropped::Malformed)?;
        if bytes.first().map(|first| first >> 4) != Some(4) {
            return Err(Dropped::NotIp);
        }
        let header = Ipv4Packet::new_checked(bytes).map_err(|_| Dropped::Malformed)?;
        let header_len = usize::from(header.header_len());
        if header_len < HEADER_LEN {
            return Err(Dropped::Malformed);
        }
        let len = usize::from(header.total_len());
        if !header.verify_checksum() {
            return Err(Dropped::BadChecksum);
        }
        // A flow of protocol 0 (IPv6's hop-by-hop options, nothing in IPv4) would be a free place in the tables.
        if u8::from(header.next_header()) == 0 {
            return Err(Dropped::Malformed);
        }
        if has_source_route(bytes.get(HEADER_LEN..header_len).unwrap_or_default()) {
            return Err(Dropped::SourceRoute);
        }
        let fragment = (header.more_frags() || header.frag_offset() != 0).then_some(Fragment {
            id: header.ident(),
            offset: header.frag_offset(),
            more: header.more_frags(),
        });
        let mut packet = Self {
            at,
            header_len,
            len,
            protocol: header.next_header().into(),
            ttl: header.hop_limit(),
            source: u32::from_ne_bytes(header.src_addr().octets()),
            destination: u32::from_ne_bytes(header.dst_addr().octets()),
            ports: 0,
            fragment,
            dont_fragment: header.dont_frag(),
            tcp_flags: 0,
            icmp_type: 0,
        };
        if fragment.is_none_or(|fragment| fragment.offset == 0) {
            packet.parse_transport(bytes.get(header_len..len).unwrap_or_default())?;
        }
        Ok(packet)
    }

    fn parse_transport(&mut self, payload: &[u8]) -> Result<(), Dropped> {
        let least = match IpProtocol::from(self.protocol) {
            IpProtocol::Tcp => 20,
            IpProtocol::Udp | IpProtocol::Icmp => 8,
            _ => return Ok(()),
        };
        let payload = payload.get(..least).ok_or(Dropped::Malformed)?;
        let word = |at: usize| {
            payload.get(at..at + 4).and_then(|word| word.try_into().ok()).map_or(0, u32::from_ne_bytes)
        };
        match self.protocol {
            ICMP => {
                self.icmp_type = payload[0];
                let id = word(4) & 0xFFFF;
                self.ports = match self.icmp_type {
                    0 | 14 | 16 | 18 => id << 16,
                    8 | 13 | 15 | 17 => id,
                    _ => 0,
                };
            }
            TCP => {
                (self.ports, self.tcp_flags) = (word(0), payload[13]);
                // A first fragment too short for TCP's header hides its flags (RFC 3128): `least` has refused it.
            }
            _ => self.ports = word(0),
        }
        Ok(())
    }

    /// Whether it is the error message of ICMP (RFC 1122 §3.2.2), which carries a part of the packet it is about.
    pub(crate) const fn is_icmp_error(&self) -> bool {
        self.protocol == ICMP && matches!(self.icmp_type, 3 | 4 | 5 | 11 | 12)
    }

    /// Whether it is an ICMP query or the answer to one.
    pub(crate) const fn is_icmp_query(&self) -> bool {
        self.protocol == ICMP && matches!(self.icmp_type, 0 | 8 | 13..=18)
    }

    /// Whether only a part of it is here, and not the first.
    pub(crate) const fn is_later_fragment(&self) -> bool {
        matches!(self.fragment, Some(fragment) if fragment.offset != 0)
    }
}

/// Source and destination port changed about.
#[inline]
pub(crate) const fn swapped(ports: u32) -> u32 {
    ports.rotate_left(16)
}

/// Source port of a pair in memory order, as a number.
#[inline]
pub(crate) const fn source_port(ports: u32) -> u16 {
    u16::from_be(ports as u16)
}

/// Destination port of a pair in memory order, as a number.
#[inline]
pub(crate) const fn destination_port(ports: u32) -> u16 {
    u16::from_be((ports >> 16) as u16)
}

/// The pair of two numbers.
#[inline]
pub(crate) const fn pair(source: u16, destination: u16) -> u32 {
    source.to_be() as u32 | (destination.to_be() as u32) << 16
}

/// Where a transport's checksum is, from the beginning of its header, and whether 0 means that there is none.
pub(crate) const fn checksum_place(protocol: u8) -> Option<(usize, bool)> {
    match protocol {
        TCP => Some((16, false)),
        UDP => Some((6, true)),
        ICMP => Some((2, false)),
        _ => None,
    }
}

/// Adds `difference` to the checksum at `at`. `optional`: 0 stands for none, and stays.
pub(crate) fn adjust_at(bytes: &mut [u8], at: usize, optional: bool, difference: u16) {
    let Some(field) = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<2>()) else { return };
    let old = u16::from_ne_bytes(*field);
    if optional && old == 0 {
        return;
    }
    let new = checksum::adjust(old, difference);
    *field = if optional && new == 0 { 0xFFFF } else { new }.to_ne_bytes();
}

/// Whether the options tell the way to go (RFC 7126 §4.3, §4.4: to be dropped), or cannot be read.
fn has_source_route(mut options: &[u8]) -> bool {
    while let [kind, rest @ ..] = options {
        match kind {
            0 => return false,
            1 => options = rest,
            131 | 137 => return true,
            _ => {
                let len = rest.first().map_or(0, |len| usize::from(*len));
                let Some(next) = options.get(len..).filter(|_| len >= 2) else { return true };
                options = next;
            }
        }
    }
    false
}

/// An IPv4 header without options.
pub(crate) const HEADER_LEN: usize = 20;
