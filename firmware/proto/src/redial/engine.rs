//! The engine: its face, its permits, its clockwork. What a failure leads to is in [`super::outcome`].

use super::account::Account;
use super::budget::{Budget, History};
use super::clock::{Clock, Time};
use super::concentrator::Concentrator;
use super::failure::Failure;
use super::ledger::{Grant, Hold, HoldReason, LastSession, Ledger};
use super::memory::Memory;
use super::policy::Policy;
use super::report::{Advice, Doing, Note};
use super::state::{Attempt, Closing, Dark, Plan, Rest, Session, State};
use crate::pppoe::DiscoveryMessage;
use core::net::Ipv4Addr;
use heapless::Deque;
use rand_core::Rng;
use smoltcp::time::{Duration, Instant};

/// How this start of the firmware relates to the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boot {
    /// Power came back, after a time nobody measured: the ledger is what flash held.
    Cold,
    /// A reset with the power on: the ledger comes from retained memory ([`Engine::snapshot`]) and its clock is right
    /// to within a second.
    Warm,
}

/// What happened to the line and its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The Ethernet link has come up.
    LinkUp,
    /// The Ethernet link has gone down, and any dial or session with it (no `Failed` need follow).
    LinkDown,
    /// An acceptable PADO arrived. Drain [`Engine::poll_action`] before the PADR: an old session may have to be
    /// cleared first.
    PadoReceived,
    /// A PADS opened a session.
    SessionOpened(LastSession),
    /// The peer accepted the credentials.
    Authenticated,
    /// The first network control protocol opened, or the address became known later.
    Up {
        /// Our IPv4 address, when IPCP opened.
        address: Option<Ipv4Addr>,
    },
    /// The dial or session ended, for this reason; nothing of it is left.
    Failed(Failure),
    /// What [`Action::HangUp`] asked for is done; nothing of the dial or session is left.
    Closed,
    /// The session is up and has an address, but nothing gets through.
    NoTraffic,
    /// Data flows, but two LCP echo checks in a row were unanswered.
    PeerIgnoresEcho,
}

/// Why the engine ends a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HangUpReason {
    /// The user asked for it.
    User,
    /// The scheduled nightly reconnect.
    Nightly,
    /// Up, but without traffic.
    NoTraffic,
    /// The dial has to be given up: the budget forbids what it would need next, or nothing happened for minutes.
    Abandoned,
}

/// What the owner is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Send one PADT for this session, which a power cut or a dead line left behind. A `SESSION_ID` of 0 is meant.
    ClearSession(LastSession),
    /// Start discovery: as many PADIs as [`Engine::permit`] lets through, then a session.
    Dial,
    /// Send a single PADI; dial if a PADO answers it.
    Probe,
    /// Stop discovery, or terminate the session and send a PADT; then report [`Event::Closed`].
    HangUp(HangUpReason),
}

/// Whether a message may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    /// Now, and it is counted as sent.
    Now,
    /// Not before then; ask again.
    At(Instant),
}

/// An attempt in which nothing happens for this long is given up. Longer than every timeout of discovery and PPP.
const ATTEMPT_MOST: Duration = Duration::from_secs(120);
/// An attempt waits this long for an answer when the budget forbids to repeat the question.
const PATIENCE: Duration = Duration::from_secs(5);
/// A hang-up that takes longer is taken for done. Longer than the Terminate-Requests take.
const CLOSING_MOST: Duration = Duration::from_secs(15);
/// How soon to ask again for what a record must come before.
const RECORD_PAUSE: Duration = Duration::from_millis(20);
/// How soon to ask again for what is not going to be permitted.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);
/// With a ledger that cannot be written: no PADI sooner after a boot, so that replugging stays within 3 dials in
/// 5 minutes all the same.
const FORGETFUL_WAIT: Duration = Duration::from_secs(100);

/// The redial engine of one WAN. See [the module](super) for how it is driven.
#[derive(Debug)]
pub struct Engine {
    pub(super) policy: Policy,
    pub(super) clock: Clock,
    booted: Time,
    pub(super) state: State,
    pub(super) link: bool,

