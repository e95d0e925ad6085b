//! The other end of a line without PPP: the carrier's router on plain Ethernet, and its DHCP server.
//!
//! ```text
//!             ARP         ┌─ who is where ────────────┐
//!  router ══════════════► │ DHCP: OFFER, ACK, NAK      │ ──► Internet: what comes from the address it gave
//!         ◄══════════════ │ or an address for good     │ ◄── Internet: what is for that address
//!                         └────────────────────────────┘
//! ```
//!
//! It has one subscriber. Packets from any other address than the one he has at the moment, or had until a moment ago, are
//! counted and go nowhere: a client that goes on with an address that is over is seen.
//!
//! Its DHCP messages are smoltcp's, so that the client under test is not measured by its own formats. Reading list:
//! RFC 2131 §4.3 (server), RFC 826 (ARP), RFC 8910 §2.1 (option 114). What it does over IPv6 is in `ipv6`.

mod ipv6;

use std::collections::BTreeMap;

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, DhcpMessageType, DhcpOption, DhcpPacket, DhcpRepr, EthernetAddress,
    EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Address, Ipv4Cidr, Ipv4Packet, Ipv6Address, Ipv6Cidr,
    UdpPacket,
};

use self::ipv6::Side;
use super::concentrator::Ipv6Access;
use super::dhcpv6;
use super::internet::DNS;
use super::packet;
use crate::world::{Node, Outbox};

/// Its Ethernet address.
pub const EDGE_MAC: EthernetAddress = EthernetAddress([0x02, 0xED, 0, 0, 0, 1]);

/// RFC 2131 §4.1.
const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;
/// RFC 8910 §2.1.
const CAPTIVE_PORTAL: u8 = 114;
/// The first host that it gives to a subscriber, counted from the network's own address.
const FIRST_HOST: u32 = 10;
/// The number of a subscriber where there is one alone.
const SUBSCRIBER: u32 = 1;

/// What it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Its own address, and the network on the line.
    pub address: Ipv4Cidr,
    /// The subscriber's address for good. Without one, there is a DHCP server.
    pub fixed: Option<Ipv4Address>,
    /// How long a lease is; T1 and T2 are the half and seven eighths of it (RFC 2131 §4.4.5).
    pub lease: Duration,
    /// The page of a captive portal that it names.
    pub portal: Option<String>,
}

/// How its DHCP server is today.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mood {
    /// It answers.
    #[default]
    Well,
    /// It answers nothing.
    Silent,
    /// It answers broadcasts only, as where what is for the server alone does not reach it.
    DeafToRenewals,
}

/// What happened so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "each is named for what it counts")]
pub struct Counters {
    pub discovers: u64,
    pub requests: u64,
    /// Of the requests, those to it alone.
    pub renewals: u64,
    pub unanswered: u64,
    pub refused: u64,
    /// Packets whose source was not the subscriber's address.
    pub foreign_sources: u64,
    /// Packets of the Internet's for nobody who is here.
    pub undelivered: u64,
    /// Packets over IPv6 of the subscriber's for the edge itself that are not in order.
    pub malformed: u64,
}

/// The carrier's router.
#[derive(Debug)]
pub struct Edge {
    /// How its DHCP server is today.
    pub mood: Mood,
    settings: Settings,
    grant: Option<Grant>,
    /// His next request is to be refused.
    is_moving: bool,
    /// Which address is next.
    next: u32,
    neighbours: BTreeMap<Ipv4Address, EthernetAddress>,
    counters: Counters,
    ipv6: Option<Side>,
}

/// What the subscriber was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Grant {
    client: EthernetAddress,
    address: Ipv4Address,
    /// `None`: offered.
    until: Option<Instant>,
}

