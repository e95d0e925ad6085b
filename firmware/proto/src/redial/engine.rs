//! The engine: what happens to it and what it is asked to do; when it wants to be called.
//!
//! Its other parts: [`super::boot`] from and to the ledger, [`super::start`] of an attempt, [`super::permit`] in it, and
//! what its end leads to in [`super::outcome`].

use super::account::Account;
use super::budget::{Budget, History};
use super::clock::{Clock, Time};
use super::concentrator::Concentrator;
use super::event::{Action, Event, HangUpReason};
use super::failure::Failure;
use super::ledger::{Grant, Hold, HoldReason, LastSession, Ledger};
use super::memory::Memory;
use super::policy::Policy;
use super::report::{Advice, Doing, Note};
use super::state::{ATTEMPT_MOST, Closing, Dark, Plan, Rest, Session, State};
use core::net::Ipv4Addr;
use heapless::Deque;
use rand_core::Rng;
use smoltcp::time::{Duration, Instant};

/// A hang-up that takes longer is taken for done. Longer than the Terminate-Requests take.
const CLOSING_MOST: Duration = Duration::from_secs(15);

/// The redial engine of one WAN. See [the module](super) for how it is driven.
#[derive(Debug)]
pub struct Engine {
    pub(super) policy: Policy,
    pub(super) clock: Clock,
    pub(super) booted: Time,
    pub(super) state: State,
    pub(super) link: bool,

    pub(super) budget: Budget,
    pub(super) failed_sessions: History,
    pub(super) innocent_since: Time,
    pub(super) hold: Option<Hold>,
    pub(super) dark: Option<Dark>,
    pub(super) failures: u8,
    pub(super) last_padi: Option<Time>,
    pub(super) last_failure: Option<Failure>,

    pub(super) concentrator: Concentrator,
    pub(super) account: Account,
    pub(super) address: Option<Ipv4Addr>,
    pub(super) no_traffic_at: Option<Time>,
    pub(super) wall_clock: Option<(Time, u64)>,

    pub(super) memory: Memory,
    pub(super) notes: Deque<Note, 8>,
}

impl Engine {
    /// Tells the engine the credentials in use: at start and whenever they may have changed. Changed credentials
    /// clear an authentication hold. Only a fingerprint of 32 bits is kept.
    pub fn set_credentials(&mut self, now: Instant, username: &str, password: &str) {
        let now = self.clock.advance(now);
        if !self.account.changed_to(username, password) {
            return;
        }
        if self.hold.is_some_and(|hold| hold.reason == HoldReason::Authentication) {
            self.lift_hold(now);
        } else if matches!(self.last_failure, Some(Failure::AuthRefused(_))) {
            self.hurry(now);
        }
    }

    /// Replaces the figures; what was counted stays counted, and a hold lasts as long as it was begun for.
    pub fn set_policy(&mut self, now: Instant, policy: Policy) {
        let now = self.clock.advance(now);
        self.policy = policy.usable();
        self.schedule_nightly(now);
    }

    /// Tells the time of day, as Unix seconds; without it there is no nightly reconnect.
    pub fn set_wall_clock(&mut self, now: Instant, unix_seconds: u64) {
        let now = self.clock.advance(now);
        self.wall_clock = Some((now, unix_seconds));
        self.schedule_nightly(now);
    }

    fn schedule_nightly(&mut self, now: Time) {
        if let State::Up(session) = &mut self.state {
            session.nightly = self.policy.nightly.zip(self.wall_clock).and_then(|(nightly, (then, unix))| {
                nightly.next(now, unix.saturating_add(now.since(then).secs()), session.since)
            });
        }
    }

    /// Takes note of what happened.
    pub fn handle_event(&mut self, now: Instant, rng: &mut dyn Rng, event: Event) {
        let now = self.clock.advance(now);
        match event {
            Event::LinkUp => self.link_up(now),
            Event::LinkDown => self.link_down(now),
            Event::PadoReceived => self.pado_received(),
            Event::SessionOpened(session) => self.session_opened(now, session),
            Event::Authenticated => self.account.accepted(),
            Event::Up { address } => self.up(now, address),
            Event::Failed(failure) => self.ended(now, rng, failure),
            Event::Closed if matches!(self.state, State::Closing(_)) => {
                self.ended(now, rng, Failure::UserHangUp);
            }
            Event::Closed => {}
            Event::NoTraffic => self.no_traffic(now),
            Event::PeerIgnoresEcho => self.peer_ignores_echo(),
        }
    }

    fn link_up(&mut self, now: Time) {
        if core::mem::replace(&mut self.link, true) {
            return;
        }
        // A cable replugged or an ONT restarted: worth a poll, though only once in each silence.
        if let (State::Resting(rest), Some(dark)) = (&mut self.state, &mut self.dark)
            && rest.plan == Plan::DarkPoll
            && (!dark.silent || !core::mem::replace(&mut dark.woken, true))
        {
            rest.due = now;
        }
    }

