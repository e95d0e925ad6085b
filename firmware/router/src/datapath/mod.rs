//! The datapath between LAN and WAN: decides once per flow, then replays the decision.
//!
//! ```text
//!  frame ─► fast: header words match, flow known, nothing to watch ──► rewrite, checksums, header ─► port
//!              │ anything else
//!              ▼
//!           slow: parse with every check ─┬─ DHCP ─────────────► server
//!                                         ├─ fragment ─────────► waits, or follows its first
//!                                         ├─ ICMP error ───────► translated with what it quotes
//!                                         ├─ flow known ───────► carry: TTL, MTU, MSS, state, rewrite
//!                                         └─ new: own address? route? rule? quota? NAT? ─► flow ─► carry
//! ```
//!
//! Both ways do the same to a packet; the fast one leaves everything that is rare to the slow one. An *epoch* stands for the
//! rules, routes and addresses in force: with another epoch, a flow's next packet has its decision checked, once.
//!
//! Reading list: RFC 4787, 5382, 5508, 7857 (NAT), RFC 1812 (forwarding), RFC 1624 (checksums), RFC 3022.

mod arp;
mod checksum;
mod decide;
mod event;
mod fast;
mod firewall;
mod flow;
mod fragment;
mod icmp;
mod index;
mod interface;
mod limit;
mod nat;
mod neighbour;
mod output;
mod outward;
mod packet;
mod recheck;
mod route;
mod slow;
mod tables;
mod tcp;
mod v6;
mod view;

pub use event::{DatapathEvent, TableUse};
pub use firewall::{
    Action, Filtering, Forward, MAX_FORWARDS, MAX_RULES, PingPolicy, PortRange, Prefix, Protocol, Rule, Zone,
};
pub use tables::{TableSpace, Tables};
pub use v6::{
    Ipv6Policy, Ipv6Route, MAX_IPV6_ADDRESSES, MAX_TUNNELS, Tos, TunnelConfig, TunnelId, TunnelRole,
};
pub use view::{FlowStatus, FlowStatus6, MappingStatus};

pub(crate) use firewall::Firewall;
pub(crate) use interface::{Framing, Hop, HopKind, Interface, Mac, Network, address, word};
pub(crate) use slow::{Arrival, Outcome};
pub(crate) use v6::{Link, Medium, address6, interface_identifier, link_local};

use chacha20::ChaCha8Rng;
use gatelet_hal::{Frame, MAX_PORTS, Pool, PortId};
use heapless::{Deque, Vec};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{Ipv4Address, Ipv4Cidr};

use crate::router::{Egress, MAX_WANS};
use crate::{Dropped, WanId};
use flow::{Flow, FlowTable, NO_NEIGHBOUR, tick};
use fragment::FragmentTable;
use index::HashKey;
use interface::FramingKind;
use limit::Limiter;
use nat::MappingTable;
use neighbour::NeighbourTable;
use outward::{NEVER, Outward};
use packet::TCP;
use v6::V6;

/// The datapath. In the order written, since what every packet needs is to be near: a load of RISC-V reaches 2 KB, one of a
/// Cortex-M0+ 124 bytes.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Datapath<'p> {
    /// Cut connections are told one after the other, from this place on. It is here because an `Option<Datapath>` has its mark in
    /// it.
    cut: Option<(u16, Instant)>,
    epoch: u16,
    /// The most flows on the account of one host.
    host_quota: u16,
    flows: FlowTable<'p>,
    neighbours: NeighbourTable<'p>,
    mappings: MappingTable<'p>,
    /// What may arrive at each port, the likeliest first.
    ports: [PortHops; MAX_PORTS],
    interfaces: [Interface; Hop::COUNT],
    traffic: [Traffic; Hop::COUNT],
    /// What is decided for all of an epoch.
    outward: Outward,
    v6: V6<'p>,
    pool: Pool<'p>,
    rng: ChaCha8Rng,
    /// The address each interface had last, in memory order.
    last_addresses: [u32; Hop::COUNT],
    /// Beyond networks on the link and default routes.
    routes: Vec<Route, MAX_ROUTES>,
    fragments: FragmentTable<'p, 'p>,
    pub(crate) firewall: Firewall,
    /// Frames whose neighbour's hardware address is being asked for, by its place.
    waiting: Vec<(u8, Frame<'p>), WAITING>,
    /// How many did, and nobody answered.
    waited_in_vain: u32,
    out: Deque<(Egress, Frame<'p>), OUT>,
    icmp_out: Limiter,
    icmp_in: Limiter,
    ping: Limiter,
    defence: Limiter,
    tell_quota: Limiter,
    tell_full: Limiter,
    sweep_at: Instant,
    events: Deque<DatapathEvent, 8>,
    events_lost: u32,
}

/// The way to a network behind a gateway.
#[derive(Debug, Clone, Copy)]
struct Route {
    hop: Hop,
    network: Network,
    prefix_len: u8,
    /// In memory order; 0: the network is on the link itself.
    gateway: u32,
}

/// IP packets of an interface. Packets wrap around; bytes are carried over to [`Carried`] before they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Traffic {
    /// When a packet arrived last, that took the fast path.
    pub(crate) last: Instant,
    pub(crate) received: u32,
    pub(crate) sent: u32,
    received_bytes: u32,
    sent_bytes: u32,
    carried: Carried,
}

