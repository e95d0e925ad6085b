//! The router: ports, WANs, and whose frame is whose.

mod control6;
mod faces;
mod ingress;
mod ipv6;
mod lan;
mod plain_ethernet;
mod policy;

use chacha20::ChaCha8Rng;
use gatelet_hal::{Frame, LinkState, MAX_PORTS, Pool, PortId};
use gatelet_proto::dhcp::server::{self, Lease};
use gatelet_proto::redial::{Boot, Ledger};
use gatelet_wire::EthernetAddress;
use heapless::{Deque, Vec};
use rand_core::SeedableRng;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::Ipv4Address;

pub use self::control6::TunnelStatus;
pub use self::ipv6::{Captive, Ipv6Access, Via};

use self::control6::Control6;
use self::faces::Faces;
use crate::datapath::{
    Datapath, DatapathEvent, FlowStatus, FlowStatus6, Hop, MappingStatus, TableUse, Tables, Traffic, word,
};
use crate::ipv6::Ipv6Event;
use crate::lan::Lan;
use crate::wan::{Forwarded, Line, Outgoing, Wan, WanConfig, WanEvent, WanId, WanStatus};
use crate::{Counters, Dropped, TunnelId};

/// The most WANs of one router: 12 KB each, spoken for or not. The second comes with the feature `second-wan`.
pub const MAX_WANS: usize = 1 + cfg!(feature = "second-wan") as usize;

/// A shutdown takes 4 s where the peer answers nothing (two Terminate-Requests), and longer only
/// where the flash says nothing.
const SHUTDOWN_MOST: Duration = Duration::from_secs(10);

/// The longest IP packet on Ethernet (RFC 894).
const ETHERNET_MTU: u16 = 1500;

/// Where a frame goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Egress {
    /// Out of a port: the frame begins with its Ethernet header.
    Port(PortId),
    /// To the router's own IP stack of this WAN: the frame begins with its IP header.
    Stack(WanId),
    /// To the router's own IP stack on the LAN: the frame begins with its IP header.
    LanStack,
}

/// What the owner wants.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "there is no heap to put the large one on")]
pub enum Command {
    /// Be on line. `force` lifts a hold, never the budget.
    Dial {
        /// Which WAN.
        wan: WanId,
        /// Whether to lift a hold.
        force: bool,
    },
    /// Be off line until [`Dial`](Self::Dial).
    HangUp {
        /// Which WAN.
        wan: WanId,
    },
    /// Hang up everywhere; [`RouterEvent::ShutDown`] tells when it is done.
    Shutdown,
    /// Use other settings: a live session is ended first, and a new one dialed.
    Reconfigure {
        /// Which WAN.
        wan: WanId,
        /// The new settings. The port stays the one the WAN was added with.
        config: WanConfig,
    },
    /// The session has an address, but nothing gets through (a connectivity check found).
    NoTraffic {
        /// Which WAN.
        wan: WanId,
    },
    /// A captive portal has a WAN, or not any more ([`Router::set_captive`]).
    Captive {
        /// Which WAN.
        wan: WanId,
        /// What it has.
        captive: Captive,
    },
    /// The time of day.
    WallClock {
        /// Unix time in seconds.
        unix_seconds: u64,
    },
    /// A tunnel's far end has said, and proved to be it, that its address is another now.
    MoveTunnel {
        /// Which tunnel.
        tunnel: TunnelId,
        /// The new address.
        remote: Ipv4Address,
    },
    /// Be reached from WANs at this TCP port, or at none: see [`Router::set_listening`].
    Listen {
        /// The port.
        port: Option<u16>,
    },
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouterEvent {
    /// A step of a WAN.
    Wan(WanId, WanEvent),
    /// A step of the DHCP server.
    Dhcp(server::Event),
    /// Something between LAN and WAN.
    Datapath(DatapathEvent),
    /// The time of day is known, or known anew ([`Command::WallClock`]).
    WallClock {
        /// Unix time in seconds.
        unix_seconds: u64,
    },
    /// Addresses, prefixes and ways out of IPv6.
    Ipv6(Ipv6Event),
    /// [`Command::Shutdown`] is done: every session is ended, the last frame was fetched and the last
    /// record stored.
    ShutDown,
}

/// The router. In the order written: what every packet needs is near the beginning, where a load reaches it.
#[derive(Debug)]
#[repr(C)]
pub struct Router<'p> {
    /// Between LAN and WAN; without it, all that arrives is for the router itself.
    datapath: Option<Datapath<'p>>,
    pool: Pool<'p>,
    rng: ChaCha8Rng,
    ports: Vec<Port, MAX_PORTS>,
    wans: Vec<Line<'p>, MAX_WANS>,
    lan: Option<Lan<'p>>,
    /// Memory for the LAN's leases, until there is a LAN.
    leases: Option<&'p mut [Lease]>,
    /// What the datapath knows of each WAN.
    faces: [Faces; MAX_WANS],
    /// The machines of IPv6, as far as the owner wants them.
    control6: Control6,
    /// What the router itself has found out about its WANs.
    notes: Deque<(WanId, WanEvent), 4>,
    /// The time of day that is to be told.
    wall_clock: Option<u64>,
    /// A frame for the next control message: taken before it is known whether there is one.
    spare: Option<Frame<'p>>,
    shutdown: Shutdown,
    counters: Counters,
}

