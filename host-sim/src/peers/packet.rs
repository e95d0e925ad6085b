//! Packets made by hand, for those who do not play by the rules; and whether a packet is in order.

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    EthernetAddress, EthernetProtocol, Icmpv4Message, Icmpv4Packet, Icmpv4Repr, Icmpv6Packet, IpAddress,
    IpProtocol, Ipv4Address, Ipv4Packet, Ipv6Address, Ipv6Packet, TcpControl, TcpPacket, TcpRepr,
    TcpSeqNumber, UdpPacket, UdpRepr,
};

/// An address and a port.
pub type Endpoint<A = Ipv4Address> = (A, u16);

const IPV4_HEADER: usize = 20;
/// Of an IPv6 packet without extension headers (RFC 8200 §3).
pub const IPV6_HEADER: usize = 40;
/// The least MTU of IPv6 (RFC 8200 §5), and so the longest ICMPv6 error.
pub const IPV6_LEAST_MTU: usize = 1280;
const ETHERNET_HEADER: usize = 14;
const ICMP_HEADER: usize = 8;
/// What fits into an Ethernet frame (RFC 9293 §3.7.1).
const MSS: u16 = 1460;
const HOP_LIMIT: u8 = 64;
const CHECKSUMS: fn() -> ChecksumCapabilities = ChecksumCapabilities::default;

/// An IPv4 packet, which may be a fragment: `offset` is in octets.
pub fn ipv4(
    from: Ipv4Address,
    to: Ipv4Address,
    protocol: IpProtocol,
    fragment: Fragment,
    payload: &[u8],
) -> Vec<u8> {
    let mut bytes = vec![0; IPV4_HEADER + payload.len()];
    bytes[IPV4_HEADER..].copy_from_slice(payload);
    let total = bytes.len() as u16;
    let mut packet = Ipv4Packet::new_unchecked(&mut bytes);
    packet.set_version(4);
    packet.set_header_len(IPV4_HEADER as u8);
    packet.set_total_len(total);
    packet.set_ident(fragment.ident);
    packet.set_more_frags(fragment.more);
    packet.set_frag_offset(fragment.offset);
    packet.set_hop_limit(HOP_LIMIT);
    packet.set_next_header(protocol);
    packet.set_src_addr(from);
    packet.set_dst_addr(to);
    packet.fill_checksum();
    bytes
}

/// Which part of a datagram a packet is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fragment {
    /// Which datagram.
    pub ident: u16,
    /// From which octet on.
    pub offset: u16,
    /// Whether there is more behind it.
    pub more: bool,
}

/// An IPv6 packet; `protocol` is what follows the header at once.
pub fn ipv6(
    from: Ipv6Address,
    to: Ipv6Address,
    protocol: IpProtocol,
    hop_limit: u8,
    payload: &[u8],
) -> Vec<u8> {
    let mut bytes = vec![0; IPV6_HEADER + payload.len()];
    bytes[IPV6_HEADER..].copy_from_slice(payload);
    let mut packet = Ipv6Packet::new_unchecked(&mut bytes);
    packet.set_version(6);
    packet.set_payload_len(payload.len() as u16);
    packet.set_next_header(protocol);
    packet.set_hop_limit(hop_limit);
    packet.set_src_addr(from);
    packet.set_dst_addr(to);
    bytes
}

/// A packet of the family that both addresses have.
fn ip(from: IpAddress, to: IpAddress, protocol: IpProtocol, payload: &[u8]) -> Vec<u8> {
    match (from, to) {
        (IpAddress::Ipv4(from), IpAddress::Ipv4(to)) => {
            ipv4(from, to, protocol, Fragment::default(), payload)
        }
        (IpAddress::Ipv6(from), IpAddress::Ipv6(to)) => ipv6(from, to, protocol, HOP_LIMIT, payload),
        _ => panic!("{from} and {to} are of two families"),
    }
}

/// A UDP datagram in an IP packet.
pub fn udp<A: Into<IpAddress>>(from: Endpoint<A>, to: Endpoint<A>, data: &[u8]) -> Vec<u8> {
    let (source, from) = (from.0.into(), from.1);
    let (destination, to) = (to.0.into(), to.1);
    let repr = UdpRepr { src_port: from, dst_port: to };
    let mut payload = vec![0; repr.header_len() + data.len()];
    let mut packet = UdpPacket::new_unchecked(&mut payload);
    let fill = |room: &mut [u8]| room.copy_from_slice(data);
    repr.emit(&mut packet, &source, &destination, data.len(), fill, &CHECKSUMS());
    ip(source, destination, IpProtocol::Udp, &payload)
}

