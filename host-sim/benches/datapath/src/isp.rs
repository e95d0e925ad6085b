//! Who else is on the wires, as far as the router must hear from them before it can forward: a concentrator that
//! agrees to everything, and LAN hosts that answer ARP. Neither remembers anything.

use gatelet_hal::PortId;
use gatelet_wire::ethernet::{self, Header, MIN_FRAME_LEN};
use gatelet_wire::ndp::{self, Message};
use gatelet_wire::ppp::{self, Control, Protocol, ipcp, lcp};
use gatelet_wire::pppoe::{self, Code, Packet, TagKind, TagSet};
use gatelet_wire::{EthernetAddress, Ipv4Address};
use heapless::Vec;
use smoltcp::wire::{ArpOperation, ArpPacket, ArpRepr};

use crate::{
    AC_MAC, HOSTS, LAN, LAN_MAC, SESSION_ID, WAN_ADDRESS, WAN_MAC, host_address, host_address6, host_mac,
};

/// The concentrator's own address, and that of its name server.
const AC_ADDRESS: Ipv4Address = Ipv4Address::new(10, 0, 0, 1);
/// What it says of the longest packet it receives.
const MRU: u16 = 1492;

/// A frame of theirs: control messages are short.
pub(crate) type Reply = Vec<u8, 256>;

/// What they answer to a frame that the router sent out of `port`: two frames at most.
pub(crate) fn answer(port: PortId, frame: &[u8]) -> Vec<Reply, 2> {
    let (header, rest) = Header::parse(frame).expect("the router sends readable frames");
    let mut replies = Vec::new();
    if port == LAN {
        if header.ether_type == ethernet::ARP {
            replies.extend(arp(rest));
        } else if header.ether_type == ethernet::IPV6 {
            replies.extend(advertisement(rest));
        }
        return replies;
    }
    let packet = Packet::parse(rest).expect("the router sends readable packets");
    match packet.code {
        Code::Padi => replies.extend([discovery(&packet, Code::Pado, 0)]),
        // RFC 1661 §3.4: the first Configure-Request needs no invitation.
        Code::Padr => {
            replies.extend([discovery(&packet, Code::Pads, SESSION_ID), configure_request(Protocol::Lcp)]);
        }
        Code::Session => {
            let (protocol, information) = ppp::parse(packet.payload).expect("readable");
            if let Ok(control) = Control::parse(information) {
                self::control(protocol, control, &mut replies);
            }
        }
        _ => {}
    }
    replies
}

fn arp(packet: &[u8]) -> Option<Reply> {
    let packet = ArpPacket::new_checked(packet).ok()?;
    let Ok(ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Request,
        target_protocol_addr,
        source_hardware_addr,
        source_protocol_addr,
        ..
    }) = ArpRepr::parse(&packet)
    else {
        return None;
    };
    let host = (0..HOSTS as u8).find(|host| host_address(*host) == target_protocol_addr)?;
    let reply = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Reply,
        source_hardware_addr: host_mac(host),
        source_protocol_addr: target_protocol_addr,
        target_hardware_addr: source_hardware_addr,
        target_protocol_addr: source_protocol_addr,
    };
    let mut bytes = [0; 28];
    reply.emit(&mut ArpPacket::new_unchecked(&mut bytes));
    Some(frame(source_hardware_addr, host_mac(host), ethernet::ARP, &bytes))
}

/// The answer to a Neighbor Solicitation.
fn advertisement(packet: &[u8]) -> Option<Reply> {
    let asked = ndp::Packet::parse(packet).ok()?;
    let Message::NeighborSolicitation { target } = asked.message else { return None };
    let host = (0..HOSTS as u8).find(|host| host_address6(*host) == target)?;
    let answer =
        Message::NeighborAdvertisement { target, is_router: false, is_solicited: true, overrides: true };
    let mut bytes = [0; 72];
    let len = ndp::Writer::new(&mut bytes, target, asked.source, &answer)
        .target_link_layer(host_mac(host))
        .finish()
        .expect("fits");
    Some(frame(LAN_MAC, host_mac(host), ethernet::IPV6, &bytes[..len]))
}

