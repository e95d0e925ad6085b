//! Telling a tunnel broker our address.
//!
//! ```text
//!              set_address              connected: write_request            good, nochg
//!   Idle ───────────────► Due ──────────────────────────────► Asked ────────────────────► Done
//!    ▲                     ▲ ▲                                 │  │                        │ another address
//!    │ no address          │ └── 1 min, 2 min, … 1 h ──────────┘  │ badauth, abuse,        │ not within a minute
//!    │                     │     no answer, 911: 30 min at least  ▼ nohost, badagent       │ of the last update
//!    └── (from anywhere)   └──────────────────────────────────  Refused (until retry or other settings)
//!
//!   Done ── the far end is silent, an hour after the last update at the soonest ──► Due
//! ```
//!
//! Brokers lock out who tells them too much: nothing is said twice, and a refusal is not argued with. The key goes over
//! the wire as it is, so it is not said on a connection that is not encrypted, unless the owner has said that it may.
//!
//! Reading list: the broker's documentation of `/nic/update`, see [`gatelet_wire::nic_update`].

use core::fmt;

use gatelet_wire::Ipv4Address;
use gatelet_wire::nic_update::{Answer, Update};
use heapless::String;
use smoltcp::time::{Duration, Instant};

use super::Account;

/// Octets of a broker's or a tunnel's name.
pub const NAME_MAX: usize = 64;

/// An address that comes and goes at once need not be told.
const SETTLE: Duration = Duration::from_secs(2);
/// A broker that has forgotten us, as one without a memory does when it starts anew, is told again. Not more often than this:
/// mostly it is silent for another reason.
const DOUBT_INTERVAL: Duration = Duration::from_secs(3600);
/// No two updates within this.
const LEAST_INTERVAL: Duration = Duration::from_secs(60);
/// How long an answer is waited for, the connection's opening included.
const PATIENCE: Duration = Duration::from_secs(30);
/// After a failure, doubling.
const FIRST_RETRY: Duration = Duration::from_secs(60);
/// The longest wait after a failure.
const LAST_RETRY: Duration = Duration::from_secs(3600);
/// What a broker that says 911 is left alone for: dynamic DNS asks for half an hour.
const SERVER_ERROR: Duration = Duration::from_secs(1800);

/// What to tell whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The broker's name, or its IPv4 address.
    pub server: String<NAME_MAX>,
    /// Where it listens: 80, or 443 where the connection is encrypted, unless it is somebody's own.
    pub port: u16,
    /// The tunnel: its number or name with the broker.
    pub hostname: String<NAME_MAX>,
    /// Who we are.
    pub account: Account,
    /// Whether the address is said; else the broker takes that which the request comes from.
    pub says_address: bool,
    /// Whether the key may be said on a connection that is not encrypted.
    pub allows_plain_http: bool,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The broker uses our address.
    Updated {
        /// The address.
        address: Ipv4Address,
        /// Whether it did not before.
        is_new: bool,
    },
    /// The broker uses another address than ours: somebody translates it on the way.
    OtherAddress {
        /// The address it says.
        address: Ipv4Address,
    },
    /// It did not work, and is tried again.
    Failed(RetryIn),
    /// It did not work, and is not tried again before [`Client::retry`] or other settings.
    Refused(Refusal),
}

impl Event {
    /// Whether the broker uses our address.
    pub const fn is_good(self) -> bool {
        matches!(self, Self::Updated { .. })
    }
}

impl fmt::Display for Event {
    /// In a few words, without the broker's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Updated { address, is_new: true } => write!(f, "the broker uses {address} now"),
            Self::Updated { address, is_new: false } => write!(f, "the broker uses {address}, as before"),
            Self::OtherAddress { address } => {
                write!(f, "the broker uses {address}, which is not ours: somebody translates it on the way")
            }
            Self::Failed(RetryIn { wait, is_broker }) => {
                let who = if is_broker {
                    "the broker cannot take our address"
                } else {
                    "the broker does not answer"
                };
                write!(f, "{who}; tried again in {} min", wait.secs().div_ceil(60))
            }
            Self::Refused(refusal) => f.write_str(refusal.as_str()),
        }
    }
}

/// When an update is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryIn {
    /// From now.
    pub wait: Duration,
    /// Whether the broker said that it cannot; else it said nothing that is known.
    pub is_broker: bool,
}

