//! Looks at what the router sends into the LAN: is it in order, and did anybody ask for it?

use smoltcp::wire::{
    Icmpv4Message, Icmpv4Packet, IpAddress, IpProtocol, Ipv4Packet, Ipv6Packet, TcpPacket, UdpPacket,
};

use crate::peers::host::{Machine, News};
use crate::peers::internet::{ATTACKER, ATTACKER6};
use crate::peers::ndp::{self, Advertisement};
use crate::peers::packet;
use crate::timeline::Tone;

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watch {
    /// IP packets of the router's.
    pub packets: u64,
    /// Those that are not in order.
    pub malformed: u64,
    /// Those that nobody asked for.
    pub intruded: u64,
    /// `ICMPv6` errors that somebody forged, about packets of the host's own.
    pub forged_errors: u64,
    /// What was wrong with the first that was not in order.
    pub complaint: Option<String>,
}

impl Watch {
    /// A frame of the router's for `host`. News if it should not have come.
    pub(super) fn inspect(&mut self, frame: &[u8], host: &Machine<'_>) -> Option<News> {
        let packet = packet::ipv4_in_frame(frame).or_else(|| packet::ipv6_in_frame(frame))?;
        self.packets += 1;
        let is_ipv6 = packet::is_ipv6(packet);
        let advertised = Advertisement::parse(packet).filter(|_| is_ipv6).transpose();
        if let Err(complaint) = packet::inspect(packet).and(advertised.map(drop)) {
            self.malformed += 1;
            let packet = &packet[..packet.len().min(48)];
            self.complaint.get_or_insert_with(|| format!("{complaint}: {packet:02x?}"));
            return None;
        }
        let (what, source) = if is_ipv6 {
            let source = Ipv6Packet::new_unchecked(packet).src_addr();
            let unwelcome = unwelcome_ipv6(packet, host);
            let is_icmp = packet::ipv6_payload(packet).is_some_and(|(known, _)| known == IpProtocol::Icmpv6);
            self.forged_errors += u64::from(is_icmp && source == ATTACKER6 && unwelcome.is_none());
            (unwelcome?, IpAddress::Ipv6(source))
        } else {
            (unwelcome(packet, host)?, IpAddress::Ipv4(Ipv4Packet::new_unchecked(packet).src_addr()))
        };
        self.intruded += 1;
        let what = format!("{}: {what} gets in", host.name());
        Some(News { tag: "intruded", tone: Tone::Bad, what, why: format!("from {source}") })
    }
}

/// What is unwelcome about a packet, if anything is.
fn unwelcome(bytes: &[u8], host: &Machine<'_>) -> Option<&'static str> {
    let lease = host.lease()?;
    let packet = Ipv4Packet::new_unchecked(bytes);
    let source = packet.src_addr();
    if source == lease.gateway || packet.dst_addr().is_broadcast() {
        return None;
    }
    if lease.address.contains_addr(&source) {
        return Some("a packet that claims to be the LAN's own");
    }
    if packet.frag_offset() != 0 {
        return (source == ATTACKER).then_some("a fragment");
    }
    match packet.next_header() {
        IpProtocol::Tcp => {
            let segment = TcpPacket::new_checked(packet.payload()).ok()?;
            let unasked = segment.syn() && !segment.ack() && !host.expects(segment.dst_port());
            (unasked || source == ATTACKER).then_some("a TCP segment nobody asked for")
        }
        IpProtocol::Udp => {
            let datagram = UdpPacket::new_checked(packet.payload()).ok()?;
            let unasked = source == ATTACKER && !host.expects(datagram.dst_port());
            unasked.then_some("a datagram nobody asked for")
        }
        IpProtocol::Icmp => {
            let message = Icmpv4Packet::new_checked(packet.payload()).ok()?;
            match message.msg_type() {
                Icmpv4Message::EchoRequest => Some("an echo request"),
                Icmpv4Message::EchoReply => None,
                // About a packet this host may have sent, or about none of its own.
                _ => {
                    let about = Ipv4Packet::new_unchecked(message.data());
                    let ours = message.data().len() >= 20 && about.src_addr() == lease.address.address();
                    (!ours).then_some("an ICMP error about somebody else's packet")
                }
            }
        }
        _ => Some("a packet of an unknown protocol"),
    }
}

/// The same for IPv6. Pings may come in (RFC 4890 §4.3.1).
fn unwelcome_ipv6(bytes: &[u8], host: &Machine<'_>) -> Option<&'static str> {
    let packet = Ipv6Packet::new_unchecked(bytes);
    let source = packet.src_addr();
    let is_own = |address| host.ipv6_addresses().any(|cidr| cidr.address() == address);
    if ndp::is_link_local(source) {
        let router = host.ipv6_router()?;
        return (source != router).then_some("a packet of another link's");
    }
    if is_own(source) {
        return Some("a packet that claims to be its own");
    }
    let Some((protocol, payload)) = packet::ipv6_payload(bytes) else {
        return (source == ATTACKER6).then_some("a fragment");
    };
    match protocol {
        IpProtocol::Tcp => {
            let segment = TcpPacket::new_checked(payload).ok()?;
            let unasked = segment.syn() && !segment.ack() && !host.expects(segment.dst_port());
            (unasked || source == ATTACKER6).then_some("a TCP segment nobody asked for")
        }
        IpProtocol::Icmpv6 => {
            /// RFC 4443 §2.1: errors are below.
            const FIRST_INFORMATIONAL: u8 = 128;
            const HEADER: usize = 8;
            let about = payload.get(HEADER..).filter(|quote| quote.len() >= packet::IPV6_HEADER)?;
            let about = Ipv6Packet::new_unchecked(about).src_addr();
            let is_error = payload[0] < FIRST_INFORMATIONAL;
            (is_error && !is_own(about)).then_some("an ICMPv6 error about somebody else's packet")
        }
        _ => (source == ATTACKER6).then_some("a packet nobody asked for"),
    }
}
