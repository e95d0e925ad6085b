//! An Internet without a state: pings and DNS questions, answered at once.
//!
//! Reading list: RFC 792 and RFC 4443 (echo), RFC 1035 §4 (DNS messages).

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::time::Instant;
use smoltcp::wire::{
    Icmpv4Packet, Icmpv4Repr, Icmpv6Packet, Icmpv6Repr, IpAddress, IpProtocol, Ipv4Address, Ipv4Packet,
    Ipv4Repr, Ipv6Address, Ipv6Packet, Ipv6Repr, UdpPacket, UdpRepr,
};

use crate::peers::packet;

/// The address every name resolves to, from the documentation range (RFC 5737).
pub const HOST: Ipv4Address = Ipv4Address::new(192, 0, 2, 80);
/// The DNS servers a concentrator hands out.
pub const DNS: [Ipv4Address; 2] = [Ipv4Address::new(192, 0, 2, 53), Ipv4Address::new(192, 0, 2, 54)];

/// The same over IPv6 (RFC 3849): the address that names resolve to first, and further ones.
pub const HOSTS6: [Ipv6Address; 3] = [
    HOST6,
    Ipv6Address::new(0x2001, 0xDB8, 0x80, 0, 0, 0, 0, 0x81),
    Ipv6Address::new(0x2001, 0xDB8, 0x80, 0, 0, 0, 0, 0x82),
];
/// The IPv6 address of a name that has one.
pub const HOST6: Ipv6Address = Ipv6Address::new(0x2001, 0xDB8, 0x80, 0, 0, 0, 0, 0x80);
/// The DNS servers over IPv6.
pub const DNS6: [Ipv6Address; 2] = [
    Ipv6Address::new(0x2001, 0xDB8, 0x53, 0, 0, 0, 0, 0x53),
    Ipv6Address::new(0x2001, 0xDB8, 0x53, 0, 0, 0, 0, 0x54),
];

/// When every world begins: 2026-01-01, 20:00 in China, in seconds since 1970.
pub const EPOCH: u64 = 1_767_268_800;

const DNS_PORT: u16 = 53;
const NTP_PORT: u16 = 123;
const HOP_LIMIT: u8 = 60;

/// The answer to an IPv4 packet from the subscriber with `address`; `None` if there is none, or if the source is not
/// the subscriber's own (reverse path check).
pub fn answer_ipv4(packet: &[u8], address: Ipv4Address) -> Option<Vec<u8>> {
    let checksums = ChecksumCapabilities::default();
    let packet = Ipv4Packet::new_checked(packet).ok()?;
    let request = Ipv4Repr::parse(&packet, &checksums).ok()?;
    if request.src_addr != address {
        return None;
    }
    match request.next_header {
        IpProtocol::Icmp => {
            let Icmpv4Repr::EchoRequest { ident, seq_no, data } =
                Icmpv4Repr::parse(&Icmpv4Packet::new_checked(packet.payload()).ok()?, &checksums).ok()?
            else {
                return None;
            };
            let reply = Icmpv4Repr::EchoReply { ident, seq_no, data };
            let (mut bytes, header) = ipv4_reply(&request, reply.buffer_len());
            reply.emit(&mut Icmpv4Packet::new_unchecked(&mut bytes[header..]), &checksums);
            Some(bytes)
        }
        IpProtocol::Udp => {
            let (source, destination) =
                (IpAddress::Ipv4(request.src_addr), IpAddress::Ipv4(request.dst_addr));
            let udp = UdpPacket::new_checked(packet.payload()).ok()?;
            let ports = UdpRepr::parse(&udp, &source, &destination, &checksums).ok()?;
            if ports.dst_port != DNS_PORT {
                return None;
            }
            let answer = answer_dns(udp.payload())?;
            let reply = UdpRepr { src_port: DNS_PORT, dst_port: ports.src_port };
            let (mut bytes, header) = ipv4_reply(&request, reply.header_len() + answer.len());
            reply.emit(
                &mut UdpPacket::new_unchecked(&mut bytes[header..]),
                &destination,
                &source,
                answer.len(),
                |payload| payload.copy_from_slice(&answer),
                &checksums,
            );
            Some(bytes)
        }
        _ => None,
    }
}