    pub(super) budget: Budget,
    pub(super) failed_sessions: History,
    pub(super) innocent_since: Time,
    pub(super) hold: Option<Hold>,
    pub(super) dark: Option<Dark>,
    pub(super) failures: u8,
    last_padi: Option<Time>,
    pub(super) last_failure: Option<Failure>,

    pub(super) concentrator: Concentrator,
    pub(super) account: Account,
    address: Option<Ipv4Addr>,
    no_traffic_at: Option<Time>,
    wall_clock: Option<(Time, u64)>,

    pub(super) memory: Memory,
    notes: Deque<Note, 8>,
}

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

    /// Asks for every PADI and PADR, right before it is sent: the only way one gets out.
    pub fn permit(&mut self, now: Instant, message: DiscoveryMessage) -> Permit {
        let now = self.clock.advance(now);
        match self.try_permit(now, message) {
            Ok(()) => Permit::Now,
            Err(at) => Permit::At(self.clock.instant(at)),
        }
    }

    fn try_permit(&mut self, now: Time, message: DiscoveryMessage) -> Result<(), Time> {
        let State::Attempt(attempt) = &mut self.state else { return Err(now.after(REFUSED_PAUSE)) };
        let first_padr = message == DiscoveryMessage::Padr && !attempt.dialed;
        let room = match message {
            DiscoveryMessage::Padi => {
                let most = if attempt.plan.is_single_padi() { 1 } else { self.policy.padi_attempts.max(1) };
                if attempt.padis >= most {
                    attempt.give_up = attempt.give_up.min(now.after(PATIENCE));
                    return Err(attempt.give_up.max(now.after(REFUSED_PAUSE)));
                }
                let spaced = self.last_padi.map_or(now, |last| last.after(self.policy.padi_spacing));
                self.budget.room_for_padi(self.policy.discovery, now).max(spaced)
            }
            DiscoveryMessage::Padr => self.budget.discovery.room_at(self.policy.discovery, now, 1),
        };
        let room =
            if first_padr { room.max(self.budget.dials.room_at(self.policy.dials, now, 1)) } else { room };
        if room > now {
            // A repeated PADI may still be answered while it waits; a PADO grows stale.
            let patience = if first_padr { Duration::ZERO } else { PATIENCE };
            if room > now.after(PATIENCE) {
                attempt.give_up = attempt.give_up.min(now.after(patience));
            }
            return Err(room);
        }
        let need = if first_padr { Grant::DIAL } else { Grant::POLLS };
        if !self.memory.covers(need) {
            self.memory.want(need);
            return Err(now.after(RECORD_PAUSE));
        }
        attempt.give_up = now.after(ATTEMPT_MOST);
        self.budget.discovery.count(now);
        match message {
            DiscoveryMessage::Padi => {
                attempt.padis = attempt.padis.saturating_add(1);
                attempt.last_padi = Some(now);
                self.last_padi = Some(now);
            }
            DiscoveryMessage::Padr if first_padr => {
                attempt.dialed = true;
                self.budget.dials.count(now);
                self.memory.spend_dial();
            }
            DiscoveryMessage::Padr => {}
        }
        Ok(())
    }

    /// Asks for each authentication, once, when LCP has opened (not for repeated packets of it).
    pub fn permit_authentication(&mut self, now: Instant) -> Permit {
        let now = self.clock.advance(now);
        let at = match self.state {
            State::Attempt(_) | State::Up(_) => {
                self.budget.authentications.room_at(self.policy.authentications, now, 1)
            }
            _ => now.after(REFUSED_PAUSE),
        };
        if at > now {
            return Permit::At(self.clock.instant(at));
        }
        if !self.memory.covers(Grant::SESSION) {
            self.memory.want(Grant::SESSION);
            return Permit::At(self.clock.instant(now.after(RECORD_PAUSE)));
        }
        self.budget.authentications.count(now);
        self.memory.spend_authentication();
        Permit::Now
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

    /// Enters a plan that is due and within the budget into the ledger.
    fn prepare(&mut self, now: Time) {
        if let (State::Resting(rest), Some(hold)) = (&mut self.state, self.hold)
            && rest.plan == Plan::ColdPoll
            && !rest.prepared
            && now >= hold.ends()
        {
            rest.plan = Plan::AfterHold;
            rest.due = hold.ends();
        }
        let State::Resting(rest) = &self.state else { return };
        if rest.prepared || now < self.ready_at(rest, now) {
            return;
        }
        let plan = rest.plan;
        match plan {
            Plan::ColdPoll => {
                if let Some(hold) = &mut self.hold {
                    hold.polled = true;
                }
                self.memory.want(Grant::DIAL);
            }
            Plan::AfterHold => {
                self.innocent_since = now;
                self.hold = None;
                self.concentrator.wake();
                self.memory.want(Grant::DIAL);
            }
            Plan::Dial => {
                if self.hold.take().is_some() || !self.memory.covers(Grant::DIAL) {
                    self.memory.want(Grant::DIAL);
                }
            }
            Plan::DarkPoll => {
                if let Some(dark) = &mut self.dark
                    && core::mem::replace(&mut dark.silent, false)
                {
                    dark.polling_until = now.after(self.policy.dark_polling);
                    self.concentrator.wake();
                }
                if !self.memory.covers(Grant::POLLS) {
                    self.memory.want(Grant::POLLS);
                }
            }
        }
        if let State::Resting(rest) = &mut self.state {
            rest.prepared = true;
        }
    }

    /// Starts a prepared plan once its record is stored.
    fn start(&mut self, now: Time) -> Option<Action> {
        let State::Resting(rest) = &self.state else { return None };
        let plan = rest.plan;
        if !rest.prepared || now < self.ready_at(rest, now) {
            return None;
        }
        let (need, recorded) = match plan {
            Plan::DarkPoll => (Grant::POLLS, true),
            Plan::Dial => (Grant::DIAL, true),
            // Their mark on the hold must be in flash, not only a grant.
            Plan::AfterHold | Plan::ColdPoll => (Grant::DIAL, self.memory.is_settled()),
        };
        if !(recorded && self.memory.covers(need)) {
            if self.memory.is_settled() {
                self.memory.want(need);
            }
            return None;
        }
        self.state = State::Attempt(Attempt {
            plan,
            since: now,
            padis: 0,
            offered: false,
            dialed: false,
            opened: false,
            last_padi: None,
            give_up: now.after(ATTEMPT_MOST),
        });
        Some(if plan.is_single_padi() { Action::Probe } else { Action::Dial })
    }

    /// When `rest` is due and the budget has room for all of it.
    fn ready_at(&self, rest: &Rest, now: Time) -> Time {
        let due = now.max(rest.due);
        let ready = due
            .max(self.budget.room_for_padi(self.policy.discovery, now))
            .max(self.budget.dials.room_at(self.policy.dials, now, 1))
            .max(self.budget.authentications.room_at(self.policy.authentications, now, 1));
        let spaced = self.last_padi.map_or(ready, |last| ready.max(last.after(self.policy.padi_spacing)));
        let ready =
            if self.memory.is_waived() { spaced.max(self.booted.after(FORGETFUL_WAIT)) } else { spaced };
        match self.hold {
            Some(hold) if rest.plan == Plan::ColdPoll => ready.min(hold.ends().max(now)),
            _ => ready,
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

    /// The ledger as of `now`, for memory that survives a reset ([`Boot::Warm`]): keep it fresh after each drain.
    pub fn snapshot(&self, now: Instant) -> Ledger {
        self.record(self.clock.reading(now), Grant::NOTHING)
    }

    fn record(&self, now: Time, grant: Grant) -> Ledger {
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

    /// When to call [`Engine::poll_action`] and [`Engine::poll_store`] again, if nothing else happens.
    pub fn poll_at(&self) -> Option<Instant> {
        let now = self.clock.now();
        let store = self.memory.poll_at(now);
        let clear = (self.link && self.concentrator.has_padt()).then_some(now);
        let state = match &self.state {
            State::Stopped => None,
            State::Resting(rest) => {
                let waits = rest.prepared && !self.memory.is_settled();
                (self.link && !waits).then(|| self.ready_at(rest, now))
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
                let ready = self.ready_at(rest, now);
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
