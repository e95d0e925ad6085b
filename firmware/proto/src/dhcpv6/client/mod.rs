//! The DHCPv6 client: from a link to delegated prefixes, and on.
//!
//! ```text
//!           link_up              ADVERTISE, the best within      REPLY
//!   Idle ───────────► Soliciting ────────────────────► Requesting ─────► Bound ◄───────────────┐
//!    │ link_up, with     ▲ │ SOLICIT    the first wait    │ REQUEST       │ T1      REPLY       │
//!    │ leases of before  │ └─ REPLY with Rapid Commit ────┼──────────────►│                     │
//!    └──► Confirming ────┤                               │               ▼                     │
//!          │ REBIND      │ 10 requests, nothing granted   │            Renewing ────────────────┤
//!          │             ├────────────────────────────────┘               │ T2      REPLY       │
//!          │ 10 s, NoBinding                                               ▼                     │
//!          ├─────────────┤              everything has expired          Rebinding ──────────────┘
//!          │             └──────────────────────────────────────────────┘   RENEW, REBIND: NoBinding to Requesting
//!          └── REPLY ──► Bound               release: RELEASE, 4 times at most, then Idle
//! ```
//!
//! After a redial the leases of before are confirmed by a REBIND: whoever serves the line now says whether they are
//! good, and the LAN need not be renumbered (RFC 8415 §18.2.12). Nobody but the carrier is on a point-to-point link, so
//! there is no DECLINE: the owner releases what it cannot use. RECONFIGURE is counted and ignored.
//!
//! Reading list: RFC 8415 §15 (repetition), §18.2 (client), §21; RFC 7084 §4.2; RFC 8910 §2.2.

mod event;
mod lease;
mod steps;
mod transmit;

pub use event::{Counters, Dropped, Event, Loss};
pub use lease::{ADDRESSES, Assigned, DNS_SERVERS, Delegated, Lease, PREFIXES, URI_MAX};
pub use transmit::Outgoing;

use gatelet_wire::dhcpv6::TransactionId;
use gatelet_wire::{Ipv6Address, Ipv6Cidr};
use heapless::Deque;
use rand_core::Rng;
use smoltcp::time::{Duration, Instant};

use super::DuidBuf;
use crate::retransmit::{Exchange, Pace};

/// `SOL_MAX_RT`, unless a server says otherwise (RFC 8415 §7.6).
const SOL_MAX_RT: Duration = Duration::from_secs(3600);
/// REQUESTs for an offer (RFC 8415 §7.6, `REQ_MAX_RC`).
const REQUEST_ATTEMPTS: u8 = 10;
/// RELEASEs (RFC 8415 §7.6, `REL_MAX_RC`).
const RELEASE_ATTEMPTS: u8 = 4;
/// How long leases of before are confirmed (RFC 8415 §18.2.12, `CNF_MAX_RD`).
const CONFIRM_FOR: Duration = Duration::from_secs(10);

const fn pace(initial_seconds: u64, most: Duration, is_first_full: bool) -> Pace {
    Pace { initial: Duration::from_secs(initial_seconds), most, is_first_full }
}
/// `REQ_TIMEOUT`, `REQ_MAX_RT`.
const REQUESTS: Pace = pace(1, Duration::from_secs(30), false);
/// `CNF_TIMEOUT`, `CNF_MAX_RT`.
const CONFIRMS: Pace = pace(1, Duration::from_secs(4), false);
/// `REN_TIMEOUT`, `REN_MAX_RT`; those of REBIND are the same.
const RENEWALS: Pace = pace(10, Duration::from_secs(600), false);
/// `REL_TIMEOUT`.
const RELEASES: Pace = pace(1, Duration::ZERO, false);

/// What we want, and who we say we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Client identifier, the same for as long as there is this router.
    pub duid: DuidBuf,
    /// Which of our identity associations this is.
    pub iaid: u32,
    /// Whether an address is wanted (`IA_NA`).
    pub wants_address: bool,
    /// Whether prefixes are wanted (`IA_PD`), and a hint which: `::/56` says only how long.
    pub wants_prefix: Option<Ipv6Cidr>,
    /// Whether a server may grant at once (Rapid Commit).
    pub rapid_commit: bool,
}

impl Config {
    /// An address, and a prefix of 56 bits or what there is, at once if possible.
    pub const fn new(duid: DuidBuf) -> Self {
        let any = Ipv6Cidr::new(Ipv6Address::UNSPECIFIED, 56);
        Self { duid, iaid: 1, wants_address: true, wants_prefix: Some(any), rapid_commit: true }
    }
}

/// A client, one per link. About 1.3 KB.
#[derive(Debug)]
pub struct Client {
    config: Config,
    state: State,
    /// The prefix of before, which is asked for by preference.
    hint: Option<Ipv6Cidr>,
    /// The longest wait between SOLICITs.
    solicit_most: Duration,
    /// How often in a row something that was offered was not granted.
    failures: u8,
    /// Whether it has been told that servers have nothing.
    told_nothing: bool,
    events: Deque<Event, 8>,
    counters: Counters,
}