/// The answer to an IPv6 packet: only pings of the concentrator's own link-local address are answered.
pub fn answer_ipv6(packet: &[u8], interface_identifier: [u8; 8]) -> Option<Vec<u8>> {
    let checksums = ChecksumCapabilities::default();
    let packet = Ipv6Packet::new_checked(packet).ok()?;
    let request = Ipv6Repr::parse(&packet).ok()?;
    if request.dst_addr != link_local(interface_identifier) || request.next_header != IpProtocol::Icmpv6 {
        return None;
    }
    let icmp = Icmpv6Packet::new_checked(packet.payload()).ok()?;
    let Icmpv6Repr::EchoRequest { ident, seq_no, data } =
        Icmpv6Repr::parse(&request.src_addr, &request.dst_addr, &icmp, &checksums).ok()?
    else {
        return None;
    };
    let reply = Icmpv6Repr::EchoReply { ident, seq_no, data };
    let header = Ipv6Repr {
        src_addr: request.dst_addr,
        dst_addr: request.src_addr,
        next_header: IpProtocol::Icmpv6,
        payload_len: reply.buffer_len(),
        hop_limit: HOP_LIMIT,
    };
    let mut bytes = vec![0; header.buffer_len() + reply.buffer_len()];
    header.emit(&mut Ipv6Packet::new_unchecked(&mut bytes));
    reply.emit(
        &request.dst_addr,
        &request.src_addr,
        &mut Icmpv6Packet::new_unchecked(&mut bytes[header.buffer_len()..]),
        &checksums,
    );
    Some(bytes)
}

/// The answer to a question for the time of day (RFC 4330 §5, figure 1), if a datagram is one. It is so long since the
/// [beginning of the world](EPOCH).
pub fn answer_ntp(packet: &Ipv4Packet<&[u8]>, now: Instant) -> Option<Vec<u8>> {
    const ANSWER_LEN: usize = 48;
    /// From 1900, where NTP begins to count, to 1970 (RFC 868).
    const UNIX_EPOCH: u64 = 2_208_988_800;
    if packet.next_header() != IpProtocol::Udp {
        return None;
    }
    let datagram = UdpPacket::new_checked(packet.payload()).ok()?;
    let question = datagram.payload().first_chunk::<ANSWER_LEN>()?;
    // A client's, of version 3 or 4.
    if datagram.dst_port() != NTP_PORT || !matches!(question[0] & 0x3F, 0x1B | 0x23) {
        return None;
    }
    let micros = now.total_micros().cast_unsigned();
    let seconds = UNIX_EPOCH + EPOCH + micros / 1_000_000;
    let fraction = ((micros % 1_000_000) << 32) / 1_000_000;
    let moment = ((seconds << 32) | fraction).to_be_bytes();
    let mut answer = [0; ANSWER_LEN];
    // The same version, from a server of stratum 2, whose reference is a second old.
    answer[0] = question[0] & 0x38 | 4;
    answer[1..4].copy_from_slice(&[2, question[2], 0xEC]);
    answer[12..16].copy_from_slice(&HOST.octets());
    answer[16..24].copy_from_slice(&((seconds - 1) << 32).to_be_bytes());
    answer[24..32].copy_from_slice(&question[40..48]);
    answer[32..40].copy_from_slice(&moment);
    answer[40..48].copy_from_slice(&moment);
    let (from, to) = ((packet.dst_addr(), NTP_PORT), (packet.src_addr(), datagram.src_port()));
    Some(packet::udp(from, to, &answer))
}

/// The address in `fe80::/64` with this interface identifier (RFC 5072 §5).
pub fn link_local(interface_identifier: [u8; 8]) -> Ipv6Address {
    let mut octets = [0; 16];
    octets[..2].copy_from_slice(&[0xFE, 0x80]);
    octets[8..].copy_from_slice(&interface_identifier);
    octets.into()
}

fn ipv4_reply(request: &Ipv4Repr, payload_len: usize) -> (Vec<u8>, usize) {
    let header = Ipv4Repr {
        src_addr: request.dst_addr,
        dst_addr: request.src_addr,
        next_header: request.next_header,
        payload_len,
        hop_limit: HOP_LIMIT,
    };
    let mut bytes = vec![0; header.buffer_len() + payload_len];
    header.emit(&mut Ipv4Packet::new_unchecked(&mut bytes), &ChecksumCapabilities::default());
    (bytes, header.buffer_len())
}

