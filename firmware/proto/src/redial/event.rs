//! The words between the engine and its owner.

use super::failure::Failure;
use super::ledger::LastSession;
use core::net::Ipv4Addr;
use smoltcp::time::Instant;

/// How this start of the firmware relates to the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boot {
    /// Power came back, after a time nobody measured: the ledger is what flash held.
    Cold,
    /// A reset with the power on: the ledger comes from retained memory ([`super::Engine::snapshot`]) and its clock is right
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
    /// An acceptable PADO arrived. Drain [`super::Engine::poll_action`] before the PADR: an old session may have to be
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
    /// The dial has to be given up: the budget forbids what it would need next, or nothing happened for minutes.
    Abandoned,
}

/// What the owner is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Send one PADT for this session, which a power cut or a dead line left behind. A `SESSION_ID` of 0 is meant.
    ClearSession(LastSession),
    /// Start discovery: as many PADIs as [`super::Engine::permit`] lets through, then a session.
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