#[derive(Debug)]
enum State {
    /// With leases of before, if they may still be good.
    Idle(Option<Lease>),
    Soliciting {
        transaction: Transaction,
        best: Option<Offer>,
    },
    Requesting {
        transaction: Transaction,
        offer: Lease,
    },
    Confirming {
        transaction: Transaction,
        lease: Lease,
    },
    Holding {
        lease: Lease,
        phase: Holding,
    },
    Releasing {
        transaction: Transaction,
        lease: Lease,
    },
}

/// What is under way about leases that we have.
#[derive(Debug, Clone, Copy)]
enum Holding {
    Bound,
    Renewing(Transaction),
    Rebinding(Transaction),
}

/// A message and its repetitions.
#[derive(Debug, Clone, Copy)]
struct Transaction {
    id: TransactionId,
    exchange: Exchange,
}

impl Transaction {
    fn new(at: Instant, rng: &mut dyn Rng) -> Self {
        let [_, id @ ..] = rng.next_u32().to_be_bytes();
        Self { id: TransactionId(id), exchange: Exchange::new(at, rng) }
    }
}

/// An ADVERTISE that would do.
#[derive(Debug)]
struct Offer {
    preference: u8,
    lease: Lease,
}

/// What the client is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Nothing: the link is down, or everything was given back.
    Idle,
    /// Looking for a server.
    Soliciting,
    /// Asking one for what it offered.
    Requesting,
    /// Asking whether leases of before are still good.
    Confirming,
    /// There are leases.
    Bound,
    /// There are leases, and their server is asked for more time.
    Renewing,
    /// There are leases, and any server is asked for more time.
    Rebinding,
    /// Giving everything back.
    Releasing,
}

impl Client {
    /// A client at rest.
    pub const fn new(config: Config) -> Self {
        Self {
            config,
            state: State::Idle(None),
            hint: None,
            solicit_most: SOL_MAX_RT,
            failures: 0,
            told_nothing: false,
            events: Deque::new(),
            counters: Counters::ZERO,
        }
    }

    /// What we want, and who we say we are.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Says and wants something else from the next message on.
    pub fn set_config(&mut self, config: Config) {
        self.config = config;
    }

    /// What is under way.
    pub const fn phase(&self) -> Phase {
        match &self.state {
            State::Idle(_) => Phase::Idle,
            State::Soliciting { .. } => Phase::Soliciting,
            State::Requesting { .. } => Phase::Requesting,
            State::Confirming { .. } => Phase::Confirming,
            State::Holding { phase: Holding::Bound, .. } => Phase::Bound,
            State::Holding { phase: Holding::Renewing(_), .. } => Phase::Renewing,
            State::Holding { phase: Holding::Rebinding(_), .. } => Phase::Rebinding,
            State::Releasing { .. } => Phase::Releasing,
        }
    }

    /// What we have been granted, from [`Event::Bound`] to [`Event::Lost`].
    pub const fn lease(&self) -> Option<&Lease> {
        match &self.state {
            State::Holding { lease, .. } => Some(lease),
            _ => None,
        }
    }

    /// What was ignored, and how often.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The prefix we had before a reboot: it is asked for by preference.
    pub const fn remember(&mut self, prefix: Ipv6Cidr) {
        self.hint = Some(prefix);
    }

    /// The link is up: begins, unless it has begun already.
    pub fn link_up(&mut self, now: Instant, rng: &mut dyn Rng) {
        let State::Idle(memory) = &mut self.state else {
            if matches!(self.state, State::Releasing { .. }) {
                self.solicit(now, rng);
            }
            return;
        };
        self.failures = 0;
        let mut memory = memory.take();
        if let Some(lease) = &mut memory {
            lease.forget_expired(now, |_| {});
        }
        match memory.filter(|lease| !lease.is_empty()) {
            Some(lease) => {
                let transaction = Transaction::new(now, rng);
                self.state = State::Confirming { transaction, lease };
            }
            None => self.solicit(now, rng),
        }
    }

    /// The link is down. What we had is confirmed when it is up again.
    pub fn link_down(&mut self) {
        let state = core::mem::replace(&mut self.state, State::Idle(None));
        match state {
            State::Holding { lease, .. } => {
                self.state = State::Idle(Some(lease));
                self.tell(Event::Lost(Loss::LinkDown));
            }
            State::Confirming { lease, .. } | State::Idle(Some(lease)) => {
                self.state = State::Idle(Some(lease));
            }
            _ => {}
        }
    }