#[derive(Debug)]
struct Port {
    id: PortId,
    mac: EthernetAddress,
    max_frame_len: usize,
    link: LinkState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shutdown {
    No,
    /// Done then at the latest, whatever is still to be sent or stored.
    UnderWay(Instant),
    Overdue,
    Told,
}

impl<'p> Router<'p> {
    /// A router without ports. `seed` feeds everything that must be unpredictable: each boot needs
    /// another one.
    pub fn new(pool: Pool<'p>, seed: [u8; 32]) -> Self {
        Self {
            datapath: None,
            pool,
            rng: ChaCha8Rng::from_seed(seed),
            ports: Vec::new(),
            wans: Vec::new(),
            lan: None,
            leases: None,
            faces: [Faces::default(); MAX_WANS],
            control6: Control6::default(),
            notes: Deque::new(),
            wall_clock: None,
            spare: None,
            shutdown: Shutdown::No,
            counters: Counters::default(),
        }
    }

    /// Adds a port, or tells its properties anew. `max_frame_len` is in bytes from the destination
    /// address on, without the FCS. False, and nothing is added, beyond [`MAX_PORTS`].
    pub fn add_port(&mut self, id: PortId, mac: EthernetAddress, max_frame_len: usize) -> bool {
        for wan in self.wans.iter_mut().filter(|wan| wan.port() == id) {
            wan.set_port(mac, max_frame_len);
        }
        if let Some(port) = self.ports.iter_mut().find(|port| port.id == id) {
            (port.mac, port.max_frame_len) = (mac, max_frame_len);
            return true;
        }
        self.ports.push(Port { id, mac, max_frame_len, link: LinkState::Down }).is_ok()
    }

    /// A port's own hardware address.
    pub fn hardware_address(&self, id: PortId) -> Option<EthernetAddress> {
        self.ports.iter().find(|port| port.id == id).map(|port| port.mac)
    }

    /// Adds a WAN and answers its number; `None` beyond [`MAX_WANS`]. It dials once its port has
    /// carrier. `ledger` is what [`poll_store`](Self::poll_store) gave last before this boot, `None`
    /// if nothing was ever stored.
    pub fn add_wan(
        &mut self,
        now: Instant,
        config: WanConfig,
        boot: Boot,
        ledger: Option<Ledger>,
    ) -> Option<WanId> {
        self.add_line(now, Line::Pppoe(Wan::new(now, config, boot, ledger)))
    }

    fn add_line(&mut self, now: Instant, mut wan: Line<'p>) -> Option<WanId> {
        let id = WanId(self.wans.len() as u8);
        if let Some(port) = self.ports.iter().find(|port| port.id == wan.port()) {
            wan.set_port(port.mac, port.max_frame_len);
            wan.handle_link(now, &mut self.rng, port.link);
        }
        self.wans.push(wan).ok().map(|()| id)
    }

