//! IPv6 packets: put together, taken apart into words, and judged by smoltcp's checksum code.

use std::fmt::Write as _;

use smoltcp::wire::{Icmpv6Packet, IpAddress, Ipv6Address, Ipv6Packet, TcpPacket, UdpPacket};

use crate::packets::{ACK, FIN, RST, SYN, TTL};

pub(crate) type Endpoint6 = (Ipv6Address, u16);

pub(crate) fn at(text: &str) -> Ipv6Address {
    text.parse().expect("an address")
}

/// An IPv6 packet; `next` is what `payload` begins with.
pub(crate) fn ip6(next: u8, from: Ipv6Address, to: Ipv6Address, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x60, 0, 0, 0];
    bytes.extend((payload.len() as u16).to_be_bytes());
    bytes.extend([next, TTL]);
    bytes.extend(from.octets());
    bytes.extend(to.octets());
    bytes.extend(payload);
    bytes
}

pub(crate) fn with_hop_limit(mut packet: Vec<u8>, limit: u8) -> Vec<u8> {
    packet[7] = limit;
    packet
}

pub(crate) fn with_class(mut packet: Vec<u8>, class: u8) -> Vec<u8> {
    packet[0] = 0x60 | class >> 4;
    packet[1] = packet[1] & 0x0F | class << 4;
    packet
}

pub(crate) fn udp6(from: Endpoint6, to: Endpoint6, data: &[u8]) -> Vec<u8> {
    let mut datagram = vec![0; 8];
    datagram[..2].copy_from_slice(&from.1.to_be_bytes());
    datagram[2..4].copy_from_slice(&to.1.to_be_bytes());
    datagram[4..6].copy_from_slice(&(8 + data.len() as u16).to_be_bytes());
    datagram.extend(data);
    UdpPacket::new_unchecked(&mut datagram[..])
        .fill_checksum(&IpAddress::Ipv6(from.0), &IpAddress::Ipv6(to.0));
    ip6(17, from.0, to.0, &datagram)
}

pub(crate) fn tcp6(from: Endpoint6, to: Endpoint6, flags: u8) -> Vec<u8> {
    tcp6_with(from, to, flags, &[], &[])
}

pub(crate) fn tcp6_with(from: Endpoint6, to: Endpoint6, flags: u8, options: &[u8], data: &[u8]) -> Vec<u8> {
    let mut segment = vec![0; 20];
    segment[..2].copy_from_slice(&from.1.to_be_bytes());
    segment[2..4].copy_from_slice(&to.1.to_be_bytes());
    segment[4..8].copy_from_slice(&1000_u32.to_be_bytes());
    if flags & ACK != 0 {
        segment[8..12].copy_from_slice(&2000_u32.to_be_bytes());
    }
    segment[12] = (((20 + options.len()) / 4) as u8) << 4;
    segment[13] = flags;
    segment.extend(options);
    segment.extend(data);
    TcpPacket::new_unchecked(&mut segment[..])
        .fill_checksum(&IpAddress::Ipv6(from.0), &IpAddress::Ipv6(to.0));
    ip6(6, from.0, to.0, &segment)
}

pub(crate) fn icmp6(
    from: Ipv6Address,
    to: Ipv6Address,
    (kind, code): (u8, u8),
    rest: [u8; 4],
    data: &[u8],
) -> Vec<u8> {
    let mut message = vec![kind, code, 0, 0];
    message.extend(rest);
    message.extend(data);
    Icmpv6Packet::new_unchecked(&mut message[..]).fill_checksum(&from, &to);
    ip6(58, from, to, &message)
}

pub(crate) fn ping6(from: Ipv6Address, to: Ipv6Address, id: u16) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    icmp6(from, to, (128, 0), [high, low, 0, 1], b"0123456789")
}

pub(crate) fn pong6(from: Ipv6Address, to: Ipv6Address, id: u16) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    icmp6(from, to, (129, 0), [high, low, 0, 1], b"0123456789")
}

/// The error message about a packet.
pub(crate) fn error6(from: Ipv6Address, to: Ipv6Address, kind: (u8, u8), word: u32, about: &[u8]) -> Vec<u8> {
    icmp6(from, to, kind, word.to_be_bytes(), &about[..about.len().min(1232)])
}

/// A solicitation or an advertisement of Neighbor Discovery, with a link-layer address.
pub(crate) fn neighbour(
    from: Ipv6Address,
    to: Ipv6Address,
    kind: u8,
    flags: u8,
    target: Ipv6Address,
    option: &[u8],
) -> Vec<u8> {
    let mut data = target.octets().to_vec();
    data.extend(option);
    with_hop_limit(icmp6(from, to, (kind, 0), [flags, 0, 0, 0], &data), 255)
}

