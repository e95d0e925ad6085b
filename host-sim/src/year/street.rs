//! A year on one line: the script's steps, the frames between a subscriber and its concentrator, and the stop-watch.
//!
//! ```text
//!  subscriber ══ ONT ══ Link ══ Concentrator          script ──► steps
//!      └──────────── stop-watch ────┘                 what the line does, the same for every policy
//! ```

use gatelet_proto::redial::Boot;
use smoltcp::time::{Duration, Instant};

use super::data::{Carrier, Data};
use super::script::Step;
use super::stopwatch::{Observation, Stopwatch};
use super::subscriber::{MAC, Subscriber};
use crate::link::{End, Link, Quality};
use crate::peers::concentrator::{Concentrator, Cookie, Model, Moods, Reception, error_tag};
use crate::peers::ont::Ont;
use crate::scenario::values::Probability;
use crate::world::{Node, Outbox};
use chacha20::ChaCha8Rng;
use gatelet_wire::pppoe::TagKind;
use rand_core::SeedableRng;

/// In a quick-offline spell sessions are ended this long after they came up.
const QUICK: Duration = Duration::from_secs(5);
/// And this many of them.
const QUICK_SESSIONS: u32 = 3;
/// Somebody else's lock, whatever the model: five minutes, as users of Unicom lines report.
const FOREIGN_LOCK: Duration = Duration::from_secs(300);

/// Rounds at one instant before the street counts as spinning.
const SPIN_LIMIT: u32 = 10_000;

/// One line for one year.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Street<'a> {
    data: &'a Data,
    carrier: &'a Carrier,
    script: &'a [(Instant, Step)],
    next_step: usize,
    pub(super) concentrator: Concentrator,
    ont: Ont,
    link: Link,
    rng: ChaCha8Rng,
    out: Outbox,
    now: Instant,
    end: Instant,
    /// How many reasons there are at the moment for ...
    router_off: u32,
    ont_off: u32,
    fibre_cut: u32,
    lossy: u32,
    concentrator_off: u32,
    silent: u32,
    no_pads: u32,
    pads_error: u32,
    radius_trouble: u32,
    contrary: u32,
    /// The router lost its power, not just its running program.
    cold: bool,
    router_boots_at: Option<Instant>,
    router_on: bool,
    /// Off, because nothing else helped: the line would answer all the same.
    despair: bool,
    carrier_seen: bool,
    quick_left: u32,
    quick_at: Option<Instant>,
    foreign_lock_until: Instant,
    oracle_asks_at: Option<Instant>,
    helpless_since: Option<Instant>,
    flows: bool,
    /// The stop-watch.
    pub(super) watch: Stopwatch,
    /// Frames that crossed the line.
    pub(super) frames: u64,
}

impl<'a> Street<'a> {
    /// A line to a concentrator of this model, behaving like this carrier's.
    pub(super) fn new(
        data: &'a Data,
        carrier: &'a Carrier,
        model: Model,
        script: &'a [(Instant, Step)],
        seed: u64,
        length: Duration,
    ) -> Self {
        let moods = Moods { echo: carrier.echo, ..Moods::default() };
        let mut concentrator = Concentrator::new(model, moods, seed);
        concentrator.radius.simultaneous = carrier.simultaneous;
        if let Some(ageing) = carrier.ageing {
            concentrator.radius.ageing = ageing;
        }
        let quality = Quality { delay: data.line.round_trip / 2, ..Quality::default() };
        Self {
            data,
            carrier,
            script,
            next_step: 0,
            concentrator,
            ont: Ont::up(),
            link: Link::new(quality, seed),
            rng: ChaCha8Rng::seed_from_u64(seed ^ 0x0717),
            out: Outbox::new(),
            now: Instant::ZERO,
            end: Instant::ZERO + length,
            router_off: 0,
            ont_off: 0,
            fibre_cut: 0,
            lossy: 0,
            concentrator_off: 0,
            silent: 0,
            no_pads: 0,
            pads_error: 0,
            radius_trouble: 0,
            contrary: 0,
            cold: true,
            router_boots_at: Some(Instant::ZERO + data.line.router_boot),
            router_on: false,
            despair: false,
            carrier_seen: false,
            quick_left: 0,
            quick_at: None,
            foreign_lock_until: Instant::ZERO,
            oracle_asks_at: None,
            helpless_since: None,
            flows: false,
            watch: Stopwatch::new(),
            frames: 0,
        }
    }

