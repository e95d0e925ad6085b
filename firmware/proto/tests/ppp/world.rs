//! A client and a server with a wire between them, in virtual time.

use std::collections::VecDeque;

use chacha20::ChaCha8Rng;
use gatelet_proto::ppp::{Credentials, Link, LinkConfig, LinkEvent};
use rand_core::SeedableRng;
use smoltcp::time::{Duration, Instant};

use crate::server::{PASSWORD, Plan, Server, USERNAME};
use crate::words::describe;

/// Whose packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    Client,
    Server,
}

/// Which packets are lost, by their words in the transcript and how many such were before.
pub(crate) type Loses = Box<dyn FnMut(From, &str) -> bool>;

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) link: Link,
    pub(crate) server: Server,
    pub(crate) rng: ChaCha8Rng,
    /// One way.
    delay: Duration,
    wire: VecDeque<(Instant, From, Vec<u8>)>,
    loses: Loses,
    /// What was said, e.g. `0.010 -> LCP Configure-Request 1 mru=1492 magic`.
    pub(crate) transcript: Vec<String>,
    pub(crate) events: Vec<(Instant, LinkEvent)>,
}

pub(crate) fn config() -> LinkConfig {
    LinkConfig::new(Credentials::new(USERNAME, PASSWORD).expect("short enough"))
}

impl World {
    /// PADS has just arrived at the client, half a round trip after it left the server.
    pub(crate) fn new(config: LinkConfig, plan: Plan, round_trip: Duration) -> Self {
        Self::with_loss(config, plan, round_trip, Box::new(|_, _| false))
    }

    pub(crate) fn with_loss(config: LinkConfig, plan: Plan, round_trip: Duration, loses: Loses) -> Self {
        let delay = round_trip / 2;
        let mut world = Self {
            now: Instant::ZERO + delay,
            link: Link::new(config),
            server: Server::new(plan),
            rng: ChaCha8Rng::seed_from_u64(1661),
            delay,
            wire: VecDeque::new(),
            loses,
            transcript: Vec::new(),
            events: Vec::new(),
        };
        world.link.set_round_trip(round_trip);
        world.server.open(Instant::ZERO);
        // What the server does before PADS arrives.
        let opened = world.now;
        world.now = Instant::ZERO;
        while let Some(at) = world.server.poll_at().filter(|at| *at < opened) {
            world.now = at;
            world.server.handle_timeout(at);
            world.carry();
        }
        world.now = opened;
        let (link, rng) = (&mut world.link, &mut world.rng);
        link.open(opened, rng);
        world.carry();
        world
    }

    /// Puts what both sides want to send on the wire, and takes note of events.
    pub(crate) fn carry(&mut self) {
        let mut buffer = [0; 1502];
        while let Some(length) = self.link.poll_transmit(self.now, &mut buffer) {
            self.put(From::Client, buffer[..length].to_vec());
        }
        for packet in std::mem::take(&mut self.server.out) {
            self.put(From::Server, packet);
        }
        while let Some(event) = self.link.poll_event() {
            self.events.push((self.now, event));
        }
    }

    fn put(&mut self, from: From, packet: Vec<u8>) {
        let words = describe(&packet);
        let lost = (self.loses)(from, &words);
        let arrow = match (from, lost) {
            (From::Client, false) => "->",
            (From::Client, true) => "-x",
            (From::Server, false) => "<-",
            (From::Server, true) => "x-",
        };
        let millis = self.now.total_millis();
        self.transcript.push(format!("{}.{:03} {arrow} {words}", millis / 1000, millis % 1000));
        if !lost {
            self.wire.push_back((self.now + self.delay, from, packet));
        }
    }

    /// Runs until `done` or `until`; whether it was `done`.
    pub(crate) fn run(&mut self, until: Instant, mut done: impl FnMut(&Self) -> bool) -> bool {
        loop {
            if done(self) {
                return true;
            }
            let arrival = self.wire.front().map(|(at, ..)| *at);
            let next = [arrival, self.link.poll_at(), self.server.poll_at()].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= until) else {
                self.now = until;
                return false;
            };
            assert!(next >= self.now, "time runs backwards: {next} after {}", self.now);
            self.now = next;
            if arrival == Some(next) {
                let (_, from, packet) = self.wire.pop_front().expect("just seen");
                match from {
                    From::Client => self.server.handle_packet(next, &packet),
                    From::Server => _ = self.link.handle_packet(next, &mut self.rng, &packet),
                }
            } else {
                self.server.handle_timeout(next);
                self.link.handle_timeout(next);
                assert!(self.link.poll_at().is_none_or(|at| at > next), "a timer that does not move on");
            }
            self.carry();
        }
    }

    /// Runs for a time, whatever happens.
    pub(crate) fn run_for(&mut self, time: Duration) {
        let until = self.now + time;
        self.run(until, |_| false);
    }

    /// Runs until IPv4 is up and answers the time since PADS; panics with the transcript if it does
    /// not come up within a minute.
    pub(crate) fn dial(&mut self) -> Duration {
        let opened = self.now;
        let up = |event: &LinkEvent| matches!(event, LinkEvent::Ipv4Up { .. });
        let came_up = self.run(opened + Duration::from_secs(60), |world| world.saw(up).is_some());
        assert!(came_up, "not up:\n{}\n{:#?}", self.transcript.join("\n"), self.events);
        self.now - opened
    }

    /// When an event was first seen.
    pub(crate) fn saw(&self, is_it: impl Fn(&LinkEvent) -> bool) -> Option<Instant> {
        self.events.iter().find(|(_, event)| is_it(event)).map(|(at, _)| *at)
    }

    /// How often an event was seen.
    pub(crate) fn count(&self, is_it: impl Fn(&LinkEvent) -> bool) -> usize {
        self.events.iter().filter(|(_, event)| is_it(event)).count()
    }

    /// The transcript so far has to be `expected`, indentation aside.
    #[track_caller]
    pub(crate) fn expect_transcript(&self, expected: &str) {
        let expected: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let said: Vec<&str> = self.transcript.iter().map(String::as_str).collect();
        assert!(said == expected, "said:\n{}\n\nexpected:\n{}", said.join("\n"), expected.join("\n"));
    }
}
