//! SNTP: what time it is, asked now and then.
//!
//! ```text
//!   WAN up ──► Asking ──answer──► Known, asks again after 6 h
//!                │ 5 s without one, or a kiss code: the next server, after 15 s doubling to 1024 s
//!                └──► Waiting ──► Asking
//! ```
//!
//! Until there is an answer, the wall clock is unknown, and nothing here invents one.
//!
//! Reading list: RFC 4330 §5, §10 (best practices: no answer, no haste); RFC 5905 §7.4 (kiss codes).

use gatelet_wire::ntp::{Answer, emit_request};
use rand_core::Rng;
use smoltcp::time::{Duration, Instant};

/// A client of SNTP servers, by number: their names and addresses are the owner's business.
#[derive(Debug)]
pub struct Client {
    state: State,
    /// Which server is next, and how many there are.
    server: u8,
    servers: u8,
    failures: u32,
    counters: Counters,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The WAN is down.
    Off,
    Waiting(Instant),
    /// A request with this cookie is out, or about to be.
    Asking {
        cookie: u64,
        until: Instant,
    },
}

/// What was ignored. Wraps around.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Packets that are no answer to the request that is out.
    pub unasked: u32,
    /// Answers of servers whose clock is not set, or that want not to be asked (kiss codes).
    pub unusable: u32,
    /// Requests without an answer.
    pub unanswered: u32,
}

/// Where a request goes: the server's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outgoing {
    /// The server, below the number given to [`Client::new`].
    pub server: u8,
    /// Octets of the request.
    pub len: usize,
}

impl Client {
    /// A client of so many servers, with the WAN down.
    pub const fn new(servers: u8) -> Self {
        Self {
            state: State::Off,
            server: 0,
            servers,
            failures: 0,
            counters: Counters { unasked: 0, unusable: 0, unanswered: 0 },
        }
    }

    /// The WAN is up: asks at once, if there is anybody to ask. Or it is down.
    pub fn set_wan_up(&mut self, now: Instant, up: bool) {
        self.failures = 0;
        self.state = if up && self.servers > 0 { State::Waiting(now) } else { State::Off };
    }

    /// Writes the request that is due into `buffer`, which has 48 octets at least.
    pub fn poll_transmit(&mut self, now: Instant, rng: &mut impl Rng, buffer: &mut [u8]) -> Option<Outgoing> {
        let State::Waiting(at) = self.state else { return None };
        if at > now {
            return None;
        }
        let cookie = rng.next_u64();
        let len = emit_request(buffer, cookie).ok()?;
        self.state = State::Asking { cookie, until: now + PATIENCE };
        Some(Outgoing { server: self.server, len })
    }

    /// Takes a packet from a server that was asked. Answers the time, in seconds since 1970, if it tells it.
    pub fn handle_answer(&mut self, now: Instant, packet: &[u8]) -> Option<u64> {
        let State::Asking { cookie, .. } = self.state else {
            self.counters.unasked = self.counters.unasked.wrapping_add(1);
            return None;
        };
        let Some(answer) =
            Answer::parse(packet).ok().filter(|answer| answer.origin == cookie && answer.mode == 4)
        else {
            self.counters.unasked = self.counters.unasked.wrapping_add(1);
            return None;
        };
        if answer.leap == 3 || !(1..=15).contains(&answer.stratum) || answer.transmit == 0 {
            self.counters.unusable = self.counters.unusable.wrapping_add(1);
            self.try_next(now);
            return None;
        }
        self.failures = 0;
        self.state = State::Waiting(now + INTERVAL);
        Some(answer.unix_seconds())
    }

    /// The server that was asked cannot be found, or reached.
    pub fn handle_failed(&mut self, now: Instant) {
        if matches!(self.state, State::Asking { .. }) {
            self.counters.unanswered = self.counters.unanswered.wrapping_add(1);
            self.try_next(now);
        }
    }