/// A TCP segment without data in an IP packet; a SYN allows segments that fill an Ethernet frame with IPv4.
pub fn tcp<A: Into<IpAddress>>(
    from: Endpoint<A>,
    to: Endpoint<A>,
    control: TcpControl,
    seq: u32,
    ack: Option<u32>,
) -> Vec<u8> {
    tcp_with_mss(from, to, control, seq, ack, MSS)
}

/// [`tcp`], with the MSS that a SYN allows.
pub fn tcp_with_mss<A: Into<IpAddress>>(
    from: Endpoint<A>,
    to: Endpoint<A>,
    control: TcpControl,
    seq: u32,
    ack: Option<u32>,
    mss: u16,
) -> Vec<u8> {
    let (source, from) = (from.0.into(), from.1);
    let (destination, to) = (to.0.into(), to.1);
    let repr = TcpRepr {
        src_port: from,
        dst_port: to,
        control,
        seq_number: TcpSeqNumber(seq.cast_signed()),
        ack_number: ack.map(|ack| TcpSeqNumber(ack.cast_signed())),
        window_len: 8192,
        window_scale: None,
        max_seg_size: (control == TcpControl::Syn).then_some(mss),
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: &[],
    };
    let mut payload = vec![0; repr.buffer_len()];
    repr.emit(&mut TcpPacket::new_unchecked(&mut payload), &source, &destination, &CHECKSUMS());
    ip(source, destination, IpProtocol::Tcp, &payload)
}

/// An ICMP message in an IPv4 packet.
pub fn icmp(from: Ipv4Address, to: Ipv4Address, message: &Icmpv4Repr<'_>) -> Vec<u8> {
    let mut payload = vec![0; message.buffer_len()];
    message.emit(&mut Icmpv4Packet::new_unchecked(&mut payload), &CHECKSUMS());
    ipv4(from, to, IpProtocol::Icmp, Fragment::default(), &payload)
}

/// An ICMP error about a packet, of which as much is quoted as fits into 576 octets (RFC 1812 §4.3.2.3). `rest` are the
/// four octets behind the checksum.
pub fn icmp_error(
    from: Ipv4Address,
    to: Ipv4Address,
    kind: u8,
    code: u8,
    rest: [u8; 4],
    about: &[u8],
) -> Vec<u8> {
    let quoted = &about[..about.len().min(576 - IPV4_HEADER - ICMP_HEADER)];
    let mut payload = vec![0; ICMP_HEADER];
    payload[0] = kind;
    payload[1] = code;
    payload[4..8].copy_from_slice(&rest);
    payload.extend_from_slice(quoted);
    Icmpv4Packet::new_unchecked(&mut payload).fill_checksum();
    ipv4(from, to, IpProtocol::Icmp, Fragment::default(), &payload)
}

/// An ICMPv6 message (RFC 4443 §2.1): its type, its code, and what is behind the checksum.
pub fn icmpv6(
    from: Ipv6Address,
    to: Ipv6Address,
    hop_limit: u8,
    (kind, code): (u8, u8),
    body: &[u8],
) -> Vec<u8> {
    let mut payload = vec![kind, code, 0, 0];
    payload.extend_from_slice(body);
    Icmpv6Packet::new_unchecked(&mut payload).fill_checksum(&from, &to);
    ipv6(from, to, IpProtocol::Icmpv6, hop_limit, &payload)
}

/// An ICMPv6 error about a packet, of which as much is quoted as fits into the least MTU (RFC 4443 §2.4). `rest` are the
/// four octets behind the checksum.
pub fn icmpv6_error(
    from: Ipv6Address,
    to: Ipv6Address,
    kind_and_code: (u8, u8),
    rest: [u8; 4],
    about: &[u8],
) -> Vec<u8> {
    let quoted = &about[..about.len().min(IPV6_LEAST_MTU - IPV6_HEADER - ICMP_HEADER)];
    icmpv6(from, to, HOP_LIMIT, kind_and_code, &[&rest[..], quoted].concat())
}

