//! The engine: when to look, what follows from it, when to look again.

use core::net::IpAddr;

use heapless::{Deque, Vec};
use rand_core::Rng;
use smoltcp::time::{Duration, Instant};

use super::budget::Budget;
use super::check::{Finding, RESOLVERS_MAX, What};
use super::classify::Answer;
use super::event::{Activity, CaptivePortalUri, Counters, Dropped, Event};
use super::health::Health;
use super::probes::Probe;
use super::region::ROWS_MAX;
use super::round::{Round, Scope};
use super::task::{Outcome, Task, TaskId};
use super::verdict::{Stage, Verdict};
use super::{Config, Family};

/// A round without an answer of any resolver by then looks at addresses themselves.
const ANCHORS_AFTER: Duration = Duration::from_secs(1);
/// A verdict is there by then, if only a provisional one.
const PROVISIONAL_AFTER: Duration = Duration::from_secs(3);
/// A round that says "on line" does not wait for stragglers any longer.
const SETTLED_AFTER: Duration = Duration::from_secs(4);
/// The verdict is final by then.
const FINAL_AFTER: Duration = Duration::from_secs(15);
const MILESTONES: [Duration; 4] = [ANCHORS_AFTER, PROVISIONAL_AFTER, SETTLED_AFTER, FINAL_AFTER];

/// Between two checks while on line.
const ONLINE_INTERVAL: Duration = Duration::from_secs(300);
/// Checks in a row that traffic may stand in for. A portal lets some traffic through as well.
const SKIPS_MAX: u8 = 6;
/// Traffic that came back this long ago still proves something.
const TRAFFIC_FRESH: Duration = Duration::from_secs(60);
/// Between two full rounds while on line; one probe is asked in between.
const FULL_INTERVAL: Duration = Duration::from_secs(3 * 3_600);
/// Between two checks that stalled traffic asks for.
const STALLED_INTERVAL: Duration = Duration::from_secs(30);
/// Between two checks while a portal is up and somebody is about to sign in.
const PORTAL_INTERVAL: Duration = Duration::from_secs(8);
/// A LAN host is active for this long.
const LAN_ACTIVE: Duration = Duration::from_secs(60);
/// Between two checks otherwise: this, doubling,
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
/// to this.
const BACKOFF_MOST: Duration = Duration::from_secs(600);
/// What a full round costs, in octets, by and large: 6 probes, 2 TLS servers, 9 questions.
const FULL_COST: u32 = 16_000;
/// What one probe costs.
const WATCH_COST: u32 = 1_500;
/// Rounds in a row that nothing came back in, after which the session is called dead.
const DEAD_ROUNDS: u8 = 2;
/// Unless traffic came back within this time.
const DEAD_QUIET: Duration = Duration::from_secs(30);

/// The engine of one WAN and one family. See [the module](super) for how it is driven.
#[derive(Debug)]
pub struct Engine<'a> {
    config: Config<'a>,
    resolvers: Vec<IpAddr, RESOLVERS_MAX>,
    state: State,
    /// The round under way, or the last: the evidence.
    round: Round,
    next_id: u32,

    verdict: Verdict,
    is_final: bool,
    decided_at: Option<Instant>,
    captive_portal: Option<CaptivePortalUri>,

    http_health: [Health; ROWS_MAX],
    tls_health: [Health; ROWS_MAX],
    /// A probe that was good, and where it was.
    remembered: Option<(u8, IpAddr)>,
    budget: Budget,

    backoff: u8,
    dead_rounds: u8,
    skips: u8,
    watched: u8,
    full_at: Option<Instant>,
    lan_active_at: Option<Instant>,
    traffic_at: Option<Instant>,

    counters: Counters,
    events: Deque<Event, 16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
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
enum Plan {
    Full,
    /// One probe: is it still as it was?
    Watch(u8),
}

/// 0 to 40 percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Jitter(u32);

impl Jitter {
    fn draw(rng: &mut dyn Rng) -> Self {
        Self(rng.next_u32() % 41)
    }

    /// 80 to 120 percent of it.
    fn around(self, duration: Duration) -> Duration {
        duration * (80 + self.0) / 100
    }

    /// 60 to 100 percent of it.
    fn below(self, duration: Duration) -> Duration {
        duration * (60 + self.0) / 100
    }
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
        (self.backoff, self.dead_rounds, self.skips) = (0, 0, 0);
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