/// Why an update is not tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The broker does not know the account, or the key is wrong.
    BadAuth,
    /// It was told too often.
    Abuse,
    /// It does not know the tunnel.
    NoHost,
    /// It does not like programs like us.
    BadAgent,
    /// The connection is not encrypted, and the key may not be said on it.
    NotEncrypted,
    /// The settings cannot be written into a request.
    Settings,
}

impl Refusal {
    /// In a few words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadAuth => "the broker does not know the account, or the key is wrong",
            Self::Abuse => "the broker was told too often, and wants to hear no more",
            Self::NoHost => "the broker does not know the tunnel",
            Self::BadAgent => "the broker does not like programs like us",
            Self::NotEncrypted => "the broker is not told: the key would be readable on the way",
            Self::Settings => {
                "the broker is not told: its name, ours or the key cannot be written into a request"
            }
        }
    }
}

/// The client, one per tunnel.
#[derive(Debug)]
pub struct Client {
    config: Config,
    address: Option<Ipv4Address>,
    state: State,
    last_update: Option<Instant>,
    failures: u8,
    event: Option<Event>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Due { at: Instant },
    Asked { address: Ipv4Address, until: Instant },
    Done { address: Ipv4Address },
    Refused,
}

impl Client {
    /// A client that has no address to tell.
    pub const fn new(config: Config) -> Self {
        Self { config, address: None, state: State::Idle, last_update: None, failures: 0, event: None }
    }

    /// What is told to whom.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Tells something else, or somebody else, from now on.
    pub fn set_config(&mut self, now: Instant, config: Config) {
        if config != self.config {
            self.config = config;
            self.last_update = None;
            self.retry(now);
        }
    }

    /// The address that the broker is known to use.
    pub const fn updated(&self) -> Option<Ipv4Address> {
        match self.state {
            State::Done { address } => Some(address),
            _ => None,
        }
    }

    /// Our address has changed; `None`: we have none.
    pub fn set_address(&mut self, now: Instant, address: Option<Ipv4Address>) {
        if self.address == address {
            return;
        }
        self.address = address;
        match (self.state, address) {
            // A refusal is none of the address's.
            (State::Refused, _) => {}
            (_, None) => {
                if !matches!(self.state, State::Done { .. }) {
                    self.state = State::Idle;
                }
            }
            (State::Done { address: known }, Some(address)) if known == address => {}
            (_, Some(_)) => {
                let least = self.last_update.map_or(now, |last| last + LEAST_INTERVAL);
                self.state = State::Due { at: least.max(now + SETTLE) };
            }
        }
    }

    /// The tunnel's far end does not answer: perhaps it does not know our address any more.
    pub fn handle_silence(&mut self, now: Instant) {
        if let (State::Done { .. }, Some(_)) = (self.state, self.address) {
            let least = self.last_update.map_or(now, |last| last + DOUBT_INTERVAL);
            self.state = State::Due { at: least.max(now + SETTLE) };
        }
    }

    /// Tries anew, whatever was refused.
    pub fn retry(&mut self, now: Instant) {
        self.failures = 0;
        self.state = if self.address.is_some() { State::Due { at: now } } else { State::Idle };
    }

    /// Whether a connection to the broker is wanted, to write a request on.
    pub fn wants_request(&self, now: Instant) -> bool {
        matches!(self.state, State::Due { at } if at <= now)
    }

    /// Writes the request that is due into `buffer`, and answers its length; 512 octets are enough. `is_encrypted`: nobody
    /// else can read what is written on the connection. To be followed by [`handle_response`](Self::handle_response) or
    /// [`handle_failure`](Self::handle_failure).
    pub fn write_request(&mut self, now: Instant, buffer: &mut [u8], is_encrypted: bool) -> Option<usize> {
        let address = self.address.filter(|_| self.wants_request(now))?;
        if !is_encrypted && !self.config.allows_plain_http {
            self.refuse(Refusal::NotEncrypted);
            return None;
        }
        let Config { server, port, hostname, account, says_address, .. } = &self.config;
        let update = Update {
            host: server,
            port: *port,
            hostname,
            address: says_address.then_some(address),
            username: &account.username,
            key: &account.key,
        };
        let Ok(len) = update.emit(buffer) else {
            self.refuse(Refusal::Settings);
            return None;
        };
        self.state = State::Asked { address, until: now + PATIENCE };
        self.last_update = Some(now);
        Some(len)
    }

