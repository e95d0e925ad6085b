//! Whether the far end of a tunnel is alive: an ICMPv6 echo to it every now and then.
//!
//! ```text
//!              1st answer                2 of the last 8 lost
//!   Unknown ───────────────► Up ──────────────────────────────► Degraded
//!      │                     ▲ ◄──────────────────────────────── │  the last 8 answered
//!      │ 4 lost in a row     │ 3 answered in a row               │ 4 lost in a row
//!      └──────────────────► Down ◄───────────────────────────────┘
//! ```
//!
//! A tunnel is nothing but a belief that somebody takes it apart at the other end: nothing else tells that it does not.
//! Losses make it ask more often, so that a dead tunnel is known within 20 s and one that has come back within 15 s.
//!
//! Reading list: RFC 4443 §4.1, §4.2 (echo); RFC 4213 §3.

use gatelet_wire::icmpv6::{ECHO_REPLY, ECHO_REQUEST, Echo, Packet};
use gatelet_wire::{Ipv6Address, Malformed};
use rand_core::Rng;
use smoltcp::time::{Duration, Instant};

/// From one echo to the next while all is well.
const INTERVAL: Duration = Duration::from_secs(30);
/// From one echo to the next while one was lost, or nothing is known.
const IMPATIENT: Duration = Duration::from_secs(5);
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(3);
/// This many lost in a row: down.
const FALL: u8 = 4;
/// This many answered in a row: no longer down.
const RISE: u8 = 3;
/// This many lost of the last eight: degraded.
const DEGRADED: u32 = 2;
/// Far routers are far away.
const HOP_LIMIT: u8 = 64;
/// What an echo carries, so that the far end's operator knows.
const DATA: &[u8] = b"Gatelet";

/// How the tunnel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Nothing is known yet.
    Unknown,
    /// The far end answers.
    Up,
    /// It answers, and not always.
    Degraded,
    /// It does not answer: nobody should be told that there is a way out.
    Down,
}

/// Why a packet was ignored. Each variant has a [counter](Counters).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dropped {
    /// It cannot be read.
    Malformed,
    /// It is no echo reply from the far end to us.
    NotOurs,
    /// It answers an echo that was given up, or none.
    NotAwaited,
}

impl Dropped {
    /// Every reason, in the order of the counters.
    pub const ALL: [Self; 3] = [Self::Malformed, Self::NotOurs, Self::NotAwaited];

    /// The counter's name, stable for consoles and scripts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "tunnel-echo-malformed",
            Self::NotOurs => "tunnel-echo-not-ours",
            Self::NotAwaited => "tunnel-echo-not-awaited",
        }
    }
}

impl From<Malformed> for Dropped {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// What was sent and answered. Wraps around.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Echo requests sent.
    pub sent: u32,
    /// Echo requests answered in time.
    pub answered: u32,
    dropped: [u32; Dropped::ALL.len()],
}

impl Counters {
    /// How often `reason` occurred.
    pub const fn dropped(&self, reason: Dropped) -> u32 {
        self.dropped[reason as usize]
    }
}

/// The watch over one tunnel.
#[derive(Debug)]
pub struct Liveness {
    own: Ipv6Address,
    peer: Ipv6Address,
    state: State,
    /// The outcome of the last eight, the newest lowest: 1 is lost.
    losses: u8,
    /// Answered or lost in a row, whichever the last was.
    streak: u8,
    identifier: u16,
    sequence_number: u16,
    next: Next,
    round_trip: Option<Duration>,
    told: State,
    counters: Counters,
}

#[derive(Debug, Clone, Copy)]
enum Next {
    /// The tunnel is not to be watched.
    Nothing,
    /// An echo is due then.
    Send(Instant),
    /// An echo was sent, and is given up at `until`.
    Await { sent_at: Instant, until: Instant },
}

impl Liveness {
    /// A watch that rests. `own` and `peer` are the ends' addresses on the tunnel.
    pub const fn new(own: Ipv6Address, peer: Ipv6Address) -> Self {
        Self {
            own,
            peer,
            state: State::Unknown,
            losses: 0,
            streak: 0,
            identifier: 0,
            sequence_number: 0,
            next: Next::Nothing,
            round_trip: None,
            told: State::Unknown,
            counters: Counters { sent: 0, answered: 0, dropped: [0; Dropped::ALL.len()] },
        }
    }

    /// How the tunnel is.
    pub const fn state(&self) -> State {
        self.state
    }

    /// How long the last answer took.
    pub const fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// What was sent and answered.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// There is a tunnel: the WAN has an address, and the far end's is known. Begins anew.
    pub fn start(&mut self, now: Instant, rng: &mut dyn Rng) {
        (self.state, self.losses, self.streak, self.round_trip) = (State::Unknown, 0, 0, None);
        // A forger would have to guess both.
        let random = rng.next_u32();
        (self.identifier, self.sequence_number) = ((random >> 16) as u16, random as u16);
        self.next = Next::Send(now);
    }

