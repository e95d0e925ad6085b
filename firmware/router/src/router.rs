//! The router: ports, WANs, and whose frame is whose.

use chacha20::ChaCha8Rng;
use gatelet_hal::{Frame, LinkState, MAX_PORTS, Pool, PortId};
use gatelet_proto::dhcp::server::{self, Lease, LeaseRecord};
use gatelet_proto::redial::{Boot, Ledger};
use gatelet_wire::EthernetAddress;
use gatelet_wire::ethernet::{self, Header};
use gatelet_wire::pppoe::{Code, Packet};
use heapless::{Deque, Vec};
use rand_core::SeedableRng;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpProtocol, Ipv4Address, Ipv4Cidr, Ipv4Packet, UdpPacket};

use crate::datapath::{
    Arrival, Datapath, DatapathEvent, Filtering, Firewall, Forward, Framing, Hop, HopKind, Interface,
    Network, Outcome, PingPolicy, Rule, TableUse, Tables, address, word,
};
use crate::lan::{Lan, LanConfig};
use crate::wan::{
    AddressKind, EthernetFace, EthernetWan, EthernetWanConfig, Forwarded, Line, Outgoing, Place, Wan,
    WanConfig, WanEvent, WanId, WanStatus, routes,
};
use crate::{Counters, Dropped};

/// The most WANs of one router.
pub const MAX_WANS: usize = 2;

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
    /// The time of day.
    WallClock {
        /// Unix time in seconds.
        unix_seconds: u64,
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
    /// [`Command::Shutdown`] is done: every session is ended, the last frame was fetched and the last
    /// record stored.
    ShutDown,
}

