//! What the engine tells people.

use super::failure::Failure;
use super::ledger::HoldReason;
use smoltcp::time::{Duration, Instant};

/// What the engine is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Doing {
    /// The user hung up; only [`super::Engine::dial`] changes that.
    Stopped,
    /// The Ethernet link is down.
    NoLink,
    /// A dial is under way.
    Dialing,
    /// A single PADI is under way.
    Polling,
    /// A session is up.
    Up,
    /// Our own hang-up is under way.
    HangingUp,
    /// Waiting before the next dial: jittered exponential back-off.
    BackOff,
    /// Waiting for a sliding window to have room.
    Budget,
    /// Silent, because the carrier locks out who is not.
    Hold(HoldReason),
    /// Power came back in the middle of a hold: one minute of silence, then one PADI.
    ColdStartInHold,
    /// The line is dark: a single PADI now and then.
    DarkPolling,
    /// The line is dark: a silence between two rounds of polls.
    DarkSilence,
}

impl Doing {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::NoLink => "no-link",
            Self::Dialing => "dialing",
            Self::Polling => "polling",
            Self::Up => "up",
            Self::HangingUp => "hanging-up",
            Self::BackOff => "back-off",
            Self::Budget => "budget",
            Self::Hold(HoldReason::Silence) => "hold-silence",
            Self::Hold(HoldReason::Authentication) => "hold-authentication",
            Self::ColdStartInHold => "cold-start-in-hold",
            Self::DarkPolling => "dark-polling",
            Self::DarkSilence => "dark-silence",
        }
    }
}

/// What the engine is doing, why, until when: for the timeline and `show wan`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advice {
    /// What.
    pub doing: Doing,
    /// The failure it follows from, if any.
    pub because: Option<Failure>,
    /// When the next step is due, if it is time that brings it.
    pub until: Option<Instant>,
}

/// Something worth telling the user once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// A hold has begun: not one PADI or PADR until then.
    HoldBegun {
        /// When it ends.
        until: Instant,
        /// Why.
        reason: HoldReason,
    },
    /// A hold was lifted before its end.
    HoldLifted,
    /// A plain `dial` was asked for during a hold; `dial force` would lift it.
    DialHeld {
        /// When the hold ends.
        until: Instant,
    },
    /// The first dial after a full hold was unanswered: the line itself looks dead.
    LineLooksDead,
    /// No answer, and no reason to think of a lockout: polling.
    LineDark,
    /// The carrier ended a session of this age, as it regularly does.
    ForcedDisconnect {
        /// How long the session was up.
        after: Duration,
    },
    /// The concentrator ignores LCP echo: it is switched off from now on.
    EchoSwitchedOff,
    /// The ledger could not be read: the past is unknown.
    LedgerUnreadable,
    /// The ledger cannot be written: a reboot will forget.
    LedgerNotStored,
}