    /// There is none.
    pub const fn stop(&mut self) {
        self.state = State::Unknown;
        self.next = Next::Nothing;
    }

    /// Takes an ICMPv6 packet that came out of the tunnel.
    ///
    /// # Errors
    /// Why it was ignored; it has been counted.
    pub fn handle_packet(&mut self, now: Instant, packet: &[u8]) -> Result<(), Dropped> {
        let result = self.take(now, packet);
        if let Err(reason) = result {
            let counter = &mut self.counters.dropped[reason as usize];
            *counter = counter.wrapping_add(1);
        }
        result
    }

    fn take(&mut self, now: Instant, packet: &[u8]) -> Result<(), Dropped> {
        let packet = Packet::parse(packet)?;
        if packet.kind != ECHO_REPLY || packet.source != self.peer || packet.destination != self.own {
            return Err(Dropped::NotOurs);
        }
        let echo = Echo::parse(packet.body)?;
        if echo.identifier != self.identifier || echo.data != DATA {
            return Err(Dropped::NotOurs);
        }
        let Next::Await { sent_at, .. } = self.next else { return Err(Dropped::NotAwaited) };
        if echo.sequence_number != self.sequence_number {
            return Err(Dropped::NotAwaited);
        }
        self.counters.answered = self.counters.answered.wrapping_add(1);
        self.round_trip = Some(now.max(sent_at) - sent_at);
        self.note(sent_at, false);
        Ok(())
    }

    /// Gives up what was not answered in time.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Next::Await { sent_at, until } = self.next
            && until <= now
        {
            self.note(sent_at, true);
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), and [`poll_transmit`](Self::poll_transmit) after it.
    pub const fn poll_at(&self) -> Option<Instant> {
        match self.next {
            Next::Nothing => None,
            Next::Send(at) | Next::Await { until: at, .. } => Some(at),
        }
    }

    /// Whether an echo is due.
    pub fn wants_to_send(&self, now: Instant) -> bool {
        matches!(self.next, Next::Send(at) if at <= now)
    }

    /// Writes the echo that is due, an IPv6 packet for the tunnel, and answers its length. `None` if none is due, or
    /// `buffer` is too small for it (55 octets are enough).
    pub fn poll_transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<usize> {
        if !self.wants_to_send(now) {
            return None;
        }
        let sequence_number = self.sequence_number.wrapping_add(1);
        let echo = Echo { identifier: self.identifier, sequence_number, data: DATA };
        let len = echo.emit(buffer, ECHO_REQUEST, self.own, self.peer, HOP_LIMIT).ok()?;
        self.sequence_number = sequence_number;
        self.counters.sent = self.counters.sent.wrapping_add(1);
        self.next = Next::Await { sent_at: now, until: now + PATIENCE };
        Some(len)
    }

    /// The state, if it is another than at the last call.
    pub fn poll_event(&mut self) -> Option<State> {
        (core::mem::replace(&mut self.told, self.state) != self.state).then_some(self.state)
    }

