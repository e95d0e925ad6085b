//! Packets made by hand, for those who do not play by the rules; and whether a packet is in order.

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    EthernetAddress, EthernetProtocol, Icmpv4Message, Icmpv4Packet, Icmpv4Repr, IpAddress, IpProtocol,
    Ipv4Address, Ipv4Packet, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber, UdpPacket, UdpRepr,
};

/// An address and a port.
pub type Endpoint = (Ipv4Address, u16);

const IPV4_HEADER: usize = 20;
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

/// A UDP datagram in an IPv4 packet.
pub fn udp(from: Endpoint, to: Endpoint, data: &[u8]) -> Vec<u8> {
    let (source, destination) = (IpAddress::Ipv4(from.0), IpAddress::Ipv4(to.0));
    let repr = UdpRepr { src_port: from.1, dst_port: to.1 };
    let mut payload = vec![0; repr.header_len() + data.len()];
    let mut packet = UdpPacket::new_unchecked(&mut payload);
    let fill = |room: &mut [u8]| room.copy_from_slice(data);
    repr.emit(&mut packet, &source, &destination, data.len(), fill, &CHECKSUMS());
    ipv4(from.0, to.0, IpProtocol::Udp, Fragment::default(), &payload)
}

/// A TCP segment without data in an IPv4 packet; a SYN allows segments that fill an Ethernet frame.
pub fn tcp(from: Endpoint, to: Endpoint, control: TcpControl, seq: u32, ack: Option<u32>) -> Vec<u8> {
    tcp_with_mss(from, to, control, seq, ack, MSS)
}

/// [`tcp`], with the MSS that a SYN allows.
pub fn tcp_with_mss(
    from: Endpoint,
    to: Endpoint,
    control: TcpControl,
    seq: u32,
    ack: Option<u32>,
    mss: u16,
) -> Vec<u8> {
    let (source, destination) = (IpAddress::Ipv4(from.0), IpAddress::Ipv4(to.0));
    let repr = TcpRepr {
        src_port: from.1,
        dst_port: to.1,
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
    ipv4(from.0, to.0, IpProtocol::Tcp, Fragment::default(), &payload)
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

/// What a frame, untagged, carries if it is IPv4.
pub fn ipv4_in_frame(frame: &[u8]) -> Option<&[u8]> {
    let (header, payload) = frame.split_at_checked(ETHERNET_HEADER)?;
    (header[12..] == [0x08, 0x00]).then_some(payload)
}

/// Whether an IPv4 packet is in order: lengths and every checksum.
///
/// # Errors
/// What is wrong.
pub fn inspect(bytes: &[u8]) -> Result<(), &'static str> {
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
