//! The packets that are sent through, built by smoltcp.

use gatelet_hal::{Frame, HEADROOM};
use gatelet_wire::Ipv4Address;
use gatelet_wire::ethernet::{self, Header, MIN_FRAME_LEN};
use gatelet_wire::ppp::{PROTOCOL_LEN, Protocol as PppProtocol};
use gatelet_wire::pppoe::{self, SESSION_OVERHEAD};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    IpAddress, IpProtocol, Ipv4Packet, Ipv4Repr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber, UdpPacket,
    UdpRepr,
};

use crate::flow::{Flow, Protocol};
use crate::{AC_MAC, LAN_MAC, SESSION_ID, WAN_ADDRESS, WAN_MAC, host_address, host_mac};

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

/// Source and destination of a packet, as the receiver sees them behind the router.
pub(crate) fn addresses_behind(direction: Direction, flow: &Flow) -> (Ipv4Address, Ipv4Address) {
    match direction {
        Direction::Up => (WAN_ADDRESS, flow.remote),
        Direction::Down => (flow.remote, host_address(flow.host)),
    }
}
