//! When to look, at what, and when to look again.

use rand_core::Rng;
use smoltcp::time::{Duration, Instant};

use super::Config;
use super::engine::{Engine, Plan, State, scope};
use super::event::Activity;
use super::round::Round;
use super::verdict::Verdict;

/// Between two checks while on line.
const ONLINE_INTERVAL: Duration = Duration::from_secs(300);
/// Checks in a row that traffic may stand in for. A portal lets some traffic through as well.
const SKIPS_MAX: u8 = 6;
/// Traffic that came back this long ago still proves something.
const TRAFFIC_FRESH: Duration = Duration::from_secs(60);
/// Between two full rounds while on line; one probe is asked in between.
const FULL_INTERVAL: Duration = Duration::from_secs(3 * 3_600);
/// Between two checks that stalled traffic asks for; doubled for each that found nothing, as often as this.
const STALLED_INTERVAL: Duration = Duration::from_secs(30);
const ALARMS_MOST: u8 = 4;
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

/// By how much waits differ, so that a town of routers does not ask at one moment: 0 to 40 percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Jitter(u32);

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

impl Engine<'_> {
    /// Takes note of what the datapath sees.
    pub fn handle_activity(&mut self, now: Instant, activity: Activity) {
        match activity {
            Activity::LanActive => self.lan_active_at = Some(now),
            Activity::TrafficReturns => {
                self.traffic_at = Some(now);
                self.alarms = 0;
            }
            Activity::TrafficStalled => self.traffic_at = None,
        }
        let since_last = |interval: Duration| now.max(self.round.started + interval);
        let hurried = match (activity, &self.verdict) {
            (Activity::LanActive, Verdict::Portal { .. })
            | (Activity::TrafficReturns, Verdict::Offline { .. }) => Some(since_last(PORTAL_INTERVAL)),
            (Activity::TrafficStalled, Verdict::Online) => {
                Some(since_last(STALLED_INTERVAL * (1 << self.alarms.min(ALARMS_MOST))))
            }
            _ => None,
        };
        if let (State::Resting { until, .. }, Some(hurried)) = (&mut self.state, hurried)
            && hurried < *until
        {
            *until = hurried;
            self.alarms = self.alarms.saturating_add(u8::from(activity == Activity::TrafficStalled));
        }
    }

    pub(super) fn begin(&mut self, now: Instant, rng: &mut dyn Rng, plan: Plan, is_urgent: bool) {
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
                Round::full(now, rng, scope(&self.config, &self.resolvers), &http, &tls)
            }
        };
        self.state = State::Checking { plan, milestone: 0, jitter };
    }

    /// When to look again, at what.
    pub(super) fn rest(&mut self, now: Instant, portal_row: Option<u8>, jitter: Jitter) {
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
}