    fn pado_received(&mut self) {
        if let State::Attempt(attempt) = &mut self.state {
            attempt.offered = true;
            self.dark = None;
            self.concentrator.answered();
        }
    }

    fn session_opened(&mut self, now: Time, session: LastSession) {
        let State::Attempt(attempt) = &mut self.state else { return };
        attempt.opened = true;
        attempt.give_up = now.after(ATTEMPT_MOST);
        self.concentrator.opened(session);
        self.hold = None;
    }

    fn up(&mut self, now: Time, address: Option<Ipv4Addr>) {
        // An address that changes later waits for the next record: a peer must not be able to wear flash.
        self.address = address.or(self.address);
        if matches!(self.state, State::Attempt(_)) {
            self.hold = None;
            self.dark = None;
            let settles = Some(now.after(self.policy.settled));
            self.state = State::Up(Session { since: now, settles, nightly: None });
            self.schedule_nightly(now);
            self.memory.want(Grant::SESSION);
        }
    }

    fn no_traffic(&mut self, now: Time) {
        let long_ago = self.no_traffic_at.is_none_or(|last| now >= last.after(self.policy.no_traffic));
        if matches!(self.state, State::Up(_)) && long_ago {
            self.no_traffic_at = Some(now);
            self.close(now, HangUpReason::NoTraffic, None);
        }
    }

    fn peer_ignores_echo(&mut self) {
        if self.policy.echo && !core::mem::replace(&mut self.concentrator.echo_ignored, true) {
            self.note(Note::EchoSwitchedOff);
            self.memory.want(Grant::SESSION);
        }
    }

    /// The user wants to be on line. `force` lifts a hold, never the budget.
    pub fn dial(&mut self, now: Instant, force: bool) {
        let now = self.clock.advance(now);
        match &mut self.state {
            State::Stopped => self.state = State::Resting(self.rest_of_hold()),
            State::Closing(closing) => closing.resume = true,
            State::Resting(_) | State::Attempt(_) | State::Up(_) => {}
        }
        if let State::Resting(rest) = &self.state {
            let silence_until = rest.due;
            if force && self.hold.is_some() {
                self.lift_hold(now);
            } else if force || !self.is_silent() {
                self.hurry(now);
            } else {
                self.note(Note::DialHeld { until: self.clock.instant(silence_until) });
            }
        }
    }

    /// Whether the wait is one that only `force` cuts short.
    fn is_silent(&self) -> bool {
        self.hold.is_some() || self.dark.as_ref().is_some_and(|dark| dark.silent)
    }

    /// The user wants to be off line, until [`Engine::dial`].
    pub fn hang_up(&mut self, now: Instant) {
        let now = self.clock.advance(now);
        match &mut self.state {
            State::Attempt(_) | State::Up(_) => self.close(now, HangUpReason::User, None),
            State::Closing(closing) => {
                closing.resume = false;
                closing.reason = HangUpReason::User;
            }
            State::Resting(_) => self.stop(),
            State::Stopped => {}
        }
    }

    pub(super) fn stop(&mut self) {
        self.dark = None;
        self.state = State::Stopped;
    }

    pub(super) fn close(&mut self, now: Time, reason: HangUpReason, failure: Option<Failure>) {
        let until = now.after(CLOSING_MOST);
        let closing = Closing { reason, told: false, until, resume: false, abandoned: None };
        let before = core::mem::replace(&mut self.state, State::Closing(closing));
        if let (State::Attempt(attempt), State::Closing(closing)) = (before, &mut self.state) {
            closing.abandoned = Some((attempt, failure));
        }
    }

    /// What to do now, if anything. Call until `None`.
    pub fn poll_action(&mut self, now: Instant, rng: &mut dyn Rng) -> Option<Action> {
        let now = self.clock.advance(now);
        self.tick(now, rng);
        if let State::Closing(closing) = &mut self.state
            && !core::mem::replace(&mut closing.told, true)
        {
            return Some(Action::HangUp(closing.reason));
        }
        if !self.link {
            return None;
        }
        self.prepare(now);
        if let Some(session) = self.concentrator.take_padt() {
            return Some(Action::ClearSession(session));
        }
        self.start(now)
    }

    /// What time alone brings about.
    fn tick(&mut self, now: Time, rng: &mut dyn Rng) {
        match &mut self.state {
            State::Up(session) => {
                if session.settles.is_some_and(|settles| now >= settles) {
                    session.settles = None;
                    self.failures = 0;
                    self.memory.want(Grant::SESSION);
                }
                if session.nightly.is_some_and(|nightly| now >= nightly) {
                    self.close(now, HangUpReason::Nightly, None);
                }
            }
            State::Attempt(attempt) if now >= attempt.give_up => {
                let failure = attempt.verdict();
                self.close(now, HangUpReason::Abandoned, failure);
            }
            State::Closing(closing) if now >= closing.until => self.ended(now, rng, Failure::UserHangUp),
            _ => {}
        }
    }

