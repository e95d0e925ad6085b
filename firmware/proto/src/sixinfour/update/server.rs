//! Being told: a tunnel's client says its new address, with a key, and by nothing else does it change.
//!
//! ```text
//!   request ─► readable? ─► source not held off? ─► account and key? ─► tunnel of that account? ─► good, nochg
//!                 │ (nothing)        │ 911                │ badauth              │ nohost
//! ```
//!
//! Keys are compared in constant time, and an account that does not exist costs as much as one that does. Who guesses is
//! held off for a minute after five failures.
//!
//! Reading list: see [`gatelet_wire::nic_update`]; RFC 7617 (Basic).

use gatelet_wire::nic_update::{Answer, Request};
use gatelet_wire::{Ipv4Address, Malformed};
use heapless::{String, Vec};
use smoltcp::time::{Duration, Instant};
use subtle::{Choice, ConstantTimeEq};

use super::{ACCOUNT_MAX, Account, NAME_MAX};
use crate::sixinfour::tunnel::is_host;

/// Addresses whose failures are remembered.
const GUESSERS: usize = 8;
/// Failures after which an address is held off.
const PATIENCE: u8 = 5;
/// For how long.
const HOLD: Duration = Duration::from_secs(60);

/// A tunnel that can be updated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Who may.
    pub account: Account,
    /// What the client calls the tunnel.
    pub hostname: String<NAME_MAX>,
    /// The far end's address as it is known.
    pub remote: Option<Ipv4Address>,
}

impl Entry {
    /// A place that is no tunnel's: there is no key for it.
    pub const NOBODY: Self = Self {
        account: Account { username: String::new(), key: String::new() },
        hostname: String::new(),
        remote: None,
    };
}

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// The length of the response that was written.
    pub len: usize,
    /// The tunnel whose far end has moved, by its place in the table, and where to.
    pub update: Option<(usize, Ipv4Address)>,
}

/// The server, over a table of tunnels that the owner lends.
#[derive(Debug)]
pub struct Server<'a> {
    entries: &'a mut [Entry],
    guessers: Vec<Guesser, GUESSERS>,
    counters: Counters,
}

/// Somebody whose key was wrong.
#[derive(Debug, Clone, Copy)]
struct Guesser {
    address: Ipv4Address,
    failures: u8,
    last: Instant,
}

impl<'a> Server<'a> {
    /// A server for these tunnels.
    pub const fn new(entries: &'a mut [Entry]) -> Self {
        Self {
            entries,
            guessers: Vec::new(),
            counters: Counters { updated: 0, dropped: [0; Dropped::ALL.len()] },
        }
    }

    /// The tunnels and where their far ends are.
    pub const fn entries(&self) -> &[Entry] {
        self.entries
    }

    /// Another tunnel at `place` from now on, or none ([`Entry::NOBODY`]). False if there is no such place.
    pub fn set_entry(&mut self, place: usize, entry: Entry) -> bool {
        let Some(known) = self.entries.get_mut(place) else { return false };
        *known = entry;
        true
    }

    /// What was done and refused, and how often.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Takes what has arrived of a request on a connection from `source`, and writes the response into `buffer`; 256 octets
    /// are enough. `Ok(None)`: there is more to come.
    ///
    /// # Errors
    /// Why there is no response: the connection is to be closed. It has been counted; so have refusals that have one.
    pub fn handle_request(
        &mut self,
        now: Instant,
        source: Ipv4Address,
        octets: &[u8],
        buffer: &mut [u8],
    ) -> Result<Option<Outcome>, Dropped> {
        let request = match Request::parse(octets) {
            Ok(Some(request)) => request,
            Ok(None) => return Ok(None),
            Err(_) => {
                self.counters.count(Dropped::Malformed);
                return Err(Dropped::Malformed);
            }
        };
        let (answer, update) = match self.judge(now, source, &request) {
            Ok((answer, update)) => (answer, update),
            Err(reason) => {
                self.counters.count(reason);
                (reason.answer(), None)
            }
        };
        let Ok(len) = answer.emit(buffer) else {
            self.counters.count(Dropped::NoRoom);
            return Err(Dropped::NoRoom);
        };
        if let Some((index, address)) = update
            && let Some(entry) = self.entries.get_mut(index)
        {
            entry.remote = Some(address);
            self.counters.updated = self.counters.updated.wrapping_add(1);
        }
        Ok(Some(Outcome { len, update }))
    }