    /// To be called when [`poll_at`](Self::poll_at)'s time has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        if matches!(self.state, State::Asking { until, .. } if until <= now) {
            self.handle_failed(now);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) or [`poll_transmit`](Self::poll_transmit) is wanted.
    pub const fn poll_at(&self) -> Option<Instant> {
        match self.state {
            State::Off => None,
            State::Waiting(at) | State::Asking { until: at, .. } => Some(at),
        }
    }

    /// What was ignored.
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    fn try_next(&mut self, now: Instant) {
        self.server = if self.server + 1 < self.servers { self.server + 1 } else { 0 };
        let wait = Duration::from_secs((15 << self.failures.min(7)).min(RETRY_MOST));
        self.failures += 1;
        self.state = State::Waiting(now + wait);
    }
}

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// RFC 4330 §10 asks for more than a minute; crystals of 20 ppm lose 0.4 s in six hours.
const INTERVAL: Duration = Duration::from_secs(6 * 3600);
/// The longest wait after failures, in seconds.
const RETRY_MOST: u64 = 1024;

#[cfg(test)]
mod tests {
    use chacha20::ChaCha8Rng;
    use rand_core::SeedableRng;

    use super::*;

    fn answer(request: &[u8], stratum: u8) -> [u8; 48] {
        let mut packet = [0; 48];
        (packet[0], packet[1]) = (0x24, stratum);
        packet[24..32].copy_from_slice(&request[40..48]);
        packet[40..44].copy_from_slice(&0xEE00_0000_u32.to_be_bytes());
        packet
    }

    #[test]
    fn asks_at_once_and_then_every_six_hours() {
        let (mut client, mut rng) = (Client::new(2), ChaCha8Rng::seed_from_u64(1));
        let now = Instant::from_secs(10);
        let mut request = [0; 48];
        assert_eq!(client.poll_transmit(now, &mut rng, &mut request), None, "the WAN is down");
        client.set_wan_up(now, true);
        assert_eq!(client.poll_transmit(now, &mut rng, &mut request), Some(Outgoing { server: 0, len: 48 }));
        // Somebody guesses.
        assert_eq!(client.handle_answer(now, &answer(&[0; 48], 2)), None);
        assert_eq!(client.counters().unasked, 1);
        assert_eq!(client.handle_answer(now, &answer(&request, 2)), Some(0xEE00_0000 - 2_208_988_800));
        assert_eq!(client.handle_answer(now, &answer(&request, 2)), None, "twice");
        assert_eq!(client.poll_at(), Some(now + INTERVAL));
    }

    #[test]
    fn without_servers_nothing_is_ever_due() {
        let mut client = Client::new(0);
        client.set_wan_up(Instant::from_secs(10), true);
        assert_eq!(client.poll_at(), None);
    }

    #[test]
    fn silence_and_kisses_lead_to_the_next_server_later_and_later() {
        let (mut client, mut rng) = (Client::new(2), ChaCha8Rng::seed_from_u64(1));
        let mut now = Instant::from_secs(10);
        let mut request = [0; 48];
        client.set_wan_up(now, true);
        let mut waits = heapless::Vec::<_, 9>::new();
        for round in 0..9_u8 {
            let asked = client.poll_transmit(now, &mut rng, &mut request).unwrap();
            assert_eq!(asked.server, round % 2);
            if round == 3 {
                assert_eq!(client.handle_answer(now, &answer(&request, 0)), None);
            } else {
                now += PATIENCE;
                client.handle_timeout(now);
            }
            let next = client.poll_at().unwrap();
            waits.push((next - now).secs()).unwrap();
            now = next;
        }
        assert_eq!(waits, [15, 30, 60, 120, 240, 480, 960, 1024, 1024]);
        assert_eq!((client.counters().unanswered, client.counters().unusable), (8, 1));
        client.set_wan_up(now, false);
        assert_eq!(client.poll_at(), None);
    }
}
