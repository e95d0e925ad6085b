//! An engine with an owner who does what it says, a flash, and a line that answers as told. Virtual time.

use super::std::{self, collections::VecDeque, vec::Vec};
use crate::redial::{
    Action, Boot, DiscoveryMessage, Engine, Event, Failure, HangUpReason, HoldReason, LastSession, Ledger,
    Note, Permit, Policy, Window,
};
use core::net::Ipv4Addr;
use rand_core::{Rng, SeedableRng};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::EthernetAddress;

pub(super) const AC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 0xac]);
pub(super) const ADDRESS: Ipv4Addr = Ipv4Addr::new(100, 64, 1, 2);

/// How the line answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Nobody is there, or we are locked out.
    Silence,
    /// PADO, but no PADS.
    Pado,
    /// Every dial comes up.
    Up,
    /// Every session ends like this before it is of use, authentication included if it is one of that.
    Fails(Failure),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Padi,
    Padr,
    Padt(u16),
    Authenticate,
    HangUp(HangUpReason),
    Up,
    Failed(Failure),
    Note(Note),
}

/// What becomes of a ledger to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flash {
    Stores,
    /// Takes its time: nothing is stored until it is told to.
    Busy,
    Broken,
}

/// A hold as an observer sees it, in true time.
#[derive(Debug)]
struct ObservedHold {
    until: Instant,
    reason: HoldReason,
    /// The power has come back inside it, so its one poll may be sent.
    poll_allowed: bool,
    poll_spent: bool,
    /// The poll is under way and may become a dial.
    polling: bool,
}

#[derive(Debug)]
struct Discovery {
    probe: bool,
    padis: u32,
    padrs: u32,
    requesting: bool,
    due: Instant,
}

pub(super) struct Bench {
    pub(super) engine: Engine,
    pub(super) policy: Policy,
    /// True time, power cuts included.
    pub(super) now: Instant,
    booted: Instant,
    rng: std::boxed::Box<dyn Rng>,
    pub(super) answer: Answer,
    pub(super) flash: Flash,
    pub(super) stored: Option<Ledger>,
    pub(super) offered: Option<Ledger>,
    pub(super) writes: u32,
    pub(super) steps: Vec<(Instant, Step)>,
    discovery: Option<Discovery>,
    authenticating: Option<Instant>,
    hold: Option<ObservedHold>,
    stopped: bool,
    pub(super) up: bool,
    link: bool,
    sessions: u16,
    recent: VecDeque<Instant>,
}

pub(super) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn generator(seed: u64) -> std::boxed::Box<dyn Rng> {
    std::boxed::Box::new(chacha20::ChaCha8Rng::seed_from_u64(seed))
}

impl Bench {
    /// A device that never dialed, its cable not yet plugged in.
    pub(super) fn new(policy: Policy, seed: u64) -> Self {
        let now = Instant::from_secs(1_000_000);
        let engine = Engine::new(policy.clone(), Instant::ZERO, Boot::Cold, None);
        Self {
            engine,
            policy,
            now,
            booted: now,
            rng: generator(seed),
            answer: Answer::Silence,
            flash: Flash::Stores,
            stored: None,
            offered: None,
            writes: 0,
            steps: Vec::new(),
            discovery: None,
            authenticating: None,
            hold: None,
            stopped: false,
            up: false,
            link: false,
            sessions: 0,
            recent: VecDeque::new(),
        }
    }

    /// A device that never dialed, on a line that answers so.
    pub(super) fn on(answer: Answer) -> Self {
        let mut bench = Self::new(Policy::default(), 1);
        bench.answer = answer;
        bench.plug(true);
        bench
    }

    pub(super) fn with_rng(mut self, rng: impl Rng + 'static) -> Self {
        self.rng = std::boxed::Box::new(rng);
        self
    }

    /// The engine's own time, which starts near zero at every boot.
    fn instant(&self) -> Instant {
        Instant::ZERO + (self.now - self.booted)
    }

    pub(super) fn true_time(&self, instant: Instant) -> Instant {
        Instant::from_micros(self.booted.total_micros().saturating_add(instant.total_micros()))
    }

    pub(super) fn event(&mut self, event: Event) {
        self.engine.handle_event(self.instant(), &mut *self.rng, event);
        self.drain();
    }

