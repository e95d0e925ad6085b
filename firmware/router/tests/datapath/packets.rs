//! Packets: put together, taken apart into words, and judged by smoltcp's checksum code.

use std::fmt::Write as _;

use smoltcp::wire::{Icmpv4Packet, IpAddress, IpProtocol, Ipv4Address, Ipv4Packet, TcpPacket, UdpPacket};

pub(crate) type Endpoint = (Ipv4Address, u16);

pub(crate) const FIN: u8 = 0x01;
pub(crate) const SYN: u8 = 0x02;
pub(crate) const RST: u8 = 0x04;
pub(crate) const ACK: u8 = 0x10;

/// The TTL of what tests send: neither the 64 of the router's own packets nor next to it.
pub(crate) const TTL: u8 = 50;

pub(crate) const UNREACHABLE: u8 = 3;
pub(crate) const TIME_EXCEEDED: u8 = 11;

/// An IPv4 packet with a right header checksum.
pub(crate) fn ip(protocol: u8, from: Ipv4Address, to: Ipv4Address, payload: &[u8]) -> Vec<u8> {
    ip_with(protocol, from, to, &[], payload)
}

/// [`ip`] with options, padded by the caller.
pub(crate) fn ip_with(
    protocol: u8,
    from: Ipv4Address,
    to: Ipv4Address,
    options: &[u8],
    payload: &[u8],
) -> Vec<u8> {
    let header_len = 20 + options.len();
    let mut bytes = vec![0; header_len];
    bytes[0] = 0x40 | (header_len / 4) as u8;
    bytes[2..4].copy_from_slice(&((header_len + payload.len()) as u16).to_be_bytes());
    bytes[4..6].copy_from_slice(&0x3039_u16.to_be_bytes());
    bytes[8] = TTL;
    bytes[9] = protocol;
    bytes[12..16].copy_from_slice(&from.octets());
    bytes[16..20].copy_from_slice(&to.octets());
    bytes[20..].copy_from_slice(options);
    bytes.extend(payload);
    edited(bytes, |_| ())
}

/// The packet after a change, its IP checksum right again.
pub(crate) fn edited(mut packet: Vec<u8>, change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    change(&mut packet);
    Ipv4Packet::new_unchecked(&mut packet[..]).fill_checksum();
    packet
}

pub(crate) fn with_ttl(packet: Vec<u8>, ttl: u8) -> Vec<u8> {
    edited(packet, |bytes| bytes[8] = ttl)
}

pub(crate) fn dont_fragment(packet: Vec<u8>) -> Vec<u8> {
    edited(packet, |bytes| bytes[6] |= 0x40)
}

pub(crate) fn udp(from: Endpoint, to: Endpoint, data: &[u8]) -> Vec<u8> {
    let mut datagram = vec![0; 8];
    datagram.extend(data);
    let len = datagram.len() as u16;
    let mut packet = UdpPacket::new_unchecked(&mut datagram[..]);
    packet.set_src_port(from.1);
    packet.set_dst_port(to.1);
    packet.set_len(len);
    packet.fill_checksum(&IpAddress::Ipv4(from.0), &IpAddress::Ipv4(to.0));
    ip(17, from.0, to.0, &datagram)
}

/// Of a UDP packet, the checksum that says that there is none.
pub(crate) fn without_checksum(mut packet: Vec<u8>) -> Vec<u8> {
    packet[26..28].fill(0);
    packet
}

/// A segment; its sequence number is 1000, its acknowledgement 2000.
pub(crate) fn tcp(from: Endpoint, to: Endpoint, flags: u8) -> Vec<u8> {
    tcp_with(from, to, flags, &[], &[])
}