fn discovery(request: &Packet<'_>, code: Code, session_id: u16) -> Reply {
    let asked = TagSet::parse(request).expect("readable");
    let mut bytes = [0; 200];
    let mut writer = pppoe::Writer::new(&mut bytes, code, session_id);
    writer
        .push(TagKind::ServiceName, b"")
        .push(TagKind::AcName, b"bench")
        .push_some(TagKind::HostUniq, asked.host_uniq)
        .push_some(TagKind::AcCookie, asked.ac_cookie);
    let len = writer.finish().expect("fits");
    frame(WAN_MAC, AC_MAC, ethernet::PPPOE_DISCOVERY, &bytes[..len])
}

/// Agrees to what it is asked, and asks for its own once the client has got this far.
fn control(protocol: Protocol, control: Control<'_>, replies: &mut Vec<Reply, 2>) {
    let answer = |code| session(&emitted(protocol, Control { code, ..control }));
    let _ = match control.code {
        ppp::Code::ConfigureRequest if protocol == Protocol::Ipcp => {
            let address = control.options().flatten().find(|option| option.kind == 3);
            if address.is_some_and(|option| option.value == WAN_ADDRESS.octets()) {
                return replies.extend([answer(ppp::Code::ConfigureAck)]);
            }
            replies.extend([configure_nak(control), configure_request(Protocol::Ipcp)]);
            Ok(())
        }
        ppp::Code::ConfigureRequest => replies.push(answer(ppp::Code::ConfigureAck)),
        ppp::Code::EchoRequest => {
            let mut bytes = [0; 64];
            let echo = lcp::Echo { magic_number: 0x5E17_E121, data: &[] };
            let len = echo.emit(&mut bytes, ppp::Code::EchoReply, control.identifier).expect("fits");
            replies.push(session(&bytes[..len]))
        }
        _ => Ok(()),
    };
}

fn configure_request(protocol: Protocol) -> Reply {
    let mut bytes = [0; 64];
    let mut writer = ppp::Writer::new(&mut bytes, protocol, ppp::Code::ConfigureRequest, 1);
    if protocol == Protocol::Lcp {
        lcp::ConfigOption::MaximumReceiveUnit(MRU).write(&mut writer);
        lcp::ConfigOption::MagicNumber(0x5E17_E121).write(&mut writer);
    } else {
        ipcp::ConfigOption::IpAddress(AC_ADDRESS).write(&mut writer);
    }
    let len = writer.finish().expect("fits");
    session(&bytes[..len])
}

fn configure_nak(request: Control<'_>) -> Reply {
    let mut bytes = [0; 64];
    let mut writer =
        ppp::Writer::new(&mut bytes, Protocol::Ipcp, ppp::Code::ConfigureNak, request.identifier);
    for option in request.options().flatten() {
        match option.kind {
            3 => ipcp::ConfigOption::IpAddress(WAN_ADDRESS).write(&mut writer),
            129 => ipcp::ConfigOption::PrimaryDns(AC_ADDRESS).write(&mut writer),
            131 => ipcp::ConfigOption::SecondaryDns(AC_ADDRESS).write(&mut writer),
            _ => {}
        }
    }
    let len = writer.finish().expect("fits");
    session(&bytes[..len])
}

fn emitted(protocol: Protocol, control: Control<'_>) -> Vec<u8, 128> {
    let mut bytes = [0; 128];
    let len = control.emit(&mut bytes, protocol).expect("fits");
    Vec::from_slice(&bytes[..len]).expect("as long")
}

fn session(ppp: &[u8]) -> Reply {
    let mut bytes = [0; 200];
    let packet = Packet { code: Code::Session, session_id: SESSION_ID, payload: ppp };
    let len = packet.emit(&mut bytes).expect("fits");
    frame(WAN_MAC, AC_MAC, ethernet::PPPOE_SESSION, &bytes[..len])
}

fn frame(destination: EthernetAddress, source: EthernetAddress, ether_type: u16, payload: &[u8]) -> Reply {
    let header = Header { destination, source, vlan: None, ether_type };
    let mut frame = Reply::new();
    frame.resize(header.len(), 0).expect("fits");
    header.emit(&mut frame).expect("as long");
    frame.extend_from_slice(payload).expect("control messages are short");
    frame.resize(frame.len().max(MIN_FRAME_LEN), 0).expect("fits");
    frame
}
