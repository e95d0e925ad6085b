//! From the ledger to an engine, and back.

use super::account::Account;
use super::budget::{Budget, History};
use super::clock::{Clock, Time};
use super::concentrator::Concentrator;
use super::engine::Engine;
use super::event::Boot;
use super::ledger::{Grant, Hold, HoldReason, Ledger};
use super::memory::Memory;
use super::policy::Policy;
use super::report::Note;
use super::state::{Plan, Rest, State};
use heapless::Deque;
use smoltcp::time::Instant;

impl Engine {
    /// An engine that will dial once the link is up.
    ///
    /// `ledger` is what was stored last: `None` on a device that never stored one, [`Ledger::unreadable`] if there is
    /// one that cannot be read.
    pub fn new(policy: Policy, now: Instant, boot: Boot, ledger: Option<Ledger>) -> Self {
        let policy = policy.usable();
        let readable = ledger.as_ref().is_none_or(Ledger::is_plausible);
        let ledger = ledger.filter(|_| readable).unwrap_or_else(Ledger::blank);
        let booted = Time::from_seconds(ledger.clock);
        let mut engine = Self {
            clock: Clock::new(now, booted),
            booted,
            state: State::Resting(Rest { plan: Plan::Dial, due: booted, prepared: false }),
            link: false,
            budget: Budget {
                discovery: History::restore(&ledger.discovery),
                dials: History::restore(&ledger.dials),
                authentications: History::restore(&ledger.authentications),
            },
            failed_sessions: History::restore(&ledger.failed_sessions),
            innocent_since: Time::from_seconds(ledger.innocent_since),
            hold: ledger.hold,
            dark: None,
            failures: ledger.failures,
            last_padi: None,
            last_failure: None,
            concentrator: Concentrator::restore(&ledger),
            account: Account::restore(&ledger),
            address: ledger.address,
            no_traffic_at: ledger.no_traffic_at.map(Time::from_seconds),
            wall_clock: None,
            memory: Memory::default(),
            notes: Deque::new(),
            policy,
        };
        if readable {
            engine.assume(ledger.grant);
        } else {
            engine.assume_the_worst();
        }
        engine.state = engine.resting_after_boot(boot == Boot::Cold || !readable);
        engine
    }

    /// Counts what the last record allowed as if it had all happened just now: nobody knows better.
    fn assume(&mut self, grant: Grant) {
        if grant.discovery {
            for _ in 0..self.policy.discovery.effective_limit() {
                self.budget.discovery.count(self.booted);
            }
        }
        for _ in 0..grant.dials {
            self.budget.dials.count(self.booted);
        }
        for _ in 0..grant.authentications {
            self.budget.authentications.count(self.booted);
        }
    }

    /// The past is unknown: a hold whose one PADI is unspent, and room for one dial.
    fn assume_the_worst(&mut self) {
        let but_one = |limit: usize| u8::try_from(limit.saturating_sub(1)).unwrap_or(0);
        self.assume(Grant {
            discovery: true,
            dials: but_one(self.policy.dials.effective_limit()),
            authentications: but_one(self.policy.authentications.effective_limit()),
        });
        let until = self.booted.after(self.policy.hold.most).seconds_begun();
        self.hold = Some(Hold { until, reason: HoldReason::Silence, polled: false });
        self.note(Note::LedgerUnreadable);
    }

    fn resting_after_boot(&self, cold: bool) -> State {
        let rest = match self.hold {
            Some(hold) if cold && !hold.polled && hold.ends() > self.booted => {
                Rest { plan: Plan::ColdPoll, due: self.booted.after(self.policy.cold_start), prepared: false }
            }
            _ => self.rest_of_hold(),
        };
        State::Resting(rest)
    }

    /// The ledger as of `now`, for memory that survives a reset ([`Boot::Warm`]): keep it fresh after each drain.
    pub fn snapshot(&self, now: Instant) -> Ledger {
        self.record(self.clock.reading(now), Grant::NOTHING)
    }

    pub(super) fn record(&self, now: Time, grant: Grant) -> Ledger {
        Ledger {
            clock: now.seconds_passed(),
            discovery: self.budget.discovery.seconds(),
            dials: self.budget.dials.seconds(),
            authentications: self.budget.authentications.seconds(),
            failed_sessions: self.failed_sessions.seconds(),
            grant,
            hold: self.hold,
            innocent_since: self.innocent_since.seconds_begun(),
            concentrator: self.concentrator.known(),
            address: self.address,
            credentials: self.account.fingerprint,
            credentials_worked: self.account.worked,
            echo_ignored: self.concentrator.echo_ignored,
            no_traffic_at: self.no_traffic_at.map(Time::seconds_begun),
            failures: self.failures,
            refusals: self.account.refusals,
            ..Ledger::blank()
        }
    }
}