    /// The broker has answered. What it says when it was not asked is ignored.
    pub fn handle_response(&mut self, now: Instant, status: u16, body: &[u8]) {
        let State::Asked { address, .. } = self.state else { return };
        match Answer::parse(status, body) {
            Some(Answer::Good(said)) => self.succeed(address, said, true),
            Some(Answer::NoChange(said)) => self.succeed(address, said, false),
            Some(Answer::BadAuth) => self.refuse(Refusal::BadAuth),
            Some(Answer::Abuse) => self.refuse(Refusal::Abuse),
            Some(Answer::NoHost) => self.refuse(Refusal::NoHost),
            Some(Answer::BadAgent) => self.refuse(Refusal::BadAgent),
            Some(Answer::ServerError) => self.fail(now, true),
            None => self.fail(now, false),
        }
    }

    /// The broker could not be reached, or the connection ended without an answer.
    pub fn handle_failure(&mut self, now: Instant) {
        if matches!(self.state, State::Asked { .. }) || self.wants_request(now) {
            self.fail(now, false);
        }
    }

    /// Gives up waiting for an answer.
    pub fn handle_timeout(&mut self, now: Instant) {
        if matches!(self.state, State::Asked { until, .. } if until <= now) {
            self.fail(now, false);
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), and to look whether a request
    /// [is wanted](Self::wants_request).
    pub const fn poll_at(&self) -> Option<Instant> {
        match self.state {
            State::Due { at } | State::Asked { until: at, .. } => Some(at),
            State::Idle | State::Done { .. } | State::Refused => None,
        }
    }

    /// What happened since the last call; the newest counts.
    pub const fn poll_event(&mut self) -> Option<Event> {
        self.event.take()
    }

    fn succeed(&mut self, address: Ipv4Address, said: Option<Ipv4Address>, is_new: bool) {
        self.failures = 0;
        self.state = State::Done { address };
        self.event = Some(match said {
            Some(other) if other != address => Event::OtherAddress { address: other },
            _ => Event::Updated { address, is_new },
        });
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.state = State::Refused;
        self.event = Some(Event::Refused(refusal));
    }

    fn fail(&mut self, now: Instant, is_broker: bool) {
        let doubled = Duration::from_micros(FIRST_RETRY.total_micros() << self.failures.min(6));
        let least = if is_broker { SERVER_ERROR } else { FIRST_RETRY };
        let wait = doubled.min(LAST_RETRY).max(least);
        self.failures = self.failures.saturating_add(1);
        self.state = State::Due { at: now + wait };
        self.event = Some(Event::Failed(RetryIn { wait, is_broker }));
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use gatelet_wire::nic_update::Request;
    use std::format;

    const OWN: Ipv4Address = Ipv4Address::new(203, 0, 113, 5);
    const NEW: Ipv4Address = Ipv4Address::new(203, 0, 113, 6);

    fn config() -> Config {
        Config {
            server: "tunnelbroker.example".try_into().unwrap(),
            port: 80,
            hostname: "123456".try_into().unwrap(),
            account: Account::new("alice", "s3cret").unwrap(),
            says_address: true,
            allows_plain_http: true,
        }
    }

    struct World {
        client: Client,
        now: Instant,
    }

    impl World {
        fn with(address: Ipv4Address) -> Self {
            let (mut client, now) = (Client::new(config()), Instant::from_secs(100));
            client.set_address(now, Some(address));
            Self { client, now }
        }

        /// What the next request says, when it is due.
        fn asks(&mut self) -> Option<Ipv4Address> {
            self.now = self.client.poll_at()?.max(self.now);
            self.client.handle_timeout(self.now);
            let mut buffer = [0xA5; 512];
            let len = self.client.write_request(self.now, &mut buffer, false)?;
            let request = Request::parse(&buffer[..len]).unwrap().unwrap();
            assert_eq!(request.hostname, b"123456");
            assert_eq!(request.credentials(&mut [0; 64]), Some((&b"alice"[..], &b"s3cret"[..])));
            request.address
        }

        fn hears(&mut self, body: &str) -> Option<Event> {
            self.client.handle_response(self.now, 200, body.as_bytes());
            self.client.poll_event()
        }
    }

    #[test]
    fn a_new_address_is_told_once() {
        let mut world = World::with(OWN);
        assert_eq!(world.asks(), Some(OWN));
        let said = world.hears("good 203.0.113.5");
        assert_eq!(said, Some(Event::Updated { address: OWN, is_new: true }));
        assert_eq!((world.client.updated(), world.client.poll_at()), (Some(OWN), None));
        // A redial that brings the same address is no news.
        world.client.set_address(world.now, None);
        world.client.set_address(world.now, Some(OWN));
        assert_eq!(world.client.poll_at(), None);
        world.client.set_address(world.now, Some(NEW));
        let told = world.now;
        assert_eq!(world.asks(), Some(NEW));
        assert_eq!(world.now - told, LEAST_INTERVAL, "not sooner than a minute after the last");
        assert_eq!(world.hears("nochg"), Some(Event::Updated { address: NEW, is_new: false }));
        assert_eq!(world.hears("good"), None, "it was not asked");
    }

    #[test]
    fn a_broker_that_has_forgotten_is_told_again_but_not_often() {
        let mut world = World::with(OWN);
        assert_eq!(world.asks(), Some(OWN));
        let told = world.now;
        world.client.handle_silence(world.now);
        assert_eq!(world.hears("good"), Some(Event::Updated { address: OWN, is_new: true }), "it was asked");
        world.now += Duration::from_secs(600);
        world.client.handle_silence(world.now);
        assert_eq!((world.asks(), world.now - told), (Some(OWN), DOUBT_INTERVAL));
        assert_eq!(world.hears("nochg"), Some(Event::Updated { address: OWN, is_new: false }));
        world.client.set_address(world.now, None);
        world.client.handle_silence(world.now);
        assert_eq!(world.client.poll_at(), None, "there is nothing to tell");
    }

    #[test]
    fn an_address_that_is_gone_before_it_was_told_is_not_told() {
        let mut world = World::with(OWN);
        world.client.set_address(world.now, Some(NEW));
        assert_eq!(world.asks(), Some(NEW));
        world.client.set_address(world.now, None);
        assert_eq!((world.client.poll_at(), world.hears("good")), (None, None));
    }

    #[test]
    fn failures_are_repeated_ever_more_rarely() {
        let mut world = World::with(OWN);
        let wait = |event| match event {
            Some(Event::Failed(RetryIn { wait, .. })) => wait.secs(),
            other => panic!("{other:?}"),
        };
        for minutes in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(world.asks(), Some(OWN));
            world.client.handle_failure(world.now);
            assert_eq!(wait(world.client.poll_event()), minutes * 60);
        }
        let mut world = World::with(OWN);
        world.asks();
        assert_eq!(wait(world.hears("911")), 1800);
        world.asks();
        assert_eq!(wait(world.hears("<html>")), 120);
        world.asks();
        world.now = world.client.poll_at().unwrap();
        world.client.handle_timeout(world.now);
        assert_eq!(wait(world.client.poll_event()), 240, "no answer is a failure, too");
    }

    #[test]
    fn a_refusal_is_not_argued_with() {
        for (body, refusal) in [
            ("badauth", Refusal::BadAuth),
            ("abuse", Refusal::Abuse),
            ("nohost", Refusal::NoHost),
            ("badagent", Refusal::BadAgent),
        ] {
            let mut world = World::with(OWN);
            world.asks();
            assert_eq!(world.hears(body), Some(Event::Refused(refusal)));
            world.client.set_address(world.now, Some(NEW));
            assert_eq!(world.client.poll_at(), None);
            world.client.retry(world.now);
            assert_eq!(world.asks(), Some(NEW));
        }
        let mut world = World::with(OWN);
        world.asks();
        world.hears("badauth");
        let account = Account::new("alice", "other").unwrap();
        world.client.set_config(world.now, Config { account, ..config() });
        assert!(world.client.wants_request(world.now));
    }

    #[test]
    fn the_key_is_not_shown_and_not_said_in_clear() {
        let mut world = World::with(OWN);
        assert!(!format!("{:?}", world.client).contains("s3cret"));
        world.client.set_config(world.now, Config { allows_plain_http: false, ..config() });
        let mut buffer = [0; 512];
        assert_eq!(world.client.write_request(world.now, &mut buffer, false), None);
        assert_eq!(world.client.poll_event(), Some(Event::Refused(Refusal::NotEncrypted)));
        assert_eq!(buffer, [0; 512]);
        world.client.retry(world.now);
        assert!(world.client.write_request(world.now, &mut buffer, true).is_some());
    }

    #[test]
    fn who_is_translated_on_the_way_is_told() {
        let mut world = World::with(Ipv4Address::new(100, 64, 0, 9));
        world.asks();
        assert_eq!(world.hears("good 203.0.113.5"), Some(Event::OtherAddress { address: OWN }));
        let server = "a b".try_into().unwrap();
        world.client.set_config(world.now, Config { server, ..config() });
        assert_eq!(world.asks(), None);
        assert_eq!(world.client.poll_event(), Some(Event::Refused(Refusal::Settings)));
    }
}
