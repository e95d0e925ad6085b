//! An IPv6 packet as the slow path reads it (RFC 8200): through its extension headers, no more of them than anybody needs.

use super::address::{self, Address};
use crate::Dropped;
use crate::datapath::packet::{TCP, UDP};

/// `ICMPv6` (RFC 4443).
pub(crate) const ICMPV6: u8 = 58;
/// SCTP (RFC 9260), DCCP (RFC 4340) and UDP-Lite (RFC 3828) have their ports where UDP has them.
const SCTP: u8 = 132;
const DCCP: u8 = 33;
const UDP_LITE: u8 = 136;

/// What a packet says of itself. Addresses and ports in memory order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Packet6 {
    /// Where it begins in its frame.
    pub(crate) at: usize,
    /// From its beginning to that of its transport header, in bytes.
    pub(crate) header_len: usize,
    /// Of the whole packet, in bytes.
    pub(crate) len: usize,
    /// The first header that is not an extension; of a later fragment, what its fragment header says.
    pub(crate) protocol: u8,
    pub(crate) hop_limit: u8,
    pub(crate) source: Address,
    pub(crate) destination: Address,
    /// Source and destination port; of an echo request its identifier in the place of the source port, of a reply in that of
    /// the destination port; else 0.
    pub(crate) ports: u32,
    pub(crate) fragment: Option<Fragment6>,
    /// 0, if it is not TCP.
    pub(crate) tcp_flags: u8,
    /// The type, if it is `ICMPv6`.
    pub(crate) icmp_type: u8,
}

/// One part of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fragment6 {
    pub(crate) id: u32,
    /// In bytes.
    pub(crate) offset: u16,
    pub(crate) more: bool,
    /// The fragmentable part, in bytes.
    pub(crate) len: u16,
}

impl Packet6 {
    /// Reads the packet at `at` of `bytes`, where `room` bytes may belong to it: what is behind its payload length is padding.
    pub(crate) fn parse(bytes: &[u8], at: usize, room: usize) -> Result<Self, Dropped> {
        let bytes = bytes.get(at..at + room).ok_or(Dropped::Malformed)?;
        if bytes.first().map(|first| first >> 4) != Some(6) {
            return Err(Dropped::NotIp);
        }
        let header: &[u8; HEADER_LEN] = bytes.first_chunk().ok_or(Dropped::Malformed)?;
        let len = HEADER_LEN + usize::from(u16::from_be_bytes([header[4], header[5]]));
        let bytes = bytes.get(..len).ok_or(Dropped::Malformed)?;
        Self::read(bytes, at, len)
    }

    /// Reads the packet that an error quotes, as far as it does.
    pub(crate) fn parse_quote(bytes: &[u8]) -> Result<Self, Dropped> {
        if bytes.first().map(|first| first >> 4) != Some(6) {
            return Err(Dropped::Malformed);
        }
        Self::read(bytes, 0, bytes.len())
    }

    fn read(bytes: &[u8], at: usize, len: usize) -> Result<Self, Dropped> {
        let mut packet = Self {
            at,
            header_len: HEADER_LEN,
            len,
            protocol: *bytes.get(6).ok_or(Dropped::Malformed)?,
            hop_limit: *bytes.get(7).ok_or(Dropped::Malformed)?,
            source: address::read(bytes, 8).ok_or(Dropped::Malformed)?,
            destination: address::read(bytes, 24).ok_or(Dropped::Malformed)?,
            ports: 0,
            fragment: None,
            tcp_flags: 0,
            icmp_type: 0,
        };
        packet.walk(bytes)?;
        if !packet.is_later_fragment() {
            packet.parse_transport(bytes.get(packet.header_len..).unwrap_or_default())?;
        }
        Ok(packet)
    }

    /// Goes through the extension headers (RFC 8200 §4).
    fn walk(&mut self, bytes: &[u8]) -> Result<(), Dropped> {
        for n in 0..=MAX_EXTENSIONS {
            let rest = bytes.get(self.header_len..).unwrap_or_default();
            match self.protocol {
                HOP_BY_HOP if n > 0 => return Err(Dropped::Malformed),
                HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS => {
                    let &[next, units, kind, ..] = rest else { return Err(Dropped::Malformed) };
                    if self.protocol == ROUTING && kind == 0 {
                        // RFC 5095 §3.
                        return Err(Dropped::SourceRoute);
                    }
                    self.protocol = next;
                    self.header_len += 8 * (1 + usize::from(units));
                }
                FRAGMENT if self.fragment.is_some() => return Err(Dropped::Malformed),
                FRAGMENT => {
                    let &[next, _, high, low, a, b, c, d, ..] = rest else { return Err(Dropped::Malformed) };
                    let field = u16::from_be_bytes([high, low]);
                    self.protocol = next;
                    self.header_len += 8;
                    let (offset, more) = (field & !7, field & 1 != 0);
                    // One that is whole is no fragment (RFC 6946).
                    if offset != 0 || more {
                        let len = (rest.len() - 8) as u16;
                        self.fragment =
                            Some(Fragment6 { id: u32::from_be_bytes([a, b, c, d]), offset, more, len });
                    }
                    if offset != 0 {
                        return Ok(());
                    }
                }
                _ => {
                    let fits = self.header_len <= bytes.len();
                    return if fits { Ok(()) } else { Err(Dropped::Malformed) };
                }
            }
        }
        Err(Dropped::ExtensionHeaders)
    }

