//! IPv6 between LAN, WANs and tunnels: the [same design](super) as for IPv4, without translation.
//!
//! ```text
//!  frame ─► fast: no extension header, flow known, nothing to watch ──► hop limit, header ─► port, or into a tunnel
//!              │ anything else
//!              ▼
//!           slow: parse with every check ─┬─ Neighbor Discovery ─► neighbours, answers for us and for whom we proxy
//!                                         ├─ router discovery, DHCPv6 ─► the router's own machines (Outcome::Control)
//!                                         ├─ fragment ───────────► waits, or follows its first
//!                                         ├─ ICMPv6 error ───────► the way of the flow it quotes
//!                                         ├─ flow known ─────────► carry: hop limit, MTU, MSS, state
//!                                         └─ new: own address? route? rule? quota? ─► flow ─► carry
//!  IPv4 packet of protocol 41 ─► sit: of a peer? good inside? ─► its IPv6 packet, as above
//! ```
//!
//! Where IPv4 has one network on a link, IPv6 has several addresses and networks on each, and routes that ask for the source too:
//! [`set_ipv6_addresses`](Datapath::set_ipv6_addresses), [`set_ipv6_routes`](Datapath::set_ipv6_routes). A source must come from
//! where packets to it would go, inside and behind the tunnels that we serve; from anywhere else it must not be one of ours.
//!
//! Reading list: RFC 8200, RFC 4291, RFC 4861 (Neighbor Discovery), RFC 4443 and 4890 (`ICMPv6`), RFC 6092 and 7084 (home
//! routers), RFC 6583 (bounded caches), RFC 4213 and 6324 (tunnels).

mod address;
mod decide;
mod encapsulation;
mod fast;
mod flow;
mod fragment;
mod icmp;
mod local;
mod ndp;
mod neighbour;
mod output;
mod packet;
mod proxy;
mod recheck;
mod route;
mod sit;
mod slow;

pub(crate) use address::{address as address6, interface_identifier, link_local};
pub(crate) use encapsulation::SIT;
pub(crate) use flow::Flow6;
pub(crate) use fragment::Datagram6;
pub(crate) use neighbour::Neighbour6;
pub(crate) use packet::ICMPV6;
pub use sit::{MAX_TUNNELS, Tos, TunnelConfig, TunnelId, TunnelRole};

use gatelet_hal::{Frame, MAX_PORTS, PortId};
use heapless::Vec;
use rand_core::Rng;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{Ipv6Address, Ipv6Cidr};

use super::flow::{NO_NEIGHBOUR, tick};
use super::index::Bucket;
use super::interface::{Framing, FramingKind, Hop, HopKind};
use super::limit::Limiter;
use super::{Datapath, Traffic};
use address::{Address, Network6, UNSPECIFIED, words};
use encapsulation::{Reassembly, Tunnel};
use flow::FlowTable6;
use fragment::FragmentTable6;
use neighbour::NeighbourTable6;
use proxy::Asked;

/// The most addresses of ours on one link, the link-local one not counted.
pub const MAX_IPV6_ADDRESSES: usize = 4;

/// What a WAN lets in without a flow and without a rule (RFC 6092).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ipv6Policy {
    /// Echo requests to hosts inside (RFC 4890 §4.3.1 asks for it), within limits.
    pub allow_echo: bool,
    /// ESP, AH and IKE to hosts inside (REC-21 to REC-24): they protect themselves.
    pub allow_ipsec: bool,
    /// Echo requests to the router itself, within limits.
    pub answer_echo: bool,
}

impl Default for Ipv6Policy {
    /// Echo is let in and answered, nothing else.
    fn default() -> Self {
        Self { allow_echo: true, allow_ipsec: false, answer_echo: true }
    }
}

/// The way to a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ipv6Route {
    /// Where to.
    pub destination: Ipv6Cidr,
    /// From where alone: a provider takes the addresses it has given, and no others (RFC 8028 §3). `::/0` for all.
    pub source: Ipv6Cidr,
    /// The next router; `None`: the network is on the link itself, or the link has only one other end.
    pub gateway: Option<Ipv6Address>,
}

