//! The packets that are sent through, built by smoltcp.

use gatelet_hal::{Frame, HEADROOM};
use gatelet_wire::ethernet::{self, Header, MIN_FRAME_LEN};
use gatelet_wire::ppp::{PROTOCOL_LEN, Protocol as PppProtocol};
use gatelet_wire::pppoe::{self, SESSION_OVERHEAD};
use gatelet_wire::{Ipv4Address, Ipv6Address};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    IpAddress, IpProtocol, Ipv4Packet, Ipv4Repr, Ipv6Packet, Ipv6Repr, TcpControl, TcpPacket, TcpRepr,
    TcpSeqNumber, UdpPacket, UdpRepr,
};

use crate::flow::{Family, Flow, Protocol};
use crate::{
    AC_MAC, BROKER, LAN_MAC, SESSION_ID, WAN_ADDRESS, WAN_MAC, host_address, host_address6, host_mac,
    remote_address6,
};

/// What a packet of a flow is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The first segment of a TCP connection.
    Syn,
    /// The answer to it.
    SynAck,
    /// So many octets of payload; 0 for TCP is a mere acknowledgement.
    Data(usize),
}

/// Which way a packet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the LAN to the Internet.
    Up,
    /// Back.
    Down,
}

/// TTL of what is sent.
pub(crate) const HOP_LIMIT: u8 = 64;
/// The MSS option of a SYN: what an Ethernet host says.
pub(crate) const MSS: u16 = 1460;
/// The protocol of IPv6 in IPv4.
pub(crate) const SIT: u8 = 41;
/// The longest payload.
const PAYLOAD_MAX: usize = 1400;

/// Fills `frame` as the wire would have.
pub(crate) fn fill(frame: &mut Frame<'_>, direction: Direction, flow: &Flow, kind: Kind, number: u32) {
    let (source, destination) = match direction {
        Direction::Up => (host_address(flow.host), flow.remote),
        Direction::Down => (flow.remote, WAN_ADDRESS),
    };
    let (source_port, destination_port) = match direction {
        Direction::Up => (flow.host_port, flow.remote_port),
        Direction::Down => (flow.remote_port, flow.external_port),
    };
    let mut payload = [0; PAYLOAD_MAX];
    let payload = payload_of(kind, number, &mut payload);
    if flow.family == Family::SixInFour {
        return fill_tunnelled(frame, direction, flow, kind, payload);
    }
    let tcp = tcp(direction, kind, source_port, destination_port, payload);
    let (protocol, len) = match flow.protocol {
        Protocol::Udp => (IpProtocol::Udp, 8 + payload.len()),
        Protocol::Tcp => (IpProtocol::Tcp, tcp.buffer_len()),
    };
    let ip = Ipv4Repr {
        src_addr: source,
        dst_addr: destination,
        next_header: protocol,
        payload_len: len,
        hop_limit: HOP_LIMIT,
    };

    frame.clear(HEADROOM);
    match direction {
        Direction::Up => {
            let header = Header {
                destination: LAN_MAC,
                source: host_mac(flow.host),
                vlan: None,
                ether_type: ethernet::IPV4,
            };
            emit(&header, frame);
        }
        Direction::Down => {
            let header = Header {
                destination: WAN_MAC,
                source: AC_MAC,
                vlan: None,
                ether_type: ethernet::PPPOE_SESSION,
            };
            emit(&header, frame);
            let mut session = [0; pppoe::HEADER_LEN];
            let length = ip.buffer_len() + len + PROTOCOL_LEN;
            pppoe::emit_session_header(&mut session, SESSION_ID, length as u16);
            assert!(frame.extend(&session) && frame.extend(&u16::from(PppProtocol::Ipv4).to_be_bytes()));
        }
    }
    let room = frame.push_back(ip.buffer_len() + len).expect("a frame has room for a packet");
    let mut packet = Ipv4Packet::new_unchecked(room);
    ip.emit(&mut packet, &ChecksumCapabilities::default());
    let (from, to) = (IpAddress::Ipv4(source), IpAddress::Ipv4(destination));
    let room = packet.payload_mut();
    match flow.protocol {
        Protocol::Udp => {
            let udp = UdpRepr { src_port: source_port, dst_port: destination_port };
            let mut datagram = UdpPacket::new_unchecked(room);
            let copy = |room: &mut [u8]| room.copy_from_slice(payload);
            udp.emit(&mut datagram, &from, &to, payload.len(), copy, &ChecksumCapabilities::default());
        }
        Protocol::Tcp => {
            tcp.emit(&mut TcpPacket::new_unchecked(room), &from, &to, &ChecksumCapabilities::default());
        }
    }
    if let Some(padding) = MIN_FRAME_LEN.checked_sub(frame.len()) {
        assert!(frame.extend(&[0; MIN_FRAME_LEN][..padding]));
    }
}