/// A segment with options, padded by the caller, and data.
pub(crate) fn tcp_with(from: Endpoint, to: Endpoint, flags: u8, options: &[u8], data: &[u8]) -> Vec<u8> {
    let mut segment = vec![0; 20];
    segment[..2].copy_from_slice(&from.1.to_be_bytes());
    segment[2..4].copy_from_slice(&to.1.to_be_bytes());
    segment[4..8].copy_from_slice(&1000_u32.to_be_bytes());
    if flags & ACK != 0 {
        segment[8..12].copy_from_slice(&2000_u32.to_be_bytes());
    }
    segment[12] = (((20 + options.len()) / 4) as u8) << 4;
    segment[13] = flags;
    segment[14..16].copy_from_slice(&0x2000_u16.to_be_bytes());
    segment.extend(options);
    segment.extend(data);
    TcpPacket::new_unchecked(&mut segment[..])
        .fill_checksum(&IpAddress::Ipv4(from.0), &IpAddress::Ipv4(to.0));
    ip(6, from.0, to.0, &segment)
}

pub(crate) fn icmp(
    from: Ipv4Address,
    to: Ipv4Address,
    (kind, code): (u8, u8),
    rest: [u8; 4],
    data: &[u8],
) -> Vec<u8> {
    let mut message = vec![kind, code, 0, 0];
    message.extend(rest);
    message.extend(data);
    Icmpv4Packet::new_unchecked(&mut message[..]).fill_checksum();
    ip(1, from, to, &message)
}

pub(crate) fn ping(from: Ipv4Address, to: Ipv4Address, id: u16) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    icmp(from, to, (8, 0), [high, low, 0, 1], b"0123456789")
}

pub(crate) fn pong(from: Ipv4Address, to: Ipv4Address, id: u16) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    icmp(from, to, (0, 0), [high, low, 0, 1], b"0123456789")
}

/// The error message about a packet, of which `quoted` bytes behind the IP header are in it.
pub(crate) fn icmp_error(
    from: Ipv4Address,
    to: Ipv4Address,
    kind: (u8, u8),
    about: &[u8],
    quoted: usize,
) -> Vec<u8> {
    let header_len = usize::from(about[0] & 0x0F) * 4;
    icmp(from, to, kind, [0; 4], &about[..about.len().min(header_len + quoted)])
}

/// The packet in parts of `step` bytes of payload.
pub(crate) fn fragments(packet: &[u8], step: usize) -> Vec<Vec<u8>> {
    let (header, payload) = packet.split_at(usize::from(packet[0] & 0x0F) * 4);
    let parts: Vec<_> = payload.chunks(step).collect();
    let last = parts.len() - 1;
    (0..=last).map(|n| fragment(header, n * step, parts[n], n < last)).collect()
}

/// One part of a datagram with `header`.
pub(crate) fn fragment(header: &[u8], offset: usize, part: &[u8], more: bool) -> Vec<u8> {
    let len = usize::from(header[0] & 0x0F) * 4;
    edited([&header[..len], part].concat(), |bytes| {
        bytes[2..4].copy_from_slice(&((len + part.len()) as u16).to_be_bytes());
        let field = (offset / 8) as u16 | if more { 0x2000 } else { 0 };
        bytes[6..8].copy_from_slice(&field.to_be_bytes());
    })
}

/// The datagram of which these are all the fragments, in any order.
pub(crate) fn reassembled(fragments: &[Vec<u8>]) -> Vec<u8> {
    let mut fragments = fragments.to_vec();
    fragments.sort_by_key(|bytes| Ipv4Packet::new_unchecked(&bytes[..]).frag_offset());
    let header_len = usize::from(fragments[0][0] & 0x0F) * 4;
    let mut whole = fragments[0][..header_len].to_vec();
    for (n, bytes) in fragments.iter().enumerate() {
        let packet = Ipv4Packet::new_checked(&bytes[..]).expect("readable");
        assert_eq!(usize::from(packet.frag_offset()), whole.len() - header_len, "no gap, no overlap");
        assert_eq!(packet.more_frags(), n + 1 < fragments.len());
        whole.extend(packet.payload());
    }
    let len = whole.len() as u16;
    let whole = edited(whole, |bytes| {
        bytes[2..4].copy_from_slice(&len.to_be_bytes());
        bytes[6..8].fill(0);
    });
    check(&whole);
    whole
}

pub(crate) fn ttl(packet: &[u8]) -> u8 {
    packet[8]
}