    /// Where the clock stands.
    pub(super) fn now(&self) -> Instant {
        self.now
    }

    /// Whether the year is over.
    pub(super) fn is_over(&self) -> bool {
        self.now >= self.end
    }

    /// Lives the whole year.
    pub(super) fn run(&mut self, subscriber: &mut dyn Subscriber) {
        while !self.is_over() {
            let next = self.poll_at(subscriber);
            self.advance(next, subscriber);
        }
    }

    /// When [`Street::advance`] is wanted next.
    pub(super) fn poll_at(&self, subscriber: &dyn Subscriber) -> Instant {
        [
            self.script.get(self.next_step).map(|&(at, _)| at),
            self.link.poll_at(),
            self.concentrator.poll_at(),
            subscriber.poll_at().filter(|_| self.router_on),
            self.ont.poll_at(self.now),
            self.router_boots_at,
            self.quick_at,
            self.oracle_asks_at,
            self.helpless_since.map(|since| since + self.data.line.patience),
            (self.now < self.foreign_lock_until).then_some(self.foreign_lock_until),
        ]
        .into_iter()
        .flatten()
        .min()
        .map_or(self.end, |at| at.clamp(self.now, self.end))
    }

    /// The clock says `now`: does everything that is due.
    ///
    /// # Panics
    /// If things are due again and again without time passing.
    pub(super) fn advance(&mut self, now: Instant, subscriber: &mut dyn Subscriber) {
        self.now = now.min(self.end);
        let mut rounds = 0;
        loop {
            self.pass(subscriber);
            if self.is_over() {
                return self.watch.finish(self.end);
            }
            if self.poll_at(subscriber) > self.now {
                return;
            }
            rounds += 1;
            assert!(rounds < SPIN_LIMIT, "the street is due again and again at {}", self.now);
        }
    }

    /// Does everything that is due now.
    fn pass(&mut self, subscriber: &mut dyn Subscriber) {
        let now = self.now;
        while let Some((end, frame)) = self.link.receive(now) {
            self.frames += 1;
            match end {
                End::Peers => self.concentrator.handle_frame(now, &frame, &mut self.out),
                End::Router if self.router_on => subscriber.handle_frame(now, &frame, &mut self.out),
                End::Router => {}
            }
            self.link.recycle(frame);
            self.flush(end);
        }
        if self.concentrator.poll_at().is_some_and(|at| at <= now) {
            self.concentrator.handle_timeout(now, &mut self.out);
            self.flush(End::Peers);
        }
        if self.router_on && subscriber.poll_at().is_some_and(|at| at <= now) {
            subscriber.handle_timeout(now, &mut self.out);
            self.flush(End::Router);
        }
        while let Some(&(at, step)) = self.script.get(self.next_step).filter(|&&(at, _)| at <= now) {
            debug_assert!(at <= now);
            self.next_step += 1;
            self.take(step, subscriber);
        }
        if self.router_boots_at.is_some_and(|at| at <= now) {
            self.boot(subscriber);
        }
        self.quick_offline();
        self.lose_patience(subscriber);
        self.connect(subscriber);
        self.observe(subscriber);
        self.advise_oracle(subscriber);
    }

    /// Puts what was sent on the line.
    fn flush(&mut self, from: End) {
        for frame in self.out.frames() {
            if from == End::Router {
                self.watch.note_sent(self.now, frame);
            }
            self.link.send(self.now, from, frame);
        }
        self.out.clear();
    }