/// Everything of IPv6. In the order written: what every packet needs comes first.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct V6<'p> {
    flows: FlowTable6<'p>,
    neighbours: NeighbourTable6<'p>,
    ports: [Ports; MAX_PORTS],
    /// IPv6 as it is; what is in a tunnel counts as IPv4 of the WAN that carries it.
    pub(super) traffic: [Traffic; Hop::COUNT],
    tunnels: [Tunnel; MAX_TUNNELS],
    links: [Link; Hop::COUNT6],
    /// Ours on each link, with their networks.
    addresses: [Vec<Network6, MAX_IPV6_ADDRESSES>; Hop::COUNT6],
    routes: Vec<Route, MAX_ROUTES>,
    /// Networks for whose hosts we answer Neighbor Solicitations, and where.
    proxied: Vec<(Hop, Network6), MAX_PROXIED>,
    /// Who asked for such a host that was not known.
    asked: Vec<Asked, { proxy::ASKERS }>,
    fragments: FragmentTable6<'p, 'p>,
    /// Frames whose neighbour's hardware address is being asked for, by its place.
    waiting: Vec<(u8, Frame<'p>), WAITING>,
    reassemblies: Vec<Reassembly<'p>, { encapsulation::REASSEMBLIES }>,
    policy: Ipv6Policy,
    errors_out: Limiter,
    errors_in: Limiter,
    echo: Limiter,
    defence: Limiter,
    proxy: Limiter,
}

/// An interface, as IPv6 sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link {
    pub(crate) port: PortId,
    pub(crate) medium: Medium,
    /// The longest packet, in bytes. 0 keeps off the fast path, which looks at it alone: of a stack, and of a link that is down.
    pub(crate) mtu: u16,
    pub(crate) framing: Framing,
    /// Our link-local address; unspecified where there is none.
    pub(crate) local: Address,
}

/// What is behind a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Medium {
    Down,
    /// One of the router's own stacks.
    Stack,
    /// Neighbours, who have to be asked for their hardware addresses.
    Ethernet,
    /// One other end.
    Ppp,
    Tunnel(TunnelId),
}

impl Link {
    pub(crate) const DOWN: Self = Self {
        port: PortId::LOCAL,
        medium: Medium::Down,
        mtu: 0,
        framing: Framing::NONE,
        local: UNSPECIFIED,
    };

    const fn is_up(&self) -> bool {
        !matches!(self.medium, Medium::Down)
    }

    /// Whether it is the same link, whatever our addresses are.
    fn is_same(&self, other: &Self) -> bool {
        (self.port, self.medium, self.mtu, self.local) == (other.port, other.medium, other.mtu, other.local)
            && self.framing == other.framing
    }
}

/// What may arrive at a port, the likeliest first.
#[derive(Debug, Clone, Copy)]
struct Ports {
    ethernet: Hop,
    session: Hop,
}

/// [`Ipv6Route`], as packets are compared with it.
#[derive(Debug, Clone, Copy)]
struct Route {
    /// [`Hop::NONE`]: nowhere. What is delegated to us and not in use must not go back to where it came from (RFC 7084 WPD-5).
    hop: Hop,
    destination: Network6,
    source: Network6,
    /// Unspecified: none.
    gateway: Address,
}

impl<'p> V6<'p> {
    pub(crate) fn new(
        flows: &'p mut [Flow6],
        flow_index: &'p mut [Bucket],
        neighbours: &'p mut [Neighbour6],
        datagrams: &'p mut [Datagram6],
        rng: &mut impl Rng,
    ) -> Self {
        let mut links = [const { Link::DOWN }; Hop::COUNT6];
        for (link, _) in links.iter_mut().zip(Hop::all6()).filter(|(_, hop)| hop.is_stack()) {
            link.medium = Medium::Stack;
        }
        Self {
            flows: FlowTable6::new(flows, flow_index, rng),
            neighbours: NeighbourTable6::new(neighbours),
            ports: [Ports { ethernet: Hop::NONE, session: Hop::NONE }; MAX_PORTS],
            traffic: [Traffic::NONE; Hop::COUNT],
            tunnels: [Tunnel::NONE; MAX_TUNNELS],
            links,
            addresses: [const { Vec::new() }; Hop::COUNT6],
            routes: Vec::new(),
            proxied: Vec::new(),
            asked: Vec::new(),
            fragments: FragmentTable6::new(datagrams),
            waiting: Vec::new(),
            reassemblies: Vec::new(),
            policy: Ipv6Policy::default(),
            errors_out: Limiter::new(20, Duration::from_millis(50)),
            errors_in: Limiter::new(50, Duration::from_millis(20)),
            echo: Limiter::new(20, Duration::from_millis(50)),
            defence: Limiter::new(1, Duration::from_secs(10)),
            proxy: Limiter::new(20, Duration::from_millis(50)),
        }
    }

    pub(super) fn flows_from(&self, from: u16) -> impl Iterator<Item = (u16, &Flow6)> {
        self.flows.iter_from(from)
    }

    pub(super) fn forget_epochs(&mut self) {
        self.flows.forget_epochs();
    }

