//! How an access concentrator defends itself against clients that dial too often.
//!
//! A [`Rule`] is what the operator configured, as data; [`Throttle`] is that rule at work: it remembers, per MAC
//! address, per line or per user, what was asked of the concentrator, and says whether the next request is answered.
//!
//! ```text
//!            request, below the limit             the limit is reached
//!          ┌─────────────────────────┐   ┌────────────────────────────────────┐
//!          └──────────► counting ────┘───┘                                    ▼
//!                          ▲                                               locked ◄──┐ a request, where
//!                          └────────────────── the block has passed ──────────┘ └────┘ requests extend it
//! ```
//!
//! Beside the rule runs its shadow: the same count over only those requests that the line itself provoked (the first
//! dial after each failure the line caused). A lockout the shadow would not have tripped is of the client's own making.

use std::collections::{BTreeMap, VecDeque};

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::EthernetAddress;

/// Whose requests are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// The client's Ethernet address: a router with a cloned MAC starts from zero.
    Mac,
    /// The circuit: everything behind one line, so that a new MAC does not help.
    Line,
    /// The user name, known only once authentication begins.
    User,
}

/// Where a lock bites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// PADIs stay unanswered: the client sees an empty line (Windows error 678).
    Padi,
    /// PADIs are offered a session, PADRs stay unanswered.
    Padr,
    /// The session opens, authentication is refused whatever the password.
    Authentication,
}

/// What is counted, and what follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `limit` requests (every PADI and every PADR) within `window` lock for `block`.
    Requests {
        /// Requests that reach the lock.
        limit: u32,
        /// Sliding window they are counted in.
        window: Duration,
        /// How long the lock lasts.
        block: Duration,
    },
    /// `limit` failed authentications within `window` lock for `block`.
    Failures {
        /// Failures that reach the lock.
        limit: u32,
        /// Sliding window they are counted in.
        window: Duration,
        /// How long the lock lasts.
        block: Duration,
        /// A session shorter than this counts as a failure too.
        quick_offline: Option<Duration>,
    },
    /// A failed or short session locks for `minimum`, doubling with each further one up to `maximum`; a gap longer
    /// than `forget` starts again from `minimum`.
    ShortCycle {
        /// First lock.
        minimum: Duration,
        /// Longest lock.
        maximum: Duration,
        /// A session shorter than this is a short cycle.
        short: Duration,
        /// A gap that makes the concentrator forget.
        forget: Duration,
    },
    /// A PADI within `interval` of the previous one is dropped; nothing else follows.
    Spacing {
        /// Least distance between two PADIs that are answered.
        interval: Duration,
    },
    /// One refused authentication locks for `block`.
    Rejection {
        /// How long the lock lasts.
        block: Duration,
    },
    /// `limit` PADIs in a row that never became a session lock for `block`; a PADT from the client, whatever its
    /// session id, unlocks.
    Unfinished {
        /// PADIs that reach the lock.
        limit: u32,
        /// How long the lock lasts.
        block: Duration,
    },
}

/// One throttle as the operator configured it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// What is counted.
    pub kind: Kind,
    /// Whose requests are counted together.
    pub key: Key,
    /// Where the lock bites.
    pub stage: Stage,
    /// Whether a request during the lock starts the lock anew. No vendor documents it either way.
    pub extended_by_requests: bool,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller<'a> {
    /// The client's Ethernet address.
    pub mac: EthernetAddress,
    /// The user name, once known.
    pub user: Option<&'a str>,
    /// Whether the line itself provoked this dial (the first one after a failure the line caused).
    pub provoked: bool,
}

/// How a dial ended, as far as a throttle cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The concentrator refused the credentials.
    Rejected,
    /// Negotiation failed before the session was up.
    Failed,
    /// The session had been up and ended.
    Ended {
        /// How long it was up.
        lasted: Duration,
    },
}

/// Why a lock was tripped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Too many PADIs and PADRs.
    Requests,
    /// Too many refused authentications.
    Failures,
    /// Too many sessions that ended right after they came up.
    QuickOffline,
    /// A failed or short session.
    ShortCycle,
    /// A refused authentication.
    Rejection,
    /// Too many PADIs that came to nothing.
    Unfinished,
    /// The simulation locked it, e.g. for what another device on the line did.
    Imposed,
}

impl Cause {
    /// A few words for timelines and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Requests => "too many discovery requests",
            Self::Failures => "too many refused authentications",
            Self::QuickOffline => "sessions too short",
            Self::ShortCycle => "failed or short session",
            Self::Rejection => "refused authentication",
            Self::Unfinished => "PADIs that came to nothing",
            Self::Imposed => "history on the line",
        }
    }
}

