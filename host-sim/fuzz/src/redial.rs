//! The redial engine and its ledger: whatever happens in whatever order, reboots and flash that lies
//! included, the concentrator never sees more than the budget allows.

use std::collections::VecDeque;

use gatelet_proto::pppoe::DiscoveryMessage;
use gatelet_proto::redial::{
    Action, Boot, Engine, Event, Failure, LastSession, Ledger, NightlyReconnect, Permit, Policy, Preset,
    Window,
};
use gatelet_wire::EthernetAddress;
use rand_core::SeedableRng;
use smoltcp::time::{Duration, Instant};

use crate::input::Input;

/// No single moment holds more actions, records or notes than this.
const DRAIN_MOST: usize = 32;

/// A reconnect at 4 in the morning, in China, before a kick after 48 h.
pub(crate) const NIGHTLY: NightlyReconnect = NightlyReconnect {
    second_of_day: 4 * 3600,
    utc_offset_minutes: 480,
    forced_disconnect: Duration::from_secs(48 * 3600),
};

/// A stored ledger as flash may give it back: either refused, or good enough to start from.
pub fn ledger(bytes: &[u8]) {
    let Ok(ledger) = postcard::from_bytes::<Ledger>(bytes) else { return };
    check_encoding(&ledger);
    let (hold, later) = (ledger.hold(), ledger.clone().advanced(1));
    assert!(later.clock() >= ledger.clock());
    assert!(later.hold().map(|hold| hold.0) <= hold.map(|hold| hold.0), "a hold shrinks with time");
    assert_eq!(later.last_address(), ledger.last_address());
    for boot in [Boot::Cold, Boot::Warm] {
        let mut world = World::new(Preset::Unicom);
        world.boot(boot, Some(ledger.clone()));
        world.engine.handle_event(world.now(), &mut world.rng, Event::LinkUp);
        for _ in 0..8 {
            world.drain(&mut Input::new(&[]));
            world.jump();
        }
    }
}

/// Any sequence of steps.
pub fn operations(input: &[u8]) {
    let mut input = Input::new(input);
    let preset = [Preset::Unicom, Preset::Telecom, Preset::Mobile, Preset::Generic];
    let wishes = input.u8();
    let mut world = World::new(preset[usize::from(wishes & 3)]);
    if wishes & 4 != 0 {
        world.policy.nightly = Some(NIGHTLY);
        world.engine.set_policy(world.now(), world.policy.clone());
    }
    while let Some(operation) = input.operation() {
        world.step(operation, &mut input);
    }
}

/// An engine, its owner, its flash, and a concentrator that counts.
struct World {
    policy: Policy,
    engine: Engine,
    rng: chacha20::ChaCha8Rng,
    /// Time that goes on while the power is off.
    time: Instant,
    booted: Instant,
    flash: Option<Ledger>,
    /// Whether this attempt's first PADR has been sent.
    dialed: bool,
    discovery: Meter,
    dials: Meter,
    authentications: Meter,
}

impl World {
    fn new(preset: Preset) -> Self {
        let policy = Policy::preset(preset);
        Self {
            engine: Engine::new(policy.clone(), Instant::ZERO, Boot::Cold, None),
            rng: chacha20::ChaCha8Rng::seed_from_u64(3),
            time: Instant::ZERO,
            booted: Instant::ZERO,
            flash: None,
            dialed: true,
            discovery: Meter::new("discovery messages", policy.discovery),
            dials: Meter::new("dials", policy.dials),
            authentications: Meter::new("authentications", policy.authentications),
            policy,
        }
    }

    /// The engine's own time: it begins anew with each boot.
    fn now(&self) -> Instant {
        Instant::ZERO + (self.time - self.booted)
    }

    fn step(&mut self, operation: u8, input: &mut Input<'_>) {
        let now = self.now();
        match operation % 16 {
            0 => self.time += input.duration(),
            1..=3 => self.jump(),
            4 => self.permit(DiscoveryMessage::Padi),
            5 => self.permit(DiscoveryMessage::Padr),
            6 => {
                if self.engine.permit_authentication(now) == Permit::Now {
                    self.authentications.count(self.time);
                }
            }
            7 => {
                let failure = Failure::ALL[usize::from(input.u8()) % Failure::ALL.len()];
                self.engine.handle_event(now, &mut self.rng, Event::Failed(failure));
            }
            8 => {
                let event = event(input);
                self.engine.handle_event(now, &mut self.rng, event);
            }
            // The whole of a good dial.
            9 => {
                self.engine.handle_event(now, &mut self.rng, Event::LinkUp);
                self.drain(input);
                self.permit(DiscoveryMessage::Padi);
                self.engine.handle_event(now, &mut self.rng, Event::PadoReceived);
                self.drain(input);
                self.permit(DiscoveryMessage::Padr);
                for event in [session_opened(input), Event::Authenticated, Event::Up { address: None }] {
                    self.engine.handle_event(now, &mut self.rng, event);
                }
            }
            10 => self.engine.dial(now, input.u8() & 1 == 1),
            11 => self.engine.hang_up(now),
            12 => {
                let password = if input.u8() & 1 == 1 { "a" } else { "b" };
                self.engine.set_credentials(now, "0101234@adsl", password);
            }
            13 => self.engine.set_wall_clock(now, u64::from(input.u16()) * 60),
            14 => self.reboot(input),
            _ => {
                let refusal =
                    self.engine.auth_refused(std::str::from_utf8(input.octets()).unwrap_or("locked"));
                self.engine.handle_event(now, &mut self.rng, Event::Failed(refusal));
            }
        }
        self.drain(input);
    }

