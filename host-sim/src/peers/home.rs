//! Somebody else's home on the Internet, with a Gatelet of its own that serves a tunnel: native IPv6 on plain Ethernet, and a
//! computer on its LAN.
//!
//! ```text
//!   Internet ── Edge ══ Router ══ Machine (SLAAC, serves pages)
//!                         ║└ page: /nic/update, judged by the product's own update server
//!                         ╚═ protocol 41 ═ the router under test
//! ```
//!
//! The router is the product's, called directly: it is sans-IO, and what is around it has no delay but that of the Internet.
//! Its own stack on the LAN, to which a port leads for the page, is a simulated one.

use std::collections::VecDeque;

use gatelet_hal::{Frame, LinkState, Pool, PortId};
use gatelet_proto::dhcpv6::{client, duid_ll};
use gatelet_proto::sixinfour::Tunnel;
use gatelet_proto::sixinfour::update::server::{Entry, Server};
use gatelet_router::{
    Action, Egress, EthernetWanConfig, Forward, LanConfig, PortRange, Protocol, Router, Rule, Tables,
    TunnelId, WanId, Zone,
};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetFrame, IpAddress, Ipv4Address, Ipv4Cidr, Ipv6Address, Ipv6Cidr};

use super::concentrator::Ipv6Access;
use super::edge::{Edge, Settings};
use super::host::{Machine, Memory, News, Service};
use super::lan::{LAN_MAC, mac};
use crate::timeline::Tone;
use crate::world::{Node, Outbox, ROUTER_MAC};

/// Where it is: the first address that its carrier's DHCP server gives.
pub const HOME: Ipv4Address = Ipv4Address::new(192, 0, 2, 74);
/// Its carrier's router.
const GATEWAY: Ipv4Cidr = Ipv4Cidr::new(Ipv4Address::new(192, 0, 2, 65), 26);
/// The number of the subscriber, which decides the prefixes: `2001:db8:d000:8000::/56` is delegated.
const SUBSCRIBER: u32 = 0x20;

const WAN_PORT: PortId = PortId(0);
const LAN_PORT: PortId = PortId(1);
const WAN: WanId = WanId(0);
const TUNNEL: TunnelId = TunnelId(0);
const MAX_FRAME_LEN: usize = 1514;
const HTTP: u16 = 80;
const ECHO: u16 = 7;
const CLIENTS: usize = 4;
/// The number of its computer, which makes its addresses end in 5eff:fe10:7.
const COMPUTER: usize = 7;

/// The home.
pub struct Home<'a> {
    router: Router<'a>,
    pool: Pool<'a>,
    edge: Edge,
    computer: Machine<'a>,
    page: Machine<'a>,
    tunnel: Tunnel,
    entry: Entry,
    booted: bool,
    outbox: Outbox,
    upstream: VecDeque<Vec<u8>>,
    news: Vec<News>,
}

