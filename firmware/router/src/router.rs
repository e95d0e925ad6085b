//! The router: ports, WANs, and whose frame is whose.

use chacha20::ChaCha8Rng;
use gatelet_hal::{Frame, LinkState, MAX_PORTS, Pool, PortId};
use gatelet_proto::redial::{Boot, Ledger};
use gatelet_wire::EthernetAddress;
use gatelet_wire::ethernet::{self, Header};
use gatelet_wire::pppoe::{Code, Packet};
use heapless::{Deque, Vec};
use rand_core::SeedableRng;
use smoltcp::time::{Duration, Instant};

use crate::wan::{Place, Transmit, Wan, WanConfig, WanEvent, WanId, WanStatus};
use crate::{Counters, Dropped};

/// The most WANs of one router.
pub const MAX_WANS: usize = 2;

/// A shutdown takes 4 s where the peer answers nothing (two Terminate-Requests), and longer only
/// where the flash says nothing.
const SHUTDOWN_MOST: Duration = Duration::from_secs(10);

/// Where a frame goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Egress {
    /// Out of a port: the frame begins with its Ethernet header.
    Port(PortId),
    /// To the router's own IP stack of this WAN: the frame begins with its IP header.
    Stack(WanId),
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
    wans: Vec<Wan<'p>, MAX_WANS>,
    /// Frames on their way through.
    ready: Deque<(Egress, Frame<'p>), 4>,
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
            ready: Deque::new(),
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
        let id = WanId(self.wans.len() as u8);
        let mut wan = Wan::new(now, config, boot, ledger);
        if let Some(port) = self.ports.iter().find(|port| port.id == wan.port()) {
            wan.set_port(port.mac, port.max_frame_len);
            wan.handle_link(now, &mut self.rng, port.link);
        }
        self.wans.push(wan).ok().map(|()| id)
    }

    /// Takes a frame that `port` received.
    pub fn handle_frame(&mut self, now: Instant, port: PortId, frame: Frame<'p>) {
        if let Err(reason) = self.route_frame(now, port, frame) {
            self.counters.count(reason);
        }
    }

    /// Takes note of a port's carrier.
    pub fn handle_link(&mut self, now: Instant, port: PortId, state: LinkState) {
        if let Some(port) = self.ports.iter_mut().find(|known| known.id == port) {
            port.link = state;
        }
        for wan in self.wans.iter_mut().filter(|wan| wan.port() == port) {
            wan.handle_link(now, &mut self.rng, state);
        }
    }

    /// Takes an IP packet of the router's own stack of `wan`. Its maker has left
    /// [`Frame::IP_HEADROOM`] in front.
    pub fn handle_stack_packet(&mut self, now: Instant, wan: WanId, mut frame: Frame<'p>) {
        let _ = now;
        let Some(wan) = self.wans.get_mut(usize::from(wan.0)) else {
            self.counters.count(Dropped::NetworkDown);
            return;
        };
        match wan.handle_ip_packet(&mut frame) {
            Ok(()) => {
                let egress = Egress::Port(wan.port());
                self.queue(egress, frame);
            }
            Err(reason) => self.counters.count(reason),
        }
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
    }

    /// The ledger that [`poll_store`](Self::poll_store) gave last is written (`stored`), or could not
    /// be.
    pub fn handle_stored(&mut self, now: Instant, wan: WanId, stored: bool) {
        if let Some(wan) = self.wans.get_mut(usize::from(wan.0)) {
            wan.handle_stored(now, &mut self.rng, stored);
        }
    }

    /// To be called when [`poll_at`](Self::poll_at)'s time has come; earlier does no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        if matches!(self.shutdown, Shutdown::UnderWay(until) if until <= now) {
            self.shutdown = Shutdown::Overdue;
        }
        for wan in &mut self.wans {
            wan.handle_timeout(now, &mut self.rng);
        }
    }

    /// The next frame to be sent. Call until `None`.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<(Egress, Frame<'p>)> {
        if let Some(ready) = self.ready.pop_front() {
            return Some(ready);
        }
        for wan in &mut self.wans {
            let (spare, pool) = (&mut self.spare, self.pool);
            let take = || spare.take().or_else(|| pool.take(PortId::LOCAL));
            match wan.poll_transmit(now, &mut self.rng, take) {
                Transmit::Frame(frame) => return Some((Egress::Port(wan.port()), frame)),
                Transmit::Nothing { unused } => self.spare = self.spare.take().or(unused),
                Transmit::OutOfFrames => self.counters.count(Dropped::OutOfFrames),
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
        self.wans.get(usize::from(wan.0)).map(|wan| wan.snapshot(now))
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_at(&self) -> Option<Instant> {
        let shutdown = match self.shutdown {
            Shutdown::UnderWay(until) => Some(until),
            Shutdown::No | Shutdown::Overdue | Shutdown::Told => None,
        };
        self.wans.iter().filter_map(Wan::poll_at).chain(shutdown).min()
    }

    /// What happened since the last call. Call until `None`.
    pub fn poll_event(&mut self) -> Option<RouterEvent> {
        for (index, wan) in self.wans.iter_mut().enumerate() {
            if let Some(event) = wan.poll_event() {
                return Some(RouterEvent::Wan(WanId(index as u8), event));
            }
            for _ in 0..wan.take_events_lost() {
                self.counters.count(Dropped::EventLost);
            }
        }
        let done = match self.shutdown {
            Shutdown::UnderWay(_) => self.ready.is_empty() && self.wans.iter().all(Wan::is_at_rest),
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
        self.wans.get(usize::from(id.0)).map(Wan::status)
    }

    /// What was dropped before it reached a WAN's machines.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    fn queue(&mut self, egress: Egress, frame: Frame<'p>) {
        if self.ready.push_back((egress, frame)).is_err() {
            self.counters.count(Dropped::QueueFull);
        }
    }

    fn route_frame(&mut self, now: Instant, port: PortId, frame: Frame<'p>) -> Result<(), Dropped> {
        if !self.ports.iter().any(|known| known.id == port) {
            return Err(Dropped::UnknownPort);
        }
        let (header, payload) = Header::parse(frame.bytes()).map_err(|_| Dropped::Malformed)?;
        let session_stage = match header.ether_type {
            ethernet::PPPOE_SESSION => true,
            ethernet::PPPOE_DISCOVERY => false,
            _ => return Err(Dropped::OtherEtherType),
        };
        let packet = Packet::parse(payload).map_err(|_| Dropped::Malformed)?;
        if session_stage != (packet.code == Code::Session) {
            return Err(Dropped::WrongStage);
        }
        let mut reason = Dropped::OtherEtherType;
        let mut claimants: Vec<usize, MAX_WANS> = Vec::new();
        for (index, wan) in self.wans.iter().enumerate().filter(|(_, wan)| wan.port() == port) {
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
            claimants.iter().any(|index| self.wans[*index].handle_discovery(now, rng, source, &packet));
            return Ok(());
        }
        let owner = claimants.iter().find(|index| self.wans[**index].has_session(source, packet.session_id));
        let owner = owner.or_else(|| claimants.iter().find(|index| self.wans[**index].may_hold(source)));
        let Some(&index) = owner else {
            self.wans[first].handle_unknown_session(now, source, packet.session_id);
            return Err(Dropped::UnknownSession);
        };
        let place = Place { header_len: header.len(), payload_len: packet.payload.len() };
        if let Some(ip) = self.wans[index].handle_session_frame(now, &mut self.rng, place, frame)? {
            self.queue(Egress::Stack(WanId(index as u8)), ip);
        }
        Ok(())
    }
}