    /// Takes note of what the datapath sees.
    pub fn handle_activity(&mut self, now: Instant, activity: Activity) {
        match activity {
            Activity::LanActive => self.lan_active_at = Some(now),
            Activity::TrafficReturns => self.traffic_at = Some(now),
            Activity::TrafficStalled => self.traffic_at = None,
        }
        let since_last = |interval: Duration| now.max(self.round.started + interval);
        let hurried = match (activity, &self.verdict) {
            (Activity::LanActive, Verdict::Portal { .. })
            | (Activity::TrafficReturns, Verdict::Offline { .. }) => Some(since_last(PORTAL_INTERVAL)),
            (Activity::TrafficStalled, Verdict::Online) => Some(since_last(STALLED_INTERVAL)),
            _ => None,
        };
        if let (State::Resting { until, .. }, Some(hurried)) = (&mut self.state, hurried) {
            *until = hurried.min(*until);
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
        let scope =
            Scope { region: self.config.region, family: self.config.family, resolvers: &self.resolvers };
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
        let scope =
            Scope { region: self.config.region, family: self.config.family, resolvers: &self.resolvers };
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

    fn begin(&mut self, now: Instant, rng: &mut dyn Rng, plan: Plan, is_urgent: bool) {
        let jitter = Jitter::draw(rng);
        if self.verdict == Verdict::Online && !is_urgent {
            let is_fresh = self.traffic_at.is_some_and(|at| now < at + TRAFFIC_FRESH);
            let cost = if plan == Plan::Full { FULL_COST } else { WATCH_COST };
            let later = if is_fresh && self.skips < SKIPS_MAX {
                self.skips += 1;
                Some(now + jitter.around(ONLINE_INTERVAL))
            } else {
                self.budget.allows(now, cost).err()
            };
            if let Some(until) = later {
                self.state = State::Resting { until, plan, is_urgent: false };
                return;
            }
        }
        self.skips = 0;
        self.round = match plan {
            Plan::Watch(row) => Round::watch(now, row),
            Plan::Full => {
                self.full_at = Some(now);
                let Config { region, family, .. } = self.config;
                let http = region.pick(family, &self.http_health, now);
                let tls = region.pick_tls(family, &self.tls_health, now);
                Round::full(now, rng, Scope { region, family, resolvers: &self.resolvers }, &http, &tls)
            }
        };
        self.state = State::Checking { plan, milestone: 0, jitter };
    }

    /// Looks at what there is, and at the clock.
    fn progress(&mut self, now: Instant) {
        let State::Checking { plan, milestone, jitter } = &mut self.state else { return };
        let (plan, jitter) = (*plan, *jitter);
        let age = now - self.round.started;
        let is_past = |after: &Duration| age >= *after;
        *milestone = MILESTONES.iter().filter(|after| is_past(after)).count();
        if let Plan::Watch(row) = plan {
            if self.round.is_over() || age >= FINAL_AFTER {
                self.watched(now, row, jitter);
            }
            return;
        }
        let scope =
            Scope { region: self.config.region, family: self.config.family, resolvers: &self.resolvers };
        if age >= ANCHORS_AFTER || self.round.is_over() {
            self.round.add_anchors(scope, self.remembered);
        }
        let tally = self.round.tally(self.config.region);
        let verdict = tally.judge(self.round.portal.as_ref().map(|(url, _)| url));
        let is_settled = age >= SETTLED_AFTER && verdict == Verdict::Online && tally.is_settled();
        if self.round.is_over() || is_settled || age >= FINAL_AFTER {
            self.finish(now, verdict, jitter);
        } else if age >= PROVISIONAL_AFTER {
            self.publish(now, verdict, false);
        }
    }

    /// A single probe has been looked at.
    fn watched(&mut self, now: Instant, row: u8, jitter: Jitter) {
        let check = self.round.checks.first();
        let answer = match check.and_then(|check| check.finding) {
            Some((Finding::Http(answer), _)) => Some(answer),
            _ => None,
        };
        let is_as_before = match &self.verdict {
            Verdict::Online => answer == Some(Answer::Good),
            Verdict::Portal { .. } => answer.is_some_and(Answer::is_portal),
            _ => false,
        };
        if !is_as_before {
            self.state = State::Resting { until: now, plan: Plan::Full, is_urgent: true };
            return;
        }
        let portal = self.round.portal.take();
        let verdict = match portal {
            Some((url, row)) if self.verdict != Verdict::Online => {
                self.round.portal = Some((url.clone(), row));
                Verdict::Portal { url }
            }
            _ => self.verdict.clone(),
        };
        if answer == Some(Answer::Good) {
            self.note_health(now, false);
        }
        self.publish(now, verdict, true);
        self.rest(now, Some(row), jitter);
    }

    /// A full round is over.
    fn finish(&mut self, now: Instant, verdict: Verdict, jitter: Jitter) {
        let is_same = self.is_final && self.verdict.is_same_as(&verdict);
        if !is_same {
            self.backoff = 0;
        }
        self.note_health(now, matches!(verdict, Verdict::Online | Verdict::Partial { .. }));
        let is_dead = verdict == Verdict::Offline { stage: Stage::Route };
        self.publish(now, verdict, true);
        self.note_death(now, is_dead);
        let row = self.round.portal.as_ref().map(|(_, row)| *row);
        self.rest(now, row, jitter);
    }

    fn note_death(&mut self, now: Instant, is_dead: bool) {
        self.dead_rounds = if is_dead { self.dead_rounds.saturating_add(1) } else { 0 };
        let is_quiet = self.traffic_at.is_none_or(|at| now >= at + DEAD_QUIET);
        if self.dead_rounds >= DEAD_ROUNDS && is_quiet && self.config.family == Family::Ipv4 {
            self.tell(Event::NoTraffic);
        }
    }

    /// When to look again, at what.
    fn rest(&mut self, now: Instant, portal_row: Option<u8>, jitter: Jitter) {
        let (until, plan) = match (&self.verdict, portal_row) {
            (Verdict::Online, _) => {
                self.backoff = 0;
                let is_due = self.full_at.is_none_or(|at| now >= at + FULL_INTERVAL);
                let plan = if is_due { Plan::Full } else { self.next_to_watch(now) };
                (now + jitter.around(ONLINE_INTERVAL), plan)
            }
            (Verdict::Portal { .. }, Some(row)) => {
                let is_active = self.lan_active_at.is_some_and(|at| now < at + LAN_ACTIVE);
                let until = if is_active {
                    now.max(self.round.started + PORTAL_INTERVAL)
                } else {
                    now + self.back_off(jitter)
                };
                (until, Plan::Watch(row))
            }
            _ => (now + self.back_off(jitter), Plan::Full),
        };
        self.state = State::Resting { until, plan, is_urgent: false };
    }

    fn back_off(&mut self, jitter: Jitter) -> Duration {
        let wait = BACKOFF_FIRST * (1 << self.backoff.min(10));
        self.backoff = self.backoff.saturating_add(1);
        jitter.below(wait.min(BACKOFF_MOST))
    }

    /// The probes of a round take turns.
    fn next_to_watch(&mut self, now: Instant) -> Plan {
        let rows = self.config.region.pick(self.config.family, &self.http_health, now);
        self.watched = self.watched.wrapping_add(1);
        let turn = usize::from(self.watched).checked_rem(rows.len()).unwrap_or(0);
        rows.get(turn).map_or(Plan::Full, |row| Plan::Watch(*row))
    }

    /// Keeps what the round says of single probes. Failures count only if `others_succeed`.
    fn note_health(&mut self, now: Instant, others_succeed: bool) {
        let is_good =
            |finding: Finding| matches!(finding, Finding::Http(Answer::Good) | Finding::ServerHello);
        let goods = |is_http: bool| {
            let of_kind =
                self.round.checks.iter().filter(|check| matches!(check.what, What::Http { .. }) == is_http);
            of_kind.filter(|check| check.finding.is_some_and(|(finding, _)| is_good(finding))).count()
        };
        let (http_goods, tls_goods) = (goods(true), goods(false));
        let started = self.round.started;
        let mut changes: Vec<Event, 8> = Vec::new();
        for check in &self.round.checks {
            let (row, health, is_alone) = match check.what {
                What::Http { row } => (row, &mut self.http_health, http_goods >= 2),
                What::Tls { row } => (row, &mut self.tls_health, tls_goods >= 1),
                _ => continue,
            };
            let Some(health) = health.get_mut(usize::from(row)) else { continue };
            let change = match check.finding {
                Some((finding, at)) if is_good(finding) => {
                    if let (What::Http { .. }, Some(address)) = (check.what, check.address) {
                        self.remembered = Some((row, address));
                    }
                    let took = at - check.began_at.unwrap_or(started);
                    health.succeeded(now, took).then_some(Event::ProbeRestored { row })
                }
                _ if others_succeed && is_alone => {
                    health.failed_alone(now).then_some(Event::ProbeDemoted { row })
                }
                _ => None,
            };
            if let (What::Http { .. }, Some(change)) = (check.what, change) {
                let _ = changes.push(change);
            }
        }
        for change in changes {
            self.tell(change);
        }
    }

    /// Makes a verdict known, with its effects. A provisional one that says nothing new is none.
    fn publish(&mut self, now: Instant, verdict: Verdict, is_final: bool) {
        let is_same = self.verdict.is_same_as(&verdict);
        if is_same && !is_final {
            return;
        }
        let (was_frozen, was_relaxed) = (self.freezes_dns_cache(), self.portal_name().is_some());
        let is_news = !is_same || !self.is_final;
        self.verdict = verdict;
        self.is_final = is_final;
        self.decided_at = Some(now);
        if !is_news {
            return;
        }
        self.tell(Event::VerdictChanged { is_final });
        match (was_frozen, self.freezes_dns_cache()) {
            (false, true) => self.tell(Event::DnsCacheFrozen),
            (true, false) => self.tell(Event::DnsCacheThawed),
            _ => {}
        }
        match (was_relaxed, self.portal_name().is_some()) {
            (_, true) if !is_same => self.tell(Event::RebindRelaxed),
            (true, false) => self.tell(Event::RebindRestored),
            _ => {}
        }
    }

    /// The queue has room for what one call can cause, and is drained after each.
    fn tell(&mut self, event: Event) {
        let told = self.events.push_back(event);
        debug_assert!(told.is_ok(), "events are to be polled after every call");
    }
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