    fn parse_transport(&mut self, payload: &[u8]) -> Result<(), Dropped> {
        let least = match self.protocol {
            TCP => TCP_HEADER_LEN,
            UDP | ICMPV6 | SCTP | DCCP | UDP_LITE => 8,
            _ => return Ok(()),
        };
        // A first fragment without all of its headers hides something (RFC 7112).
        let payload = payload.get(..least).ok_or(Dropped::Malformed)?;
        let word = |at: usize| {
            payload.get(at..at + 4).and_then(|word| word.try_into().ok()).map_or(0, u32::from_ne_bytes)
        };
        match self.protocol {
            ICMPV6 => {
                self.icmp_type = payload[0];
                let id = word(4) & 0xFFFF;
                self.ports = match self.icmp_type {
                    ECHO_REQUEST => id,
                    ECHO_REPLY => id << 16,
                    _ => 0,
                };
            }
            TCP => (self.ports, self.tcp_flags) = (word(0), payload[13]),
            _ => self.ports = word(0),
        }
        Ok(())
    }

    /// Whether it is an `ICMPv6` error, which carries a part of the packet it is about (RFC 4443 §2.1).
    pub(crate) const fn is_icmp_error(&self) -> bool {
        self.protocol == ICMPV6 && self.icmp_type < 128 && !self.is_later_fragment()
    }

    /// Whether it may open a flow: a RST and an answer do not.
    pub(crate) const fn may_open(&self) -> bool {
        match self.protocol {
            ICMPV6 => self.icmp_type == ECHO_REQUEST,
            _ => self.tcp_flags & crate::datapath::packet::RST == 0,
        }
    }

    /// Whether only a part of it is here, and not the first.
    pub(crate) const fn is_later_fragment(&self) -> bool {
        matches!(self.fragment, Some(fragment) if fragment.offset != 0)
    }
}

/// The sum of the pseudo-header (RFC 8200 §8.1), not yet folded.
pub(crate) fn pseudo_header(source: &Address, destination: &Address, protocol: u8, len: usize) -> u32 {
    let addresses = source.iter().chain(destination).map(|word| crate::datapath::checksum::halves(*word));
    addresses.sum::<u32>() + u32::from(u16::from(protocol).to_be()) + u32::from((len as u16).to_be())
}

/// An IPv6 header of our own.
pub(crate) fn write_header(
    header: &mut [u8; HEADER_LEN],
    payload_len: usize,
    protocol: u8,
    hop_limit: u8,
    source: &Address,
    destination: &Address,
) {
    header[..4].copy_from_slice(&[0x60, 0, 0, 0]);
    header[4..6].copy_from_slice(&(payload_len as u16).to_be_bytes());
    header[6..8].copy_from_slice(&[protocol, hop_limit]);
    header[8..24].copy_from_slice(&address::octets(source));
    header[24..40].copy_from_slice(&address::octets(destination));
}

/// Writes the checksum of the `ICMPv6` message in `packet`, whose header has no extensions.
pub(crate) fn set_icmp_checksum(packet: &mut [u8]) {
    let (Some(source), Some(destination)) = (address::read(packet, 8), address::read(packet, 24)) else {
        return;
    };
    let Some(message) = packet.get_mut(HEADER_LEN..).filter(|message| message.len() >= 4) else { return };
    message[2..4].fill(0);
    let pseudo = pseudo_header(&source, &destination, ICMPV6, message.len());
    let sum = crate::datapath::checksum::of(message, pseudo);
    message[2..4].copy_from_slice(&sum.to_ne_bytes());
}

/// An IPv6 header without extensions.
pub(crate) const HEADER_LEN: usize = 40;
/// The least MTU of a link (RFC 8200 §5).
pub(crate) const MIN_MTU: u16 = 1280;
/// What our own packets begin with.
pub(crate) const HOP_LIMIT: u8 = 64;

/// Types of `ICMPv6` messages (RFC 4443, RFC 4861).
pub(crate) const ECHO_REQUEST: u8 = 128;
pub(crate) const ECHO_REPLY: u8 = 129;
pub(crate) const ROUTER_SOLICITATION: u8 = 133;
pub(crate) const ROUTER_ADVERTISEMENT: u8 = 134;
pub(crate) const NEIGHBOUR_SOLICITATION: u8 = 135;
pub(crate) const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
pub(crate) const REDIRECT: u8 = 137;