    /// A ledger to be written now; report [`Engine::stored`] or [`Engine::store_failed`]. What needs the record waits.
    pub fn poll_store(&mut self, now: Instant) -> Option<Ledger> {
        let now = self.clock.advance(now);
        let grant = self.memory.poll(now)?;
        Some(self.record(now, grant))
    }

    /// The ledger last given by [`Engine::poll_store`] is written.
    pub fn stored(&mut self) {
        self.memory.stored();
    }

    /// The ledger last given by [`Engine::poll_store`] could not be written. The engine goes on without it, with
    /// more patience after a boot; the next dial tries again.
    pub fn store_failed(&mut self) {
        self.memory.store_failed();
        self.note(Note::LedgerNotStored);
    }

    /// When to call [`Engine::poll_action`] and [`Engine::poll_store`] again, if nothing else happens.
    pub fn poll_at(&self) -> Option<Instant> {
        let now = self.clock.now();
        let store = self.memory.poll_at(now);
        let clear = (self.link && self.concentrator.has_padt()).then_some(now);
        let state = match &self.state {
            State::Stopped => None,
            State::Resting(rest) => {
                let waits = rest.prepared && !self.memory.is_settled();
                (self.link && !waits).then(|| self.next_step_at(rest, now))
            }
            State::Attempt(attempt) => Some(attempt.give_up),
            State::Up(session) => [session.settles, session.nightly].into_iter().flatten().min(),
            State::Closing(closing) if !closing.told => Some(now),
            State::Closing(closing) => Some(closing.until),
        };
        [store, clear, state].into_iter().flatten().min().map(|at| self.clock.instant(at))
    }

    /// What the engine is doing, why, until when.
    pub fn advice(&self) -> Advice {
        let now = self.clock.now();
        let (doing, until) = match &self.state {
            State::Stopped => (Doing::Stopped, None),
            State::Up(session) => (Doing::Up, session.nightly),
            State::Closing(_) => (Doing::HangingUp, None),
            State::Attempt(attempt) if attempt.plan.is_single_padi() && !attempt.offered => {
                (Doing::Polling, None)
            }
            State::Attempt(_) => (Doing::Dialing, None),
            State::Resting(_) if !self.link => (Doing::NoLink, None),
            State::Resting(rest) if rest.prepared && rest.plan.is_single_padi() => (Doing::Polling, None),
            State::Resting(rest) if rest.prepared => (Doing::Dialing, None),
            State::Resting(rest) => {
                let ready = self.next_step_at(rest, now);
                (self.resting(rest, ready > now.max(rest.due)), Some(ready))
            }
        };
        Advice { doing, because: self.last_failure, until: until.map(|until| self.clock.instant(until)) }
    }

    fn resting(&self, rest: &Rest, short_of_budget: bool) -> Doing {
        match (rest.plan, self.hold, &self.dark) {
            (Plan::ColdPoll, ..) => Doing::ColdStartInHold,
            (_, Some(hold), _) => Doing::Hold(hold.reason),
            (Plan::DarkPoll, _, Some(dark)) if dark.silent => Doing::DarkSilence,
            (Plan::DarkPoll, ..) => Doing::DarkPolling,
            _ if short_of_budget => Doing::Budget,
            _ => Doing::BackOff,
        }
    }

    /// Something to tell the user.
    pub fn poll_note(&mut self) -> Option<Note> {
        self.notes.pop_front()
    }

    /// The oldest note gives way when nobody listens.
    pub(super) fn note(&mut self, note: Note) {
        if self.notes.is_full() {
            self.notes.pop_front();
        }
        let pushed = self.notes.push_back(note);
        debug_assert!(pushed.is_ok(), "a place was made");
    }

    /// How the last dial or session ended, in the engine's reading (a session lost at once is
    /// [`Failure::QuickOffline`], whoever ended it).
    pub fn last_failure(&self) -> Option<Failure> {
        self.last_failure
    }

    /// The class of a refused authentication, from the server's `text`.
    pub fn auth_refused(&self, text: &str) -> Failure {
        Failure::auth_refused(text, self.account.worked)
    }

    /// Whether LCP echo is to be used in the next session.
    pub fn echo(&self) -> bool {
        self.policy.echo && !self.concentrator.echo_ignored
    }

    /// The IPv4 address to ask for again.
    pub fn last_address(&self) -> Option<Ipv4Addr> {
        self.address
    }

    /// The figures in use.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }
}