    /// To the very moment the engine wants to be asked again.
    fn jump(&mut self) {
        if let Some(at) = self.engine.poll_at() {
            self.time = self.time.max(self.booted + (at - Instant::ZERO));
        }
    }

    fn permit(&mut self, message: DiscoveryMessage) {
        match self.engine.permit(self.now(), message) {
            Permit::Now => {
                self.discovery.count(self.time);
                if message == DiscoveryMessage::Padr && !std::mem::replace(&mut self.dialed, true) {
                    self.dials.count(self.time);
                }
            }
            Permit::At(at) => assert!(at > self.now(), "not now, but now"),
        }
    }

    fn reboot(&mut self, input: &mut Input<'_>) {
        let kind = input.u8();
        if kind & 1 == 0 {
            let snapshot = self.engine.snapshot(self.now());
            check_encoding(&snapshot);
            self.boot(Boot::Warm, Some(snapshot));
            return;
        }
        self.time += input.duration();
        if kind & 2 == 0 {
            self.boot(Boot::Cold, self.flash.clone());
        } else {
            // Flash that cannot be read knows nothing of what was sent before: that is not held
            // against the engine.
            let damaged = postcard::from_bytes(input.octets()).unwrap_or_else(|_| Ledger::unreadable());
            self.flash = Some(damaged.clone());
            self.forget();
            self.boot(Boot::Cold, Some(damaged));
        }
    }

    fn boot(&mut self, boot: Boot, ledger: Option<Ledger>) {
        self.booted = self.time;
        self.dialed = true;
        self.engine = Engine::new(self.policy.clone(), self.now(), boot, ledger);
    }

    fn forget(&mut self) {
        for meter in [&mut self.discovery, &mut self.dials, &mut self.authentications] {
            meter.times.clear();
        }
    }

    /// Does what the engine wants done now. The input decides whether a record can be written.
    fn drain(&mut self, input: &mut Input<'_>) {
        let now = self.now();
        for _ in 0..DRAIN_MOST {
            let mut quiet = true;
            if let Some(action) = self.engine.poll_action(now, &mut self.rng) {
                quiet = false;
                match action {
                    Action::Dial | Action::Probe => self.dialed = false,
                    Action::HangUp(_) => {
                        self.engine.handle_event(now, &mut self.rng, Event::Closed);
                    }
                    Action::ClearSession(_) => {}
                }
            }
            if let Some(ledger) = self.engine.poll_store(now) {
                quiet = false;
                check_encoding(&ledger);
                // One in sixteen fails; what is then sent is not in the record the next boot finds.
                if input.clone().u8() % 16 == 15 {
                    self.engine.store_failed();
                } else {
                    self.flash = Some(ledger);
                    self.engine.stored();
                }
            }
            quiet &= self.engine.poll_note().is_none();
            if quiet {
                let next = self.engine.poll_at();
                assert!(
                    next.is_none_or(|at| at > now),
                    "it wants to be asked again and again: {:?}",
                    self.engine.advice()
                );
                let _ = self.engine.advice();
                return;
            }
        }
        panic!("it does not come to rest");
    }
}

/// What a concentrator sees of one kind.
pub(crate) struct Meter {
    what: &'static str,
    window: Window,
    times: VecDeque<Instant>,
}

impl Meter {
    pub(crate) const fn new(what: &'static str, window: Window) -> Self {
        Self { what, window, times: VecDeque::new() }
    }

    /// One more now. Panics if that is more than the window allows.
    pub(crate) fn count(&mut self, now: Instant) {
        self.times.push_back(now);
        while self.times.front().is_some_and(|first| *first + self.window.period < now) {
            self.times.pop_front();
        }
        let limit = usize::from(self.window.limit);
        assert!(
            self.times.len() <= limit,
            "{} {} within {}",
            self.times.len(),
            self.what,
            self.window.period
        );
    }
}

fn event(input: &mut Input<'_>) -> Event {
    match input.u8() % 9 {
        0 => Event::LinkUp,
        1 => Event::LinkDown,
        2 => Event::PadoReceived,
        3 => session_opened(input),
        4 => Event::Authenticated,
        5 => Event::Up { address: Some([100, 64, 0, input.u8()].into()) },
        6 => Event::Closed,
        7 => Event::NoTraffic,
        _ => Event::PeerIgnoresEcho,
    }
}

fn session_opened(input: &mut Input<'_>) -> Event {
    let ac_mac = EthernetAddress([2, 0, 0x5e, 0, 0x53, input.u8()]);
    Event::SessionOpened(LastSession { ac_mac, id: 1 + u16::from(input.u8()), vlan: None })
}

/// What is stored comes back, and fits its place.
fn check_encoding(ledger: &Ledger) {
    let mut buffer = [0; 1024];
    let encoded = postcard::to_slice(ledger, &mut buffer).expect("room enough");
    assert!(encoded.len() <= Ledger::MAX_ENCODED_LEN, "{} octets", encoded.len());
    assert_eq!(postcard::from_bytes::<Ledger>(encoded).as_ref(), Ok(ledger));
}