/// A lock, from the moment it was tripped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lockout {
    /// When it was tripped.
    pub at: Instant,
    /// When it ends, unless a request extends it.
    pub until: Instant,
    /// Where it bites.
    pub stage: Stage,
    /// Why.
    pub cause: Cause,
    /// Whether it took a dial beyond the first after each failure the line caused.
    pub own_making: bool,
}

/// What a throttle makes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// It may be answered. If it reached the limit it is the last that may: it "has passed" before the lock.
    Answered(Option<Lockout>),
    /// It is dropped.
    Ignored,
    /// It is dropped, and the lock begins anew.
    LockExtended,
}

/// A [`Rule`] at work.
#[derive(Debug)]
pub struct Throttle {
    rule: Rule,
    records: BTreeMap<Owner, Record>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    Mac([u8; 6]),
    Line,
    User(String),
}

#[derive(Debug, Default)]
struct Record {
    /// What counted, and whether the line provoked it.
    stamps: VecDeque<(Instant, bool)>,
    locked_until: Option<Instant>,
    last_lock: Option<Instant>,
    consecutive: u32,
    last_padi: Option<Instant>,
}

impl Throttle {
    /// A rule with nothing remembered.
    pub fn new(rule: Rule) -> Self {
        Self { rule, records: BTreeMap::new() }
    }

    /// The rule.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// A discovery request arrived, a PADI or a PADR: counts it and says what follows. `extended` overrides the rule's
    /// own [`Rule::extended_by_requests`].
    pub fn request(
        &mut self,
        now: Instant,
        caller: &Caller,
        stage: Stage,
        extended: Option<bool>,
    ) -> Reaction {
        let Some(owner) = self.owner(caller) else { return Reaction::Answered(None) };
        let rule = self.rule;
        let record = self.records.entry(owner).or_default();
        if let Kind::Spacing { interval } = rule.kind {
            if stage != Stage::Padi {
                return Reaction::Answered(None);
            }
            let early = record.last_padi.is_some_and(|last| now < last + interval);
            if !early {
                record.last_padi = Some(now);
            }
            return if early { Reaction::Ignored } else { Reaction::Answered(None) };
        }
        if record.locked(now) {
            if stage < rule.stage {
                return Reaction::Answered(None); // e.g. a Huawei that drops at PADR still offers a session
            }
            if extended.unwrap_or(rule.extended_by_requests) {
                record.locked_until = Some(now + record.block_length(&rule));
                return Reaction::LockExtended;
            }
            return Reaction::Ignored;
        }
        let tripped = match rule.kind {
            Kind::Requests { limit, window, block } => {
                record.count(now, window, caller.provoked, limit).then_some((block, Cause::Requests))
            }
            Kind::Unfinished { limit, block } if stage == Stage::Padi => {
                record.count(now, block, caller.provoked, limit).then_some((block, Cause::Unfinished))
            }
            _ => None,
        };
        Reaction::Answered(tripped.map(|(block, cause)| record.lock(now, block, rule.stage, cause, &rule)))
    }

    /// Whether authentication of `caller` is refused unseen.
    pub fn refuses_authentication(&self, now: Instant, caller: &Caller) -> bool {
        self.rule.stage == Stage::Authentication
            && self
                .owner(caller)
                .and_then(|owner| self.records.get(&owner))
                .is_some_and(|record| record.locked(now))
    }

    /// A dial ended. Returns the lockout it tripped, if any.
    pub fn outcome(&mut self, now: Instant, caller: &Caller, outcome: Outcome) -> Option<Lockout> {
        let owner = self.owner(caller)?;
        let rule = self.rule;
        let record = self.records.entry(owner).or_default();
        if record.locked(now) {
            return None;
        }
        let (block, cause) = match (rule.kind, outcome) {
            (Kind::Failures { limit, window, block, quick_offline }, outcome) => {
                let cause = match outcome {
                    Outcome::Rejected => Cause::Failures,
                    Outcome::Ended { lasted } if quick_offline.is_some_and(|short| lasted < short) => {
                        Cause::QuickOffline
                    }
                    Outcome::Failed | Outcome::Ended { .. } => return None,
                };
                if !record.count(now, window, caller.provoked, limit) {
                    return None;
                }
                (block, cause)
            }
            (Kind::ShortCycle { minimum, maximum, short, forget }, outcome) => {
                if matches!(outcome, Outcome::Ended { lasted } if lasted >= short) {
                    return None;
                }
                let again = record.last_lock.is_some_and(|last| now < last + forget);
                record.consecutive = if again { record.consecutive.saturating_add(1) } else { 1 };
                record.stamps.clear();
                record.stamps.push_back((now, caller.provoked));
                (doubled(minimum, record.consecutive, maximum), Cause::ShortCycle)
            }
            (Kind::Rejection { block }, Outcome::Rejected) => {
                record.stamps.clear();
                record.stamps.push_back((now, caller.provoked));
                (block, Cause::Rejection)
            }
            _ => return None,
        };
        Some(record.lock(now, block, rule.stage, cause, &rule))
    }

