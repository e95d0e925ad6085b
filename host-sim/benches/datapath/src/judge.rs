//! Whether what came out is what should have, by smoltcp's code.

use gatelet_hal::Frame;
use gatelet_router::Egress;
use gatelet_wire::ethernet::{self, Header};
use gatelet_wire::pppoe::{Code, Packet};
use gatelet_wire::{EthernetAddress, ppp};
use smoltcp::wire::{IpAddress, IpProtocol, Ipv4Packet, Ipv6Packet, TcpOption, TcpPacket, UdpPacket};

use crate::flow::{Family, Flow, Protocol};
use crate::packet::{Direction, HOP_LIMIT, Kind, SIT, addresses_behind, addresses6, overhead, payload_of};
use crate::{AC_MAC, BROKER, LAN, LAN_MAC, SESSION_ID, WAN, WAN_ADDRESS, WAN_MAC, host_mac};

/// The largest MSS that fits a session of MRU 1492 (RFC 4638 is not spoken here).
const MSS_MAX: u16 = 1452;
/// The largest that fits through a tunnel over it.
const MSS_MAX_TUNNELLED: u16 = 1412;

/// Judges the frame that came out for a packet of `flow`, and notes the port the flow got. Panics with what is wrong.
pub(crate) fn judge(
    out: &(Egress, Frame<'_>),
    direction: Direction,
    flow: &mut Flow,
    kind: Kind,
    number: u32,
) {
    let (egress, frame) = out;
    let (header, rest) = Header::parse(frame.bytes()).expect("readable Ethernet header");
    assert_eq!(header.vlan, None);
    let packet = match direction {
        Direction::Up => {
            assert_eq!((*egress, header.source, header.destination), (Egress::Port(WAN), WAN_MAC, AC_MAC));
            assert_eq!(header.ether_type, ethernet::PPPOE_SESSION);
            let session = Packet::parse(rest).expect("readable PPPoE header");
            assert_eq!((session.code, session.session_id), (Code::Session, SESSION_ID));
            assert_eq!(session.payload.len() + 6, rest.len(), "PPPoE length");
            let (protocol, packet) = ppp::parse(session.payload).expect("readable PPP protocol");
            assert_eq!(protocol, ppp::Protocol::Ipv4);
            packet
        }
        Direction::Down => {
            let mac: EthernetAddress = host_mac(flow.host);
            assert_eq!((*egress, header.source, header.destination), (Egress::Port(LAN), LAN_MAC, mac));
            let expected = if flow.family == Family::Nat { ethernet::IPV4 } else { ethernet::IPV6 };
            assert_eq!(header.ether_type, expected);
            rest
        }
    };
    if flow.family == Family::SixInFour {
        return judge_tunnelled(packet, direction, flow, kind, number);
    }
    let packet = Ipv4Packet::new_checked(packet).expect("readable IPv4 header");
    assert!(packet.verify_checksum(), "IPv4 checksum");
    assert_eq!(frame.len(), overhead(direction) + usize::from(packet.total_len()), "padding");
    assert_eq!(packet.hop_limit(), HOP_LIMIT - 1);
    let (source, destination) = addresses_behind(direction, flow);
    assert_eq!((packet.src_addr(), packet.dst_addr()), (source, destination));

    let (from, to) = (IpAddress::Ipv4(source), IpAddress::Ipv4(destination));
    let (source_port, destination_port) = match flow.protocol {
        Protocol::Udp => {
            assert_eq!(packet.next_header(), IpProtocol::Udp);
            let datagram = UdpPacket::new_checked(packet.payload()).expect("readable UDP header");
            assert!(datagram.checksum() != 0 && datagram.verify_checksum(&from, &to), "UDP checksum");
            same_payload(datagram.payload(), kind, number);
            (datagram.src_port(), datagram.dst_port())
        }
        Protocol::Tcp => {
            assert_eq!(packet.next_header(), IpProtocol::Tcp);
            let segment = TcpPacket::new_checked(packet.payload()).expect("readable TCP header");
            assert!(segment.verify_checksum(&from, &to), "TCP checksum");
            assert_eq!(segment.syn(), matches!(kind, Kind::Syn | Kind::SynAck));
            same_payload(segment.payload(), kind, number);
            if segment.syn() {
                let mss = mss(segment.options());
                assert_eq!(mss, Some(MSS_MAX), "MSS");
            }
            (segment.src_port(), segment.dst_port())
        }
    };
    match direction {
        Direction::Up => {
            assert_eq!(destination_port, flow.remote_port);
            assert!(source_port != 0 && (flow.external_port == 0 || flow.external_port == source_port));
            flow.external_port = source_port;
        }
        Direction::Down => assert_eq!((source_port, destination_port), (flow.remote_port, flow.host_port)),
    }
}

/// Judges what is behind the header of the link.
fn judge_tunnelled(packet: &[u8], direction: Direction, flow: &Flow, kind: Kind, number: u32) {
    let inner = match direction {
        Direction::Up => {
            let outer = Ipv4Packet::new_checked(packet).expect("readable IPv4 header");
            assert!(outer.verify_checksum(), "IPv4 checksum");
            assert_eq!(usize::from(outer.total_len()), packet.len(), "padding");
            assert_eq!((outer.src_addr(), outer.dst_addr()), (WAN_ADDRESS, BROKER));
            assert_eq!((u8::from(outer.next_header()), outer.hop_limit()), (SIT, 255));
            outer.payload()
        }
        Direction::Down => packet,
    };
    let packet = Ipv6Packet::new_checked(inner).expect("readable IPv6 header");
    assert_eq!(packet.total_len(), inner.len(), "padding");
    assert_eq!(packet.hop_limit(), HOP_LIMIT - 1);
    let (source, destination) = addresses6(direction, flow);
    assert_eq!((packet.src_addr(), packet.dst_addr()), (source, destination));
    let (from, to) = (IpAddress::Ipv6(source), IpAddress::Ipv6(destination));
    let ports = match flow.protocol {
        Protocol::Udp => {
            let datagram = UdpPacket::new_checked(packet.payload()).expect("readable UDP header");
            assert!(datagram.verify_checksum(&from, &to), "UDP checksum");
            same_payload(datagram.payload(), kind, number);
            (datagram.src_port(), datagram.dst_port())
        }
        Protocol::Tcp => {
            let segment = TcpPacket::new_checked(packet.payload()).expect("readable TCP header");
            assert!(segment.verify_checksum(&from, &to), "TCP checksum");
            same_payload(segment.payload(), kind, number);
            if segment.syn() {
                assert_eq!(mss(segment.options()), Some(MSS_MAX_TUNNELLED), "MSS");
            }
            (segment.src_port(), segment.dst_port())
        }
    };
    let expected = match direction {
        Direction::Up => (flow.host_port, flow.remote_port),
        Direction::Down => (flow.remote_port, flow.host_port),
    };
    assert_eq!(ports, expected);
}

fn same_payload(payload: &[u8], kind: Kind, number: u32) {
    assert!(payload == payload_of(kind, number, &mut [0; 1400]), "payload");
}

fn mss(mut options: &[u8]) -> Option<u16> {
    loop {
        match TcpOption::parse(options) {
            Ok((_, TcpOption::MaxSegmentSize(mss))) => return Some(mss),
            Ok((_, TcpOption::EndOfList)) | Err(_) => return None,
            Ok((rest, _)) => options = rest,
        }
    }
}
