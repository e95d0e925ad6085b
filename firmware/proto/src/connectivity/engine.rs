//! The engine: what it is told, what it wants done, what it knows.
//!
//! Its other parts: when it looks in [`super::schedule`], what follows from that in [`super::decide`].

use core::net::IpAddr;

use heapless::{Deque, Vec};
use rand_core::Rng;
use smoltcp::time::Instant;

use super::Config;
use super::budget::Budget;
use super::check::{Finding, RESOLVERS_MAX, What};
use super::classify::Answer;
use super::decide::MILESTONES;
use super::event::{CaptivePortalUri, Counters, Dropped, Event};
use super::health::Health;
use super::probes::Probe;
use super::region::ROWS_MAX;
use super::round::{Round, Scope};
use super::schedule::Jitter;
use super::task::{Outcome, Task, TaskId};
use super::verdict::Verdict;

/// The engine of one WAN and one family. See [the module](super) for how it is driven.
#[derive(Debug)]
pub struct Engine<'a> {
    pub(super) config: Config<'a>,
    pub(super) resolvers: Vec<IpAddr, RESOLVERS_MAX>,
    pub(super) state: State,
    /// The round under way, or the last: the evidence.
    pub(super) round: Round,
    pub(super) next_id: u32,

    pub(super) verdict: Verdict,
    pub(super) is_final: bool,
    pub(super) decided_at: Option<Instant>,
    pub(super) captive_portal: Option<CaptivePortalUri>,

    pub(super) http_health: [Health; ROWS_MAX],
    pub(super) tls_health: [Health; ROWS_MAX],
    /// A probe that was good, and where it was.
    pub(super) remembered: Option<(u8, IpAddr)>,
    pub(super) budget: Budget,

    pub(super) backoff: u8,
    pub(super) dead_rounds: u8,
    /// Checks that traffic has stood in for.
    pub(super) skips: u8,
    /// Checks that stalled traffic asked for, and found nothing.
    pub(super) alarms: u8,
    pub(super) watched: u8,
    pub(super) full_at: Option<Instant>,
    pub(super) lan_active_at: Option<Instant>,
    pub(super) traffic_at: Option<Instant>,

    pub(super) counters: Counters,
    pub(super) events: Deque<Event, 16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// The line is down.
    Down,
    Resting {
        until: Instant,
        plan: Plan,
        /// Somebody or something asks for it: neither traffic nor the budget is in its way.
        is_urgent: bool,
    },
    Checking {
        plan: Plan,
        /// How many of [`MILESTONES`] are past.
        milestone: usize,
        /// For the rest that follows, drawn when the round began.
        jitter: Jitter,
    },
}

/// What to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plan {
    Full,
    /// One probe: is it still as it was?
    Watch(u8),
}

impl<'a> Engine<'a> {
    /// An engine whose line is down.
    pub const fn new(config: Config<'a>) -> Self {
        Self {
            budget: Budget::new(config.daily_octets),
            config,
            resolvers: Vec::new(),
            state: State::Down,
            round: Round::NONE,
            next_id: 0,
            verdict: Verdict::Unknown,
            is_final: true,
            decided_at: None,
            captive_portal: None,
            http_health: [Health::NEW; ROWS_MAX],
            tls_health: [Health::NEW; ROWS_MAX],
            remembered: None,
            backoff: 0,
            dead_rounds: 0,
            skips: 0,
            alarms: 0,
            watched: 0,
            full_at: None,
            lan_active_at: None,
            traffic_at: None,
            counters: Counters::NONE,
            events: Deque::new(),
        }
    }

    /// What is known.
    pub const fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// Whether the round is over that led to it.
    pub const fn is_final(&self) -> bool {
        self.is_final
    }

    /// When it was last come to or confirmed.
    pub const fn decided_at(&self) -> Option<Instant> {
        self.decided_at
    }

