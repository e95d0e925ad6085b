//! One PPP session, from PADS to the end of it.

use rand_core::Rng;
use smoltcp::time::{Duration, Instant};

use super::config::{Echo, LinkConfig};
use super::event::{Counters, Dropped, LinkEvent};

/// Where a link stands (RFC 1661 §3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// No session.
    Dead,
    /// LCP negotiates.
    Establish,
    /// The peer wants to know who we are.
    Authenticate,
    /// Network protocols negotiate or are open.
    Network,
    /// The session is being closed.
    Terminate,
}

/// LCP, authentication, IPCP and IPV6CP of one session.
#[derive(Debug)]
pub struct Link {
    config: LinkConfig,
    phase: Phase,
    counters: Counters,
}

impl Link {
    /// A link without a session.
    pub fn new(config: LinkConfig) -> Self {
        Self { config, phase: Phase::Dead, counters: Counters::default() }
    }

    /// The configuration; what is changed counts from the next [`open`](Self::open) on.
    pub fn config_mut(&mut self) -> &mut LinkConfig {
        &mut self.config
    }

    /// How long discovery's last request took to be answered; tells a lost Configure-Request from
    /// one whose answer is under way. Without it 100 ms are assumed.
    pub fn set_round_trip(&mut self, _round_trip: Duration) {}

    /// PADS arrived: the lower layer is up, LCP begins.
    pub fn open(&mut self, _now: Instant, _rng: &mut dyn Rng) {}

    /// The user wants the session to end: Terminate-Request, then [`LinkEvent::Closed`].
    pub fn close(&mut self, _now: Instant) {}

    /// The session is gone (PADT, carrier lost) or given up: back to [`Phase::Dead`]. Nothing that
    /// waited to be sent is sent any more.
    pub fn lower_down(&mut self, _now: Instant) {}

    /// A packet of the session arrived, from its protocol field on; not IPv4 or IPv6 data.
    ///
    /// # Errors
    /// Why it was ignored; also counted.
    pub fn handle_packet(
        &mut self,
        _now: Instant,
        _rng: &mut dyn Rng,
        _packet: &[u8],
    ) -> Result<(), Dropped> {
        Err(Dropped::LinkDown)
    }

    /// Data was received: proof of life.
    pub fn note_traffic(&mut self, _now: Instant) {}

    /// Whether a PAP request or CHAP response waits for [`authenticate`](Self::authenticate). Only
    /// with [`LinkConfig::ask_before_authenticating`], once for each session.
    pub fn wants_to_authenticate(&self) -> bool {
        false
    }

    /// Lets the waiting PAP request or CHAP response go.
    pub fn authenticate(&mut self, _now: Instant) {}

    /// Changes the echo mode of this session and the next ones.
    pub fn set_echo(&mut self, _now: Instant, echo: Echo) {
        self.config.echo = echo;
    }

    /// Sends an Echo-Request whose information field has `size` octets, up to three times, to see
    /// whether the path carries them (RFC 4638 §4); [`LinkEvent::PaddedEcho`] tells.
    pub fn echo_padded(&mut self, _now: Instant, _size: u16) {}

    /// To be called when [`poll_at`](Self::poll_at)'s time has come; earlier does no harm.
    pub fn handle_timeout(&mut self, _now: Instant, _rng: &mut dyn Rng) {}

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub fn poll_at(&self) -> Option<Instant> {
        None
    }

    /// The next packet to be sent, from its protocol field on. Call until `None`.
    pub fn poll_transmit(&mut self, _now: Instant, _buffer: &mut [u8]) -> Option<usize> {
        None
    }

    /// What happened, oldest first. Call until `None`.
    pub fn poll_event(&mut self) -> Option<LinkEvent> {
        None
    }

    /// Where the session stands.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// What was ignored so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}
