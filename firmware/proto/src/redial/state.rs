//! The engine's states.

use super::clock::Time;
use super::event::HangUpReason;
use super::failure::Failure;
use smoltcp::time::Duration;

/// An attempt in which nothing happens for this long is given up. Longer than every timeout of discovery and PPP.
pub(super) const ATTEMPT_MOST: Duration = Duration::from_secs(120);

/// What the engine is at. Owns its deadlines.
#[derive(Debug, Clone)]
pub(super) enum State {
    /// The user hung up.
    Stopped,
    Resting(Rest),
    Attempt(Attempt),
    Up(Session),
    Closing(Closing),
}

/// Nothing is under way.
#[derive(Debug, Clone)]
pub(super) struct Rest {
    pub(super) plan: Plan,
    /// When the plan is due, if the link is up and the budget has room.
    pub(super) due: Time,
    /// Due, budgeted and entered into the ledger: goes ahead once that is stored.
    pub(super) prepared: bool,
}

/// How an attempt begins, and so what its silence means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plan {
    /// A dial.
    Dial,
    /// The first dial after a full hold.
    AfterHold,
    /// The one PADI inside a hold, after a cold power-on.
    ColdPoll,
    /// A single PADI into a dark line.
    DarkPoll,
}

impl Plan {
    pub(super) const fn is_single_padi(self) -> bool {
        matches!(self, Self::ColdPoll | Self::DarkPoll)
    }
}

/// A dial or poll under way, up to the moment it is up.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pub(super) plan: Plan,
    pub(super) since: Time,
    pub(super) padis: u8,
    pub(super) offered: bool,
    /// Its first PADR is sent: it counts as a dial.
    pub(super) dialed: bool,
    pub(super) opened: bool,
    pub(super) last_padi: Option<Time>,
    /// It is given up then: the budget forbids what it would need sooner, or nothing has happened for minutes.
    pub(super) give_up: Time,
}

/// A session that is up.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) since: Time,
    /// When the ledger is told that the dial is long past; `None` once done.
    pub(super) settles: Option<Time>,
    pub(super) nightly: Option<Time>,
}

/// A hang-up of ours.
#[derive(Debug, Clone)]
pub(super) struct Closing {
    pub(super) reason: HangUpReason,
    /// The owner has been told.
    pub(super) told: bool,
    /// Taken for done then, whatever the owner says.
    pub(super) until: Time,
    /// The user wants to be on line again.
    pub(super) resume: bool,
    /// The attempt that was abandoned, and what that amounts to.
    pub(super) abandoned: Option<(Attempt, Option<Failure>)>,
}

/// Rounds of polls and silences on a line that does not answer.
#[derive(Debug, Clone)]
pub(super) struct Dark {
    pub(super) polling_until: Time,
    /// Between two rounds of polls.
    pub(super) silent: bool,
    /// This silence has been ended once by the link coming up.
    pub(super) woken: bool,
}