    /// Gives everything back, and rests until [`link_up`](Self::link_up). Without event; the leases are over.
    pub fn release(&mut self, now: Instant, rng: &mut dyn Rng) {
        let state = core::mem::replace(&mut self.state, State::Idle(None));
        if let State::Holding { lease, .. } = state {
            self.hint = lease.prefixes.first().map(|delegated| delegated.prefix).or(self.hint);
            self.state = State::Releasing { transaction: Transaction::new(now, rng), lease };
        }
    }

    /// Renews now instead of at T1. Of no effect unless bound.
    pub fn renew(&mut self, now: Instant, rng: &mut dyn Rng) {
        if let State::Holding { phase: phase @ Holding::Bound, .. } = &mut self.state {
            *phase = Holding::Renewing(Transaction::new(now, rng));
        }
    }

    /// Takes the payload of a datagram that came to port 546.
    ///
    /// # Errors
    /// Why it was ignored; it has been counted.
    pub fn handle_message(&mut self, now: Instant, rng: &mut dyn Rng, payload: &[u8]) -> Result<(), Dropped> {
        let result = self.take_message(now, rng, payload);
        if let Err(reason) = result {
            self.counters.count(reason);
        }
        result
    }

    /// Takes the steps that are due.
    pub fn handle_timeout(&mut self, now: Instant, rng: &mut dyn Rng) {
        match &mut self.state {
            State::Soliciting { transaction, best } if transaction.exchange.is_due(now) => {
                if let Some(Offer { lease, .. }) = best.take() {
                    self.request(now, rng, lease);
                }
            }
            State::Requesting { transaction, .. }
                if transaction.exchange.is_due(now) && transaction.exchange.sent >= REQUEST_ATTEMPTS =>
            {
                self.start_over(now, rng);
            }
            State::Confirming { transaction, lease } => {
                let until = transaction.exchange.first_sent_at.map(|first| first + CONFIRM_FOR);
                if until.is_some_and(|until| until <= now) {
                    self.hint = lease.prefixes.first().map(|delegated| delegated.prefix).or(self.hint);
                    self.solicit(now, rng);
                }
            }
            State::Releasing { transaction, .. }
                if transaction.exchange.is_due(now) && transaction.exchange.sent >= RELEASE_ATTEMPTS =>
            {
                self.state = State::Idle(None);
            }
            State::Holding { .. } => self.lease_timeout(now, rng),
            _ => {}
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), and [`poll_transmit`](Self::poll_transmit) after it.
    pub fn poll_at(&self) -> Option<Instant> {
        match &self.state {
            State::Idle(_) => None,
            State::Soliciting { transaction, .. }
            | State::Requesting { transaction, .. }
            | State::Releasing { transaction, .. } => Some(transaction.exchange.at),
            State::Confirming { transaction, .. } => {
                let exchange = &transaction.exchange;
                let until = exchange.first_sent_at.map(|first| first + CONFIRM_FOR);
                Some(until.map_or(exchange.at, |until| until.min(exchange.at)))
            }
            State::Holding { lease, phase } => {
                let (own, exchange) = match phase {
                    Holding::Bound => (lease.renew_at.min(lease.rebind_at).until(), None),
                    Holding::Renewing(transaction) => {
                        (lease.rebind_at.until(), Some(transaction.exchange.at))
                    }
                    Holding::Rebinding(transaction) => (None, Some(transaction.exchange.at)),
                };
                own.into_iter().chain(exchange).chain(lease.next_expiry()).min()
            }
        }
    }

    /// What happened since the last call.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The message under way.
    const fn transaction(&self) -> Option<&Transaction> {
        match &self.state {
            State::Soliciting { transaction, .. }
            | State::Requesting { transaction, .. }
            | State::Confirming { transaction, .. }
            | State::Releasing { transaction, .. }
            | State::Holding {
                phase: Holding::Renewing(transaction) | Holding::Rebinding(transaction),
                ..
            } => Some(transaction),
            State::Idle(_) | State::Holding { phase: Holding::Bound, .. } => None,
        }
    }

    fn solicit(&mut self, at: Instant, rng: &mut dyn Rng) {
        self.state = State::Soliciting { transaction: Transaction::new(at, rng), best: None };
    }

    fn request(&mut self, now: Instant, rng: &mut dyn Rng, offer: Lease) {
        self.state = State::Requesting { transaction: Transaction::new(now, rng), offer };
    }

    /// Looks for a server again, later each time.
    fn start_over(&mut self, now: Instant, rng: &mut dyn Rng) {
        let wait = match self.failures {
            0 => Duration::ZERO,
            failures => Duration::from_secs(1 << failures.min(6)),
        };
        self.failures = self.failures.saturating_add(1);
        self.solicit(now + wait, rng);
    }

    fn tell(&mut self, event: Event) {
        if self.events.push_back(event).is_err() {
            self.counters.events_lost = self.counters.events_lost.wrapping_add(1);
        }
    }
}

#[cfg(test)]
mod tests;