/// Bytes of an interface, but for those of the last seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Carried {
    received: u64,
    sent: u64,
}

impl Traffic {
    const NONE: Self = Self {
        last: Instant::ZERO,
        received: 0,
        sent: 0,
        received_bytes: 0,
        sent_bytes: 0,
        carried: Carried { received: 0, sent: 0 },
    };

    #[inline]
    pub(crate) const fn count_received(&mut self, len: usize) {
        self.received = self.received.wrapping_add(1);
        self.received_bytes = self.received_bytes.wrapping_add(len as u32);
    }

    #[inline]
    pub(crate) const fn count_sent(&mut self, len: usize) {
        self.sent = self.sent.wrapping_add(1);
        self.sent_bytes = self.sent_bytes.wrapping_add(len as u32);
    }

    pub(crate) const fn received_bytes(&self) -> u64 {
        self.carried.received + self.received_bytes as u64
    }

    pub(crate) const fn sent_bytes(&self) -> u64 {
        self.carried.sent + self.sent_bytes as u64
    }

    /// Makes room for bytes to count. Every second there is traffic, which at a gigabit per second is 30 times too often.
    const fn carry(&mut self) {
        self.carried = Carried { received: self.received_bytes(), sent: self.sent_bytes() };
        (self.received_bytes, self.sent_bytes) = (0, 0);
    }
}

/// What may arrive at a port.
#[derive(Debug, Clone)]
struct PortHops {
    /// Plain Ethernet without a tag, and the first session without one; [`Hop::NONE`] if there is no such.
    ethernet: Hop,
    session: Hop,
    all: Vec<Hop, { 1 + 2 * MAX_WANS }>,
}

impl PortHops {
    const NONE: Self = Self { ethernet: Hop::NONE, session: Hop::NONE, all: Vec::new() };

    /// From `all`.
    fn sort(&mut self, interfaces: &[Interface]) {
        let first = |kind: FramingKind| {
            let is_it = |hop: &Hop| interfaces.get(hop.index()).is_some_and(|it| it.framing.kind == kind);
            self.all.iter().copied().find(is_it).unwrap_or(Hop::NONE)
        };
        (self.ethernet, self.session) = (first(FramingKind::Ethernet), first(FramingKind::Pppoe));
    }
}

impl<'p> Datapath<'p> {
    #[expect(clippy::needless_pass_by_value, reason = "what is lent is taken")]
    pub(crate) fn new(pool: Pool<'p>, mut rng: ChaCha8Rng, tables: Tables<'p>) -> Self {
        let flows = FlowTable::new(tables.flows, tables.flow_index, HashKey::random(&mut rng));
        let mappings = MappingTable::new(tables.mappings, tables.mapping_index, HashKey::random(&mut rng));
        let v6 = V6::new(tables.flows6, tables.flow_index6, tables.neighbours6, tables.datagrams6, &mut rng);
        let host_quota = (flows.capacity() / HOST_SHARE).max(1) as u16;
        Self {
            cut: None,
            epoch: NEVER,
            host_quota,
            flows,
            neighbours: NeighbourTable::new(tables.neighbours),
            mappings,
            ports: [const { PortHops::NONE }; MAX_PORTS],
            interfaces: [Interface::DOWN; Hop::COUNT],
            traffic: [Traffic::NONE; Hop::COUNT],
            outward: Outward::UNKNOWN,
            v6,
            pool,
            rng,
            last_addresses: [0; Hop::COUNT],
            routes: Vec::new(),
            fragments: FragmentTable::new(tables.datagrams),
            firewall: Firewall::new(),
            waiting: Vec::new(),
            waited_in_vain: 0,
            out: Deque::new(),
            icmp_out: Limiter::new(10, Duration::from_millis(100)),
            icmp_in: Limiter::new(50, Duration::from_millis(20)),
            ping: Limiter::new(10, Duration::from_millis(100)),
            defence: Limiter::new(1, Duration::from_secs(10)),
            tell_quota: Limiter::new(1, Duration::from_secs(60)),
            tell_full: Limiter::new(1, Duration::from_secs(60)),
            sweep_at: Instant::ZERO,
            events: Deque::new(),
            events_lost: 0,
        }
    }