impl Edge {
    /// One whose subscriber has not come yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            mood: Mood::Well,
            settings,
            grant: None,
            is_moving: false,
            next: FIRST_HOST,
            neighbours: BTreeMap::new(),
            counters: Counters::default(),
            ipv6: None,
        }
    }

    /// There is IPv6, too.
    pub fn add_ipv6(&mut self, access: Ipv6Access) {
        self.add_ipv6_for(access, SUBSCRIBER, None);
    }

    /// The same for the subscriber of this number, which decides the prefixes. `also` is on the line beside its /64.
    pub fn add_ipv6_for(&mut self, access: Ipv6Access, subscriber: u32, also: Option<Ipv6Cidr>) {
        self.ipv6 = Some(Side::new(access, subscriber, also));
    }

    /// Whether an IPv6 address is of the subscriber's networks.
    pub fn has_ipv6(&self, now: Instant, address: Ipv6Address) -> bool {
        self.ipv6.as_ref().is_some_and(|ipv6| ipv6.has(now, address))
    }

    /// What its DHCPv6 server counted, if there is one.
    pub fn dhcpv6(&self) -> Option<&dhcpv6::Counters> {
        self.ipv6.as_ref().map(Side::dhcp)
    }

    /// How its DHCPv6 server is from now on.
    pub fn set_dhcpv6_mood(&mut self, mood: dhcpv6::Mood) {
        if let Some(ipv6) = &mut self.ipv6 {
            ipv6.mood = mood;
        }
    }

    /// The subscriber gets other prefixes, at once.
    pub fn renumber_ipv6(&mut self, now: Instant) {
        if let Some(ipv6) = &mut self.ipv6 {
            ipv6.renumber(now);
        }
    }

    /// What happened so far, over both families.
    pub fn counters(&self) -> Counters {
        let mut counters = self.counters;
        if let Some(ipv6) = &self.ipv6 {
            counters.foreign_sources += ipv6.foreign_sources;
            counters.undelivered += ipv6.undelivered;
            counters.malformed += ipv6.malformed + ipv6.dhcp().malformed;
        }
        counters
    }

    /// The subscriber's address at `now`.
    pub fn subscriber(&self, now: Instant) -> Option<Ipv4Address> {
        let granted = self.grant.filter(|grant| grant.until.is_some_and(|until| now < until));
        self.settings.fixed.or(granted.map(|grant| grant.address))
    }

    /// The subscriber is to have another address: his next request is refused. Until then he has the one he has.
    pub fn renumber(&mut self) {
        self.is_moving = true;
    }

    fn forget(&mut self) {
        self.grant = None;
        self.is_moving = false;
        self.next += 1;
    }

    /// A packet of the Internet's.
    pub fn deliver(&mut self, now: Instant, bytes: &[u8], out: &mut Outbox) {
        if packet::is_ipv6(bytes) {
            match &mut self.ipv6 {
                Some(ipv6) => ipv6.deliver(now, bytes, out),
                None => self.counters.undelivered += 1,
            }
            return;
        }
        let to = Ipv4Packet::new_unchecked(bytes).dst_addr();
        if self.subscriber(now) != Some(to) {
            self.counters.undelivered += 1;
            return;
        }
        if let Some(mac) = self.neighbours.get(&to) {
            out.send(&packet::ethernet(EDGE_MAC, *mac, EthernetProtocol::Ipv4, bytes));
        } else {
            // As routers do: the packet that asks for it is lost.
            self.counters.undelivered += 1;
            self.send_arp(ArpOperation::Request, EthernetAddress([0; 6]), to, out);
        }
    }

    fn send_arp(
        &self,
        operation: ArpOperation,
        mac: EthernetAddress,
        address: Ipv4Address,
        out: &mut Outbox,
    ) {
        let repr = ArpRepr::EthernetIpv4 {
            operation,
            source_hardware_addr: EDGE_MAC,
            source_protocol_addr: self.settings.address.address(),
            target_hardware_addr: mac,
            target_protocol_addr: address,
        };
        let mut bytes = vec![0; repr.buffer_len()];
        repr.emit(&mut ArpPacket::new_unchecked(&mut bytes));
        let to = if operation == ArpOperation::Reply { mac } else { EthernetAddress::BROADCAST };
        out.send(&packet::ethernet(EDGE_MAC, to, EthernetProtocol::Arp, &bytes));
    }

    fn handle_arp(&mut self, bytes: &[u8], out: &mut Outbox) {
        let Ok(Ok(ArpRepr::EthernetIpv4 {
            operation,
            source_hardware_addr: mac,
            source_protocol_addr: address,
            target_protocol_addr: target,
            ..
        })) = ArpPacket::new_checked(bytes).map(|packet| ArpRepr::parse(&packet))
        else {
            return;
        };
        // A probe has no sender (RFC 5227 §2.1.1).
        if !address.is_unspecified() {
            self.neighbours.insert(address, mac);
        }
        if operation == ArpOperation::Request && target == self.settings.address.address() {
            self.send_arp(ArpOperation::Reply, mac, address, out);
        }
    }

    fn handle_ipv4(&mut self, now: Instant, to_all: bool, bytes: &[u8], out: &mut Outbox) {
        let Ok(packet) = Ipv4Packet::new_checked(bytes) else { return };
        let len = usize::from(packet.total_len());
        let dhcp = (packet.next_header() == IpProtocol::Udp)
            .then(|| UdpPacket::new_checked(packet.payload()).ok())
            .flatten()
            .filter(|datagram| datagram.dst_port() == SERVER_PORT);
        if let Some(datagram) = dhcp {
            if self.settings.fixed.is_none() {
                self.handle_dhcp(now, to_all, datagram.payload(), out);
            }
        } else if self.subscriber(now) != Some(packet.src_addr()) {
            self.counters.foreign_sources += 1;
        } else if !to_all {
            // Without what pads a short frame.
            out.pass_on(&bytes[..len]);
        }
    }

    fn handle_dhcp(&mut self, now: Instant, to_all: bool, payload: &[u8], out: &mut Outbox) {
        let Ok(packet) = DhcpPacket::new_checked(payload) else { return };
        let Ok(message) = DhcpRepr::parse(&packet) else { return };
        let client = message.client_hardware_address;
        let is_request = message.message_type == DhcpMessageType::Request;
        self.counters.discovers += u64::from(message.message_type == DhcpMessageType::Discover);
        self.counters.requests += u64::from(is_request);
        self.counters.renewals += u64::from(is_request && !to_all);
        if self.mood == Mood::Silent || self.mood == Mood::DeafToRenewals && !to_all {
            self.counters.unanswered += 1;
            return;
        }
        if is_request && self.is_moving {
            self.forget();
        }
        let known = self.grant.filter(|grant| grant.client == client);
        match message.message_type {
            DhcpMessageType::Discover => {
                let address = known.map_or_else(|| self.free_address(), |grant| grant.address);
                let until = known.and_then(|grant| grant.until);
                self.grant = Some(Grant { client, address, until });
                self.answer(&message, DhcpMessageType::Offer, address, out);
            }
            DhcpMessageType::Request => {
                let own = self.settings.address.address();
                if message.server_identifier.is_some_and(|server| server != own) {
                    return;
                }
                let wanted = message.requested_ip.unwrap_or(message.client_ip);
                match &mut self.grant {
                    Some(grant) if known.is_some_and(|known| known.address == wanted) => {
                        if grant.until.is_none() {
                            out.remark(
                                format!("gives {wanted} to the subscriber"),
                                format!("for {} s", self.settings.lease.secs()),
                            );
                        }
                        grant.until = Some(now + self.settings.lease);
                        self.answer(&message, DhcpMessageType::Ack, wanted, out);
                    }
                    _ => {
                        self.counters.refused += 1;
                        out.remark(
                            format!("refuses {wanted} to the subscriber"),
                            "it is not his, or not any more",
                        );
                        self.answer(&message, DhcpMessageType::Nak, Ipv4Address::UNSPECIFIED, out);
                    }
                }
            }
            DhcpMessageType::Decline => self.forget(),
            DhcpMessageType::Release => self.grant = None,
            _ => {}
        }
    }

    fn free_address(&self) -> Ipv4Address {
        let network = self.settings.address.network().address();
        Ipv4Address::from_bits(network.to_bits() + self.next)
    }

    fn answer(
        &self,
        message: &DhcpRepr<'_>,
        message_type: DhcpMessageType,
        address: Ipv4Address,
        out: &mut Outbox,
    ) {
        let (own, refuses) = (self.settings.address.address(), message_type == DhcpMessageType::Nak);
        let seconds = |duration: Duration| (!refuses).then_some(duration.secs() as u32);
        let lease = self.settings.lease;
        let portal = self.settings.portal.as_ref().filter(|_| !refuses);
        let portal = portal.map(|uri| DhcpOption { kind: CAPTIVE_PORTAL, data: uri.as_bytes() });
        let repr = DhcpRepr {
            message_type,
            transaction_id: message.transaction_id,
            secs: 0,
            client_hardware_address: message.client_hardware_address,
            client_ip: if refuses { Ipv4Address::UNSPECIFIED } else { message.client_ip },
            your_ip: address,
            server_ip: Ipv4Address::UNSPECIFIED,
            router: (!refuses).then_some(own),
            subnet_mask: (!refuses).then(|| self.settings.address.netmask()),
            relay_agent_ip: Ipv4Address::UNSPECIFIED,
            broadcast: message.broadcast,
            requested_ip: None,
            client_identifier: message.client_identifier,
            server_identifier: Some(own),
            parameter_request_list: None,
            dns_servers: (!refuses).then(|| DNS.into_iter().collect()),
            max_size: None,
            lease_duration: seconds(lease),
            renew_duration: seconds(lease / 2),
            rebind_duration: seconds(lease / 8 * 7),
            additional_options: portal.as_slice(),
        };
        let mut bytes = vec![0; repr.buffer_len()];
        if repr.emit(&mut DhcpPacket::new_unchecked(&mut bytes)).is_err() {
            return;
        }
        // RFC 2131 §4.1: to whoever has an address already; else to all if that is wanted, or if it is a refusal.
        let client = message.client_hardware_address;
        let (mac, to) = match (message.client_ip, message.broadcast || refuses) {
            (known, false) if !known.is_unspecified() => (client, known),
            (_, true) => (EthernetAddress::BROADCAST, Ipv4Address::BROADCAST),
            (_, false) => (client, address),
        };
        let packet = packet::udp((own, SERVER_PORT), (to, CLIENT_PORT), &bytes);
        out.send(&packet::ethernet(EDGE_MAC, mac, EthernetProtocol::Ipv4, &packet));
    }
}