    fn judge(
        &mut self,
        now: Instant,
        source: Ipv4Address,
        request: &Request<'_>,
    ) -> Result<(Answer, Option<(usize, Ipv4Address)>), Dropped> {
        self.guessers.retain(|guesser| guesser.last + HOLD > now);
        let is_held_off = |guesser: &Guesser| guesser.address == source && guesser.failures >= PATIENCE;
        if self.guessers.iter().any(is_held_off) {
            return Err(Dropped::HeldOff);
        }
        let mut decoded = [0; 2 * ACCOUNT_MAX + 1];
        let (username, key) = request.credentials(&mut decoded).unwrap_or_default();
        let mut is_known = Choice::from(0);
        let mut found = None;
        for (index, entry) in self.entries.iter().enumerate() {
            let is_theirs = same(entry.account.username.as_bytes(), username)
                & same(entry.account.key.as_bytes(), key)
                // An account without a key is one that nobody may use.
                & Choice::from(u8::from(!entry.account.key.is_empty()));
            is_known |= is_theirs;
            if bool::from(is_theirs) && request.hostname == entry.hostname.as_bytes() {
                found = Some((index, entry.remote));
            }
        }
        if !bool::from(is_known) {
            self.note_failure(now, source);
            return Err(Dropped::BadAuth);
        }
        self.guessers.retain(|guesser| guesser.address != source);
        let (index, known) = found.ok_or(Dropped::NoHost)?;
        let address = request.address.unwrap_or(source);
        if !is_host(address) {
            return Err(Dropped::Address);
        }
        if known == Some(address) {
            return Ok((Answer::NoChange(Some(address)), None));
        }
        // Tunnels are told apart by the far end's address.
        if self.entries.iter().any(|entry| entry.remote == Some(address)) {
            return Err(Dropped::Taken);
        }
        Ok((Answer::Good(Some(address)), Some((index, address))))
    }

    /// Remembers who failed. Where there is no place, the one whose last failure is the oldest is forgotten.
    fn note_failure(&mut self, now: Instant, source: Ipv4Address) {
        if let Some(guesser) = self.guessers.iter_mut().find(|guesser| guesser.address == source) {
            guesser.failures = guesser.failures.saturating_add(1);
            guesser.last = now;
            return;
        }
        if self.guessers.is_full() {
            let oldest = self.guessers.iter().enumerate().min_by_key(|(_, guesser)| guesser.last);
            if let Some((index, _)) = oldest {
                self.guessers.swap_remove(index);
            }
        }
        // There is a place now.
        let _ = self.guessers.push(Guesser { address: source, failures: 1, last: now });
    }
}

/// Compares in a time that depends on neither but for their being longer than an account may be.
fn same(known: &[u8], said: &[u8]) -> Choice {
    let padded = |text: &[u8]| {
        let mut all = [0; ACCOUNT_MAX];
        for (place, octet) in all.iter_mut().zip(text) {
            *place = *octet;
        }
        all
    };
    let lengths = (known.len() as u64).ct_eq(&(said.len() as u64));
    lengths & padded(known).ct_eq(&padded(said))
}

/// Why a request changed nothing. Each variant has a [counter](Counters).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dropped {
    /// It cannot be read.
    Malformed,
    /// Its source has guessed too often.
    HeldOff,
    /// No account, or a wrong key.
    BadAuth,
    /// No tunnel of that account.
    NoHost,
    /// An address that no host can have.
    Address,
    /// Another tunnel's far end has the address.
    Taken,
    /// The buffer that was lent is too small.
    NoRoom,
}

impl Dropped {
    /// Every reason, in the order of the counters.
    pub const ALL: [Self; 7] = [
        Self::Malformed,
        Self::HeldOff,
        Self::BadAuth,
        Self::NoHost,
        Self::Address,
        Self::Taken,
        Self::NoRoom,
    ];

