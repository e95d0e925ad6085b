//! What follows from the end of a dial or a session.
//!
//! ```text
//!                           silence (no PADO, or a PADO and no PADS)
//!                                            │
//!       in the one PADI of a hold ───────────┼──► the hold begins again
//!       no PADO to the first dial after it ──┼──► "the line itself looks dead", and dark
//!       after recent activity ───────────────┼──► locked: a hold
//!       no PADO otherwise ───────────────────┼──► dark: rounds of single PADIs and silences
//!       no PADS otherwise ───────────────────┴──► back-off
//!
//!       refused credentials: a hold for what a person must mend, a back-off for a session that is still open
//!       anything else before the session is of use: back-off
//!       a session of a minute or more is lost: dial at once
//! ```

use super::clock::{Time, draw};
use super::engine::Engine;
use super::event::HangUpReason;
use super::failure::{AuthRefusal, Failure};
use super::ledger::{Grant, Hold, HoldReason};
use super::policy::Between;
use super::report::Note;
use super::state::{Attempt, Closing, Dark, Plan, Rest, State};
use rand_core::Rng;
use smoltcp::time::Duration;

/// No hold is longer, whatever the policy says.
const LONGEST_HOLD: Duration = Duration::from_secs(4 * 3600);

/// Seconds to wait after the nth refusal in a row because of a session that is still open, and how many refusals that
/// goes for. One-session RADIUS servers age a dead session out in 5 to 6 minutes, at worst in a day; a RADIUS server
/// in trouble refuses everybody for longer. 100 s apart is what 3 dials in 5 minutes come to.
const STALE_SESSION: [(u64, usize); 5] = [(10, 1), (60, 1), (100, 8), (300, 24), (900, usize::MAX)];
/// As many refusals of credentials that worked before are taken for such a session, whatever the server says.
const DOUBTED_REFUSALS: usize = 5;
/// For what a person has to mend. Concentrators and carriers that count failures lock the account at the next one.
const WRONG_PASSWORD: [(u64, usize); 5] = [(60, 1), (300, 1), (900, 1), (1800, 1), (3600, usize::MAX)];
const LOCKED: [(u64, usize); 3] = [(600, 1), (1800, 1), (3600, usize::MAX)];

/// The wait after one more refusal, `before` having come right before it.
fn nth(waits: &[(u64, usize)], mut before: usize) -> Duration {
    for &(seconds, refusals) in waits {
        if before < refusals {
            return Duration::from_secs(seconds);
        }
        before -= refusals;
    }
    Duration::from_secs(3600)
}

/// The ages at which carriers end sessions: 48 h (logs show 2826 to 2885 minutes), 7 and 30 days.
const FORCED_DISCONNECTS: [(u64, u64); 3] = [(2826, 2885), (10_020, 10_140), (43_100, 43_300)];

impl Engine {
    /// The dial or session is over.
    pub(super) fn ended(&mut self, now: Time, rng: &mut dyn Rng, failure: Failure) {
        match core::mem::replace(&mut self.state, State::Stopped) {
            State::Attempt(attempt) => self.attempt_ended(now, rng, &attempt, failure),
            State::Up(session) => self.session_ended(now, rng, session.since, failure),
            State::Closing(closing) => self.closed(now, rng, closing),
            idle @ (State::Stopped | State::Resting(_)) => self.state = idle,
        }
    }

    fn attempt_ended(&mut self, now: Time, rng: &mut dyn Rng, attempt: &Attempt, failure: Failure) {
        self.last_failure = Some(failure);
        match failure {
            Failure::NoPado | Failure::PadrUnanswered if attempt.padis == 0 => self.rest(attempt.plan, now),
            Failure::NoPado | Failure::PadrUnanswered => self.silence(now, rng, attempt, failure),
            Failure::AuthRefused(refusal) => self.refused(now, rng, attempt.plan, refusal),
            Failure::UserHangUp => self.stop(),
            Failure::LinkDown => self.rest_after_link_down(now, attempt.plan),
            _ => {
                self.peer_said(failure);
                self.hold = None;
                if attempt.opened {
                    self.failed_sessions.count(now);
                }
                self.back_off(now, rng);
            }
        }
    }

    fn session_ended(&mut self, now: Time, rng: &mut dyn Rng, since: Time, failure: Failure) {
        let age = now.since(since);
        self.last_failure = Some(failure);
        self.peer_said(failure);
        let line = !matches!(failure, Failure::LinkDown | Failure::UserHangUp);
        if age < self.policy.quick_offline && line {
            self.last_failure = Some(Failure::QuickOffline);
            self.failed_sessions.count(now);
            self.back_off(now, rng);
            return;
        }
        self.failures = 0;
        match failure {
            Failure::UserHangUp => self.stop(),
            _ => self.rest(Plan::Dial, now),
        }
        let minutes = age.secs() / 60;
        let regular = FORCED_DISCONNECTS.iter().any(|&(least, most)| (least..=most).contains(&minutes));
        if regular && matches!(failure, Failure::Padt | Failure::TerminateRequest) {
            self.note(Note::ForcedDisconnect { after: age });
        }
    }