/// What is behind the headers of an IPv6 packet, and of which protocol it is. `None` where that cannot be said: of a
/// fragment, or where a header is cut short.
pub fn ipv6_payload(bytes: &[u8]) -> Option<(IpProtocol, &[u8])> {
    let packet = Ipv6Packet::new_checked(bytes).ok()?;
    let (mut protocol, mut rest) = (packet.next_header(), packet.payload());
    while matches!(protocol, IpProtocol::HopByHop | IpProtocol::Ipv6Route | IpProtocol::Ipv6Opts) {
        let &[next, length, ..] = rest else { return None };
        protocol = next.into();
        rest = rest.get(8 * (usize::from(length) + 1)..)?;
    }
    (protocol != IpProtocol::Ipv6Frag).then_some((protocol, rest))
}

/// A frame.
pub fn ethernet(
    source: EthernetAddress,
    destination: EthernetAddress,
    kind: EthernetProtocol,
    payload: &[u8],
) -> Vec<u8> {
    let mut frame = Vec::with_capacity(ETHERNET_HEADER + payload.len());
    frame.extend_from_slice(&ethernet_header(source, destination, kind));
    frame.extend_from_slice(payload);
    frame.resize(frame.len().max(60), 0);
    frame
}

/// Its header.
pub fn ethernet_header(
    source: EthernetAddress,
    destination: EthernetAddress,
    kind: EthernetProtocol,
) -> [u8; ETHERNET_HEADER] {
    let mut header = [0; ETHERNET_HEADER];
    header[..6].copy_from_slice(destination.as_bytes());
    header[6..12].copy_from_slice(source.as_bytes());
    header[12..].copy_from_slice(&u16::from(kind).to_be_bytes());
    header
}

/// The IPv6 packet at the beginning of a payload, without what pads a short frame.
pub fn ipv6_of(payload: &[u8]) -> Option<&[u8]> {
    let packet = Ipv6Packet::new_checked(payload).ok()?;
    payload.get(..packet.total_len()).filter(|bytes| is_ipv6(bytes))
}

/// What a frame, untagged, carries if it is IPv4.
pub fn ipv4_in_frame(frame: &[u8]) -> Option<&[u8]> {
    let (header, payload) = frame.split_at_checked(ETHERNET_HEADER)?;
    (header[12..] == [0x08, 0x00]).then_some(payload)
}

/// What a frame, untagged, carries if it is IPv6.
pub fn ipv6_in_frame(frame: &[u8]) -> Option<&[u8]> {
    let (header, payload) = frame.split_at_checked(ETHERNET_HEADER)?;
    (header[12..] == [0x86, 0xDD]).then_some(payload)
}

/// Whether a packet says that it is IPv6.
pub fn is_ipv6(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| first >> 4 == 6)
}

/// Whether an IP packet is in order: lengths and every checksum.
///
/// # Errors
/// What is wrong.
pub fn inspect(bytes: &[u8]) -> Result<(), &'static str> {
    if is_ipv6(bytes) { inspect_ipv6(bytes) } else { inspect_ipv4(bytes) }
}

fn inspect_ipv6(bytes: &[u8]) -> Result<(), &'static str> {
    let packet = Ipv6Packet::new_checked(bytes).map_err(|_| "its lengths do not fit together")?;
    if packet.hop_limit() == 0 {
        return Err("its hop limit is 0");
    }
    let (from, to) = (packet.src_addr(), packet.dst_addr());
    let Some((protocol, payload)) = ipv6_payload(bytes) else { return Ok(()) };
    let right = match protocol {
        IpProtocol::Udp => {
            let datagram = UdpPacket::new_checked(payload).map_err(|_| "its UDP length does not fit")?;
            // RFC 8200 §8.1: there must be one.
            datagram.checksum() != 0 && datagram.verify_checksum(&from.into(), &to.into())
        }
        IpProtocol::Tcp => {
            let segment = TcpPacket::new_checked(payload).map_err(|_| "its TCP offset does not fit")?;
            segment.verify_checksum(&from.into(), &to.into())
        }
        IpProtocol::Icmpv6 => {
            let message =
                Icmpv6Packet::new_checked(payload).map_err(|_| "its ICMPv6 message is cut short")?;
            message.verify_checksum(&from, &to)
        }
        _ => true,
    };
    if right { Ok(()) } else { Err("the checksum of what it carries is wrong") }
}