    /// Counts a flow on an account, or off it: that of a neighbour, or that of a tunnel we serve.
    fn charge(&mut self, account: u8, flows: i16) {
        charge(&mut self.neighbours, &mut self.tunnels, account, flows);
    }

    /// Flows on an account, and on those of the same host's other addresses, of which it may have ever new ones (RFC 8981);
    /// `None` if nobody counts them.
    fn flows_of(&self, account: u8) -> Option<u16> {
        match account.checked_sub(TUNNEL_ACCOUNTS) {
            Some(tunnel) => self.tunnels.get(usize::from(tunnel)).map(|tunnel| tunnel.flows),
            None => self.neighbours.flows_of_host(account),
        }
    }
}

fn charge(neighbours: &mut NeighbourTable6<'_>, tunnels: &mut [Tunnel], account: u8, flows: i16) {
    match account.checked_sub(TUNNEL_ACCOUNTS) {
        Some(tunnel) => {
            if let Some(tunnel) = tunnels.get_mut(usize::from(tunnel)) {
                tunnel.flows = tunnel.flows.saturating_add_signed(flows);
            }
        }
        None => neighbours.charge(account, flows),
    }
}

impl Datapath<'_> {
    // What the owner sets.

    /// Sets a link, up or down, but for our addresses there, which stay. `hop` is the LAN or a WAN; tunnels follow by themselves.
    pub(crate) fn set_link6(&mut self, now: Instant, hop: Hop, link: &Link) {
        let Some(known) = self.v6.links.get_mut(hop.index()) else { return };
        if known.is_same(link) {
            return;
        }
        let is_same_link = known.framing == link.framing && known.medium == link.medium;
        *known = *link;
        self.sort_ports6();
        if !is_same_link {
            let gone: Vec<u8, WAITING> = self.waiting_for6(hop);
            gone.into_iter().for_each(|place| self.drop_waiting6(place));
            self.v6.neighbours.forget(now, hop);
        }
        self.next_epoch();
    }

    /// Our addresses on `hop`, each with the length of the network that is on the link (128 if none is), the preferred one first;
    /// the link-local one is not among them. Those there were are forgotten; [`MAX_IPV6_ADDRESSES`] at most, and false if there
    /// were more.
    pub(crate) fn set_ipv6_addresses(&mut self, hop: Hop, addresses: &[Ipv6Cidr]) -> bool {
        let Some(known) = self.v6.addresses.get_mut(hop.index()) else { return false };
        let wanted: Vec<Network6, MAX_IPV6_ADDRESSES> =
            addresses.iter().take(MAX_IPV6_ADDRESSES).copied().map(Network6::of).collect();
        if *known != wanted {
            *known = wanted;
            self.next_epoch();
        }
        addresses.len() <= MAX_IPV6_ADDRESSES
    }

    /// Routes by way of `hop`; [`Hop::NONE`]: networks that are nowhere. Those there were are forgotten. False if there is no room
    /// for all of them.
    pub(crate) fn set_ipv6_routes(&mut self, hop: Hop, routes: impl Iterator<Item = Ipv6Route>) -> bool {
        self.v6.routes.retain(|route| route.hop != hop);
        let mut fit = true;
        for route in routes {
            let gateway = route.gateway.map_or(UNSPECIFIED, words);
            let (destination, source) = (Network6::of(route.destination), Network6::of(route.source));
            fit &= self.v6.routes.push(Route { hop, destination, source, gateway }).is_ok();
        }
        self.next_epoch();
        fit
    }

    /// Networks for whose hosts we answer Neighbor Solicitations on `hop`, as far as their route leads elsewhere (RFC 4389). Those
    /// there were are forgotten. False if there is no room for all of them.
    pub(crate) fn set_ndp_proxy(&mut self, hop: Hop, networks: &[Ipv6Cidr]) -> bool {
        self.v6.proxied.retain(|(known, _)| *known != hop);
        networks.iter().all(|network| self.v6.proxied.push((hop, Network6::of(*network))).is_ok())
    }

    pub(crate) const fn set_ipv6_policy(&mut self, policy: Ipv6Policy) {
        self.v6.policy = policy;
    }

    /// An interface as IPv6 sees it.
    pub(crate) fn link6(&self, hop: Hop) -> Option<&Link> {
        self.v6.links.get(hop.index())
    }

    fn sort_ports6(&mut self) {
        let links = &self.v6.links;
        for (port, ports) in (0..).map(PortId).zip(&mut self.v6.ports) {
            let first = |kind: FramingKind| {
                let is_it = |hop: &Hop| {
                    links
                        .get(hop.index())
                        .is_some_and(|link| link.port == port && link.is_up() && link.framing.kind == kind)
                };
                Hop::all6().find(is_it).unwrap_or(Hop::NONE)
            };
            *ports = Ports { ethernet: first(FramingKind::Ethernet), session: first(FramingKind::Pppoe) };
        }
    }

    /// The links that are up and have this address, but for the router's own stacks.
    fn owner6(&self, address: &Address) -> Option<Hop> {
        Hop::all6().filter(|hop| !hop.is_stack()).find(|hop| self.has6(*hop, address))
    }

    /// Whether an address is ours on `hop`, and that is up.
    fn has6(&self, hop: Hop, address: &Address) -> bool {
        // What differs is mostly the last word.
        let is_own =
            || self.addresses6(hop).iter().any(|own| own.address[3] == address[3] && own.address == *address);
        self.link6(hop).is_some_and(|link| {
            link.is_up() && (link.local[3] == address[3] && link.local == *address || is_own())
        })
    }

    /// Our addresses on `hop`, up or down, but for the link-local one.
    fn addresses6(&self, hop: Hop) -> &[Network6] {
        self.v6.addresses.get(hop.index()).map_or(&[], |addresses| addresses.as_slice())
    }

    /// [`addresses6`](Self::addresses6), for who is outside, and our link-local address in front of them, while the link is up.
    pub(crate) fn own_ipv6(&self, hop: Hop) -> Option<(Ipv6Address, impl Iterator<Item = Ipv6Cidr>)> {
        let link = self.link6(hop).filter(|link| link.is_up() && link.local != UNSPECIFIED)?;
        let addresses = self.addresses6(hop).iter();
        Some((
            address6(&link.local),
            addresses.map(|own| Ipv6Cidr::new(address6(&own.address), own.prefix_len)),
        ))
    }

    // Time.

    pub(super) fn handle_timeout6(&mut self, now: Instant) -> u32 {
        let mut most = (self.v6.flows.capacity() as u32).div_ceil(super::SWEEPS);
        while let Some(place) = self.v6.flows.next_expired(tick(now), &mut most) {
            self.end_flow6(place);
        }
        self.expire_path_mtus(now);
        self.v6.fragments.expire(tick(now)) + self.expire_reassemblies(now)
    }

    /// Whether there is something for [`handle_timeout6`](Self::handle_timeout6) to do, sooner or later.
    pub(super) fn has_to_sweep6(&self) -> bool {
        self.v6.flows.len() > 0
            || !self.v6.fragments.is_empty()
            || !self.v6.reassemblies.is_empty()
            || self.v6.tunnels.iter().any(Tunnel::has_path_mtu)
    }

    pub(super) fn poll_at6(&self) -> Option<Instant> {
        self.v6.neighbours.poll_at()
    }

    // The end of flows.

    fn end_flow6(&mut self, place: u16) {
        if let Some(flow) = self.v6.flows.remove(place) {
            self.v6.charge(flow.account, -1);
            self.v6.fragments.forget_flow(place);
        }
    }

    /// Flows, entries of their index, flows on accounts, what the accounts add up to, frames that wait: for soaks.
    pub(super) fn table_use6(&self) -> [usize; 5] {
        let accounted = self.v6.flows.iter().filter(|flow| flow.account != NO_NEIGHBOUR).count();
        let hosts: usize = self.v6.neighbours.iter().map(|(_, known)| usize::from(known.flows)).sum();
        let tunnels: usize = self.v6.tunnels.iter().map(|tunnel| usize::from(tunnel.flows)).sum();
        let waiting = self.v6.waiting.len() + self.v6.reassemblies.len();
        [self.v6.flows.len(), self.v6.flows.index_len(), accounted, hosts + tunnels, waiting]
    }

    /// Whether who is behind `hop` is one of ours, or a network we serve: its sources are checked against its routes.
    fn is_served(&self, hop: Hop) -> bool {
        match hop.kind() {
            HopKind::Tunnel(id) => {
                self.tunnel(id).is_some_and(|tunnel| tunnel.role() == Some(TunnelRole::Server))
            }
            _ => hop.is_inside(),
        }
    }
}

/// The number of the first tunnel's account, among those of neighbours.
const TUNNEL_ACCOUNTS: u8 = neighbour::MOST as u8;
const _: () = assert!(neighbour::MOST + MAX_TUNNELS < NO_NEIGHBOUR as usize);
/// Routes, of all links.
const MAX_ROUTES: usize = 24;
/// Of each WAN its own network, if the LAN shares it, and those of the tunnels that we serve.
const MAX_PROXIED: usize = (1 + 2 * MAX_TUNNELS) * crate::MAX_WANS;
/// Frames that wait for hardware addresses.
const WAITING: usize = 8;