    fn take(&mut self, step: Step, subscriber: &mut dyn Subscriber) {
        let now = self.now;
        let count = |reasons: &mut u32, begins: bool| {
            *reasons = if begins { *reasons + 1 } else { reasons.saturating_sub(1) };
        };
        let mut harms = true;
        match step {
            Step::RouterPower(on) | Step::RouterReset(on) => {
                count(&mut self.router_off, !on);
                self.cold |= matches!(step, Step::RouterPower(false));
                self.switch_router(subscriber);
            }
            Step::OntPower(on) => {
                count(&mut self.ont_off, !on);
                if self.ont_off == 0 {
                    self.ont.boot(now, &mut self.rng);
                } else {
                    self.ont.power_off();
                }
            }
            Step::Fibre(mended) => count(&mut self.fibre_cut, !mended),
            Step::Loss(begins) => {
                count(&mut self.lossy, begins);
                let loss = if self.lossy > 0 { 1.0 / 3.0 } else { 0.0 };
                self.link.quality.loss = Probability::new(loss).unwrap_or_default();
            }
            Step::Concentrator { on, orderly } => {
                count(&mut self.concentrator_off, !on);
                if self.concentrator_off > 0 && self.concentrator.powered() {
                    if orderly {
                        self.concentrator.restart(now, true, &mut self.out);
                        self.flush(End::Peers);
                    }
                    self.concentrator.set_power(now, false, &mut self.out);
                } else if self.concentrator_off == 0 {
                    self.concentrator.set_power(now, true, &mut self.out);
                }
            }
            Step::LostSession => self.concentrator.forget_sessions(now, MAC, false, &mut self.out),
            Step::Padt => self.concentrator.padt(now, MAC, &mut self.out),
            Step::Kick => self.concentrator.kick(now, MAC, &mut self.out),
            Step::QuickOffline(begins) => {
                self.quick_left = if begins { QUICK_SESSIONS } else { 0 };
                self.quick_at = None;
                if begins {
                    self.concentrator.padt(now, MAC, &mut self.out);
                }
            }
            Step::StalePadt { from_second_ac } => {
                harms = false;
                self.concentrator.stale_padt(MAC, from_second_ac, &mut self.out);
            }
            Step::BlackHole => self.concentrator.black_hole(),
            Step::Silence(begins) => {
                count(&mut self.silent, begins);
                self.concentrator.set_silence(self.silent > 0);
            }
            Step::PadoWithoutPads(begins) => count(&mut self.no_pads, begins),
            Step::PadsError(begins) => count(&mut self.pads_error, begins),
            Step::RadiusTrouble(begins) => {
                count(&mut self.radius_trouble, begins);
                self.concentrator.refuse((self.radius_trouble > 0).then_some(self.carrier.refusal));
            }
            Step::Contrary(begins) => {
                count(&mut self.contrary, begins);
                self.concentrator.moods.contrary = self.contrary > 0;
                self.concentrator.moods.cookie =
                    if self.contrary > 0 { Cookie::Changing } else { Cookie::Stable };
            }
            Step::ForeignLock => {
                self.concentrator.padt(now, MAC, &mut self.out);
                self.concentrator.lock(now, MAC, FOREIGN_LOCK, &mut self.out);
                self.foreign_lock_until = now + FOREIGN_LOCK;
            }
        }
        self.concentrator.moods.padr = if self.no_pads > 0 {
            Reception::Silence
        } else if self.pads_error > 0 {
            error_tag(TagKind::AcSystemError)
        } else {
            Reception::Answer
        };
        if harms {
            self.concentrator.line_failed(MAC);
            self.watch.note_disturbance(now);
        }
        self.flush(End::Peers);
    }

    /// The router's power follows what is left of the reasons to be off.
    fn switch_router(&mut self, subscriber: &mut dyn Subscriber) {
        if self.router_off > 0 {
            self.router_boots_at = None;
            if self.router_on {
                self.router_on = false;
                self.carrier_seen = false;
                subscriber.power_off(self.now, if self.cold { Boot::Cold } else { Boot::Warm });
            } else if self.cold {
                subscriber.power_off(self.now, Boot::Cold);
            }
        } else {
            self.router_boots_at = Some(self.now + self.data.line.router_boot);
        }
    }