/// An extension header of 8 bytes that says nothing.
pub(crate) fn extended(packet: &[u8], kind: u8) -> Vec<u8> {
    let options = [packet[6], 0, 1, 4, 0, 0, 0, 0];
    let mut bytes = [&packet[..40], &options, &packet[40..]].concat();
    bytes[6] = kind;
    let len = (bytes.len() - 40) as u16;
    bytes[4..6].copy_from_slice(&len.to_be_bytes());
    bytes
}

/// The packet in parts of `step` bytes of payload.
pub(crate) fn fragments6(packet: &[u8], step: usize) -> Vec<Vec<u8>> {
    let (header, payload) = packet.split_at(40);
    let parts: Vec<_> = payload.chunks(step).collect();
    let last = parts.len() - 1;
    (0..=last).map(|n| fragment6(header, n * step, parts[n], n < last)).collect()
}

/// One part of a datagram with `header`.
pub(crate) fn fragment6(header: &[u8], offset: usize, part: &[u8], more: bool) -> Vec<u8> {
    let [high, low] = (offset as u16 | u16::from(more)).to_be_bytes();
    let fragment = [header[6], 0, high, low, 1, 2, 3, 4];
    let mut bytes = [&header[..40], &fragment, part].concat();
    bytes[6] = 44;
    bytes[4..6].copy_from_slice(&((8 + part.len()) as u16).to_be_bytes());
    bytes
}

/// What a packet is, in words.
pub(crate) fn words6(bytes: &[u8]) -> String {
    let packet = Ipv6Packet::new_unchecked(bytes);
    let (from, to) = (packet.src_addr(), packet.dst_addr());
    let (mut next, mut payload, mut place) = (bytes[6], &bytes[40..], String::new());
    while matches!(next, 0 | 43 | 44 | 60) {
        if next == 44 {
            let field = u16::from_be_bytes([payload[2], payload[3]]);
            let more = if field & 1 == 0 { "" } else { "+" };
            place = format!(" part {}{more}", field & !7);
            if field & !7 != 0 {
                return format!("{} {from} > {to}{place}", payload[0]);
            }
        }
        (next, payload) = (payload[0], &payload[8 * (1 + usize::from(payload[1]))..]);
    }
    let port = |at: usize| payload.get(at..at + 2).map_or(0, |port| u16::from_be_bytes([port[0], port[1]]));
    match next {
        17 => format!("UDP [{from}]:{} > [{to}]:{}{place}", port(0), port(2)),
        6 => {
            let mut flags = String::new();
            for (bit, letter) in [(SYN, 'S'), (FIN, 'F'), (RST, 'R'), (ACK, 'A')] {
                if payload.get(13).is_some_and(|flags| flags & bit != 0) {
                    flags.push(letter);
                }
            }
            format!("TCP [{from}]:{} > [{to}]:{} {flags}{place}", port(0), port(2))
        }
        58 => {
            let target = |at: usize| {
                let octets: [u8; 16] = payload[at..at + 16].try_into().expect("a target");
                Ipv6Address::from(octets)
            };
            let mut said = match (payload[0], payload[1]) {
                (128, 0) => format!("ping {}", port(4)),
                (129, 0) => format!("pong {}", port(4)),
                (2, 0) => format!("too big, {}", port(6)),
                (135, 0) => format!("who has {}", target(8)),
                (136, 0) => format!("I have {} ({:#04x})", target(8), payload[4]),
                (kind, code) => format!("{kind}/{code}"),
            };
            if payload[0] < 128 {
                write!(said, " [{}]", words6(&payload[8..])).expect("a string");
            }
            format!("ICMP {from} > {to} {said}{place}")
        }
        other => format!("{other} {from} > {to}{place}"),
    }
}

/// Panics unless every length and every checksum of the packet holds.
#[track_caller]
pub(crate) fn check6(bytes: &[u8]) {
    let packet = Ipv6Packet::new_checked(bytes).unwrap_or_else(|_| panic!("unreadable: {bytes:02x?}"));
    assert_eq!(packet.total_len(), bytes.len(), "no padding: {bytes:02x?}");
    let (from, to) = (IpAddress::Ipv6(packet.src_addr()), IpAddress::Ipv6(packet.dst_addr()));
    let said = words6(bytes);
    match bytes[6] {
        17 => {
            let datagram = UdpPacket::new_checked(packet.payload()).expect("readable");
            assert!(datagram.verify_checksum(&from, &to), "UDP checksum of {said}");
        }
        6 => {
            let segment = TcpPacket::new_checked(packet.payload()).expect("readable");
            assert!(segment.verify_checksum(&from, &to), "TCP checksum of {said}");
        }
        58 => {
            let message = Icmpv6Packet::new_checked(packet.payload()).expect("readable");
            assert!(message.verify_checksum(&packet.src_addr(), &packet.dst_addr()), "checksum of {said}");
            if packet.payload()[0] < 128 {
                assert!(bytes.len() <= 1280, "an error fits everywhere");
            }
        }
        _ => {}
    }
}
