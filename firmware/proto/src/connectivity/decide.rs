//! From a round to a verdict, and what follows from it.

use heapless::Vec;
use smoltcp::time::{Duration, Instant};

use super::Family;
use super::check::{Finding, What};
use super::classify::Answer;
use super::engine::{Engine, Plan, State, scope};
use super::event::Event;
use super::schedule::Jitter;
use super::verdict::{Stage, Verdict};

/// A round without an answer of any resolver by then looks at addresses themselves.
const ANCHORS_AFTER: Duration = Duration::from_secs(1);
/// A verdict is there by then, if only a provisional one.
const PROVISIONAL_AFTER: Duration = Duration::from_secs(3);
/// A round that says "on line" does not wait for stragglers any longer.
const SETTLED_AFTER: Duration = Duration::from_secs(4);
/// The verdict is final by then.
const FINAL_AFTER: Duration = Duration::from_secs(15);
/// When time alone makes a difference to a round.
pub(super) const MILESTONES: [Duration; 4] = [ANCHORS_AFTER, PROVISIONAL_AFTER, SETTLED_AFTER, FINAL_AFTER];

/// Rounds in a row that nothing came back in, after which the session is called dead.
const DEAD_ROUNDS: u8 = 2;
/// Unless traffic came back within this time.
const DEAD_QUIET: Duration = Duration::from_secs(30);

impl Engine<'_> {
    /// Looks at what there is, and at the clock.
    pub(super) fn progress(&mut self, now: Instant) {
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
        let scope = scope(&self.config, &self.resolvers);
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
            Verdict::Portal { .. } => answer.is_some_and(Answer::is_sign),
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

    /// Makes a verdict known, with its effects. A provisional one that says nothing new is none; nor is one of the kind that
    /// is known for sure, since it is other in detail for want of time only.
    pub(super) fn publish(&mut self, now: Instant, verdict: Verdict, is_final: bool) {
        let is_same = self.verdict.is_same_as(&verdict);
        let is_kind_known = self.is_final && self.verdict.name() == verdict.name();
        if !is_final && (is_same || is_kind_known) {
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
}
