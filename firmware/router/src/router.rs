//! The router: ports, WANs, and whose frame is whose.

use chacha20::ChaCha8Rng;
use gatelet_hal::{Frame, LinkState, Pool, PortId};
use gatelet_proto::redial::{Boot, Ledger};
use gatelet_wire::EthernetAddress;
use rand_core::SeedableRng;
use smoltcp::time::Instant;

use crate::Counters;
use crate::wan::{WanConfig, WanEvent, WanId, WanStatus};

/// The most WANs of one router.
pub const MAX_WANS: usize = 2;

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
    /// Use other settings. What the session depends on ends it, and a new one is dialed.
    Reconfigure {
        /// Which WAN.
        wan: WanId,
        /// The new settings.
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
    /// [`Command::Shutdown`] is done: every session is ended, and the last frame was fetched.
    ShutDown,
}

/// The router.
#[derive(Debug)]
pub struct Router<'p> {
    pool: Pool<'p>,
    rng: ChaCha8Rng,
    counters: Counters,
}

impl<'p> Router<'p> {
    /// A router without ports. `seed` feeds everything that must be unpredictable: each boot needs
    /// another one.
    pub fn new(pool: Pool<'p>, seed: [u8; 32]) -> Self {
        Self { pool, rng: ChaCha8Rng::from_seed(seed), counters: Counters::default() }
    }

    /// Adds a port, or tells its properties anew.
    pub fn add_port(&mut self, id: PortId, mac: EthernetAddress, max_frame_len: usize) {
        let _ = (id, mac, max_frame_len);
    }

    /// Adds a WAN and answers its number; `None` beyond [`MAX_WANS`]. It dials once its port has carrier.
    pub fn add_wan(
        &mut self,
        now: Instant,
        config: WanConfig,
        boot: Boot,
        ledger: Option<Ledger>,
    ) -> Option<WanId> {
        let _ = (now, config, boot, ledger);
        None
    }

    /// Takes a frame that `port` received.
    pub fn handle_frame(&mut self, now: Instant, port: PortId, frame: Frame<'p>) {
        let _ = (now, port, frame, &mut self.rng, self.pool);
    }

    /// Takes note of a port's carrier.
    pub fn handle_link(&mut self, now: Instant, port: PortId, state: LinkState) {
        let _ = (now, port, state);
    }

    /// Takes an IP packet of the router's own stack of `wan`.
    pub fn handle_stack_packet(&mut self, now: Instant, wan: WanId, frame: Frame<'p>) {
        let _ = (now, wan, frame);
    }

    /// Does what the owner wants.
    pub fn handle_command(&mut self, now: Instant, command: Command) {
        let _ = (now, command);
    }

    /// The ledger that [`poll_store`](Self::poll_store) gave last is written (`stored`), or could not be.
    pub fn handle_stored(&mut self, now: Instant, wan: WanId, stored: bool) {
        let _ = (now, wan, stored);
    }

    /// To be called when [`poll_at`](Self::poll_at)'s time has come; earlier does no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
    }

    /// The next frame to be sent. Call until `None`.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<(Egress, Frame<'p>)> {
        let _ = now;
        None
    }

    /// A ledger to be written now, because something waits for it. Answer with
    /// [`handle_stored`](Self::handle_stored).
    pub fn poll_store(&mut self, now: Instant) -> Option<(WanId, Ledger)> {
        let _ = now;
        None
    }

    /// The ledger of `wan` as of `now`, for memory that survives a reset ([`Boot::Warm`]).
    pub fn snapshot(&self, now: Instant, wan: WanId) -> Option<Ledger> {
        let _ = (now, wan);
        None
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_at(&self) -> Option<Instant> {
        None
    }

    /// What happened since the last call. Call until `None`.
    pub fn poll_event(&mut self) -> Option<RouterEvent> {
        None
    }

    /// The state of a WAN; `None` if there is no such.
    pub fn wan(&self, id: WanId) -> Option<WanStatus> {
        let _ = id;
        None
    }

    /// What was dropped before it reached a WAN's machines.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }
}