impl Node for Edge {
    fn handle_frame(&mut self, now: Instant, frame: &[u8], out: &mut Outbox) {
        let Ok(frame) = EthernetFrame::new_checked(frame) else { return };
        let to_all = !frame.dst_addr().is_unicast();
        if !to_all && frame.dst_addr() != EDGE_MAC {
            return;
        }
        match frame.ethertype() {
            EthernetProtocol::Arp => self.handle_arp(frame.payload(), out),
            EthernetProtocol::Ipv4 => self.handle_ipv4(now, to_all, frame.payload(), out),
            EthernetProtocol::Ipv6 => {
                if let Some(ipv6) = &mut self.ipv6 {
                    ipv6.handle(now, frame.src_addr(), frame.payload(), out);
                }
            }
            EthernetProtocol::Unknown(_) => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant, out: &mut Outbox) {
        if let Some(ipv6) = &mut self.ipv6 {
            ipv6.handle_timeout(now, out);
        }
    }

    fn poll_at(&self) -> Option<Instant> {
        self.ipv6.as_ref().and_then(Side::poll_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 7]);
    const NOTHING: Ipv4Address = Ipv4Address::UNSPECIFIED;

    fn edge() -> Edge {
        Edge::new(Settings {
            address: "198.51.100.1/26".parse().unwrap(),
            fixed: None,
            lease: Duration::from_secs(3600),
            portal: None,
        })
    }

    /// What the edge answers to a message of the client's: its kind and the address in it.
    fn ask(
        edge: &mut Edge,
        seconds: i64,
        to: EthernetAddress,
        kind: DhcpMessageType,
        requested: Option<Ipv4Address>,
        ciaddr: Ipv4Address,
    ) -> Option<(DhcpMessageType, Ipv4Address)> {
        let repr = DhcpRepr {
            message_type: kind,
            transaction_id: 5,
            secs: 0,
            client_hardware_address: CLIENT,
            client_ip: ciaddr,
            your_ip: NOTHING,
            server_ip: NOTHING,
            router: None,
            subnet_mask: None,
            relay_agent_ip: NOTHING,
            broadcast: false,
            requested_ip: requested,
            client_identifier: None,
            server_identifier: None,
            parameter_request_list: None,
            dns_servers: None,
            max_size: None,
            lease_duration: None,
            renew_duration: None,
            rebind_duration: None,
            additional_options: &[],
        };
        let mut bytes = vec![0; repr.buffer_len()];
        repr.emit(&mut DhcpPacket::new_unchecked(&mut bytes)).unwrap();
        let packet = packet::udp((ciaddr, CLIENT_PORT), (Ipv4Address::BROADCAST, SERVER_PORT), &bytes);
        let frame = packet::ethernet(CLIENT, to, EthernetProtocol::Ipv4, &packet);
        let mut out = Outbox::new();
        edge.handle_frame(Instant::from_secs(seconds), &frame, &mut out);
        let frame = out.frames().next()?.to_vec();
        let packet = Ipv4Packet::new_unchecked(packet::ipv4_in_frame(&frame).unwrap());
        let datagram = UdpPacket::new_checked(packet.payload()).unwrap();
        let answer = DhcpPacket::new_checked(datagram.payload()).unwrap();
        let answer = DhcpRepr::parse(&answer).unwrap();
        Some((answer.message_type, answer.your_ip))
    }

    #[test]
    fn a_lease_is_given_renewed_and_refused() {
        use DhcpMessageType::{Ack, Discover, Nak, Offer, Request};
        let (mut edge, all) = (edge(), EthernetAddress::BROADCAST);
        let first = Ipv4Address::new(198, 51, 100, 10);
        assert_eq!(ask(&mut edge, 0, all, Discover, None, NOTHING), Some((Offer, first)));
        assert_eq!(edge.subscriber(Instant::ZERO), None, "an offer is no lease");
        assert_eq!(ask(&mut edge, 0, all, Request, Some(first), NOTHING), Some((Ack, first)));
        assert_eq!(edge.subscriber(Instant::from_secs(3599)), Some(first));
        assert_eq!(edge.subscriber(Instant::from_secs(3600)), None);
        assert_eq!(ask(&mut edge, 1800, EDGE_MAC, Request, None, first), Some((Ack, first)));
        assert_eq!(edge.subscriber(Instant::from_secs(5000)), Some(first));
        edge.mood = Mood::DeafToRenewals;
        assert_eq!(ask(&mut edge, 1900, EDGE_MAC, Request, None, first), None);
        assert_eq!(ask(&mut edge, 1900, all, Request, None, first), Some((Ack, first)));
        edge.renumber();
        assert_eq!(ask(&mut edge, 2000, all, Request, None, first), Some((Nak, NOTHING)));
        let second = Ipv4Address::new(198, 51, 100, 11);
        assert_eq!(ask(&mut edge, 2001, all, Discover, None, NOTHING), Some((Offer, second)));
        let Counters { renewals, unanswered, refused, .. } = edge.counters();
        assert_eq!((renewals, unanswered, refused), (2, 1, 1));
    }

    #[test]
    fn only_the_subscribers_address_gets_through() {
        let mut edge = edge();
        let mut out = Outbox::new();
        let own = Ipv4Address::new(198, 51, 100, 10);
        let packet = packet::udp((own, 5000), (Ipv4Address::new(192, 0, 2, 80), 7), b"x");
        let frame = packet::ethernet(CLIENT, EDGE_MAC, EthernetProtocol::Ipv4, &packet);
        edge.handle_frame(Instant::ZERO, &frame, &mut out);
        assert_eq!((edge.counters().foreign_sources, out.take_passed_on().len()), (1, 0));
        edge.settings.fixed = Some(own);
        edge.handle_frame(Instant::ZERO, &frame, &mut out);
        assert_eq!(out.take_passed_on(), [packet], "without the padding");
    }
}