    fn boot(&mut self, subscriber: &mut dyn Subscriber) {
        self.router_boots_at = None;
        self.router_on = true;
        self.despair = false;
        self.carrier_seen = self.ont.carrier();
        let boot = if self.cold { Boot::Cold } else { Boot::Warm };
        self.cold = false;
        subscriber.power_on(self.now, boot, self.carrier_seen, &mut self.out);
        self.flush(End::Router);
    }

    /// The ONT's state reaches the link and the router.
    fn connect(&mut self, subscriber: &mut dyn Subscriber) {
        self.link.set_cut(!self.passes());
        if self.router_on && self.carrier_seen != self.ont.carrier() {
            self.carrier_seen = self.ont.carrier();
            subscriber.set_carrier(self.now, self.carrier_seen, &mut self.out);
            self.flush(End::Router);
        }
    }

    fn passes(&self) -> bool {
        self.fibre_cut == 0 && self.ont_off == 0 && self.ont.bridges(self.now)
    }

    /// Whether a first dial of an unlocked client would succeed now.
    fn line_is_willing(&self) -> bool {
        (self.router_on || self.despair)
            && self.passes()
            && self.lossy == 0
            && self.concentrator_off == 0
            && self.silent == 0
            && self.no_pads == 0
            && self.pads_error == 0
            && self.radius_trouble == 0
            && self.now >= self.foreign_lock_until
    }

    fn quick_offline(&mut self) {
        let up = self.concentrator.session_of(MAC).and_then(|session| session.up_since);
        match (self.quick_left, up, self.quick_at) {
            (1.., Some(since), None) => self.quick_at = Some(since + QUICK),
            (1.., _, Some(at)) if at <= self.now => {
                self.quick_at = None;
                self.quick_left -= 1;
                self.concentrator.padt(self.now, MAC, &mut self.out);
                self.concentrator.line_failed(MAC);
                self.watch.note_disturbance(self.now);
                self.flush(End::Peers);
            }
            (0, ..) => self.quick_at = None,
            _ => {}
        }
    }

    /// After hours without Internet on a line that would answer, somebody pulls the plug for a while.
    fn lose_patience(&mut self, subscriber: &mut dyn Subscriber) {
        if self.helpless_since.is_some_and(|since| self.now >= since + self.data.line.patience) {
            self.helpless_since = None;
            self.watch.replugs += 1;
            self.despair = true;
            self.cold = true;
            self.router_off += 1;
            self.switch_router(subscriber);
            self.router_off -= 1;
            self.router_boots_at = Some(self.now + self.data.line.unplugged + self.data.line.router_boot);
        }
    }

    fn observe(&mut self, subscriber: &mut dyn Subscriber) {
        let passes = self.router_on && self.passes();
        let session = subscriber.session_id().filter(|_| passes);
        let service = session.is_some_and(|id| self.concentrator.forwards(MAC, id));
        let willing = self.line_is_willing();
        if service != self.flows {
            self.flows = service;
            subscriber.note_traffic(self.now, service);
        }
        self.helpless_since = match (service, willing) {
            (false, true) => Some(self.helpless_since.unwrap_or(self.now)),
            _ => None,
        };
        self.watch.observe(&Observation {
            now: self.now,
            service,
            willing,
            counters: self.concentrator.counters(),
        });
    }

    fn advise_oracle(&mut self, subscriber: &mut dyn Subscriber) {
        self.oracle_asks_at = None;
        if self.flows || !self.line_is_willing() {
            return;
        }
        match self.concentrator.answers_at(self.now, MAC) {
            Some(at) if at <= self.now => {
                subscriber.line_answers(self.now, &mut self.out);
                self.flush(End::Router);
            }
            at => self.oracle_asks_at = at,
        }
    }
}