    /// An echo that was sent at `sent_at` was answered, or lost.
    fn note(&mut self, sent_at: Instant, is_lost: bool) {
        let was_lost = self.losses & 1 == 1;
        self.streak = if is_lost == was_lost { self.streak.saturating_add(1) } else { 1 };
        self.losses = self.losses << 1 | u8::from(is_lost);
        self.state = match self.state {
            _ if is_lost && self.streak >= FALL => State::Down,
            State::Unknown if !is_lost => State::Up,
            State::Down if !is_lost && self.streak >= RISE => {
                // What it lost before does not count against it.
                self.losses = 0;
                State::Up
            }
            State::Up if self.losses.count_ones() >= DEGRADED => State::Degraded,
            State::Degraded if self.losses == 0 => State::Up,
            state => state,
        };
        let is_well = matches!(self.state, State::Up | State::Degraded) && !is_lost;
        let wait = if is_well { INTERVAL } else { IMPATIENT };
        self.next = Next::Send(sent_at + wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chacha20::ChaCha8Rng;
    use rand_core::SeedableRng;

    const OWN: Ipv6Address = Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
    const PEER: Ipv6Address = Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

    struct World {
        watch: Liveness,
        now: Instant,
        buffer: [u8; 55],
    }

    impl World {
        fn new() -> Self {
            let mut watch = Liveness::new(OWN, PEER);
            let now = Instant::from_secs(9);
            watch.start(now, &mut ChaCha8Rng::from_seed([9; 32]));
            Self { watch, now, buffer: [0xA5; 55] }
        }

        /// The next echo, which is answered or not. What is told.
        fn ping(&mut self, is_answered: bool) -> Option<State> {
            self.now = self.watch.poll_at().unwrap().max(self.now);
            let len = self.watch.poll_transmit(self.now, &mut self.buffer).expect("due");
            assert_eq!(len, 55);
            if is_answered {
                self.now += Duration::from_millis(20);
                let answer = self.answer(PEER, 0);
                assert_eq!(self.watch.handle_packet(self.now, &answer), Ok(()));
                assert_eq!(self.watch.round_trip(), Some(Duration::from_millis(20)));
            } else {
                self.now = self.watch.poll_at().unwrap();
                self.watch.handle_timeout(self.now);
            }
            self.watch.poll_event()
        }

        fn answer(&self, source: Ipv6Address, sequence_step: u16) -> [u8; 55] {
            let asked = Packet::parse(&self.buffer).unwrap();
            assert_eq!((asked.source, asked.destination, asked.kind), (OWN, PEER, ECHO_REQUEST));
            let echo = Echo::parse(asked.body).unwrap();
            let sequence_number = echo.sequence_number.wrapping_sub(sequence_step);
            let mut answer = [0; 55];
            Echo { sequence_number, ..echo }.emit(&mut answer, ECHO_REPLY, source, OWN, 64).unwrap();
            answer
        }
    }

    #[test]
    fn a_tunnel_comes_up_loses_a_little_and_recovers() {
        let mut world = World::new();
        assert_eq!(world.ping(true), Some(State::Up));
        assert_eq!(world.watch.poll_at(), Some(Instant::from_secs(9) + INTERVAL));
        assert_eq!(world.ping(false), None, "once is nothing");
        assert_eq!(world.ping(true), None);
        assert_eq!(world.ping(false), Some(State::Degraded));
        for _ in 0..7 {
            assert_eq!(world.ping(true), None);
        }
        assert_eq!(world.ping(true), Some(State::Up));
        assert_eq!((world.watch.counters().sent, world.watch.counters().answered), (12, 10));
    }

    #[test]
    fn a_dead_tunnel_is_known_within_twenty_seconds_and_its_return_within_fifteen() {
        let mut world = World::new();
        world.ping(true);
        world.now = world.watch.poll_at().unwrap();
        let died = world.now;
        let told = [false; 4].map(|is_answered| world.ping(is_answered));
        assert_eq!(told, [None, Some(State::Degraded), None, Some(State::Down)]);
        assert!(world.now - died < Duration::from_secs(20), "{}", world.now - died);
        assert_eq!(world.ping(true), None, "once is nothing");
        assert_eq!(world.ping(false), None);
        world.now = world.watch.poll_at().unwrap();
        let back = world.now;
        assert_eq!([true; 3].map(|is_answered| world.ping(is_answered)), [None, None, Some(State::Up)]);
        assert!(world.now - back < Duration::from_secs(15), "{}", world.now - back);
    }

    #[test]
    fn one_that_never_answers_is_down() {
        let mut world = World::new();
        let told = [false; 4].map(|is_answered| world.ping(is_answered));
        assert_eq!(told, [None, None, None, Some(State::Down)]);
        world.watch.stop();
        assert_eq!((world.watch.poll_event(), world.watch.poll_at()), (Some(State::Unknown), None));
        assert_eq!(world.watch.poll_transmit(world.now, &mut world.buffer), None);
    }

    #[test]
    fn only_the_far_end_answers_and_only_what_was_asked() {
        let mut world = World::new();
        world.watch.poll_transmit(world.now, &mut world.buffer).unwrap();
        let mut refused = |packet: &[u8]| world.watch.handle_packet(world.now, packet).unwrap_err();
        assert_eq!(refused(&[0x60]), Dropped::Malformed);
        let (stranger, late, good, asked) = (
            world_answer(&world.buffer, OWN, 0),
            world_answer(&world.buffer, PEER, 1),
            world_answer(&world.buffer, PEER, 0),
            world.buffer,
        );
        assert_eq!(refused(&stranger), Dropped::NotOurs);
        assert_eq!(refused(&late), Dropped::NotAwaited);
        assert_eq!(refused(&asked), Dropped::NotOurs);
        assert_eq!(world.watch.handle_packet(world.now, &good), Ok(()));
        assert_eq!(world.watch.handle_packet(world.now, &good), Err(Dropped::NotAwaited), "once is enough");
        for (index, reason) in Dropped::ALL.into_iter().enumerate() {
            assert!(world.watch.counters().dropped(reason) > 0);
            assert!(Dropped::ALL[..index].iter().all(|other| other.name() != reason.name()));
        }
    }

    fn world_answer(asked: &[u8; 55], source: Ipv6Address, step: u16) -> [u8; 55] {
        World { watch: Liveness::new(OWN, PEER), now: Instant::ZERO, buffer: *asked }.answer(source, step)
    }
}