    // What the owner sets.

    /// Sets an interface, up or down. Flows are checked against the new state with their next packet; connections through an
    /// address that is no longer ours are cut.
    pub(crate) fn set_interface(&mut self, now: Instant, hop: Hop, mut interface: Interface) {
        if hop.is_stack() {
            // What is for a stack is of any length, and keeps off the fast path, which looks at the MTU alone.
            interface.mtu = 0;
        }
        let old = self.interfaces[hop.index()];
        self.interfaces[hop.index()] = interface;
        for (port, hops) in (0..).map(PortId).zip(&mut self.ports) {
            hops.all.retain(|known| *known != hop);
            if port == interface.port && !matches!(interface.framing.kind, FramingKind::None) {
                // There is a place for each hop that has a port.
                let _ = hops.all.push(hop);
            }
            hops.sort(&self.interfaces);
        }
        self.next_epoch();
        self.refresh_tunnels(now);
        let is_same_link = old.network == interface.network && old.framing.mac() == interface.framing.mac();
        if !is_same_link && old.has_neighbours() {
            for place in (0..).take(self.neighbours.capacity()) {
                if self.neighbours.neighbour(place).is_some_and(|neighbour| neighbour.hop() == hop) {
                    self.drop_waiting(place);
                }
            }
            self.neighbours.forget(now, hop);
        }
        let Some(address) = interface.address else { return };
        let last = core::mem::replace(&mut self.last_addresses[hop.index()], address);
        // Nothing is under the LAN's address but what its stack says; with another network its hosts are other ones.
        let is_same = hop == Hop::LAN && old.network == interface.network;
        if last != 0 && last != address && !hop.is_stack() && !is_same {
            self.cut_flows(now, hop, last);
        }
    }

    /// Networks beyond `hop` that have a gateway of their own. Those there were are forgotten.
    pub(crate) fn set_routes(&mut self, hop: Hop, routes: impl Iterator<Item = (Ipv4Cidr, Ipv4Address)>) {
        self.routes.retain(|route| route.hop != hop);
        for (network, gateway) in routes {
            let prefix_len = network.prefix_len();
            let route = Route { hop, network: Network::of(network), prefix_len, gateway: word(gateway) };
            if self.routes.push(route).is_err() {
                break;
            }
        }
        self.next_epoch();
    }

    pub(crate) const fn interface(&self, hop: Hop) -> &Interface {
        &self.interfaces[hop.index()]
    }

    /// What passed by IPv4, and by IPv6.
    pub(crate) const fn traffic(&self, hop: Hop) -> [Traffic; 2] {
        [self.traffic[hop.index()], self.v6.traffic[hop.index()]]
    }

    pub(crate) const fn set_host_quota(&mut self, flows: u16) {
        self.host_quota = flows;
    }

    /// Rules, forwards or routes are others now.
    pub(crate) fn next_epoch(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
        if self.epoch == NEVER {
            // Flows of epochs long ago must not pass unchecked when the numbers come again: all are of none now.
            self.flows.forget_epochs();
            self.v6.forget_epochs();
            self.outward = Outward::UNKNOWN;
            self.epoch = 1;
        }
    }

    // Frames.