    /// Lends the router the tables for what passes between LAN and WAN. To be done once, before [`add_lan`](Self::add_lan);
    /// a router without tables has no LAN, and gives all IP packets of its WANs to its own stacks.
    pub fn lend_tables(&mut self, mut tables: Tables<'p>) {
        self.leases = Some(core::mem::take(&mut tables.leases));
        let rng = ChaCha8Rng::from_rng(&mut self.rng);
        self.datapath = Some(Datapath::new(self.pool, rng, tables));
    }

    /// Takes a frame that `port` received. Answers the frame that is to be sent for it at once, if there is one: a packet that
    /// is forwarded comes back as it leaves. All else comes by [`poll_transmit`](Self::poll_transmit).
    #[inline]
    pub fn handle_frame(
        &mut self,
        now: Instant,
        port: PortId,
        mut frame: Frame<'p>,
    ) -> Option<(Egress, Frame<'p>)> {
        if let Some(datapath) = &mut self.datapath
            && let Some(passed) = datapath.fast(now, port, &mut frame)
        {
            return Some((Egress::Port(passed.to), frame));
        }
        self.handle_other_frame(now, port, frame)
    }

    /// Any frame but one of an established flow.
    #[inline(never)]
    fn handle_other_frame(
        &mut self,
        now: Instant,
        port: PortId,
        frame: Frame<'p>,
    ) -> Option<(Egress, Frame<'p>)> {
        let routed = if self.lan.as_ref().is_some_and(|lan| lan.config.port == port) {
            self.route_lan_frame(now, frame)
        } else {
            self.route_wan_frame(now, port, frame)
        };
        self.sent(routed)
    }

    /// What is to be sent at once; a reason to drop is counted.
    fn sent(&mut self, routed: Result<Option<(Egress, Frame<'p>)>, Dropped>) -> Option<(Egress, Frame<'p>)> {
        routed.unwrap_or_else(|reason| {
            self.counters.count(reason);
            None
        })
    }

    /// Takes note of a port's carrier.
    pub fn handle_link(&mut self, now: Instant, port: PortId, state: LinkState) {
        if let Some(port) = self.ports.iter_mut().find(|known| known.id == port) {
            port.link = state;
        }
        for wan in self.wans.iter_mut().filter(|wan| wan.port() == port) {
            wan.handle_link(now, &mut self.rng, state);
        }
        self.refresh(now);
    }

    /// Takes an IP packet of the router's own stack of `wan`, and answers the frame that is to be sent for it. Its maker has left
    /// [`Frame::IP_HEADROOM`] in front.
    pub fn handle_stack_packet(
        &mut self,
        now: Instant,
        wan: WanId,
        frame: Frame<'p>,
    ) -> Option<(Egress, Frame<'p>)> {
        let routed = self.route_stack_packet(now, wan, frame);
        self.sent(routed)
    }

    /// Does what the owner wants. A WAN that does not exist wants nothing.
    pub fn handle_command(&mut self, now: Instant, command: Command) {
        let rng = &mut self.rng;
        match command {
            Command::Dial { wan: id, force } => {
                self.shutdown = Shutdown::No;
                if let Some(wan) = self.wans.get_mut(usize::from(id.0)) {
                    wan.dial(now, rng, force);
                }
            }
            Command::HangUp { wan: id } => {
                if let Some(wan) = self.wans.get_mut(usize::from(id.0)) {
                    wan.hang_up(now, rng);
                }
            }
            Command::Shutdown => {
                self.shutdown = Shutdown::UnderWay(now + SHUTDOWN_MOST);
                for wan in &mut self.wans {
                    wan.hang_up(now, rng);
                }
            }
            Command::Reconfigure { wan: id, config } => {
                if let Some(wan) = self.wans.get_mut(usize::from(id.0)) {
                    wan.reconfigure(now, rng, config);
                }
            }
            Command::NoTraffic { wan: id } => {
                if let Some(wan) = self.wans.get_mut(usize::from(id.0)) {
                    wan.note_no_traffic(now, rng);
                }
            }
            Command::Captive { wan, captive } => self.set_captive(now, wan, captive),
            Command::WallClock { unix_seconds } => {
                self.wall_clock = Some(unix_seconds);
                for wan in &mut self.wans {
                    wan.set_wall_clock(now, rng, unix_seconds);
                }
            }
            Command::MoveTunnel { tunnel, remote } => {
                self.move_tunnel(now, tunnel, remote);
            }
            Command::Listen { port } => {
                self.set_listening(port);
            }
        }
        self.refresh(now);
    }

    /// The ledger that [`poll_store`](Self::poll_store) gave last is written (`stored`), or could not
    /// be.
    pub fn handle_stored(&mut self, now: Instant, wan: WanId, stored: bool) {
        if let Some(wan) = self.wans.get_mut(usize::from(wan.0)) {
            wan.handle_stored(now, &mut self.rng, stored);
        }
        self.refresh(now);
    }

    /// To be called when [`poll_at`](Self::poll_at)'s time has come; earlier does no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        if matches!(self.shutdown, Shutdown::UnderWay(until) if until <= now) {
            self.shutdown = Shutdown::Overdue;
        }
        for (id, wan) in (0..).map(WanId).zip(&mut self.wans) {
            if let Some(datapath) = &self.datapath {
                // Before it decides whether the line is idle.
                for traffic in datapath.traffic(Hop::wan(id)) {
                    wan.note_traffic(traffic.last);
                }
            }
            wan.handle_timeout(now, &mut self.rng);
        }
        if let Some(datapath) = &mut self.datapath {
            for _ in 0..datapath.handle_timeout(now) {
                self.counters.count(Dropped::FragmentsWaiting);
            }
        }
        if let Some(lan) = &mut self.lan {
            lan.handle_timeout(now);
        }
        self.refresh(now);
        self.handle_timeout6(now);
    }