/// The router.
#[derive(Debug)]
pub struct Router<'p> {
    pool: Pool<'p>,
    rng: ChaCha8Rng,
    ports: Vec<Port, MAX_PORTS>,
    wans: Vec<Line<'p>, MAX_WANS>,
    /// Between LAN and WAN; without it, all that arrives is for the router itself.
    datapath: Option<Datapath<'p>>,
    lan: Option<Lan<'p>>,
    /// Memory for the LAN's leases, until there is a LAN.
    leases: Option<&'p mut [Lease]>,
    /// What the datapath knows of each WAN.
    faces: [Faces; MAX_WANS],
    /// What the router itself has found out about its WANs.
    notes: Deque<(WanId, WanEvent), 4>,
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
            pool,
            rng: ChaCha8Rng::from_seed(seed),
            ports: Vec::new(),
            wans: Vec::new(),
            datapath: None,
            lan: None,
            leases: None,
            faces: [Faces::default(); MAX_WANS],
            notes: Deque::new(),
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

    /// Adds a WAN that is plain Ethernet and answers its number; `None` beyond [`MAX_WANS`], or without
    /// [tables](Self::lend_tables): it is the datapath that speaks ARP.
    pub fn add_ethernet_wan(&mut self, now: Instant, config: EthernetWanConfig) -> Option<WanId> {
        self.datapath.as_ref()?;
        let id = self.add_line(now, Line::Ethernet(EthernetWan::new(now, config)));
        self.refresh(now);
        id
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

    /// Adds the LAN, or gives it other settings. False, and nothing has changed, without
    /// [tables](Self::lend_tables), without its port, or with settings that the DHCP server cannot work with.
    pub fn add_lan(&mut self, now: Instant, config: LanConfig) -> bool {
        let Some(datapath) = &mut self.datapath else { return false };
        let Some(port) = self.ports.iter().find(|port| port.id == config.port) else { return false };
        let address = Some(word(config.address.address()));
        let mtu =
            port.max_frame_len.saturating_sub(ethernet::HEADER_LEN).min(usize::from(ETHERNET_MTU)) as u16;
        let lan = Interface {
            port: config.port,
            address,
            network: Network::of(config.address),
            mtu,
            framing: Framing::ethernet(port.mac, None),
            ..Interface::DOWN
        };
        let is_good = config.dhcp.as_ref().is_none_or(|dhcp| dhcp.check().is_ok());
        let changed = match &mut self.lan {
            Some(known) => known.set_config(config),
            None if is_good => {
                let leases = self.leases.take().unwrap_or_default();
                Lan::new(config, leases).map(|lan| self.lan = Some(lan))
            }
            None => return false,
        };
        if changed.is_err() {
            return false;
        }
        datapath.set_interface(now, Hop::LAN, lan);
        datapath.set_interface(now, Hop::LAN_STACK, Interface { address, mtu, ..Interface::DOWN });
        datapath.announce(Hop::LAN);
        true
    }

    /// Adds a rule behind those there are. False beyond [`MAX_RULES`](crate::MAX_RULES), or without tables.
    pub fn add_rule(&mut self, rule: Rule) -> bool {
        self.change_firewall(|firewall| firewall.rules.push((rule, 0)).is_ok())
    }

    /// Forgets all rules.
    pub fn clear_rules(&mut self) {
        self.change_firewall(|firewall| {
            firewall.rules.clear();
            true
        });
    }

    /// The rules in the order in which they are asked, and how many flows each has decided on. Wraps around.
    pub fn rules(&self) -> impl Iterator<Item = (&Rule, u32)> {
        let rules = self.datapath.iter().flat_map(|datapath| &datapath.firewall.rules);
        rules.map(|(rule, hits)| (rule, *hits))
    }

    /// Adds a port forward. False beyond [`MAX_FORWARDS`](crate::MAX_FORWARDS), without tables, or if it is not [valid](Forward::is_valid).
    pub fn add_forward(&mut self, forward: Forward) -> bool {
        forward.is_valid() && self.change_firewall(|firewall| firewall.forwards.push(forward).is_ok())
    }

    /// Forgets all port forwards. Connections through them end with their next packet.
    pub fn clear_forwards(&mut self) {
        self.change_firewall(|firewall| {
            firewall.forwards.clear();
            true
        });
    }

    /// The host on the LAN that gets what comes from a WAN and is for nobody else. False without tables.
    pub fn set_dmz(&mut self, host: Option<Ipv4Address>) -> bool {
        self.change_firewall(|firewall| {
            firewall.dmz = host;
            true
        })
    }

    /// Who may ping us from a WAN; nobody, unless this says otherwise. False without tables.
    pub fn set_ping(&mut self, ping: PingPolicy) -> bool {
        self.change_firewall(|firewall| {
            firewall.ping = ping;
            true
        })
    }

    /// Whose packets an open mapping lets in. False without tables.
    pub fn set_filtering(&mut self, filtering: Filtering) -> bool {
        self.change_firewall(|firewall| {
            firewall.filtering = filtering;
            true
        })
    }

    /// The most flows one host on the LAN may have; a quarter of all, unless this says otherwise. False without tables.
    pub fn set_host_quota(&mut self, flows: u16) -> bool {
        self.datapath.as_mut().map(|datapath| datapath.set_host_quota(flows)).is_some()
    }

    fn change_firewall(&mut self, change: impl FnOnce(&mut Firewall) -> bool) -> bool {
        let Some(datapath) = &mut self.datapath else { return false };
        datapath.next_epoch();
        change(&mut datapath.firewall)
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

    /// Takes an IP packet of the router's own stack on the LAN, and answers the frame that is to be sent for it. Its maker has
    /// left [`Frame::IP_HEADROOM`] in front.
    pub fn handle_lan_packet(&mut self, now: Instant, frame: Frame<'p>) -> Option<(Egress, Frame<'p>)> {
        let arrival = Arrival { hop: Hop::LAN_STACK, at: 0, room: frame.len(), mac: None, to_group: false };
        let routed = self.pass(now, arrival, frame);
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
            Command::WallClock { unix_seconds } => {
                for wan in &mut self.wans {
                    wan.set_wall_clock(now, rng, unix_seconds);
                }
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
                wan.note_traffic(datapath.traffic(Hop::wan(id)).last);
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
        self.wans.iter().filter_map(Line::poll_at).chain(shutdown).chain(datapath).min()
    }

    /// What happened since the last call. Call until `None`.
    pub fn poll_event(&mut self) -> Option<RouterEvent> {
        if let Some((wan, event)) = self.notes.pop_front() {
            return Some(RouterEvent::Wan(wan, event));
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
            let traffic = datapath.traffic(Hop::wan(id));
            let counters = &mut status.counters;
            counters.ip_received = counters.ip_received.wrapping_add(traffic.received);
            counters.ip_sent = counters.ip_sent.wrapping_add(traffic.sent);
            counters.ip_received_bytes += traffic.received_bytes;
            counters.ip_sent_bytes += traffic.sent_bytes;
            status.forwarded = forwarded(datapath, id);
        }
        Some(status)
    }

    /// Where a captive portal's API is, as the carrier of a WAN has told (RFC 8910 §2.1); empty, if it has not.
    pub fn captive_portal_uri(&self, id: WanId) -> &str {
        match self.wans.get(usize::from(id.0)) {
            Some(Line::Ethernet(wan)) => wan.lease().map_or("", |lease| &lease.captive_portal_uri),
            _ => "",
        }
    }

    /// The router's own address on the LAN, and the network's length.
    pub fn lan(&self) -> Option<Ipv4Cidr> {
        self.lan.as_ref().map(|lan| lan.config.address)
    }

    /// The DHCP server of the LAN, with its leases.
    pub fn dhcp_server(&self) -> Option<&server::Server<'p>> {
        self.lan.as_ref().map(Lan::server)
    }

    /// Takes the leases that were stored before this boot, with the places they were stored at. To be done right after
    /// [`add_lan`](Self::add_lan).
    pub fn restore_leases(&mut self, now: Instant, records: impl IntoIterator<Item = (usize, LeaseRecord)>) {
        if let Some(lan) = &mut self.lan {
            lan.restore(now, records);
        }
    }

    /// A lease to be written some time soon: nobody waits for it.
    pub fn poll_lease(&mut self, now: Instant) -> Option<server::Store> {
        self.lan.as_mut()?.poll_store(now)
    }

    /// The captive portal that a WAN named (RFC 8910), passed on to the LAN; empty: none.
    pub fn set_captive_portal_uri(&mut self, uri: &str) {
        if let Some(lan) = &mut self.lan {
            lan.set_captive_portal_uri(uri);
        }
    }

    /// How full the tables between LAN and WAN are; `None` without tables.
    pub fn table_use(&self) -> Option<TableUse> {
        self.datapath.as_ref().map(Datapath::table_use)
    }

    /// What was dropped before it reached a WAN's machines.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What the datapath and the LAN's DHCP server have to send.
    fn poll_lan(&mut self, now: Instant) -> Option<(Egress, Frame<'p>)> {
        let datapath = self.datapath.as_mut()?;
        for (id, wan) in (0..).map(WanId).zip(&mut self.wans) {
            if let Some(address) = wan.ethernet_mut().and_then(EthernetWan::poll_probe) {
                datapath.probe(Hop::wan(id), address);
            }
        }
        if let Some(lan) = &mut self.lan {
            while let Some(address) = lan.poll_probe(now) {
                datapath.probe(Hop::LAN, address);
            }
            let mac = datapath.interface(Hop::LAN).framing.mac();
            if let Some(frame) = lan.poll_transmit(self.pool, mac) {
                return Some((Egress::Port(lan.config.port), frame));
            }
        }
        datapath.poll_transmit(now)
    }

    /// Tells the datapath what has changed about the WANs.
    fn refresh(&mut self, now: Instant) {
        let Some(datapath) = &mut self.datapath else { return };
        for ((id, wan), known) in (0..).map(WanId).zip(&self.wans).zip(&mut self.faces) {
            let interface = interface_of(wan);
            if !datapath.interface(Hop::wan(id)).is_same(&interface) {
                datapath.set_interface(now, Hop::wan(id), interface);
                let stack = Interface { address: interface.address, mtu: interface.mtu, ..Interface::DOWN };
                datapath.set_interface(now, Hop::stack(id), stack);
                let lease = if let Line::Ethernet(wan) = wan { wan.lease() } else { None };
                datapath.set_routes(Hop::wan(id), lease.iter().flat_map(|lease| routes(lease)));
                if let (Some(lease), Some(lan)) = (lease, &mut self.lan) {
                    // RFC 8910: the carrier's portal is one for the LAN, too.
                    lan.set_captive_portal_uri(&lease.captive_portal_uri);
                }
                if interface.is_up() && interface.has_neighbours() {
                    datapath.announce(Hop::wan(id));
                }
            }
            let modem = modem_of(wan);
            if !datapath.interface(Hop::modem(id)).is_same(&modem) {
                datapath.set_interface(now, Hop::modem(id), modem);
            }
            note_news(&mut self.notes, id, wan, known, self.lan.as_ref());
        }
    }

    fn route_lan_frame(
        &mut self,
        now: Instant,
        frame: Frame<'p>,
    ) -> Result<Option<(Egress, Frame<'p>)>, Dropped> {
        let (Some(datapath), Some(lan)) = (&mut self.datapath, &mut self.lan) else {
            return Err(Dropped::UnknownPort);
        };
        let (header, payload) = Header::parse(frame.bytes()).map_err(|_| Dropped::Malformed)?;
        let own = datapath.interface(Hop::LAN).framing.mac();
        if header.destination.is_unicast() && header.destination != own {
            return Err(Dropped::NotForUs);
        }
        if header.vlan.is_some_and(|tag| tag.id != 0) {
            return Err(Dropped::OtherVlan);
        }
        match header.ether_type {
            ethernet::ARP => {
                if let Some((address, mac)) = datapath.handle_arp(now, Hop::LAN, payload)? {
                    lan.handle_claim(now, address, mac);
                }
                Ok(None)
            }
            ethernet::IPV4 => {
                let (at, room) = (header.len(), payload.len());
                let to_group = !header.destination.is_unicast();
                let arrival = Arrival { hop: Hop::LAN, at, room, mac: Some(header.source), to_group };
                self.pass(now, arrival, frame)
            }
            _ => Err(Dropped::OtherEtherType),
        }
    }

    /// Gives an IPv4 packet to the datapath.
    fn pass(
        &mut self,
        now: Instant,
        arrival: Arrival,
        frame: Frame<'p>,
    ) -> Result<Option<(Egress, Frame<'p>)>, Dropped> {
        let datapath = self.datapath.as_mut().ok_or(Dropped::NetworkDown)?;
        match datapath.slow(now, arrival, frame)? {
            Outcome::Sent(egress, frame) => Ok(Some((egress, frame))),
            Outcome::Kept => Ok(None),
            Outcome::Dhcp { source, from, payload, frame } => {
                let lan = self.lan.as_mut().ok_or(Dropped::DhcpRefused)?;
                lan.handle_dhcp(now, source, address(from), payload, &frame)?;
                Ok(None)
            }
        }
    }

    fn route_stack_packet(
        &mut self,
        now: Instant,
        id: WanId,
        mut frame: Frame<'p>,
    ) -> Result<Option<(Egress, Frame<'p>)>, Dropped> {
        let wan = self.wans.get_mut(usize::from(id.0)).ok_or(Dropped::NetworkDown)?;
        let port = wan.port();
        if self.datapath.is_some() && frame.bytes().first().is_some_and(|first| first >> 4 == 4) {
            let arrival =
                Arrival { hop: Hop::stack(id), at: 0, room: frame.len(), mac: None, to_group: false };
            return self.pass(now, arrival, frame);
        }
        wan.pppoe_mut().ok_or(Dropped::NetworkDown)?.handle_ip_packet(&mut frame)?;
        Ok(Some((Egress::Port(port), frame)))
    }

    /// A frame of plain Ethernet on a WAN's port: of a WAN without PPP, or of the modem's own network.
    fn route_ethernet_frame(
        &mut self,
        now: Instant,
        port: PortId,
        header: &Header,
        frame: Frame<'p>,
    ) -> Result<Option<(Egress, Frame<'p>)>, Dropped> {
        let datapath = self.datapath.as_mut().ok_or(Dropped::OtherEtherType)?;
        let hop = datapath.ethernet_hop(port, header.vlan).ok_or(Dropped::OtherEtherType)?;
        let own = datapath.interface(hop).framing.mac();
        if header.destination.is_unicast() && header.destination != own {
            return Err(Dropped::NotForUs);
        }
        let payload = frame.bytes().get(header.len()..).ok_or(Dropped::Malformed)?;
        let line = match hop.kind() {
            HopKind::Wan(wan) => self.wans.get_mut(usize::from(wan.0)).and_then(Line::ethernet_mut),
            _ => None,
        };
        if header.ether_type == ethernet::ARP {
            if let Some((address, _)) = datapath.handle_arp(now, hop, payload)?
                && let Some(line) = line
            {
                line.handle_claim(now, &mut self.rng, address);
                self.refresh(now);
            }
            return Ok(None);
        }
        let (at, room) = (header.len(), payload.len());
        if let (Some(line), Some(message)) = (line, dhcp_message(payload)) {
            let taken = line.handle_dhcp(now, &mut self.rng, message);
            self.refresh(now);
            return taken.map(|()| None);
        }
        let to_group = !header.destination.is_unicast();
        self.pass(now, Arrival { hop, at, room, mac: Some(header.source), to_group }, frame)
    }

    fn route_wan_frame(
        &mut self,
        now: Instant,
        port: PortId,
        frame: Frame<'p>,
    ) -> Result<Option<(Egress, Frame<'p>)>, Dropped> {
        if !self.ports.iter().any(|known| known.id == port) {
            return Err(Dropped::UnknownPort);
        }
        let (header, payload) = Header::parse(frame.bytes()).map_err(|_| Dropped::Malformed)?;
        let session_stage = match header.ether_type {
            ethernet::PPPOE_SESSION => true,
            ethernet::PPPOE_DISCOVERY => false,
            ethernet::ARP | ethernet::IPV4 => return self.route_ethernet_frame(now, port, &header, frame),
            _ => return Err(Dropped::OtherEtherType),
        };
        let packet = Packet::parse(payload).map_err(|_| Dropped::Malformed)?;
        if session_stage != (packet.code == Code::Session) {
            return Err(Dropped::WrongStage);
        }
        let mut reason = Dropped::OtherEtherType;
        let mut claimants: Vec<usize, MAX_WANS> = Vec::new();
        for (index, wan) in self.wans.iter().enumerate().filter(|(_, wan)| wan.port() == port) {
            let Some(wan) = wan.pppoe() else { continue };
            match wan.claims(&header) {
                Ok(()) => claimants.push(index).map_err(|_| Dropped::QueueFull)?,
                Err(refused) => reason = refused,
            }
        }
        let Some(&first) = claimants.first() else { return Err(reason) };
        let source = header.source;
        if !session_stage {
            // What all of them ignore, each has counted.
            let rng = &mut self.rng;
            let mut takes = |index: &usize| {
                self.wans
                    .get_mut(*index)
                    .and_then(Line::pppoe_mut)
                    .is_some_and(|wan| wan.handle_discovery(now, rng, source, &packet))
            };
            claimants.iter().any(&mut takes);
            self.refresh(now);
            return Ok(None);
        }
        let wan = |index: &usize| self.wans.get(*index).and_then(Line::pppoe);
        let has_session =
            |index: &&usize| wan(index).is_some_and(|wan| wan.has_session(source, packet.session_id));
        let may_hold = |index: &&usize| wan(index).is_some_and(|wan| wan.may_hold(source));
        let owner = claimants.iter().find(has_session).or_else(|| claimants.iter().find(may_hold));
        let owner = owner.copied();
        let index = owner.unwrap_or(first);
        let wan = self.wans.get_mut(index).and_then(Line::pppoe_mut).ok_or(Dropped::UnknownSession)?;
        if owner.is_none() {
            wan.handle_unknown_session(now, source, packet.session_id);
            return Err(Dropped::UnknownSession);
        }
        let place = Place { header_len: header.len(), payload_len: packet.payload.len() };
        let Some(ip) = wan.handle_session_frame(now, &mut self.rng, place, frame)? else {
            self.refresh(now);
            return Ok(None);
        };
        let id = WanId(index as u8);
        if self.datapath.is_some() && ip.bytes().first().is_some_and(|first| first >> 4 == 4) {
            return self.pass(
                now,
                Arrival { hop: Hop::wan(id), at: 0, room: ip.len(), mac: None, to_group: false },
                ip,
            );
        }
        if let Some(wan) = self.wans.get_mut(index).and_then(Line::pppoe_mut) {
            wan.count_received(ip.len());
        }
        Ok(Some((Egress::Stack(id), ip)))
    }
}

/// What passed between the LAN and a WAN, from counters that are there anyway.
fn forwarded(datapath: &Datapath<'_>, id: WanId) -> Forwarded {
    let [lan, lan_stack] = [Hop::LAN, Hop::LAN_STACK].map(|hop| datapath.traffic(hop));
    let [wan, stack] = [Hop::wan(id), Hop::stack(id)].map(|hop| datapath.traffic(hop));
    Forwarded {
        from_lan: lan.received.wrapping_sub(lan_stack.sent),
        to_wan: wan.sent.wrapping_sub(stack.received),
        from_wan_bytes: wan.received_bytes.wrapping_sub(stack.sent_bytes),
        to_lan_bytes: lan.sent_bytes.wrapping_sub(lan_stack.received_bytes),
    }
}

/// What was last told about a WAN.
#[derive(Debug, Clone, Copy, Default)]
struct Faces {
    address: Option<Ipv4Address>,
    clash: Option<Ipv4Cidr>,
}

/// A WAN as an interface.
fn interface_of(wan: &Line<'_>) -> Interface {
    let port = wan.port();
    match wan {
        Line::Pppoe(wan) => wan.face().map_or(Interface::DOWN, |face| Interface {
            port,
            address: Some(word(face.address)),
            mtu: face.mtu,
            masquerades: true,
            framing: Framing::of_session(face.header),
            ..Interface::DOWN
        }),
        Line::Ethernet(wan) => {
            let (mac, vlan) = wan.framing();
            let framing = Framing::ethernet(mac, vlan);
            let down = Interface { port, framing, ..Interface::DOWN };
            wan.face().map_or(down, |EthernetFace { address, gateway, mtu, .. }| Interface {
                address: Some(word(address.address())),
                network: Network::of(address),
                gateway: gateway.map(word),
                mtu,
                masquerades: true,
                ..down
            })
        }
    }
}

/// The modem's own network on a `PPPoE` line.
fn modem_of(wan: &Line<'_>) -> Interface {
    let Some((address, mac, vlan)) = wan.pppoe().and_then(Wan::modem) else { return Interface::DOWN };
    Interface {
        port: wan.port(),
        address: Some(word(address.address())),
        network: Network::of(address),
        mtu: ETHERNET_MTU,
        masquerades: true,
        framing: Framing::ethernet(mac, vlan),
        ..Interface::DOWN
    }
}

/// Tells of an address that is nobody's on the Internet, and of a LAN that uses a WAN's addresses; once each.
fn note_news(
    notes: &mut Deque<(WanId, WanEvent), 4>,
    id: WanId,
    wan: &Line<'_>,
    known: &mut Faces,
    lan: Option<&Lan<'_>>,
) {
    let (address, networks) = match wan {
        Line::Pppoe(wan) => {
            let address = wan.face().map(|face| face.address);
            (address, [address.map(|address| Ipv4Cidr::new(address, 32)), wan.modem().map(|modem| modem.0)])
        }
        Line::Ethernet(wan) => {
            let face = wan.face();
            (face.map(|face| face.address.address()), [face.map(|face| face.address), None])
        }
    };
    if address.is_some() && known.address != address {
        known.address = address;
        if let Some(address) = address {
            let kind = AddressKind::of(address);
            if kind != AddressKind::Public {
                // A full queue: the console shows it all the same.
                let _ = notes.push_back((id, WanEvent::BehindNat { address, kind }));
            }
        }
    }
    let Some(lan) = lan.map(|lan| lan.config.address) else { return };
    let overlaps = |cidr: &Ipv4Cidr| Network::of(*cidr).overlaps(Network::of(lan));
    let clash = networks.into_iter().flatten().find(overlaps);
    if clash != known.clash {
        known.clash = clash;
        if let Some(wan) = clash {
            let suggestion = suggestion(&networks);
            let _ = notes.push_back((id, WanEvent::Clash { wan, lan, suggestion }));
        }
    }
}

/// A network for the LAN that is none of `taken`: first those that few others use.
fn suggestion(taken: &[Option<Ipv4Cidr>]) -> Ipv4Cidr {
    let free = |cidr: &Ipv4Cidr| {
        taken.iter().flatten().all(|taken| !Network::of(*taken).overlaps(Network::of(*cidr)))
    };
    let all = [[192, 168, 77, 1], [192, 168, 78, 1], [10, 77, 0, 1], [172, 20, 77, 1]];
    let all = all.map(|address| Ipv4Cidr::new(address.into(), 24));
    all.into_iter().find(free).unwrap_or(all[0])
}

/// The payload of a UDP datagram to the DHCP client's port, if `packet` is one whose checksums hold.
fn dhcp_message(packet: &[u8]) -> Option<&[u8]> {
    let packet = Ipv4Packet::new_checked(packet).ok()?;
    let fragmented = packet.more_frags() || packet.frag_offset() != 0;
    if packet.next_header() != IpProtocol::Udp || fragmented || !packet.verify_checksum() {
        return None;
    }
    let (source, destination) = (packet.src_addr().into(), packet.dst_addr().into());
    let datagram = UdpPacket::new_checked(packet.payload()).ok()?;
    let is_ours = datagram.dst_port() == DHCP_CLIENT_PORT && datagram.verify_checksum(&source, &destination);
    is_ours.then(|| datagram.payload())
}

/// RFC 2131 §4.1.
const DHCP_CLIENT_PORT: u16 = 68;