    /// A hang-up of ours is done.
    fn closed(&mut self, now: Time, rng: &mut dyn Rng, closing: Closing) {
        if let Some((attempt, verdict)) = closing.abandoned
            && closing.reason == HangUpReason::Abandoned
        {
            return match verdict {
                Some(failure) => self.attempt_ended(now, rng, &attempt, failure),
                None if self.hold.is_some() => self.state = State::Resting(self.rest_of_hold()),
                None => self.rest(Plan::Dial, now),
            };
        }
        self.last_failure = Some(Failure::UserHangUp);
        self.concentrator.forget_session();
        if closing.reason == HangUpReason::User && !closing.resume {
            self.memory.want(Grant::NOTHING);
            self.stop();
        } else {
            self.state = State::Resting(self.rest_of_hold());
        }
    }

    /// The Ethernet link is gone, and whatever ran over it. That costs nothing: it says nothing about the line.
    pub(super) fn link_down(&mut self, now: Time) {
        if !core::mem::replace(&mut self.link, false) {
            return;
        }
        let had_session = match core::mem::replace(&mut self.state, State::Stopped) {
            idle @ (State::Stopped | State::Resting(_)) => {
                self.state = idle;
                return;
            }
            State::Attempt(attempt) => {
                self.rest_after_link_down(now, attempt.plan);
                attempt.opened
            }
            State::Up(session) => {
                if now.since(session.since) >= self.policy.quick_offline {
                    self.failures = 0;
                }
                self.rest(Plan::Dial, now);
                true
            }
            State::Closing(closing) => {
                match closing.reason {
                    HangUpReason::User if !closing.resume => self.stop(),
                    _ => self.state = State::Resting(self.rest_of_hold()),
                }
                true
            }
        };
        self.last_failure = Some(Failure::LinkDown);
        if had_session {
            self.concentrator.cut_off();
        }
    }

    fn rest_after_link_down(&mut self, now: Time, plan: Plan) {
        match self.hold {
            Some(_) => self.state = State::Resting(self.rest_of_hold()),
            None => self.rest(plan, now),
        }
    }

    /// No PADO, or a PADO and no PADS.
    fn silence(&mut self, now: Time, rng: &mut dyn Rng, attempt: &Attempt, failure: Failure) {
        let no_pado = failure == Failure::NoPado;
        if no_pado {
            self.concentrator.unanswered();
        }
        match attempt.plan {
            // What happened while the power was off is unknown, and the line is silent: still locked.
            Plan::ColdPoll => self.begin_hold(now, rng, HoldReason::Silence, self.policy.hold, true),
            Plan::AfterHold if no_pado => {
                self.note(Note::LineLooksDead);
                self.go_dark(now, rng, attempt);
            }
            Plan::DarkPoll if no_pado => self.stay_dark(now, rng, attempt),
            Plan::Dial | Plan::DarkPoll | Plan::AfterHold => {
                if self.was_active(now) {
                    self.begin_hold(now, rng, HoldReason::Silence, self.policy.hold, false);
                } else if no_pado {
                    self.note(Note::LineDark);
                    self.go_dark(now, rng, attempt);
                } else {
                    self.back_off(now, rng);
                }
            }
        }
    }

    /// Whether a lockout would be no surprise.
    fn was_active(&self, now: Time) -> bool {
        let dials = self.policy.suspicious_dials;
        let sessions = self.policy.suspicious_sessions;
        let lately = |period: Duration| now.before(period).max(self.innocent_since);
        self.budget.dials.since(lately(dials.period)) >= dials.effective_limit()
            || self.failed_sessions.since(lately(sessions.period)) >= sessions.effective_limit()
    }

    fn begin_hold(
        &mut self,
        now: Time,
        rng: &mut dyn Rng,
        reason: HoldReason,
        length: Between,
        polled: bool,
    ) {
        let length = draw(rng, length.least, length.most).min(LONGEST_HOLD);
        let hold = Hold { until: now.after(length).seconds_begun(), reason, polled };
        self.dark = None;
        self.hold = Some(hold);
        self.state = State::Resting(self.rest_of_hold());
        self.memory.insist();
        self.memory.want(Grant::NOTHING);
        self.note(Note::HoldBegun { until: self.clock.instant(hold.ends()), reason });
    }