/// Extension headers (RFC 8200 §4).
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION_OPTIONS: u8 = 60;
/// RFC 8200 §4.1 has six in one packet, at most.
const MAX_EXTENSIONS: usize = 6;
const TCP_HEADER_LEN: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datapath::packet::pair;

    fn packet(protocol: u8, behind: &[u8]) -> std::vec::Vec<u8> {
        let mut bytes = std::vec![0; HEADER_LEN];
        let (source, destination) = ([1_u32.to_be(); 4], [2_u32.to_be(); 4]);
        let header = bytes.first_chunk_mut().expect("as long");
        write_header(header, behind.len(), protocol, 9, &source, &destination);
        bytes.extend(behind);
        bytes
    }

    fn parse(protocol: u8, behind: &[u8]) -> Result<Packet6, Dropped> {
        let bytes = packet(protocol, behind);
        Packet6::parse(&bytes, 0, bytes.len())
    }

    const PORTS: [u8; 8] = [0, 53, 0, 99, 0, 8, 0, 0];

    #[test]
    fn through_the_extension_headers() {
        let options = [UDP, 0, 1, 4, 0, 0, 0, 0];
        let routing = [DESTINATION_OPTIONS, 0, 2, 0, 0, 0, 0, 0];
        let hop_by_hop = [ROUTING, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let packet =
            parse(HOP_BY_HOP, &[&hop_by_hop[..], &routing, &options, &PORTS].concat()).expect("readable");
        assert_eq!((packet.protocol, packet.ports, packet.header_len), (UDP, pair(53, 99), 72));
        assert_eq!((packet.hop_limit, packet.len), (9, 80));
        assert_eq!(parse(UDP, &PORTS).map(|packet| packet.ports), Ok(pair(53, 99)));
        assert_eq!(parse(59, &[]).map(|packet| packet.ports), Ok(0));
    }

    #[test]
    fn what_cannot_be_walked_is_refused() {
        let chain =
            |n: usize| [[DESTINATION_OPTIONS, 0, 1, 4, 0, 0, 0, 0].repeat(n), PORTS.to_vec()].concat();
        assert_eq!(parse(DESTINATION_OPTIONS, &chain(9)), Err(Dropped::ExtensionHeaders));
        let late = [HOP_BY_HOP, 0, 1, 4, 0, 0, 0, 0];
        assert_eq!(parse(DESTINATION_OPTIONS, &late), Err(Dropped::Malformed));
        let type_0 = [UDP, 0, 0, 1, 0, 0, 0, 0];
        assert_eq!(parse(ROUTING, &type_0), Err(Dropped::SourceRoute));
        let too_long = [UDP, 200, 1, 4, 0, 0, 0, 0];
        assert_eq!(parse(DESTINATION_OPTIONS, &too_long), Err(Dropped::Malformed));
        assert_eq!(parse(UDP, &PORTS[..7]), Err(Dropped::Malformed));
        let bytes = packet(UDP, &PORTS);
        assert_eq!(Packet6::parse(&bytes, 0, 47), Err(Dropped::Malformed));
        assert_eq!(Packet6::parse(&[0x45; 60], 0, 60), Err(Dropped::NotIp));
    }

    #[test]
    fn fragments_and_what_is_none() {
        let fragment = |field: u16, next: u8| {
            let [high, low] = field.to_be_bytes();
            [&[next, 0, high, low, 1, 2, 3, 4], &PORTS[..]].concat()
        };
        let first = parse(FRAGMENT, &fragment(1, UDP)).expect("readable");
        let expected = Fragment6 { id: 0x0102_0304, offset: 0, more: true, len: 8 };
        assert_eq!((first.fragment, first.ports), (Some(expected), pair(53, 99)));
        // What is behind the header of a later one is no header, whatever is announced.
        let later = parse(FRAGMENT, &fragment(1449, DESTINATION_OPTIONS)).expect("readable");
        assert_eq!(later.fragment, Some(Fragment6 { offset: 1448, ..expected }));
        assert!(later.is_later_fragment() && later.ports == 0);
        let whole = parse(FRAGMENT, &fragment(0, UDP)).expect("readable");
        assert_eq!((whole.fragment, whole.ports), (None, pair(53, 99)));
        let twice = [&[FRAGMENT, 0, 0, 1, 1, 2, 3, 4], &fragment(1, UDP)[..]].concat();
        assert_eq!(parse(FRAGMENT, &twice), Err(Dropped::Malformed));
    }

    #[test]
    fn identifiers_take_the_place_of_ports() {
        let echo = |kind| parse(ICMPV6, &[kind, 0, 0, 0, 0x12, 0x34, 0, 1]).expect("readable");
        assert_eq!(echo(ECHO_REQUEST).ports, pair(0x1234, 0));
        assert_eq!(echo(ECHO_REPLY).ports, pair(0, 0x1234));
        assert!(echo(ECHO_REQUEST).may_open() && !echo(ECHO_REPLY).may_open());
        assert!(echo(1).is_icmp_error() && !echo(128).is_icmp_error());
    }
}