impl<'a> Home<'a> {
    /// One that serves `tunnel`, whose client may say where it is as `entry` has it. Addresses in `on_link` its carrier
    /// believes to be on the line.
    pub fn new(
        (pool, tables): (Pool<'a>, Tables<'a>),
        (tunnel, entry): (Tunnel, Entry),
        on_link: Ipv6Cidr,
        rooms: [(&'a mut Memory, &'a mut [smoltcp::iface::SocketStorage<'a>]); 2],
        seed: u64,
    ) -> Self {
        let [(memory, storage), (page_memory, page_storage)] = rooms;
        let mut bytes = [0x3C; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let mut router = Router::new(pool, bytes);
        router.add_port(WAN_PORT, ROUTER_MAC, MAX_FRAME_LEN);
        router.add_port(LAN_PORT, LAN_MAC, MAX_FRAME_LEN);
        router.lend_tables(tables);
        let settings =
            Settings { address: GATEWAY, fixed: None, lease: Duration::from_secs(86_400), portal: None };
        let mut edge = Edge::new(settings);
        edge.add_ipv6_for(Ipv6Access::default(), SUBSCRIBER, Some(on_link));
        let mut computer =
            Machine::on_ethernet("computer far away", mac(COMPUTER), None, memory, storage, seed ^ 1);
        computer.serve(Service::Http, HTTP, CLIENTS);
        computer.serve(Service::EchoTcp, ECHO, CLIENTS);
        let mut page = Machine::of_the_internet("home", HOME, &[], page_memory, page_storage, seed ^ 2);
        page.serve(Service::Questions, HTTP, CLIENTS);
        page.set_quiet(true);
        Self {
            router,
            pool,
            edge,
            computer,
            page,
            tunnel,
            entry,
            booted: false,
            outbox: Outbox::new(),
            upstream: VecDeque::new(),
            news: Vec::new(),
        }
    }

    /// Whether packets to this address go there.
    pub fn routes(&self, now: Instant, to: Ipv6Address) -> bool {
        self.edge.has_ipv6(now, to)
    }

    /// What its router dropped, of each reason.
    pub fn dropped(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.router.counters().iter().map(|(reason, count)| (reason.name(), u64::from(count)))
    }

    /// A packet of the Internet's for it.
    pub fn deliver(&mut self, now: Instant, bytes: &[u8]) {
        self.edge.deliver(now, bytes, &mut self.outbox);
        self.settle(now);
    }

    /// When [`Home::poll`] is wanted.
    pub fn poll_at(&self) -> Option<Instant> {
        if !self.booted {
            return Some(Instant::ZERO);
        }
        let machines = [self.computer.poll_at(), self.page.poll_at()];
        machines.into_iter().chain([self.router.poll_at(), self.edge.poll_at()]).flatten().min()
    }

    /// Does what is due.
    pub fn poll(&mut self, now: Instant) {
        if !core::mem::replace(&mut self.booted, true) {
            self.boot(now);
        }
        if self.router.poll_at().is_some_and(|at| at <= now) {
            self.router.handle_timeout(now);
        }
        if self.edge.poll_at().is_some_and(|at| at <= now) {
            self.edge.handle_timeout(now, &mut self.outbox);
        }
        self.settle(now);
    }

    /// The next packet of it for the Internet.
    pub fn sent(&mut self) -> Option<Vec<u8>> {
        self.upstream.pop_front()
    }

    /// What there is to tell.
    pub fn take_news(&mut self) -> impl Iterator<Item = News> {
        self.news.drain(..).chain(self.computer.take_news()).chain(self.page.take_news())
    }

    fn boot(&mut self, now: Instant) {
        let router = &mut self.router;
        let wan = router.add_ethernet_wan(now, EthernetWanConfig::dhcp(WAN_PORT));
        assert_eq!(wan, Some(WAN), "a router has room for a WAN");
        let lan = Ipv4Cidr::new(Ipv4Address::new(192, 168, 1, 1), 24);
        assert!(router.add_lan(now, LanConfig::new(LAN_PORT, lan)), "it has tables and a port");
        let config = client::Config::new(duid_ll(ROUTER_MAC));
        assert!(router.acquire_ipv6(now, WAN, Some(config)), "it has tables and a WAN");
        assert!(router.advertise_ipv6(now, &[]), "it has a LAN");
        assert!(router.set_up_tunnel(now, TUNNEL, WAN, Some(&self.tunnel)), "checked when it was read");
        // Its owner shows the world his pages, and hears the far end.
        let http = PortRange { first: HTTP, last: HTTP };
        let echo = PortRange { first: ECHO, last: ECHO };
        for destination_ports in [http, echo] {
            let rule = Rule::new(Zone::Wan, Zone::Lan, Action::Accept);
            assert!(router.add_rule(Rule { protocol: Protocol::Tcp, destination_ports, ..rule }));
        }
        let source = Ipv4Cidr::new(Ipv4Address::UNSPECIFIED, 0);
        let (protocol, host) = (Protocol::Tcp, lan.address());
        assert!(router.add_forward(Forward { protocol, ports: http, host, host_port: HTTP, source }));
        router.handle_link(now, WAN_PORT, LinkState::Up);
        router.handle_link(now, LAN_PORT, LinkState::Up);
    }

    /// Goes on until nobody has anything to say.
    fn settle(&mut self, now: Instant) {
        loop {
            let mut is_busy = false;
            while let Some((egress, frame)) = self.router.poll_transmit(now) {
                is_busy = true;
                self.carry(now, egress, &frame);
            }
            while self.router.poll_event().is_some() || self.router.poll_lease(now).is_some() {}
            let mut outbox = std::mem::take(&mut self.outbox);
            for frame in outbox.frames() {
                is_busy = true;
                self.enter(now, WAN_PORT, frame);
            }
            self.upstream.extend(outbox.take_passed_on());
            outbox.clear();
            for machine in [&mut self.computer, &mut self.page] {
                if machine.poll_at().is_some_and(|at| at <= now) {
                    machine.poll(now);
                }
            }
            while let Some(question) = self.page.take_question() {
                is_busy = true;
                self.answer(now, question.number, question.from, &question.text);
            }
            while let Some(frame) = self.computer.sent() {
                is_busy = true;
                self.enter(now, LAN_PORT, &frame);
            }
            while let Some(packet) = self.page.sent() {
                is_busy = true;
                self.speak(now, &packet);
            }
            if !is_busy {
                return;
            }
        }
    }

    /// A frame reaches a port of the router's. Without a buffer for it, it is lost.
    fn enter(&mut self, now: Instant, port: PortId, bytes: &[u8]) {
        let Some(mut frame) = self.pool.take(port) else { return };
        if frame.extend(bytes)
            && let Some((egress, frame)) = self.router.handle_frame(now, port, frame)
        {
            self.carry(now, egress, &frame);
        }
    }

    /// A packet of the router's own.
    fn speak(&mut self, now: Instant, bytes: &[u8]) {
        let Some(mut frame) = self.pool.take(PortId::LOCAL) else { return };
        frame.clear(Frame::IP_HEADROOM);
        if frame.extend(bytes)
            && let Some((egress, frame)) = self.router.handle_lan_packet(now, frame)
        {
            self.carry(now, egress, &frame);
        }
    }

    /// What the router sends, to where it goes.
    fn carry(&mut self, now: Instant, egress: Egress, frame: &Frame<'_>) {
        match egress {
            Egress::Port(WAN_PORT) => self.edge.handle_frame(now, frame.bytes(), &mut self.outbox),
            Egress::Port(_) => {
                let to = EthernetFrame::new_unchecked(frame.bytes()).dst_addr();
                if to == mac(COMPUTER) || !to.is_unicast() {
                    self.computer.receive(now, frame.bytes());
                }
            }
            Egress::LanStack => self.page.receive(now, frame.bytes()),
            Egress::Stack(_) => {}
        }
    }

    /// Answers the far end, and believes it if it may say so.
    fn answer(&mut self, now: Instant, number: usize, from: IpAddress, text: &str) {
        let IpAddress::Ipv4(from) = from else { return };
        let mut buffer = [0; 256];
        let mut entries = [self.entry.clone()];
        let outcome = Server::new(&mut entries).handle_request(now, from, text.as_bytes(), &mut buffer);
        let [entry] = entries;
        self.entry = entry;
        let Ok(Some(outcome)) = outcome else {
            return self.page.answer(number, "400 Bad Request", "");
        };
        let response = String::from_utf8_lossy(&buffer[..outcome.len]);
        let (head, body) = response.split_once("\r\n\r\n").unwrap_or_default();
        let status =
            head.lines().next().and_then(|line| line.split_once(' ')).map_or("", |(_, status)| status);
        if let Some((_, remote)) = outcome.update {
            self.tunnel.remote = Some(remote);
            assert!(self.router.set_up_tunnel(now, TUNNEL, WAN, Some(&self.tunnel)), "it was good before");
            let what = format!("the far home's tunnel leads to {remote}");
            self.news.push(News { tag: "endpoint-updated", tone: Tone::Good, what, why: String::new() });
        }
        self.page.answer(number, status, body);
    }
}