    pub(super) fn fail(&mut self, failure: Failure) {
        match failure {
            Failure::NoPado | Failure::PadrUnanswered => {
                self.hold.iter_mut().for_each(|hold| hold.polling = false);
            }
            _ => self.hold = None,
        }
        self.up = false;
        self.discovery = None;
        self.authenticating = None;
        self.log(Step::Failed(failure));
        self.event(Event::Failed(failure));
    }

    pub(super) fn plug(&mut self, up: bool) {
        self.link = up;
        if !up {
            self.discovery = None;
            self.authenticating = None;
            self.up = false;
        }
        self.event(if up { Event::LinkUp } else { Event::LinkDown });
    }

    pub(super) fn dial(&mut self, force: bool) {
        self.stopped = false;
        if force {
            self.hold = None;
        }
        self.engine.dial(self.instant(), force);
        self.drain();
    }

    pub(super) fn hang_up(&mut self) {
        self.stopped = true;
        self.engine.hang_up(self.instant());
        self.drain();
    }

    pub(super) fn set_credentials(&mut self, password: &str) {
        if self.hold.as_ref().is_some_and(|hold| hold.reason == HoldReason::Authentication) {
            self.hold = None;
        }
        self.engine.set_credentials(self.instant(), "user", password);
        self.drain();
    }

    /// The peer of an open session starts LCP over.
    pub(super) fn ask_to_authenticate(&mut self) -> bool {
        let permitted = self.engine.permit_authentication(self.instant()) == Permit::Now;
        if permitted {
            self.log(Step::Authenticate);
        }
        self.drain();
        permitted
    }

    pub(super) fn set_wall_clock(&mut self, unix_seconds: u64) {
        self.engine.set_wall_clock(self.instant(), unix_seconds);
        self.drain();
    }

    /// The power goes and comes back. A record on its way to flash may have arrived.
    pub(super) fn power_cut(&mut self, off: Duration, record_arrived: bool) {
        if let Some(ledger) = self.offered.take()
            && record_arrived
        {
            self.stored = Some(ledger);
        }
        match &self.stored {
            Some(ledger) if ledger.hold.is_some() => {
                self.hold.iter_mut().for_each(|hold| hold.poll_allowed = true);
            }
            _ => self.hold = None,
        }
        self.restart(off, Boot::Cold, self.stored.clone());
    }

    pub(super) fn reset(&mut self) {
        let kept = self.engine.snapshot(self.instant());
        self.offered = None;
        self.restart(Duration::ZERO, Boot::Warm, Some(kept));
    }

    fn restart(&mut self, off: Duration, boot: Boot, ledger: Option<Ledger>) {
        // As on a board: what is kept is bytes.
        let bytes = ledger.map(|ledger| postcard::to_slice(&ledger, &mut [0; 512]).unwrap().to_vec());
        let ledger = bytes.map(|bytes| postcard::from_bytes(&bytes).unwrap());
        self.now += off;
        self.booted = self.now;
        self.engine = Engine::new(self.policy.clone(), Instant::ZERO, boot, ledger);
        self.stopped = false;
        self.hold.iter_mut().for_each(|hold| hold.polling = false);
        self.discovery = None;
        self.authenticating = None;
        self.up = false;
        if self.link {
            self.event(Event::LinkUp);
        }
    }

