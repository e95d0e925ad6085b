//! The stack of a machine, and what its tasks share.

use chacha20::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use smoltcp::iface::{Config, Interface, PollResult, SocketHandle, SocketStorage};
use smoltcp::phy::{Device as _, Medium};
use smoltcp::socket::{dhcpv4, icmp, tcp, udp};
use smoltcp::time::Instant;
use smoltcp::wire::{
    EthernetAddress, HardwareAddress, IpAddress, IpCidr, IpEndpoint, IpProtocol, Ipv4Address, Ipv4Cidr,
    Ipv6Address, Ipv6Cidr,
};

use super::device::Device;
use super::memory::{Memory, Sockets};
use super::slaac::{Change, Slaac};
use crate::peers::ndp::{self, Advertisement};
use crate::peers::packet::{self, IPV6_LEAST_MTU};
use crate::timeline::Tone;

/// A frame of plain Ethernet without FCS, and a packet in it.
const ETHERNET_HEADER: usize = 14;
pub(super) const MAX_PACKET_LEN: usize = 1500;
/// RFC 4443 §3.2.
const PACKET_TOO_BIG: u8 = 2;
/// Ports for a machine's own connections (RFC 6335 §6: the dynamic ones).
const DYNAMIC_PORTS: core::ops::Range<u16> = 49_152..65_535;
/// Ports traces are sent from.
const TRACE_PORTS: core::ops::Range<u16> = 40_000..49_000;

/// What DHCP, or its owner, told a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Its address and its network.
    pub address: Ipv4Cidr,
    /// The router.
    pub gateway: Ipv4Address,
    /// Where names are looked up.
    pub dns: Vec<Ipv4Address>,
    /// The captive portal, if there is one.
    pub portal: Option<String>,
}

/// Something a machine has to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// The stable name of its kind.
    pub tag: &'static str,
    /// How it is.
    pub tone: Tone,
    /// Who, and what.
    pub what: String,
    /// Why.
    pub why: String,
}

/// What a machine has experienced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named for what it counts")]
pub struct Tally {
    pub leases: u64,
    pub resolved: u64,
    pub resolve_failed: u64,
    pub fetched: u64,
    pub fetch_failed: u64,
    pub octets_fetched: u64,
    pub datagrams_sent: u64,
    pub datagrams_lost: u64,
    pub pings: u64,
    pub pings_lost: u64,
    pub flows_survived: u64,
    pub flows_lost: u64,
    pub served: u64,
    pub connections_over_ipv6: u64,
    pub ipv6_addresses: u64,
    pub packets_too_big: u64,
}

impl Tally {
    /// Adds another machine's.
    pub fn add(&mut self, other: &Self) {
        for (sum, value) in self.values_mut().into_iter().zip(other.values()) {
            *sum.1 += value.1;
        }
    }

    /// By the names that reports use.
    pub fn values(&self) -> [(&'static str, u64); 16] {
        let mut copy = *self;
        copy.values_mut().map(|(name, value)| (name, *value))
    }

    fn values_mut(&mut self) -> [(&'static str, &mut u64); 16] {
        [
            ("leases", &mut self.leases),
            ("names-resolved", &mut self.resolved),
            ("names-not-resolved", &mut self.resolve_failed),
            ("pages-fetched", &mut self.fetched),
            ("pages-not-fetched", &mut self.fetch_failed),
            ("octets-fetched", &mut self.octets_fetched),
            ("datagrams-sent", &mut self.datagrams_sent),
            ("datagrams-lost", &mut self.datagrams_lost),
            ("pings-answered", &mut self.pings),
            ("pings-not-answered", &mut self.pings_lost),
            ("flows-survived", &mut self.flows_survived),
            ("flows-lost", &mut self.flows_lost),
            ("pages-served", &mut self.served),
            ("connections-over-ipv6", &mut self.connections_over_ipv6),
            ("ipv6-addresses", &mut self.ipv6_addresses),
            ("packets-too-big", &mut self.packets_too_big),
        ]
    }
}

/// What a machine is plugged into.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wire {
    Ethernet(EthernetAddress),
    Ip,
}

/// The stack, and what tasks share.
pub(super) struct Body<'a> {
    pub(super) name: String,
    pub(super) quiet: bool,
    pub(super) lease: Option<Lease>,
    /// IPv6, where it is told by Router Advertisements.
    pub(super) slaac: Option<Slaac>,
    /// IPv6 addresses for good.
    fixed: Vec<Ipv6Cidr>,
    pub(super) rng: ChaCha8Rng,
    pub(super) news: Vec<News>,
    pub(super) tally: Tally,
    pub(super) sockets: Sockets<'a>,
    claimed: Vec<SocketHandle>,
    /// smoltcp cannot unbind an ICMP socket: each is bound once and for all.
    echoes: Vec<(SocketHandle, u16)>,
    trace: Option<(SocketHandle, u16)>,
    wire: Wire,
    interface: Interface,
    device: Device,
    next_port: u16,
}