    /// Which probes, which family, how much of it.
    pub const fn config(&self) -> &Config<'a> {
        &self.config
    }

    /// A row of the list in use.
    pub fn probe(&self, row: u8) -> Option<&'a Probe<'a>> {
        self.config.region.row(row)
    }

    /// Whether the probe in this row failed while others succeeded, and is asked seldom.
    pub fn is_demoted(&self, row: u8) -> bool {
        self.http_health.get(usize::from(row)).is_some_and(Health::is_demoted)
    }

    /// What the checks of the current or last round said: which, what, when.
    pub fn evidence(&self) -> impl Iterator<Item = Evidence> {
        let started = self.round.started;
        self.round.checks.iter().map(move |check| Evidence {
            what: check.what,
            address: check.address,
            resolver: check.resolver.and_then(|(r, _)| self.resolvers.get(usize::from(r)).copied()),
            began_at: check.began_at.unwrap_or(started),
            finding: check.finding,
        })
    }

    /// What the network says of itself (RFC 8910), to be shown, and handed on to LAN hosts.
    pub const fn captive_portal_uri(&self) -> Option<&CaptivePortalUri> {
        self.captive_portal.as_ref()
    }

    /// Whether answers of DNS are neither to be kept nor served from the cache.
    pub const fn freezes_dns_cache(&self) -> bool {
        matches!(self.verdict, Verdict::Portal { .. } | Verdict::Hijacked)
    }

    /// The name that may resolve to a private address, because a portal lives there.
    pub fn portal_name(&self) -> Option<&str> {
        match &self.verdict {
            Verdict::Portal { url } => url.name(),
            _ => None,
        }
    }

    /// Octets that checks cost within the last day while on line.
    pub fn octets_spent(&mut self, now: Instant) -> u32 {
        self.budget.spent(now)
    }

    /// What was ignored.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Whether the outcome of a task is still waited for; if not, it may be given up.
    pub fn awaits(&self, id: TaskId) -> bool {
        self.round.awaits(id)
    }

    /// The line has an address: looks at once. Of the resolvers the first three are used. Called again, it begins anew:
    /// another address, other resolvers.
    pub fn line_up(&mut self, now: Instant, resolvers: &[IpAddr]) {
        self.reset(now);
        self.resolvers = resolvers.iter().copied().take(RESOLVERS_MAX).collect();
        self.state = State::Resting { until: now, plan: Plan::Full, is_urgent: true };
    }

    /// The line has none any more. What the network said of itself is forgotten.
    pub fn line_down(&mut self, now: Instant) {
        self.reset(now);
        self.captive_portal = None;
        self.state = State::Down;
    }

    fn reset(&mut self, now: Instant) {
        self.round = Round::NONE;
        (self.backoff, self.dead_rounds, self.skips, self.alarms) = (0, 0, 0, 0);
        (self.full_at, self.traffic_at) = (None, None);
        self.publish(now, Verdict::Unknown, true);
    }

    /// What the network says of itself, as it was offered last; `None` if it was withdrawn.
    pub fn set_captive_portal_uri(&mut self, text: Option<&str>) {
        self.captive_portal = text.and_then(CaptivePortalUri::parse);
    }

    /// The user wants to know: looks at once, unless it is looking.
    pub fn check_now(&mut self, now: Instant) {
        if let State::Resting { .. } = self.state {
            self.state = State::Resting { until: now, plan: Plan::Full, is_urgent: true };
        }
    }

    /// Takes the outcome of a task, with the octets it cost in both directions, headers included.
    ///
    /// # Errors
    /// Why it was ignored.
    pub fn handle_result(
        &mut self,
        now: Instant,
        id: TaskId,
        octets: u32,
        outcome: Outcome<'_>,
    ) -> Result<(), Dropped> {
        if self.verdict == Verdict::Online {
            self.budget.spend(now, octets);
        }
        let scope = scope(&self.config, &self.resolvers);
        let taken = self.round.take(now, scope, id, outcome);
        if let Err(dropped) = taken {
            self.counters.count(dropped);
            return Err(dropped);
        }
        self.progress(now);
        Ok(())
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_at(&self) -> Option<Instant> {
        match self.state {
            State::Down => None,
            State::Resting { until, .. } => Some(until),
            State::Checking { milestone, .. } => {
                let next = MILESTONES.get(milestone).map(|after| self.round.started + *after);
                [next, self.round.expires_at()].into_iter().flatten().min()
            }
        }
    }

    /// Takes the step that time asks for.
    pub fn handle_timeout(&mut self, now: Instant, rng: &mut dyn Rng) {
        match self.state {
            State::Down => {}
            State::Resting { until, plan, is_urgent } => {
                if now >= until {
                    self.begin(now, rng, plan, is_urgent);
                }
            }
            State::Checking { .. } => {
                let scope = Scope {
                    region: self.config.region,
                    family: self.config.family,
                    resolvers: &self.resolvers,
                };
                self.round.expire(now, scope);
                self.progress(now);
            }
        }
    }

    /// Something to do now. Call until `None`, after every other call.
    pub fn poll_task(&mut self, now: Instant) -> Option<Task<'a>> {
        let State::Checking { .. } = self.state else { return None };
        if self.round.running() >= usize::from(self.config.in_flight.max(1)) {
            return None;
        }
        let scope = scope(&self.config, &self.resolvers);
        let task = self.round.next_task(now, scope, TaskId(self.next_id));
        match &task {
            Some(_) => self.next_id = self.next_id.wrapping_add(1),
            // What could not even begin may have been the last.
            None => self.progress(now),
        }
        task
    }

    /// What happened since the last call.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The queue has room for what one call can cause, and is drained after each.
    pub(super) fn tell(&mut self, event: Event) {
        let told = self.events.push_back(event);
        debug_assert!(told.is_ok(), "events are to be polled after every call");
    }
}

/// Whom a round looks at and may ask. No method: the round itself is borrowed beside it.
pub(super) fn scope<'r, 'a>(config: &Config<'a>, resolvers: &'r [IpAddr]) -> Scope<'r, 'a> {
    Scope { region: config.region, family: config.family, resolvers }
}

/// What one check said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence {
    /// What was looked at.
    pub what: What,
    /// Where.
    pub address: Option<IpAddr>,
    /// Who gave the address.
    pub resolver: Option<IpAddr>,
    /// When it began.
    pub began_at: Instant,
    /// What came out, and when; `None` while it is under way, or if there was no time left for it.
    pub finding: Option<(Finding, Instant)>,
}

impl Evidence {
    /// Whether it is good news.
    pub const fn is_good(&self) -> bool {
        matches!(
            self.finding,
            Some((Finding::Http(Answer::Good) | Finding::ServerHello | Finding::DnsRight, _))
        )
    }
}