/// What a packet is, in words.
pub(crate) fn words(bytes: &[u8]) -> String {
    let packet = Ipv4Packet::new_unchecked(bytes);
    let (from, to) = (packet.src_addr(), packet.dst_addr());
    let payload = bytes.get(usize::from(packet.header_len())..).unwrap_or_default();
    let port = |at: usize| payload.get(at..at + 2).map_or(0, |port| u16::from_be_bytes([port[0], port[1]]));
    let place = match (packet.frag_offset(), packet.more_frags()) {
        (0, false) => String::new(),
        (offset, true) => format!(" part {offset}+"),
        (offset, false) => format!(" part {offset}"),
    };
    if packet.frag_offset() != 0 {
        return format!("{} {from} > {to}{place}", u8::from(packet.next_header()));
    }
    match packet.next_header() {
        IpProtocol::Udp => format!("UDP {from}:{} > {to}:{}{place}", port(0), port(2)),
        IpProtocol::Tcp => {
            let mut flags = String::new();
            for (bit, letter) in [(SYN, 'S'), (FIN, 'F'), (RST, 'R'), (ACK, 'A')] {
                if payload.get(13).is_some_and(|flags| flags & bit != 0) {
                    flags.push(letter);
                }
            }
            format!("TCP {from}:{} > {to}:{} {flags}{place}", port(0), port(2))
        }
        IpProtocol::Icmp => {
            let mut said = match (payload[0], payload[1]) {
                (8, 0) => format!("ping {}", port(4)),
                (0, 0) => format!("pong {}", port(4)),
                (3, 4) => format!("3/4 mtu {}", port(6)),
                (kind, code) => format!("{kind}/{code}"),
            };
            if matches!(payload[0], 3 | 4 | 5 | 11 | 12) {
                write!(said, " [{}]", words(&payload[8..])).expect("a string");
            }
            format!("ICMP {from} > {to} {said}{place}")
        }
        other => format!("{} {from} > {to}{place}", u8::from(other)),
    }
}

/// Panics unless the IP header's length and checksum hold.
#[track_caller]
pub(crate) fn check_header(bytes: &[u8]) {
    let packet = Ipv4Packet::new_checked(bytes).unwrap_or_else(|_| panic!("unreadable: {bytes:02x?}"));
    assert_eq!(usize::from(packet.total_len()), bytes.len(), "no padding: {bytes:02x?}");
    assert!(packet.verify_checksum(), "IP checksum of {bytes:02x?}");
}

/// Panics unless every length and every checksum of the packet holds.
#[track_caller]
pub(crate) fn check(bytes: &[u8]) {
    check_header(bytes);
    let packet = Ipv4Packet::new_unchecked(bytes);
    let said = words(bytes);
    if packet.frag_offset() == 0 && !packet.more_frags() {
        check_transport(&packet, &said);
    }
}

#[track_caller]
fn check_transport(packet: &Ipv4Packet<&[u8]>, said: &str) {
    let (from, to) = (IpAddress::Ipv4(packet.src_addr()), IpAddress::Ipv4(packet.dst_addr()));
    match packet.next_header() {
        IpProtocol::Udp => {
            let datagram = UdpPacket::new_checked(packet.payload()).expect("readable");
            assert!(datagram.verify_checksum(&from, &to), "UDP checksum of {said}");
        }
        IpProtocol::Tcp => {
            let segment = TcpPacket::new_checked(packet.payload()).expect("readable");
            assert!(segment.verify_checksum(&from, &to), "TCP checksum of {said}");
            assert_ne!(segment.checksum(), 0xFFFF, "zero is spelt 0000: {said}");
        }
        IpProtocol::Icmp => {
            let message = Icmpv4Packet::new_checked(packet.payload()).expect("readable");
            assert!(message.verify_checksum(), "ICMP checksum of {said}");
            if matches!(packet.payload()[0], 3 | 4 | 5 | 11 | 12) {
                check_quote(&packet.payload()[8..]);
            }
        }
        _ => {}
    }
}

/// Of a quoted packet: the IP checksum, and that of the transport if all of it is there.
#[track_caller]
fn check_quote(bytes: &[u8]) {
    let quote = Ipv4Packet::new_unchecked(bytes);
    assert!(quote.verify_checksum(), "IP checksum of the quoted {}", words(bytes));
    if usize::from(quote.total_len()) == bytes.len() {
        check(bytes);
    }
}