    /// A session came up: PADIs that led here were not in vain.
    pub fn session_opened(&mut self, caller: &Caller) {
        if let (Kind::Unfinished { .. }, Some(owner)) = (self.rule.kind, self.owner(caller)) {
            self.records.remove(&owner);
        }
    }

    /// A PADT arrived from the client, for whatever session.
    pub fn padt(&mut self, caller: &Caller) {
        self.session_opened(caller);
    }

    /// Locks `caller` from outside, e.g. for what another device on its line did before.
    pub fn impose(&mut self, now: Instant, caller: &Caller, block: Duration) -> Option<Lockout> {
        let owner = self.owner(caller)?;
        let rule = self.rule;
        let record = self.records.entry(owner).or_default();
        let lockout = record.lock(now, block, rule.stage, Cause::Imposed, &rule);
        Some(Lockout { own_making: false, ..lockout })
    }

    /// Forgets everything: the concentrator restarted.
    pub fn forget(&mut self) {
        self.records.clear();
    }

    /// Until when `caller` is locked, if it is.
    pub fn locked_until(&self, now: Instant, caller: &Caller) -> Option<Instant> {
        let record = self.records.get(&self.owner(caller)?)?;
        record.locked_until.filter(|&until| now < until)
    }

    /// The first moment, not before `now`, at which a PADI from `caller` passes this throttle.
    pub fn answers_at(&self, now: Instant, caller: &Caller) -> Instant {
        let Some(record) = self.owner(caller).and_then(|owner| self.records.get(&owner)) else { return now };
        match self.rule.kind {
            Kind::Spacing { interval } => record.last_padi.map_or(now, |last| now.max(last + interval)),
            _ => record.locked_until.map_or(now, |until| now.max(until)),
        }
    }

    fn owner(&self, caller: &Caller) -> Option<Owner> {
        Some(match self.rule.key {
            Key::Mac => Owner::Mac(caller.mac.0),
            Key::Line => Owner::Line,
            Key::User => Owner::User(caller.user?.to_owned()),
        })
    }
}

impl Record {
    fn locked(&self, now: Instant) -> bool {
        self.locked_until.is_some_and(|until| now < until)
    }

    /// Adds one to the sliding window; true when it holds `limit`.
    fn count(&mut self, now: Instant, window: Duration, provoked: bool, limit: u32) -> bool {
        while self.stamps.front().is_some_and(|&(at, _)| at + window <= now) {
            self.stamps.pop_front();
        }
        self.stamps.push_back((now, provoked));
        self.stamps.len() >= limit as usize
    }

    fn lock(&mut self, now: Instant, block: Duration, stage: Stage, cause: Cause, rule: &Rule) -> Lockout {
        let provoked = self.stamps.iter().filter(|&&(_, provoked)| provoked).count();
        let shadow_trips = match rule.kind {
            Kind::Requests { limit, .. } | Kind::Failures { limit, .. } | Kind::Unfinished { limit, .. } => {
                provoked >= limit as usize
            }
            Kind::ShortCycle { .. } | Kind::Rejection { .. } | Kind::Spacing { .. } => provoked > 0,
        };
        self.stamps.clear(); // "starts a new round of monitoring" (H3C)
        self.locked_until = Some(now + block);
        self.last_lock = Some(now);
        Lockout { at: now, until: now + block, stage, cause, own_making: !shadow_trips }
    }

    fn block_length(&self, rule: &Rule) -> Duration {
        match rule.kind {
            Kind::Requests { block, .. }
            | Kind::Failures { block, .. }
            | Kind::Rejection { block }
            | Kind::Unfinished { block, .. } => block,
            Kind::ShortCycle { minimum, maximum, .. } => doubled(minimum, self.consecutive, maximum),
            Kind::Spacing { interval } => interval,
        }
    }
}

/// `minimum` * 2^(n-1), at most `maximum`.
fn doubled(minimum: Duration, n: u32, maximum: Duration) -> Duration {
    let micros = minimum.total_micros().saturating_mul(1 << n.saturating_sub(1).min(40));
    Duration::from_micros(micros.min(maximum.total_micros()))
}