impl<'a> Body<'a> {
    pub(super) fn new(
        name: &str,
        wire: Wire,
        dhcp: bool,
        memory: &'a mut Memory,
        storage: &'a mut [SocketStorage<'a>],
        seed: u64,
    ) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut device = match wire {
            Wire::Ethernet(_) => Device::new(Medium::Ethernet, ETHERNET_HEADER + MAX_PACKET_LEN),
            Wire::Ip => Device::new(Medium::Ip, MAX_PACKET_LEN),
        };
        let interface = interface(wire, &mut device, &mut rng, Instant::ZERO);
        let mut sockets = Sockets::new(memory, storage, dhcp);
        let trace_port = TRACE_PORTS.start + (rng.next_u32() % TRACE_PORTS.len() as u32) as u16;
        let (mut echoes, mut trace) = (Vec::new(), None);
        for (index, handle) in sockets.icmp.iter().copied().enumerate() {
            let socket = sockets.set.get_mut::<icmp::Socket>(handle);
            let endpoint = if index == 0 {
                trace = Some((handle, trace_port));
                icmp::Endpoint::Udp(trace_port.into())
            } else {
                let ident = rng.next_u32() as u16;
                echoes.push((handle, ident));
                icmp::Endpoint::Ident(ident)
            };
            socket.bind(endpoint).expect("bound for the first time");
        }
        let spread = DYNAMIC_PORTS.len() as u32;
        Self {
            name: name.to_owned(),
            quiet: false,
            lease: None,
            slaac: match wire {
                Wire::Ethernet(mac) => Some(Slaac::new(mac, MAX_PACKET_LEN)),
                Wire::Ip => None,
            },
            fixed: Vec::new(),
            news: Vec::new(),
            tally: Tally::default(),
            sockets,
            claimed: Vec::new(),
            echoes,
            trace,
            wire,
            interface,
            device,
            next_port: DYNAMIC_PORTS.start + (rng.next_u32() % spread) as u16,
            rng,
        }
    }

    /// Gives it an address.
    pub(super) fn configure(&mut self, lease: Lease) {
        self.lease = Some(lease);
        self.apply();
    }

    /// Gives it IPv6 addresses for good, the first for its own connections.
    pub(super) fn configure_ipv6(&mut self, addresses: Vec<Ipv6Cidr>) {
        self.fixed = addresses;
        self.apply();
    }

    /// Takes IPv6 away from it, as from a computer that is too old for it.
    pub(super) fn forget_ipv6(&mut self) {
        self.slaac = None;
        self.apply();
    }

    /// Tells the stack which addresses and routes it has.
    fn apply(&mut self) {
        let (lease, slaac) = (&self.lease, &self.slaac);
        let link_local = slaac.as_ref().map(|slaac| Ipv6Cidr::new(slaac.link_local(), 64));
        let ipv6 = slaac.iter().flat_map(Slaac::addresses).chain(link_local).chain(self.fixed.clone());
        let ipv4 = lease.as_ref().map(|lease| IpCidr::Ipv4(lease.address));
        let wanted: Vec<IpCidr> = ipv4.into_iter().chain(ipv6.map(IpCidr::Ipv6)).collect();
        // smoltcp forgets all neighbours over it: not for nothing.
        if self.interface.ip_addrs() != wanted {
            self.interface.update_ip_addrs(|addresses| {
                addresses.clear();
                // There is room for as many as SLAAC keeps (iface-max-addr-count).
                let _ = addresses.extend_from_slice(&wanted);
            });
        }
        let advertised = slaac.as_ref().and_then(Slaac::router);
        let way_out = advertised.or_else(|| self.fixed.first().map(Ipv6Cidr::address));
        let routes = self.interface.routes_mut();
        routes.remove_default_ipv4_route();
        routes.remove_default_ipv6_route();
        if let Some(lease) = lease {
            let _ = routes.add_default_ipv4_route(lease.gateway);
        }
        if let Some(way_out) = way_out {
            let _ = routes.add_default_ipv6_route(way_out);
        }
    }

    /// What it may send at once is so long from now on. (The stack learns that when it begins, and so it begins anew.)
    fn set_mtu(&mut self, now: Instant, mtu: usize) {
        let header = if matches!(self.wire, Wire::Ethernet(_)) { ETHERNET_HEADER } else { 0 };
        self.device.max_len = header + mtu;
        self.interface = interface(self.wire, &mut self.device, &mut self.rng, now);
        self.apply();
    }

    /// Whether it can reach anybody over IPv4, over IPv6.
    pub(super) fn ways(&self) -> (bool, bool) {
        (self.lease.is_some(), self.source_ipv6().is_some())
    }

    /// Where new connections over IPv6 come from.
    fn source_ipv6(&self) -> Option<Ipv6Address> {
        let slaac = self.slaac.as_ref().and_then(Slaac::source);
        slaac.or_else(|| self.fixed.first().map(Ipv6Cidr::address))
    }

    /// Where names are looked up, in this order.
    pub(super) fn dns_servers(&self) -> Vec<IpAddress> {
        let ipv6 = self.slaac.iter().filter(|slaac| slaac.source().is_some()).flat_map(Slaac::dns);
        let ipv4 = self.lease.iter().flat_map(|lease| lease.dns.iter().copied());
        ipv6.map(IpAddress::Ipv6).chain(ipv4.map(IpAddress::Ipv4)).collect()
    }

    pub(super) fn tell(&mut self, tag: &'static str, tone: Tone, what: &str, why: impl Into<String>) {
        if !self.quiet || tone == Tone::Bad {
            let what = format!("{}: {what}", self.name);
            self.news.push(News { tag, tone, what, why: why.into() });
        }
    }

    /// The IP packet in what has arrived, if there is one.
    pub(super) fn packet<'b>(&self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        match self.device.capabilities().medium {
            Medium::Ethernet => packet::ipv4_in_frame(bytes).or_else(|| packet::ipv6_in_frame(bytes)),
            Medium::Ip => Some(bytes),
        }
    }

    pub(super) fn receive(&mut self, now: Instant, bytes: &[u8]) {
        if let Some(packet) = self.packet(bytes).filter(|packet| packet::is_ipv6(packet)) {
            self.learn(now, packet);
        }
        self.device.received.push_back(bytes.to_vec());
    }

    /// What smoltcp does not: Router Advertisements, and Packet Too Big. (It has one MTU for all it sends to: the least
    /// that any path allowed.)
    fn learn(&mut self, now: Instant, packet: &[u8]) {
        if let Some(slaac) = &mut self.slaac
            && let Some(Ok((router, advertisement))) = Advertisement::parse(packet)
        {
            let changes = slaac.handle(now, router, &advertisement);
            self.changed(now, &changes);
        }
        if packet::inspect(packet).is_ok()
            && let Some((IpProtocol::Icmpv6, [PACKET_TOO_BIG, 0, _, _, a, b, c, d, ..])) =
                packet::ipv6_payload(packet)
        {
            self.tally.packets_too_big += 1;
            let mtu = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
            if (IPV6_LEAST_MTU..self.mtu()).contains(&mtu) {
                self.tell("packet-too-big", Tone::Plain, &format!("sends {mtu} octets at most"), "");
                self.set_mtu(now, mtu);
            }
        }
    }

    fn mtu(&self) -> usize {
        self.device.capabilities().ip_mtu()
    }

    /// Tells what has changed, and the stack.
    fn changed(&mut self, now: Instant, changes: &[Change]) {
        let mut mtu = None;
        for change in changes {
            let (tag, tone, what) = match change {
                Change::Address(cidr) => {
                    self.tally.ipv6_addresses += 1;
                    // RFC 4862 §5.4; what is said against it is not waited for.
                    if let Some(slaac) = &self.slaac {
                        self.device.sent.push_back(ndp::probe_address(slaac.mac(), cidr.address()));
                    }
                    ("slaac-address", Tone::Plain, format!("is {cidr}"))
                }
                Change::Deprecated(cidr) => {
                    ("slaac-deprecated", Tone::Plain, format!("begins nothing new as {}", cidr.address()))
                }
                Change::AddressLost(cidr) => {
                    ("slaac-address-lost", Tone::Plain, format!("is {} no longer", cidr.address()))
                }
                Change::Router(router) => {
                    let dns: Vec<_> = self.slaac.iter().flat_map(Slaac::dns).collect();
                    let dns: Vec<_> = dns.iter().map(Ipv6Address::to_string).collect();
                    let what = format!("has a way out by {router}");
                    self.tell("slaac-router", Tone::Plain, &what, format!("DNS {}", dns.join(" and ")));
                    continue;
                }
                Change::RouterLost(router) => {
                    ("slaac-router-lost", Tone::Plain, format!("has no way out by {router} any more"))
                }
                Change::Portal => {
                    let portal = self.slaac.as_ref().and_then(|slaac| slaac.portal.as_deref());
                    let what = portal.map_or_else(
                        || "hears of no portal any more".into(),
                        |uri| format!("hears of a portal, {uri}"),
                    );
                    ("slaac-portal", Tone::Plain, what)
                }
                Change::Mtu(octets) => {
                    mtu = Some(*octets);
                    continue;
                }
            };
            self.tell(tag, tone, &what, "");
        }
        if let Some(mtu) = mtu {
            self.set_mtu(now, mtu);
        } else if !changes.is_empty() {
            self.apply();
        }
    }

    pub(super) fn sent(&mut self) -> Option<Vec<u8>> {
        self.device.sent.pop_front()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.device.received.is_empty()
    }

    /// Lets the stack work. Whether anything came of it.
    pub(super) fn poll(&mut self, now: Instant) -> bool {
        self.poll_slaac(now);
        let sockets = &mut self.sockets.set;
        let moved = self.interface.poll(now, &mut self.device, sockets) != PollResult::None;
        moved | self.poll_dhcp()
    }

    pub(super) fn poll_at(&mut self, now: Instant) -> Option<Instant> {
        let slaac = self.slaac.as_ref().and_then(Slaac::poll_at);
        let stack = self.interface.poll_at(now, &self.sockets.set);
        slaac.into_iter().chain(stack).min().map(|at| at.max(now))
    }

    fn poll_slaac(&mut self, now: Instant) {
        let Some(slaac) = &mut self.slaac else { return };
        self.device.sent.extend(slaac.solicitation(now));
        let changes = slaac.expire(now);
        self.changed(now, &changes);
    }

    pub(super) fn restart_slaac(&mut self, now: Instant) {
        if let Some(slaac) = &mut self.slaac {
            slaac.restart(now);
        }
    }

    pub(super) fn restart_dhcp(&mut self) {
        if let Some(handle) = self.sockets.dhcp {
            self.sockets.set.get_mut::<dhcpv4::Socket>(handle).reset();
        }
    }

    fn poll_dhcp(&mut self) -> bool {
        let Some(handle) = self.sockets.dhcp else { return false };
        let lease = match self.sockets.set.get_mut::<dhcpv4::Socket>(handle).poll() {
            None => return false,
            Some(dhcpv4::Event::Configured(config)) => Some(Lease {
                portal: portal(&config),
                address: config.address,
                gateway: config.router.unwrap_or(config.server.address),
                dns: config.dns_servers.iter().copied().collect(),
            }),
            Some(dhcpv4::Event::Deconfigured) => None,
        };
        match (lease, &self.lease) {
            (Some(lease), Some(known)) if lease == *known => {}
            (Some(lease), _) => {
                self.tally.leases += 1;
                let dns: Vec<String> = lease.dns.iter().map(Ipv4Address::to_string).collect();
                let portal = lease.portal.as_ref().map_or(String::new(), |uri| format!(", portal {uri}"));
                let why = format!("router {}, DNS {}{portal}", lease.gateway, dns.join(" and "));
                self.tell("leased", Tone::Plain, &format!("is {}", lease.address), why);
                self.configure(lease);
            }
            (None, Some(lease)) => {
                let what = format!("is {} no longer", lease.address.address());
                self.tell("lease-lost", Tone::Bad, &what, "the lease is over");
                self.lease = None;
                self.apply();
            }
            (None, None) => {}
        }
        true
    }

    // Sockets, claimed by tasks and given back.

    /// An idle TCP socket.
    pub(super) fn claim_tcp(&mut self) -> Option<SocketHandle> {
        let idle = |handle: &&SocketHandle| {
            !self.claimed.contains(handle) && !self.sockets.set.get::<tcp::Socket>(**handle).is_open()
        };
        let handle = self.sockets.tcp.iter().find(idle).copied()?;
        self.claimed.push(handle);
        let socket = self.tcp(handle);
        socket.set_timeout(None);
        socket.set_keep_alive(None);
        Some(handle)
    }

    /// A UDP socket, bound to a port of its own.
    pub(super) fn claim_udp(&mut self) -> Option<(SocketHandle, u16)> {
        let handle = self.sockets.udp.iter().find(|handle| !self.claimed.contains(handle)).copied()?;
        let port = self.port();
        self.sockets.set.get_mut::<udp::Socket>(handle).bind(port).ok()?;
        self.claimed.push(handle);
        Some((handle, port))
    }

    /// A socket for echoes, and the identifier it is bound to.
    pub(super) fn claim_echo(&mut self) -> Option<(SocketHandle, u16)> {
        let idle = |(handle, _): &&(SocketHandle, u16)| !self.claimed.contains(handle);
        let (handle, ident) = self.echoes.iter().find(idle).copied()?;
        self.claimed.push(handle);
        Some((handle, ident))
    }

    /// A socket for ICMP errors about datagrams from a port, and one to send such datagrams.
    pub(super) fn claim_trace(&mut self) -> Option<(SocketHandle, SocketHandle)> {
        let (errors, port) = self.trace.filter(|(handle, _)| !self.claimed.contains(handle))?;
        let (datagrams, _) = self.claim_udp()?;
        let socket = self.udp(datagrams);
        socket.close();
        socket.bind(port).ok()?;
        self.claimed.push(errors);
        Some((errors, datagrams))
    }

    /// Gives a socket back.
    pub(super) fn release(&mut self, handle: SocketHandle) {
        self.claimed.retain(|claimed| *claimed != handle);
        if self.sockets.udp.contains(&handle) {
            let socket = self.sockets.set.get_mut::<udp::Socket>(handle);
            socket.set_hop_limit(None);
            socket.close();
        }
    }

    /// Keeps a TCP socket for a server, for good.
    pub(super) fn tcp(&mut self, handle: SocketHandle) -> &mut tcp::Socket<'a> {
        self.sockets.set.get_mut(handle)
    }

    pub(super) fn udp(&mut self, handle: SocketHandle) -> &mut udp::Socket<'a> {
        self.sockets.set.get_mut(handle)
    }

    pub(super) fn icmp(&mut self, handle: SocketHandle) -> &mut icmp::Socket<'a> {
        self.sockets.set.get_mut(handle)
    }

    /// Sends a datagram. Without a way, or with a full queue, it is lost, as on the network.
    pub(super) fn send_udp(&mut self, handle: SocketHandle, data: &[u8], to: (IpAddress, u16)) {
        let mut to = udp::UdpMetadata::from(IpEndpoint::from(to));
        to.local_address = self.source(to.endpoint.addr);
        if to.local_address.is_some() {
            self.remember_router(to.endpoint.addr);
            let _ = self.udp(handle).send_slice(data, to);
        }
    }

    /// Reminds the stack where the router is before something goes there: smoltcp takes nothing from an advertisement, and
    /// asks for one neighbour a second at most, over both families.
    fn remember_router(&mut self, to: IpAddress) {
        let is_ipv6 = matches!(to, IpAddress::Ipv6(_));
        let known = self.slaac.as_ref().filter(|_| is_ipv6).and_then(Slaac::router_advert);
        self.device.received.extend(known);
    }

    /// Where what it begins with `to` comes from.
    pub(super) fn source(&self, to: IpAddress) -> Option<IpAddress> {
        match to {
            IpAddress::Ipv4(_) => self.lease.as_ref().map(|lease| lease.address.address().into()),
            IpAddress::Ipv6(to) if ndp::is_link_local(to) => {
                self.slaac.as_ref().map(|slaac| slaac.link_local().into())
            }
            IpAddress::Ipv6(_) => self.source_ipv6().map(IpAddress::Ipv6),
        }
    }

    /// Opens a connection. False if there is no way to.
    pub(super) fn connect(&mut self, handle: SocketHandle, to: IpAddress, port: u16) -> bool {
        let (Some(address), local_port) = (self.source(to), self.port()) else { return false };
        self.remember_router(to);
        let socket = self.sockets.set.get_mut::<tcp::Socket>(handle);
        socket.connect(self.interface.context(), (to, port), (address, local_port)).is_ok()
    }

    fn port(&mut self) -> u16 {
        let next = self.next_port + 1;
        self.next_port = if DYNAMIC_PORTS.contains(&next) { next } else { DYNAMIC_PORTS.start };
        self.next_port
    }
}

fn interface(wire: Wire, device: &mut Device, rng: &mut ChaCha8Rng, now: Instant) -> Interface {
    let address = match wire {
        Wire::Ethernet(mac) => HardwareAddress::Ethernet(mac),
        Wire::Ip => HardwareAddress::Ip,
    };
    let mut config = Config::new(address);
    config.random_seed = rng.next_u64();
    let mut interface = Interface::new(config, device, now);
    interface.set_any_ip(matches!(wire, Wire::Ip));
    interface
}

/// The URI of option 114.
fn portal(config: &dhcpv4::Config<'_>) -> Option<String> {
    let packet = config.packet.as_ref()?;
    let option = packet.options().find(|option| option.kind == 114)?;
    Some(String::from_utf8_lossy(option.data).into_owned())
}