    /// The next frame to be sent. Call until `None`.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<(Egress, Frame<'p>)> {
        if let Some(ready) = self.poll_lan(now) {
            return Some(ready);
        }
        for index in 0..self.wans.len() {
            let (spare, pool) = (&mut self.spare, self.pool);
            let take = || spare.take().or_else(|| pool.take(PortId::LOCAL));
            let Some(wan) = self.wans.get_mut(index) else { break };
            let port = wan.port();
            match wan.poll_transmit(now, &mut self.rng, take) {
                Outgoing::Frame(frame) => return Some((Egress::Port(port), frame)),
                Outgoing::Packet(packet, destination) => {
                    let datapath = self.datapath.as_mut()?;
                    datapath.send_own(now, Hop::wan(WanId(index as u8)), word(destination), packet);
                    return datapath.poll_transmit(now);
                }
                Outgoing::Nothing { unused } => self.spare = self.spare.take().or(unused),
                Outgoing::OutOfFrames => self.counters.count(Dropped::OutOfFrames),
            }
        }
        None
    }

    /// A ledger to be written now, because something waits for it. Answer with
    /// [`handle_stored`](Self::handle_stored).
    pub fn poll_store(&mut self, now: Instant) -> Option<(WanId, Ledger)> {
        let mut wans = self.wans.iter_mut().enumerate();
        wans.find_map(|(index, wan)| Some((WanId(index as u8), wan.poll_store(now)?)))
    }

    /// The ledger of `wan` as of `now`, for memory that survives a reset ([`Boot::Warm`]).
    pub fn snapshot(&self, now: Instant, wan: WanId) -> Option<Ledger> {
        self.wans.get(usize::from(wan.0))?.snapshot(now)
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_at(&self) -> Option<Instant> {
        let shutdown = match self.shutdown {
            Shutdown::UnderWay(until) => Some(until),
            Shutdown::No | Shutdown::Overdue | Shutdown::Told => None,
        };
        let datapath = self.datapath.as_ref().and_then(Datapath::poll_at);
        let datapath = datapath.into_iter().chain(self.lan.as_ref().and_then(Lan::poll_at));
        let wans = self.wans.iter().filter_map(Line::poll_at);
        wans.chain(shutdown).chain(datapath).chain(self.poll_at6()).min()
    }

    /// What happened since the last call. Call until `None`.
    pub fn poll_event(&mut self) -> Option<RouterEvent> {
        if let Some((wan, event)) = self.notes.pop_front() {
            return Some(RouterEvent::Wan(wan, event));
        }
        if let Some(unix_seconds) = self.wall_clock.take() {
            return Some(RouterEvent::WallClock { unix_seconds });
        }
        for (index, wan) in self.wans.iter_mut().enumerate() {
            if let Some(event) = wan.poll_event() {
                return Some(RouterEvent::Wan(WanId(index as u8), event));
            }
            for _ in 0..wan.take_events_lost() {
                self.counters.count(Dropped::EventLost);
            }
        }
        if let Some(event) = self.lan.as_mut().and_then(Lan::poll_event) {
            return Some(RouterEvent::Dhcp(event));
        }
        if let Some(event) = self.poll_event6() {
            return Some(RouterEvent::Ipv6(event));
        }
        if let Some(datapath) = &mut self.datapath {
            if let Some(event) = datapath.poll_event() {
                return Some(RouterEvent::Datapath(event));
            }
            for _ in 0..datapath.take_events_lost() {
                self.counters.count(Dropped::EventLost);
            }
            for _ in 0..datapath.take_waited_in_vain() {
                self.counters.count(Dropped::Unreachable);
            }
        }
        let done = match self.shutdown {
            Shutdown::UnderWay(_) => self.wans.iter().all(Line::is_at_rest),
            Shutdown::Overdue => true,
            Shutdown::No | Shutdown::Told => false,
        };
        done.then(|| {
            self.shutdown = Shutdown::Told;
            RouterEvent::ShutDown
        })
    }

    /// The state of a WAN; `None` if there is no such.
    pub fn wan(&self, id: WanId) -> Option<WanStatus> {
        let mut status = self.wans.get(usize::from(id.0)).map(Line::status)?;
        if let Some(datapath) = &self.datapath {
            let counters = &mut status.counters;
            for traffic in datapath.traffic(Hop::wan(id)) {
                counters.ip_received = counters.ip_received.wrapping_add(traffic.received);
                counters.ip_sent = counters.ip_sent.wrapping_add(traffic.sent);
                counters.ip_received_bytes += traffic.received_bytes();
                counters.ip_sent_bytes += traffic.sent_bytes();
            }
            let hops = [Hop::LAN, Hop::LAN_STACK, Hop::wan(id), Hop::stack(id)];
            let [by_ipv4, mut by_ipv6] = [0, 1].map(|family| hops.map(|hop| datapath.traffic(hop)[family]));
            status.forwarded = forwarded(by_ipv4);
            if let Some(Ipv6Access { via: Via::Tunnel(_), .. }) = self.ipv6_access(id) {
                // Outside, what is in a tunnel is IPv4.
                by_ipv6[2] = by_ipv4[2];
            }
            status.forwarded_ipv6 = forwarded(by_ipv6);
        }
        Some(status)
    }

    /// Flows from a place on, each with its place: for who shows them piece by piece.
    pub fn flows(&self, now: Instant, from: u16) -> impl Iterator<Item = (u16, FlowStatus)> {
        self.datapath.iter().flat_map(move |datapath| datapath.flow_status(now, from))
    }

    /// Flows of IPv6 from a place on, each with its place.
    pub fn flows6(&self, now: Instant, from: u16) -> impl Iterator<Item = (u16, FlowStatus6)> {
        self.datapath.iter().flat_map(move |datapath| datapath.flow_status6(now, from))
    }

    /// NAT mappings from a place on, each with its place.
    pub fn mappings(&self, from: u16) -> impl Iterator<Item = (u16, MappingStatus)> {
        self.datapath.iter().flat_map(move |datapath| datapath.mapping_status(from))
    }

    /// Where the router has its frames from.
    pub const fn pool(&self) -> Pool<'p> {
        self.pool
    }

    /// How full the tables between LAN and WAN are; `None` without tables.
    pub fn table_use(&self) -> Option<TableUse> {
        self.datapath.as_ref().map(Datapath::table_use)
    }

    /// What was dropped before it reached a WAN's machines.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }
}

/// What passed between the LAN and a WAN, from counters that are there anyway.
fn forwarded([lan, lan_stack, wan, stack]: [Traffic; 4]) -> Forwarded {
    Forwarded {
        from_lan: lan.received.wrapping_sub(lan_stack.sent),
        to_wan: wan.sent.wrapping_sub(stack.received),
        from_wan_bytes: wan.received_bytes().wrapping_sub(stack.sent_bytes()),
        to_lan_bytes: lan.sent_bytes().wrapping_sub(lan_stack.received_bytes()),
    }
}