fn inspect_ipv4(bytes: &[u8]) -> Result<(), &'static str> {
    let packet = Ipv4Packet::new_checked(bytes).map_err(|_| "its lengths do not fit together")?;
    if !packet.verify_checksum() {
        return Err("its header checksum is wrong");
    }
    if packet.hop_limit() == 0 {
        return Err("its time to live is 0");
    }
    if packet.more_frags() || packet.frag_offset() != 0 {
        return Ok(());
    }
    let (from, to) = (IpAddress::Ipv4(packet.src_addr()), IpAddress::Ipv4(packet.dst_addr()));
    let payload = packet.payload();
    let right = match packet.next_header() {
        IpProtocol::Udp => {
            let datagram = UdpPacket::new_checked(payload).map_err(|_| "its UDP length does not fit")?;
            datagram.verify_checksum(&from, &to)
        }
        IpProtocol::Tcp => {
            let segment = TcpPacket::new_checked(payload).map_err(|_| "its TCP offset does not fit")?;
            segment.verify_checksum(&from, &to)
        }
        IpProtocol::Icmp => {
            let message = Icmpv4Packet::new_checked(payload).map_err(|_| "its ICMP message is cut short")?;
            message.verify_checksum() && quote_is_right(message.msg_type(), &payload[ICMP_HEADER..])
        }
        _ => true,
    };
    if right { Ok(()) } else { Err("the checksum of what it carries is wrong") }
}

/// Whether the header that an ICMP error quotes has the right checksum: NAT has to see to that, too (RFC 5508 REQ-4).
fn quote_is_right(kind: Icmpv4Message, quote: &[u8]) -> bool {
    let is_error = matches!(kind, Icmpv4Message::DstUnreachable | Icmpv4Message::TimeExceeded);
    !is_error || quote.len() < IPV4_HEADER || Ipv4Packet::new_unchecked(quote).verify_checksum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Endpoint = (Ipv4Address::new(10, 0, 0, 1), 4000);
    const THERE: Endpoint = (Ipv4Address::new(192, 0, 2, 80), 80);
    const HERE6: Endpoint<Ipv6Address> = (Ipv6Address::new(0x2001, 0xDB8, 0, 0, 0, 0, 0, 1), 4000);
    const THERE6: Endpoint<Ipv6Address> = (Ipv6Address::new(0x2001, 0xDB8, 0, 0, 0, 0, 0, 2), 80);

    #[test]
    fn so_is_what_is_made_for_ipv6() {
        let datagram = udp(HERE6, THERE6, b"hello");
        let error = icmpv6_error(THERE6.0, HERE6.0, (2, 0), [0, 0, 5, 0], &datagram);
        // A datagram behind Hop-by-Hop and Destination Options of eight octets each.
        let mut options = vec![60, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0];
        options.extend_from_slice(&datagram[IPV6_HEADER..]);
        let behind = ipv6(HERE6.0, THERE6.0, IpProtocol::HopByHop, 64, &options);
        assert_eq!(ipv6_payload(&behind), Some((IpProtocol::Udp, &datagram[IPV6_HEADER..])));
        for packet in [tcp(HERE6, THERE6, TcpControl::Syn, 7, None), error, behind, datagram] {
            assert_eq!(inspect(&packet), Ok(()));
            for octet in 0..packet.len() {
                let mut damaged = packet.clone();
                damaged[octet] ^= 0x10;
                // Of the headers only addresses are under a checksum, and what has options hides what is behind them.
                let is_header = octet < 8 || packet[6] == 0 && (40..56).contains(&octet);
                assert!(inspect(&damaged).is_err() || is_header, "octet {octet} of {packet:02x?}");
            }
        }
    }

    #[test]
    fn what_is_made_by_hand_is_in_order_until_a_bit_flips() {
        let datagram = udp(HERE, THERE, b"hello");
        let packets = [
            tcp(HERE, THERE, TcpControl::Syn, 7, None),
            icmp_error(THERE.0, HERE.0, 3, 4, [0, 0, 5, 0], &datagram),
            datagram,
        ];
        for packet in packets {
            assert_eq!(inspect(&packet), Ok(()));
            for octet in 0..packet.len() {
                let mut damaged = packet.clone();
                damaged[octet] ^= 0x10;
                // A flag of a fragment hides what is behind it, another protocol has no checksum we know.
                assert!(inspect(&damaged).is_err() || octet < IPV4_HEADER, "octet {octet} of {packet:02x?}");
            }
        }
    }
}