/// Answers a query with one question: type A with [`HOST`], type AAAA with [`HOST6`], anything else with no records. A name
/// that begins with `ipv4` or `ipv6` has an address of that family alone.
pub(super) fn answer_dns(query: &[u8]) -> Option<Vec<u8>> {
    const HEADER: usize = 12;
    let (header, questions) = query.split_at_checked(HEADER)?;
    if header[2] & 0x80 != 0 || header[4..6] != [0, 1] {
        return None; // a response, or not exactly one question
    }
    let mut name = 0;
    while *questions.get(name)? != 0 {
        name += usize::from(questions[name]) + 1;
    }
    let question = questions.get(..name + 5)?;
    let first = question.get(1..5).unwrap_or_default().to_ascii_lowercase();
    let address = match question[name + 1..] {
        [0, 1, 0, 1] if first != *b"ipv6" => HOST.octets().to_vec(),
        [0, 28, 0, 1] if first != *b"ipv4" => HOST6.octets().to_vec(),
        _ => Vec::new(),
    };
    let answers = u8::from(!address.is_empty());
    let mut reply = vec![header[0], header[1], 0x81, 0x80, 0, 1, 0, answers, 0, 0, 0, 0];
    reply.extend_from_slice(question);
    if answers != 0 {
        reply.extend_from_slice(&[0xC0, HEADER as u8, 0, question[name + 2], 0, 1, 0, 0, 0, 60]);
        reply.extend_from_slice(&[0, address.len() as u8]);
        reply.extend_from_slice(&address);
    }
    Some(reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBSCRIBER: Ipv4Address = Ipv4Address::new(100, 64, 0, 7);

    fn ping_from(source: Ipv4Address) -> Vec<u8> {
        let echo = Icmpv4Repr::EchoRequest { ident: 7, seq_no: 1, data: b"gatelet" };
        let header = Ipv4Repr {
            src_addr: source,
            dst_addr: HOST,
            next_header: IpProtocol::Icmp,
            payload_len: echo.buffer_len(),
            hop_limit: 64,
        };
        let mut bytes = vec![0; header.buffer_len() + echo.buffer_len()];
        header.emit(&mut Ipv4Packet::new_unchecked(&mut bytes), &ChecksumCapabilities::default());
        echo.emit(
            &mut Icmpv4Packet::new_unchecked(&mut bytes[header.buffer_len()..]),
            &ChecksumCapabilities::default(),
        );
        bytes
    }

    #[test]
    fn a_ping_comes_back_with_its_data() {
        let reply = answer_ipv4(&ping_from(SUBSCRIBER), SUBSCRIBER).expect("answered");
        let packet = Ipv4Packet::new_checked(&reply[..]).unwrap();
        assert!(packet.verify_checksum());
        assert_eq!((packet.src_addr(), packet.dst_addr()), (HOST, SUBSCRIBER));
        let icmp = Icmpv4Packet::new_checked(packet.payload()).unwrap();
        assert_eq!(
            Icmpv4Repr::parse(&icmp, &ChecksumCapabilities::default()),
            Ok(Icmpv4Repr::EchoReply { ident: 7, seq_no: 1, data: b"gatelet" })
        );
    }

    #[test]
    fn somebody_elses_source_address_is_dropped() {
        assert_eq!(answer_ipv4(&ping_from(HOST), SUBSCRIBER), None);
    }

    #[test]
    fn the_time_is_told_to_who_asks() {
        let mut question = [0; 48];
        gatelet_wire::ntp::emit_request(&mut question, 77).unwrap();
        let now = Instant::from_millis(90_500);
        let ask = |port, data: &[u8]| {
            let packet = packet::udp((SUBSCRIBER, 5000), (HOST, port), data);
            answer_ntp(&Ipv4Packet::new_checked(&packet[..]).unwrap(), now)
        };
        let answer = ask(123, &question).expect("answered");
        let answer = Ipv4Packet::new_checked(&answer[..]).unwrap();
        let datagram = UdpPacket::new_checked(answer.payload()).unwrap();
        let answer = gatelet_wire::ntp::Answer::parse(datagram.payload()).unwrap();
        assert_eq!((answer.origin, answer.stratum, answer.unix_seconds()), (77, 2, EPOCH + 90));
        assert_eq!(answer.transmit & 0xFFFF_FFFF, 1 << 31, "half a second");
        assert_eq!(
            (ask(124, &question), ask(123, &question[..47]), ask(123, &[0x24; 48])),
            (None, None, None)
        );
    }

    #[test]
    fn a_name_resolves() {
        let query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x02up\x04test\x00\x00\x01\x00\x01";
        let reply = answer_dns(query).expect("answered");
        assert_eq!(reply[..4], [0x12, 0x34, 0x81, 0x80]);
        assert_eq!(reply[reply.len() - 4..], HOST.octets());
        assert_eq!(answer_dns(&reply), None, "never answers an answer");
        let mut six = query.to_vec();
        let kind = six.len() - 3;
        six[kind] = 28;
        let reply = answer_dns(&six).expect("answered");
        assert_eq!(reply[reply.len() - 18..], [&[0, 16], &HOST6.octets()[..]].concat());
        let only = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04ipv4\x00\x00\x1C\x00\x01";
        assert_eq!(answer_dns(only).expect("answered")[6..8], [0, 0], "it has no IPv6 address");
        assert_eq!(answer_dns(&query[..20]), None);
    }
}