    /// The counter's name, stable for consoles and scripts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "endpoint-malformed",
            Self::HeldOff => "endpoint-held-off",
            Self::BadAuth => "endpoint-bad-auth",
            Self::NoHost => "endpoint-no-host",
            Self::Address => "endpoint-address",
            Self::Taken => "endpoint-taken",
            Self::NoRoom => "endpoint-no-room",
        }
    }

    /// What the client is told.
    const fn answer(self) -> Answer {
        match self {
            Self::BadAuth => Answer::BadAuth,
            Self::NoHost => Answer::NoHost,
            Self::Malformed | Self::HeldOff | Self::Address | Self::Taken | Self::NoRoom => {
                Answer::ServerError
            }
        }
    }
}

impl From<Malformed> for Dropped {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// What was done, and how often each reason of [`Dropped`] occurred. Wraps around.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// Far ends that moved.
    pub updated: u32,
    dropped: [u32; Dropped::ALL.len()],
}

impl Counters {
    /// How often `reason` occurred.
    pub const fn dropped(&self, reason: Dropped) -> u32 {
        self.dropped[reason as usize]
    }

    /// Every reason with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Dropped, u32)> {
        Dropped::ALL.into_iter().zip(self.dropped)
    }

    const fn count(&mut self, reason: Dropped) {
        let counter = &mut self.dropped[reason as usize];
        *counter = counter.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::sixinfour::update::{Client, Config, Event};
    use gatelet_wire::nic_update::Update;
    use std::string::ToString;
    use std::vec::Vec as List;

    const HOME: Ipv4Address = Ipv4Address::new(203, 0, 113, 5);
    const STRANGER: Ipv4Address = Ipv4Address::new(198, 51, 100, 66);

    fn entry(username: &str, key: &str, hostname: &str) -> Entry {
        let account = Account::new(username, key).unwrap();
        Entry { account, hostname: hostname.try_into().unwrap(), remote: None }
    }

    fn entries() -> [Entry; 3] {
        [entry("alice", "s3cret", "home"), entry("alice", "s3cret", "shed"), entry("bob", "", "barn")]
    }

    /// The response's body, and the update.
    fn ask(
        server: &mut Server<'_>,
        seconds: i64,
        source: Ipv4Address,
        (username, key, hostname, address): (&str, &str, &str, Option<Ipv4Address>),
    ) -> (std::string::String, Option<(usize, Ipv4Address)>) {
        let (mut request, mut response) = ([0; 512], [0xA5; 256]);
        let len = Update { host: "b.example", port: 80, hostname, address, username, key }
            .emit(&mut request)
            .unwrap();
        let now = Instant::from_secs(seconds);
        assert_eq!(server.handle_request(now, source, &request[..len - 1], &mut response), Ok(None));
        let outcome = server.handle_request(now, source, &request[..len], &mut response).unwrap().unwrap();
        let text = core::str::from_utf8(&response[..outcome.len]).unwrap();
        (text.lines().last().unwrap().to_string(), outcome.update)
    }

    #[test]
    fn a_far_end_moves() {
        let mut entries = entries();
        let mut server = Server::new(&mut entries);
        let home = ("alice", "s3cret", "home", None);
        assert_eq!(ask(&mut server, 1, HOME, home), ("good 203.0.113.5".to_string(), Some((0, HOME))));
        assert_eq!(ask(&mut server, 2, HOME, home), ("nochg 203.0.113.5".to_string(), None));
        let elsewhere = ("alice", "s3cret", "home", Some(STRANGER));
        assert_eq!(ask(&mut server, 3, HOME, elsewhere).1, Some((0, STRANGER)));
        assert_eq!(server.entries()[0].remote, Some(STRANGER));
        let shed = ("alice", "s3cret", "shed", Some(STRANGER));
        assert_eq!(ask(&mut server, 4, HOME, shed), ("911".to_string(), None));
        let nowhere = ("alice", "s3cret", "home", Some(Ipv4Address::BROADCAST));
        assert_eq!(ask(&mut server, 5, HOME, nowhere), ("911".to_string(), None));
        let other = ("alice", "s3cret", "barn", None);
        assert_eq!(ask(&mut server, 6, HOME, other), ("nohost".to_string(), None), "bob's");
        let counts: List<_> = server.counters().iter().map(|(_, count)| count).collect();
        assert_eq!((counts, server.counters().updated), ([0, 0, 0, 1, 1, 1, 0].to_vec(), 2));
    }

    #[test]
    fn who_guesses_is_held_off() {
        let mut entries = entries();
        let mut server = Server::new(&mut entries);
        let wrong = [
            ("alice", "s3cre", "home", None),
            ("alice", "s3cret\u{a0}", "home", None),
            ("alic", "s3cret", "home", None),
            ("", "", "home", None),
            ("bob", "", "barn", None),
        ];
        for guess in wrong {
            assert_eq!(ask(&mut server, 10, STRANGER, guess), ("badauth".to_string(), None), "{guess:?}");
        }
        let right = ("alice", "s3cret", "home", None);
        assert_eq!(ask(&mut server, 20, STRANGER, right), ("911".to_string(), None), "even if it is right");
        assert_eq!(ask(&mut server, 21, HOME, right).1, Some((0, HOME)), "nobody else is held off");
        assert_eq!(ask(&mut server, 71, STRANGER, right).1, Some((0, STRANGER)));
        // Many guessers do not fill anything.
        for last in 0..100 {
            let source = Ipv4Address::new(198, 51, 100, last);
            assert_eq!(ask(&mut server, 80, source, wrong[0]).0, "badauth");
        }
        assert_eq!(server.counters().dropped(Dropped::BadAuth), 105);
    }

    #[test]
    fn what_cannot_be_read_has_no_answer() {
        let mut entries = entries();
        let mut server = Server::new(&mut entries);
        let now = Instant::ZERO;
        let post = b"POST /nic/update HTTP/1.1\r\n\r\n";
        assert_eq!(server.handle_request(now, HOME, post, &mut [0; 256]), Err(Dropped::Malformed));
        let bare = b"GET /nic/update HTTP/1.1\r\n\r\n";
        assert_eq!(server.handle_request(now, HOME, bare, &mut [0; 9]), Err(Dropped::NoRoom));
        for (index, reason) in Dropped::ALL.into_iter().enumerate() {
            assert!(Dropped::ALL[..index].iter().all(|other| other.name() != reason.name()));
        }
    }

    #[test]
    fn tunnels_come_and_go() {
        let mut places = [Entry::NOBODY, Entry::NOBODY];
        let mut server = Server::new(&mut places);
        let now = Instant::from_secs(100);
        let nobody = b"GET /nic/update HTTP/1.1\r\nAuthorization: Basic Og==\r\n\r\n";
        let mut response = [0; 256];
        let outcome = server.handle_request(now, HOME, nobody, &mut response).unwrap().unwrap();
        assert!(response[..outcome.len].ends_with(b"badauth\r\n"), "an empty key opens nothing");
        let [first, ..] = entries();
        assert!(server.set_entry(1, first.clone()) && !server.set_entry(2, first));
        let said = ask(&mut server, 101, HOME, ("alice", "s3cret", "home", None));
        assert_eq!((said.0.as_str(), said.1), ("good 203.0.113.5", Some((1, HOME))));
        assert!(server.set_entry(1, Entry::NOBODY));
        let said = ask(&mut server, 102, HOME, ("alice", "s3cret", "home", None));
        assert_eq!((said.0.as_str(), said.1), ("badauth", None));
    }

    #[test]
    fn both_ends_ours() {
        let mut entries = entries();
        let mut server = Server::new(&mut entries);
        let config = Config {
            server: "b.example".try_into().unwrap(),
            port: 80,
            hostname: "home".try_into().unwrap(),
            account: Account::new("alice", "s3cret").unwrap(),
            says_address: false,
            allows_plain_http: true,
        };
        let mut client = Client::new(config);
        client.set_address(Instant::ZERO, Some(HOME));
        let now = client.poll_at().unwrap();
        let (mut request, mut response) = ([0; 512], [0; 256]);
        let len = client.write_request(now, &mut request, true).unwrap();
        let outcome = server.handle_request(now, HOME, &request[..len], &mut response).unwrap().unwrap();
        assert_eq!(outcome.update, Some((0, HOME)));
        let mut reader = gatelet_wire::http::ResponseReader::new();
        reader.push(&response[..outcome.len]).unwrap();
        let read = reader.response().unwrap();
        client.handle_response(now, read.status, read.body);
        assert_eq!(client.poll_event(), Some(Event::Updated { address: HOME, is_new: true }));
    }
}