    pub(super) fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.drain();
        loop {
            let engine = self.engine.poll_at().map(|at| self.true_time(at));
            let discovery = self.discovery.as_ref().map(|discovery| discovery.due);
            let next = [engine, discovery, self.authenticating]
                .into_iter()
                .flatten()
                .min()
                .unwrap_or(end)
                .max(self.now);
            if next > end {
                break;
            }
            self.now = next;
            self.notice_livelock();
            self.drain();
            if next == end {
                break;
            }
        }
        self.now = end;
        self.drain();
    }

    fn notice_livelock(&mut self) {
        self.recent.push_back(self.now);
        if self.recent.len() > 200 {
            let first = self.recent.pop_front().unwrap();
            assert!(self.now > first, "the engine spins: {:?}", self.engine.advice());
        }
    }

    pub(super) fn drain(&mut self) {
        for _ in 0..100 {
            if !self.step() {
                return self.notice_deadlock();
            }
        }
        panic!("the engine never comes to rest: {:?}", self.engine.advice());
    }

    fn notice_deadlock(&self) {
        let busy =
            self.up || self.discovery.is_some() || self.authenticating.is_some() || self.offered.is_some();
        if self.link && !self.stopped && !busy {
            assert!(self.engine.poll_at().is_some(), "nothing to wait for: {:?}", self.engine.advice());
        }
    }

    fn step(&mut self) -> bool {
        let now = self.instant();
        while let Some(note) = self.engine.poll_note() {
            self.log(Step::Note(note));
        }
        if let Some(action) = self.engine.poll_action(now, &mut *self.rng) {
            self.act(action);
            return true;
        }
        if let Some(ledger) = self.engine.poll_store(now) {
            self.offered = Some(ledger);
            match self.flash {
                Flash::Stores => self.store(),
                Flash::Busy => {}
                Flash::Broken => {
                    self.offered = None;
                    self.engine.store_failed();
                }
            }
            return true;
        }
        if self.authenticating.is_some_and(|due| due <= self.now) {
            self.authenticate();
            return true;
        }
        match &self.discovery {
            Some(discovery) if discovery.due <= self.now => {
                self.discover();
                true
            }
            _ => false,
        }
    }

    /// The record on its way arrives.
    pub(super) fn store(&mut self) {
        if let Some(ledger) = self.offered.take() {
            self.stored = Some(ledger);
            self.writes += 1;
            self.engine.stored();
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::ClearSession(session) => self.log(Step::Padt(session.id)),
            Action::Dial | Action::Probe => {
                assert!(self.link && self.discovery.is_none() && !self.up, "{action:?} out of place");
                let probe = action == Action::Probe;
                let due = self.now;
                self.discovery = Some(Discovery { probe, padis: 0, padrs: 0, requesting: false, due });
            }
            Action::HangUp(reason) => {
                self.discovery = None;
                self.authenticating = None;
                self.up = false;
                self.log(Step::HangUp(reason));
                self.engine.handle_event(self.instant(), &mut *self.rng, Event::Closed);
            }
        }
    }

    fn discover(&mut self) {
        let now = self.instant();
        let discovery = self.discovery.as_mut().unwrap();
        // 1.2 s, doubling; two PADIs, one in a probe, and three PADRs.
        let pause = |sent: u32| Duration::from_millis(1200) * (1 << (sent - 1));
        if discovery.requesting {
            if discovery.padrs == 3 {
                return self.fail(Failure::PadrUnanswered);
            }
            match self.engine.permit(now, DiscoveryMessage::Padr) {
                Permit::At(at) => {
                    discovery.due =
                        Instant::from_micros(self.booted.total_micros().saturating_add(at.total_micros()));
                }
                Permit::Now => {
                    discovery.padrs += 1;
                    discovery.due = self.now + pause(discovery.padrs);
                    self.log(Step::Padr);
                    self.answer_padr();
                }
            }
        } else {
            if discovery.padis == if discovery.probe { 1 } else { 2 } {
                return self.fail(Failure::NoPado);
            }
            match self.engine.permit(now, DiscoveryMessage::Padi) {
                Permit::At(at) => {
                    discovery.due =
                        Instant::from_micros(self.booted.total_micros().saturating_add(at.total_micros()));
                }
                Permit::Now => {
                    discovery.padis += 1;
                    discovery.due =
                        self.now + if discovery.probe { seconds(5) } else { pause(discovery.padis) };
                    if self.answer != Answer::Silence {
                        discovery.requesting = true;
                        discovery.due = self.now;
                        self.log(Step::Padi);
                        self.engine.handle_event(now, &mut *self.rng, Event::PadoReceived);
                        return;
                    }
                    self.log(Step::Padi);
                }
            }
        }
    }

    fn answer_padr(&mut self) {
        match self.answer {
            Answer::Silence | Answer::Pado => {}
            Answer::Fails(failure @ Failure::PadsError(_)) => self.fail(failure),
            Answer::Up | Answer::Fails(_) => {
                self.discovery = None;
                self.sessions = self.sessions.wrapping_add(1).max(1);
                let session = LastSession { ac_mac: AC, id: self.sessions, vlan: Some(35) };
                self.engine.handle_event(self.instant(), &mut *self.rng, Event::SessionOpened(session));
                self.authenticating = Some(self.now);
            }
        }
    }

    fn authenticate(&mut self) {
        match self.engine.permit_authentication(self.instant()) {
            Permit::At(at) => {
                self.authenticating = Some(self.true_time(at).max(self.now + Duration::from_micros(1)));
            }
            Permit::Now => {
                self.authenticating = None;
                self.log(Step::Authenticate);
                if let Answer::Fails(failure) = self.answer {
                    self.fail(failure);
                } else {
                    self.up = true;
                    self.log(Step::Up);
                    self.event(Event::Authenticated);
                    self.event(Event::Up { address: Some(ADDRESS) });
                }
            }
        }
    }

    fn log(&mut self, step: Step) {
        match step {
            Step::Note(Note::HoldBegun { until, reason }) => self.hold_begun(self.true_time(until), reason),
            Step::Authenticate => self.hold = None,
            Step::Padi | Step::Padr => self.inspect_hold(step),
            _ => {}
        }
        self.steps.push((self.now, step));
    }

    fn hold_begun(&mut self, until: Instant, reason: HoldReason) {
        let before = self.hold.take();
        // A hold that begins again after its poll has no other.
        let poll_spent = before.is_some_and(|hold| hold.poll_spent);
        self.hold = Some(ObservedHold { until, reason, poll_allowed: false, poll_spent, polling: false });
    }

    /// Not one PADI or PADR inside a hold but the one poll after a cold power-on.
    fn inspect_hold(&mut self, step: Step) {
        let Some(hold) = &mut self.hold else { return };
        if self.now >= hold.until {
            self.hold = None;
        } else if step == Step::Padi {
            assert!(hold.poll_allowed && !hold.poll_spent, "a PADI inside a hold: {hold:?}");
            hold.poll_spent = true;
            hold.polling = true;
        } else {
            assert!(hold.polling, "a PADR inside a hold: {hold:?}");
        }
    }

    /// Seconds from `since` at which steps like this were taken.
    pub(super) fn times(&self, since: Instant, wanted: Step) -> Vec<f64> {
        let later = self.steps.iter().filter(|(at, step)| *at >= since && *step == wanted);
        #[expect(clippy::cast_precision_loss, reason = "seconds, for people")]
        later.map(|(at, _)| (*at - since).total_micros() as f64 / 1e6).collect()
    }

    pub(super) fn discovery_since(&self, since: Instant) -> usize {
        self.steps.iter().filter(|(at, step)| *at >= since && matches!(step, Step::Padi | Step::Padr)).count()
    }

    pub(super) fn noted(&self, wanted: impl Fn(&Note) -> bool) -> bool {
        self.steps.iter().any(|(_, step)| matches!(step, Step::Note(note) if wanted(note)))
    }

    /// The budgets were kept, in true time, whatever happened in between.
    pub(super) fn audit(&self) {
        let times = |wanted: &dyn Fn(&Step) -> bool| -> Vec<Instant> {
            self.steps.iter().filter(|(_, step)| wanted(step)).map(|(at, _)| *at).collect()
        };
        let within = |times: &[Instant], window: Window, least: u8, what: &str| {
            let limit = usize::from(window.limit.clamp(least, 8));
            for events in times.windows(limit + 1) {
                let span = *events.last().unwrap() - events[0];
                assert!(span > window.period, "{what}: {} within {span}", events.len());
            }
        };
        let policy = &self.policy;
        let discovery = times(&|step| matches!(step, Step::Padi | Step::Padr));
        within(&discovery, policy.discovery, 2, "discovery");
        // A dial is a PADI's first PADR.
        let mut dials = Vec::new();
        let mut dialed = true;
        for (at, step) in &self.steps {
            match step {
                Step::Padi => dialed = false,
                Step::Padr if !dialed => {
                    dialed = true;
                    dials.push(*at);
                }
                _ => {}
            }
        }
        within(&dials, policy.dials, 1, "dials");
        let authentications = times(&|step| *step == Step::Authenticate);
        within(&authentications, policy.authentications, 1, "authentications");
    }
}