    /// What to do when the hold, if there is one, is over.
    pub(super) fn rest_of_hold(&self) -> Rest {
        let (plan, due) = match self.hold {
            Some(hold @ Hold { reason: HoldReason::Silence, .. }) => (Plan::AfterHold, hold.ends()),
            Some(hold) => (Plan::Dial, hold.ends()),
            None => (Plan::Dial, self.clock.now()),
        };
        Rest { plan, due, prepared: false }
    }

    pub(super) fn lift_hold(&mut self, now: Time) {
        self.hold = None;
        self.note(Note::HoldLifted);
        self.memory.want(Grant::NOTHING);
        if matches!(self.state, State::Resting(_)) {
            self.rest(Plan::Dial, now);
        }
    }

    /// Whatever is waited for is due now; the budget still decides.
    pub(super) fn hurry(&mut self, now: Time) {
        if let State::Resting(rest) = &mut self.state {
            rest.due = rest.due.min(now);
        }
    }

    fn go_dark(&mut self, now: Time, rng: &mut dyn Rng, attempt: &Attempt) {
        let polling_until = now.after(self.policy.dark_polling);
        self.dark = Some(Dark { polling_until, silent: false, woken: false });
        // Closes the books on the dial, so that a power cut in the dark is not taken for one in a dial.
        self.memory.insist();
        self.memory.want(Grant::POLLS);
        self.stay_dark(now, rng, attempt);
    }

    fn stay_dark(&mut self, now: Time, rng: &mut dyn Rng, attempt: &Attempt) {
        let policy = &self.policy;
        let polled = attempt.last_padi.unwrap_or(attempt.since);
        let mut due = polled.after(draw(rng, policy.dark_poll.least, policy.dark_poll.most)).max(now);
        if let Some(dark) = &mut self.dark
            && due >= dark.polling_until
        {
            due = now.after(draw(rng, policy.dark_silence.least, policy.dark_silence.most));
            dark.silent = true;
            dark.woken = false;
        }
        self.rest(Plan::DarkPoll, due);
    }

    fn refused(&mut self, now: Time, rng: &mut dyn Rng, plan: Plan, refusal: AuthRefusal) {
        self.concentrator.forget_session();
        self.hold = None;
        self.failed_sessions.count(now);
        let before = self.account.refused();
        let doubted = if self.account.worked { DOUBTED_REFUSALS } else { 0 };
        let (stale, wait) = match refusal {
            AuthRefusal::TooManySessions => (true, nth(&STALE_SESSION, before)),
            AuthRefusal::Locked => (false, nth(&LOCKED, before)),
            _ if before < doubted => (true, nth(&STALE_SESSION, before)),
            AuthRefusal::WrongPassword | AuthRefusal::BindingMismatch => {
                (false, nth(&WRONG_PASSWORD, before - doubted))
            }
        };
        // A tenth of jitter: a carrier whose RADIUS server fell over meets all its customers again.
        let length = Between { least: wait, most: Duration::from_micros(wait.total_micros() / 10 * 11) };
        if stale {
            let due = now.after(draw(rng, length.least, length.most));
            self.rest(Plan::Dial, due);
        } else {
            self.begin_hold(now, rng, HoldReason::Authentication, length, plan == Plan::ColdPoll);
        }
    }

    /// Jittered and exponential: 3, 12, 48, 192, 300, 300, ... s, give or take a fifth.
    fn back_off(&mut self, now: Time, rng: &mut dyn Rng) {
        let most = self.policy.back_off_most.total_micros();
        let doublings = 2 * u32::from(self.failures.min(16));
        let wait = self.policy.back_off_first.total_micros().saturating_mul(1 << doublings).min(most);
        let fifth = wait / 5;
        let wait =
            draw(rng, Duration::from_micros(wait - fifth), Duration::from_micros(wait.saturating_add(fifth)));
        self.failures = self.failures.saturating_add(1);
        self.rest(Plan::Dial, now.after(wait));
    }

    fn rest(&mut self, plan: Plan, due: Time) {
        self.memory.insist();
        self.state = State::Resting(Rest { plan, due, prepared: false });
    }

    /// After a PADT or Terminate-Request the concentrator has no session of ours left.
    fn peer_said(&mut self, failure: Failure) {
        if matches!(failure, Failure::Padt | Failure::TerminateRequest) {
            self.concentrator.forget_session();
        }
    }
}

impl Attempt {
    /// What giving up now amounts to; `None` if it says nothing about the line.
    pub(super) const fn verdict(&self) -> Option<Failure> {
        if self.opened {
            Some(Failure::LcpTimeout)
        } else if self.dialed {
            Some(Failure::PadrUnanswered)
        } else if self.offered || self.padis == 0 {
            None
        } else {
            Some(Failure::NoPado)
        }
    }
}