    /// The next frame of the datapath's own: what was fragmented or waited, ICMP, ARP.
    pub(crate) fn poll_transmit(&mut self, now: Instant) -> Option<(Egress, Frame<'p>)> {
        loop {
            if let Some(ready) = self.out.pop_front() {
                return Some(ready);
            }
            if !self.ask_neighbours(now) && !self.ask_neighbours6(now) && !self.tell_cut(now) {
                return None;
            }
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) -> u32 {
        if now < self.sweep_at {
            return 0;
        }
        self.sweep_at = now + SWEEP_EVERY;
        self.traffic.iter_mut().chain(&mut self.v6.traffic).for_each(Traffic::carry);
        let mut most = (self.flows.capacity() as u32).div_ceil(SWEEPS);
        while let Some(place) = self.flows.next_expired(tick(now), &mut most) {
            self.end_flow(place);
        }
        self.fragments.expire(tick(now)) + self.handle_timeout6(now)
    }

    pub(crate) fn poll_at(&self) -> Option<Instant> {
        let has_to_sweep = self.flows.len() > 0 || !self.fragments.is_empty() || self.has_to_sweep6();
        let sweep = has_to_sweep.then_some(self.sweep_at);
        let cut = self.cut.map(|(_, at)| at);
        [sweep, cut, self.neighbours.poll_at(), self.poll_at6()].into_iter().flatten().min()
    }

    pub(crate) fn poll_event(&mut self) -> Option<DatapathEvent> {
        self.events.pop_front()
    }

    pub(crate) const fn take_events_lost(&mut self) -> u32 {
        core::mem::replace(&mut self.events_lost, 0)
    }

    /// How many frames waited in vain for a neighbour since the last call.
    pub(crate) const fn take_waited_in_vain(&mut self) -> u32 {
        core::mem::replace(&mut self.waited_in_vain, 0)
    }

    pub(crate) fn table_use(&self) -> TableUse {
        let flows = |is: fn(&Flow) -> bool| self.flows.iter().filter(|(_, flow)| is(flow)).count();
        let [flows6, index_entries6, accounted6, accounts6, waiting6] = self.table_use6();
        TableUse {
            flows: self.flows.len(),
            flows_most: self.flows.capacity(),
            mappings: self.mappings.len(),
            mapped_flows: [flows(|flow| flow.mapping != flow::NONE), self.mappings.uses()],
            host_flows: [
                flows(|flow| flow.host != NO_NEIGHBOUR),
                self.neighbours.iter().map(|neighbour| usize::from(neighbour.flows)).sum(),
            ],
            neighbours: self.neighbours.iter().count(),
            index_entries: self.flows.index_len() + self.mappings.index_len(),
            waiting: self.waiting.len() + waiting6,
            flows6,
            index_entries6,
            host_flows6: [accounted6, accounts6],
        }
    }

    // The end of flows.

    fn end_flow(&mut self, place: u16) {
        if let Some(flow) = self.flows.remove(place) {
            self.settle(&flow);
            self.fragments.forget_flow(place);
        }
    }

    /// What a flow that is gone has held.
    fn settle(&mut self, flow: &Flow) {
        settle(&mut self.mappings, &mut self.neighbours, flow);
    }

    /// The address of `hop` is another than `last`: TCP connections through it are cut, all other flows end.
    fn cut_flows(&mut self, now: Instant, hop: Hop, last: u32) {
        let mut cut = 0;
        for place in 0..self.flows.capacity() as u16 {
            let Some(flow) = self.flows.flow(place).filter(|flow| flow.protocol != 0) else { continue };
            let is_hairpin = flow.forward.destination == last;
            if flow.from != hop && flow.to != hop && !is_hairpin || flow.state.is_cut() {
                continue;
            }
            if flow.protocol != TCP || !flow.state.is_steady() {
                self.end_flow(place);
            } else if let Some(flow) = self.flows.flow_mut(place) {
                flow.state.cut();
                flow.seen = tick(now);
                let mapping = core::mem::replace(&mut flow.mapping, flow::NONE);
                self.mappings.release(mapping);
                cut += 1;
            }
        }
        if cut > 0 {
            self.cut = Some((0, now));
            self.tell(DatapathEvent::FlowsCut { flows: cut });
        }
    }

    fn tell(&mut self, event: DatapathEvent) {
        if self.events.push_back(event).is_err() {
            self.events_lost += 1;
        }
    }

    /// Queues a frame of the datapath's own.
    fn queue(&mut self, egress: Egress, frame: Frame<'p>) -> Result<(), Dropped> {
        self.out.push_back((egress, frame)).map_err(|_| Dropped::QueueFull)
    }

    /// The interfaces that are up and have this address.
    fn owner(&self, address: u32) -> Option<Hop> {
        Hop::all()
            .filter(|hop| !hop.is_stack())
            .find(|hop| self.interfaces[hop.index()].address == Some(address))
    }
}

fn settle(mappings: &mut MappingTable<'_>, neighbours: &mut NeighbourTable<'_>, flow: &Flow) {
    mappings.release(flow.mapping);
    neighbours.charge(flow.host, -1);
}

/// The stack that serves a WAN for the router itself, and the `lan` one, as egress.
const fn stack_egress(hop: Hop) -> Option<Egress> {
    match hop.kind() {
        interface::HopKind::LanStack => Some(Egress::LanStack),
        interface::HopKind::Stack(WanId(wan)) => Some(Egress::Stack(WanId(wan))),
        _ => None,
    }
}

/// A host may have this part of all flows, unless the owner says otherwise.
const HOST_SHARE: usize = 4;
/// Routes of DHCP servers that are kept (RFC 3442).
const MAX_ROUTES: usize = 16;
/// Frames that wait for hardware addresses.
const WAITING: usize = 8;
/// Frames of the datapath's own that wait to be fetched.
const OUT: usize = 16;
/// The whole table of flows is looked through in so many sweeps.
const SWEEPS: u32 = 32;
const SWEEP_EVERY: Duration = Duration::from_secs(1);
