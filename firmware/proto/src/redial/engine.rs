//! The engine itself.

use super::failure::Failure;
use super::ledger::{LastSession, Ledger};
use super::policy::Policy;
use super::report::{Advice, Doing, Note};
use crate::pppoe::DiscoveryMessage;
use core::net::Ipv4Addr;
use rand_core::Rng;
use smoltcp::time::Instant;

/// How this start of the firmware relates to the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boot {
    /// Power came back, after a time nobody measured: the ledger is what flash held.
    Cold,
    /// A reset with the power on: the ledger comes from retained memory ([`Engine::snapshot`]) and its clock is right
    /// to within a second.
    Warm,
}

/// What happened to the line and its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The Ethernet link has come up.
    LinkUp,
    /// The Ethernet link has gone down, and any dial or session with it (no `Failed` need follow).
    LinkDown,
    /// An acceptable PADO arrived. Drain [`Engine::poll_action`] before the PADR: an old session may have to be
    /// cleared first.
    PadoReceived,
    /// A PADS opened a session.
    SessionOpened(LastSession),
    /// The peer accepted the credentials.
    Authenticated,
    /// The first network control protocol opened, or the address became known later.
    Up {
        /// Our IPv4 address, when IPCP opened.
        address: Option<Ipv4Addr>,
    },
    /// The dial or session ended, for this reason; nothing of it is left.
    Failed(Failure),
    /// What [`Action::HangUp`] asked for is done; nothing of the dial or session is left.
    Closed,
    /// The session is up and has an address, but nothing gets through.
    NoTraffic,
    /// Data flows, but two LCP echo checks in a row were unanswered.
    PeerIgnoresEcho,
}

/// Why the engine ends a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HangUpReason {
    /// The user asked for it.
    User,
    /// The scheduled nightly reconnect.
    Nightly,
    /// Up, but without traffic.
    NoTraffic,
    /// The dial has to be given up: a PADO came that the budget of dials cannot answer now, or nothing happened for
    /// minutes.
    Abandoned,
}

/// What the owner is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Send one PADT for this session, which a power cut or a dead line left behind. A `SESSION_ID` of 0 is meant.
    ClearSession(LastSession),
    /// Start discovery: as many PADIs as [`Engine::permit`] lets through, then a session.
    Dial,
    /// Send a single PADI; dial if a PADO answers it.
    Probe,
    /// Stop discovery, or terminate the session and send a PADT; then report [`Event::Closed`].
    HangUp(HangUpReason),
}

/// Whether a message may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    /// Now, and it is counted as sent.
    Now,
    /// Not before then; ask again.
    At(Instant),
}

/// The redial engine of one WAN.
#[derive(Debug)]
pub struct Engine {
    policy: Policy,
    ledger: Ledger,
    pending: Option<Action>,
    link: bool,
    up: bool,
    last_failure: Option<Failure>,
}

impl Engine {
    /// An engine that will dial once the link is up.
    pub fn new(policy: Policy, _now: Instant, _boot: Boot, ledger: Option<Ledger>) -> Self {
        let ledger = ledger.unwrap_or_else(Ledger::unreadable);
        Self { policy, ledger, pending: None, link: false, up: false, last_failure: None }
    }

    /// Tells the engine the credentials in use: at start and whenever they may have changed. Changed credentials
    /// clear an authentication hold.
    pub fn set_credentials(&mut self, _now: Instant, _username: &str, _password: &str) {}

    /// Replaces the figures; what was counted stays counted.
    pub fn set_policy(&mut self, _now: Instant, policy: Policy) {
        self.policy = policy;
    }

    /// Tells the time of day, as Unix seconds; without it there is no nightly reconnect.
    pub fn set_wall_clock(&mut self, _now: Instant, _unix_seconds: u64) {}

    /// Takes note of what happened.
    pub fn handle_event(&mut self, _now: Instant, _rng: &mut dyn Rng, event: Event) {
        match event {
            Event::LinkUp => {
                self.link = true;
                self.pending = Some(Action::Dial);
            }
            Event::LinkDown => self.link = false,
            Event::SessionOpened(session) => self.ledger.last_session = Some(session),
            Event::Up { address } => {
                self.up = true;
                self.ledger.last_address = address.or(self.ledger.last_address);
            }
            Event::Failed(failure) => {
                self.up = false;
                self.last_failure = Some(failure);
            }
            _ => {}
        }
    }

    /// The user wants to be on line. `force` lifts a hold, never the budget.
    pub fn dial(&mut self, _now: Instant, _force: bool) {
        self.pending = Some(Action::Dial);
    }

    /// The user wants to be off line, until [`Engine::dial`].
    pub fn hang_up(&mut self, _now: Instant) {
        self.pending = Some(Action::HangUp(HangUpReason::User));
    }

    /// Asks for every PADI and PADR, right before it is sent: the only way one gets out.
    pub fn permit(&mut self, _now: Instant, _message: DiscoveryMessage) -> Permit {
        Permit::Now
    }

    /// Asks for each authentication, once, when LCP has opened (not for repeated packets of it).
    pub fn permit_authentication(&mut self, _now: Instant) -> Permit {
        Permit::Now
    }

    /// What to do now, if anything.
    pub fn poll_action(&mut self, _now: Instant, _rng: &mut dyn Rng) -> Option<Action> {
        self.pending.take()
    }

    /// A ledger to be written now; report [`Engine::stored`] or [`Engine::store_failed`]. What needs the record waits.
    pub fn poll_store(&mut self, _now: Instant) -> Option<Ledger> {
        None
    }

    /// The ledger last given by [`Engine::poll_store`] is written.
    pub fn stored(&mut self) {}

    /// The ledger last given by [`Engine::poll_store`] could not be written.
    pub fn store_failed(&mut self) {}

    /// The ledger as of `now`, for memory that survives a reset ([`Boot::Warm`]): keep it fresh after each drain.
    pub fn snapshot(&self, _now: Instant) -> Ledger {
        self.ledger.clone()
    }

    /// When to call [`Engine::poll_action`] and [`Engine::poll_store`] again, if nothing else happens.
    pub fn poll_at(&self) -> Option<Instant> {
        None
    }

    /// What the engine is doing, why, until when.
    pub fn advice(&self) -> Advice {
        let doing = if self.up { Doing::Up } else { Doing::Dialing };
        Advice { doing, because: self.last_failure, until: None }
    }

    /// Something to tell the user.
    pub fn poll_note(&mut self) -> Option<Note> {
        None
    }

    /// How the last dial or session ended, in the engine's reading (a session lost at once is
    /// [`Failure::QuickOffline`], whoever ended it).
    pub fn last_failure(&self) -> Option<Failure> {
        self.last_failure
    }

    /// The class of a refused authentication, from the server's `text`.
    pub fn auth_refused(&self, text: &str) -> Failure {
        Failure::auth_refused(text, false)
    }

    /// Whether LCP echo is to be used in the next session.
    pub fn echo(&self) -> bool {
        self.policy.echo
    }

    /// The IPv4 address to ask for again.
    pub fn last_address(&self) -> Option<Ipv4Addr> {
        self.ledger.last_address
    }
}
