//! The stack of a machine, and what its tasks share.

use chacha20::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use smoltcp::iface::{Config, Interface, PollResult, SocketHandle, SocketStorage};
use smoltcp::phy::{Device as _, Medium};
use smoltcp::socket::{dhcpv4, icmp, tcp, udp};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpAddress, IpCidr, Ipv4Address, Ipv4Cidr};

use super::device::Device;
use super::memory::{Memory, Sockets};
use crate::peers::packet;
use crate::timeline::Tone;

/// A frame of plain Ethernet without FCS, and a packet in it.
const MAX_FRAME_LEN: usize = 1514;
const MAX_PACKET_LEN: usize = 1500;
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
}

impl Tally {
    /// Adds another machine's.
    pub fn add(&mut self, other: &Self) {
        for (sum, value) in self.values_mut().into_iter().zip(other.values()) {
            *sum.1 += value.1;
        }
    }

    /// By the names that reports use.
    pub fn values(&self) -> [(&'static str, u64); 13] {
        let mut copy = *self;
        copy.values_mut().map(|(name, value)| (name, *value))
    }

    fn values_mut(&mut self) -> [(&'static str, &mut u64); 13] {
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
    pub(super) rng: ChaCha8Rng,
    pub(super) news: Vec<News>,
    pub(super) tally: Tally,
    pub(super) sockets: Sockets<'a>,
    claimed: Vec<SocketHandle>,
    /// smoltcp cannot unbind an ICMP socket: each is bound once and for all.
    echoes: Vec<(SocketHandle, u16)>,
    trace: Option<(SocketHandle, u16)>,
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
        let (mut device, address) = match wire {
            Wire::Ethernet(mac) => {
                (Device::new(Medium::Ethernet, MAX_FRAME_LEN), HardwareAddress::Ethernet(mac))
            }
            Wire::Ip => (Device::new(Medium::Ip, MAX_PACKET_LEN), HardwareAddress::Ip),
        };
        let mut config = Config::new(address);
        config.random_seed = rng.next_u64();
        let mut interface = Interface::new(config, &mut device, Instant::ZERO);
        interface.set_any_ip(matches!(wire, Wire::Ip));
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
            news: Vec::new(),
            tally: Tally::default(),
            sockets,
            claimed: Vec::new(),
            echoes,
            trace,
            interface,
            device,
            next_port: DYNAMIC_PORTS.start + (rng.next_u32() % spread) as u16,
            rng,
        }
    }

    /// Gives it an address.
    pub(super) fn configure(&mut self, lease: Lease) {
        self.interface.update_ip_addrs(|addresses| {
            addresses.clear();
            // There is room for one at least.
            let _ = addresses.push(IpCidr::Ipv4(lease.address));
        });
        let _ = self.interface.routes_mut().add_default_ipv4_route(lease.gateway);
        self.lease = Some(lease);
    }

    pub(super) fn tell(&mut self, tag: &'static str, tone: Tone, what: &str, why: impl Into<String>) {
        if !self.quiet || tone == Tone::Bad {
            let what = format!("{}: {what}", self.name);
            self.news.push(News { tag, tone, what, why: why.into() });
        }
    }

    /// The IPv4 packet in what has arrived, if there is one.
    pub(super) fn ipv4<'b>(&self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        match self.device.capabilities().medium {
            Medium::Ethernet => packet::ipv4_in_frame(bytes),
            Medium::Ip => Some(bytes),
        }
    }

    pub(super) fn receive(&mut self, bytes: &[u8]) {
        self.device.received.push_back(bytes.to_vec());
    }

    pub(super) fn sent(&mut self) -> Option<Vec<u8>> {
        self.device.sent.pop_front()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.device.received.is_empty()
    }

    /// Lets the stack work. Whether anything came of it.
    pub(super) fn poll(&mut self, now: Instant) -> bool {
        let sockets = &mut self.sockets.set;
        let moved = self.interface.poll(now, &mut self.device, sockets) != PollResult::None;
        moved | self.poll_dhcp()
    }

    pub(super) fn poll_at(&mut self, now: Instant) -> Option<Instant> {
        self.interface.poll_at(now, &self.sockets.set).map(|at| at.max(now))
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
                self.interface.update_ip_addrs(heapless::Vec::clear);
                self.interface.routes_mut().remove_default_ipv4_route();
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

    /// Opens a connection. False if there is no way to.
    pub(super) fn connect(&mut self, handle: SocketHandle, to: Ipv4Address, port: u16) -> bool {
        let from = (self.lease.as_ref().map(|lease| lease.address.address()), self.port());
        let (Some(address), local_port) = from else { return false };
        let local = (IpAddress::Ipv4(address), local_port);
        let socket = self.sockets.set.get_mut::<tcp::Socket>(handle);
        socket.connect(self.interface.context(), (IpAddress::Ipv4(to), port), local).is_ok()
    }

    fn port(&mut self) -> u16 {
        let next = self.next_port + 1;
        self.next_port = if DYNAMIC_PORTS.contains(&next) { next } else { DYNAMIC_PORTS.start };
        self.next_port
    }
}

/// The URI of option 114.
fn portal(config: &dhcpv4::Config<'_>) -> Option<String> {
    let packet = config.packet.as_ref()?;
    let option = packet.options().find(|option| option.kind == 114)?;
    Some(String::from_utf8_lossy(option.data).into_owned())
}