/// [`fill`] for IPv6: plain on the LAN, in the tunnel on the line.
fn fill_tunnelled(frame: &mut Frame<'_>, direction: Direction, flow: &Flow, kind: Kind, payload: &[u8]) {
    let (host, remote) = (host_address6(flow.host), remote_address6(flow.remote));
    let (source, destination, source_port, destination_port) = match direction {
        Direction::Up => (host, remote, flow.host_port, flow.remote_port),
        Direction::Down => (remote, host, flow.remote_port, flow.host_port),
    };
    let tcp = tcp(direction, kind, source_port, destination_port, payload);
    let (next_header, payload_len) = match flow.protocol {
        Protocol::Udp => (IpProtocol::Udp, 8 + payload.len()),
        Protocol::Tcp => (IpProtocol::Tcp, tcp.buffer_len()),
    };
    let ip =
        Ipv6Repr { src_addr: source, dst_addr: destination, next_header, payload_len, hop_limit: HOP_LIMIT };
    let len = ip.buffer_len() + payload_len;
    frame.clear(HEADROOM);
    match direction {
        Direction::Up => {
            let (destination, source) = (LAN_MAC, host_mac(flow.host));
            emit(&Header { destination, source, vlan: None, ether_type: ethernet::IPV6 }, frame);
        }
        Direction::Down => {
            let (destination, source) = (WAN_MAC, AC_MAC);
            emit(&Header { destination, source, vlan: None, ether_type: ethernet::PPPOE_SESSION }, frame);
            let outer = Ipv4Repr {
                src_addr: BROKER,
                dst_addr: WAN_ADDRESS,
                next_header: IpProtocol::from(SIT),
                payload_len: len,
                hop_limit: HOP_LIMIT,
            };
            let mut session = [0; pppoe::HEADER_LEN];
            let length = outer.buffer_len() + len + PROTOCOL_LEN;
            pppoe::emit_session_header(&mut session, SESSION_ID, length as u16);
            assert!(frame.extend(&session) && frame.extend(&u16::from(PppProtocol::Ipv4).to_be_bytes()));
            let room = frame.push_back(outer.buffer_len()).expect("a frame has room for a header");
            outer.emit(&mut Ipv4Packet::new_unchecked(room), &ChecksumCapabilities::default());
        }
    }
    let room = frame.push_back(len).expect("a frame has room for a packet");
    let mut packet = Ipv6Packet::new_unchecked(room);
    ip.emit(&mut packet);
    let (from, to) = (IpAddress::Ipv6(source), IpAddress::Ipv6(destination));
    let room = packet.payload_mut();
    match flow.protocol {
        Protocol::Udp => {
            let udp = UdpRepr { src_port: source_port, dst_port: destination_port };
            let mut datagram = UdpPacket::new_unchecked(room);
            let copy = |room: &mut [u8]| room.copy_from_slice(payload);
            udp.emit(&mut datagram, &from, &to, payload.len(), copy, &ChecksumCapabilities::default());
        }
        Protocol::Tcp => {
            tcp.emit(&mut TcpPacket::new_unchecked(room), &from, &to, &ChecksumCapabilities::default());
        }
    }
}

/// The payload of a packet: as long as `kind` says, different for each `number`.
pub(crate) fn payload_of(kind: Kind, number: u32, buffer: &mut [u8; PAYLOAD_MAX]) -> &[u8] {
    let len = if let Kind::Data(len) = kind { len.min(PAYLOAD_MAX) } else { 0 };
    for (index, chunk) in buffer.chunks_mut(4).enumerate() {
        chunk.copy_from_slice(&number.wrapping_add(index as u32).to_le_bytes()[..chunk.len()]);
    }
    &buffer[..len]
}

/// The length of the longest frame that goes out: what `kind` takes as a `PPPoE` frame.
pub(crate) const fn overhead(direction: Direction) -> usize {
    match direction {
        Direction::Up => ethernet::HEADER_LEN + SESSION_OVERHEAD,
        Direction::Down => ethernet::HEADER_LEN,
    }
}

fn emit(header: &Header, frame: &mut Frame<'_>) {
    let room = frame.push_back(header.len()).expect("a frame has room for its header");
    header.emit(room).expect("it is as long as the header");
}

fn tcp(direction: Direction, kind: Kind, source: u16, destination: u16, payload: &[u8]) -> TcpRepr<'_> {
    let up = direction == Direction::Up;
    let (ours, theirs) = if up { (1000, 5000) } else { (5000, 1000) };
    let syn = matches!(kind, Kind::Syn | Kind::SynAck);
    TcpRepr {
        src_port: source,
        dst_port: destination,
        control: if syn { TcpControl::Syn } else { TcpControl::Psh },
        seq_number: TcpSeqNumber(ours + i32::from(!syn)),
        ack_number: (kind != Kind::Syn).then_some(TcpSeqNumber(theirs + 1)),
        window_len: 64240,
        window_scale: syn.then_some(7),
        max_seg_size: syn.then_some(MSS),
        sack_permitted: syn,
        sack_ranges: [None; 3],
        timestamp: None,
        payload,
    }
}

/// Source and destination of an IPv6 packet, which nobody changes.
pub(crate) fn addresses6(direction: Direction, flow: &Flow) -> (Ipv6Address, Ipv6Address) {
    let (host, remote) = (host_address6(flow.host), remote_address6(flow.remote));
    if direction == Direction::Up { (host, remote) } else { (remote, host) }
}

/// Source and destination of a packet, as the receiver sees them behind the router.
pub(crate) fn addresses_behind(direction: Direction, flow: &Flow) -> (Ipv4Address, Ipv4Address) {
    match direction {
        Direction::Up => (WAN_ADDRESS, flow.remote),
        Direction::Down => (flow.remote, host_address(flow.host)),
    }
}
