//! The DHCP client: from a link to an address, and on.
//!
//! ```text
//!           link_up                  OFFER                     ACK
//!   Idle ───────────► Init ► Selecting ────► Requesting ────────────────► Checking
//!    ▲  │                ▲      DISCOVER   ▲   │ REQUEST         ▲          │   │ accept, or 2 s
//!    │  │ link_up, with  │                 │   │ NAK, 60 s       │  decline │   ▼
//!    │  │ an address     ├─────────────────┼───┴─────────────────┼──────────┘  Bound ◄──────────┐
//!    │  └──────► Rebooting ────────────────┘                     │              │ T1      ACK    │
//!    │            REQUEST  │ NAK, 12 s: to Init                  │              ▼                │
//!    │                     └─────────────── ACK ─────────────────┘          Renewing ────────────┤
//!    │                                                                          │ T2      ACK    │
//!    │ link_down, release (from anywhere)                                       ▼                │
//!    └─────                      NAK, or the end of the lease: to Init      Rebinding ───────────┘
//! ```
//!
//! The first OFFER that passes every check is taken. A lease counts from the moment its REQUEST was
//! sent (RFC 2131 §4.4.1). Who is refused starts over at once, but not twice in a row: a server that
//! offers and refuses is asked after 2 s, then 4 s and so on to 64 s.
//!
//! Reading list: RFC 2131 §3, §4.1 (repetition), §4.4 (client); RFC 2132; RFC 3442 (classless routes);
//! RFC 6842 (client identifiers in answers); RFC 8910 §2.1 (captive portal).

mod config;
mod event;
mod exchange;
mod lease;
mod steps;
mod transmit;

pub use config::{ClientIdentifier, Config, HOST_NAME_MAX, IDENTIFIER_MAX};
pub use event::{Counters, Dropped, Event, Loss};
pub use lease::{DNS_SERVERS, DOMAIN_NAME_MAX, Lease, NTP_SERVERS, ROUTES, Times, URI_MAX};
pub use transmit::Outgoing;

use gatelet_wire::Ipv4Address;
use gatelet_wire::dhcpv4::MessageType;
use heapless::Deque;
use rand_core::Rng;
use smoltcp::time::{Duration, Instant};

use exchange::Exchange;

/// After a DECLINE nothing is asked for 10 s (RFC 2131 §3.1).
const DECLINE_WAIT: Duration = Duration::from_secs(10);

/// Up to this long after the link came up the first DISCOVER waits, so that a street with power back
/// does not speak in chorus. RFC 2131 §4.4.1 would have 1 to 10 s, which nobody likes to wait.
const START_SPREAD_MICROS: u32 = 1_000_000;

/// REQUESTs for an offer: 60 s with the waits between them (RFC 2131 §3.1).
const REQUEST_ATTEMPTS: u8 = 4;

/// REQUESTs for an address of before: 12 s, then a DISCOVER asks whoever is there.
const REBOOT_ATTEMPTS: u8 = 2;

/// A client, one per link. 1 KB at most.
#[derive(Debug)]
pub struct Client {
    config: Config,
    state: State,
    memory: Memory,
    /// What is to be said to a server that we are done with.
    farewell: Option<Farewell>,
    /// Refusals and conflicts since we were last bound.
    failures: u8,
    events: Deque<Event, 4>,
    counters: Counters,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is no heap to put the large one on")]
enum State {
    Idle,
    Init {
        at: Instant,
    },
    Selecting {
        exchange: Exchange,
        /// Offers looked at since the last DISCOVER.
        offers: u8,
    },
    Requesting {
        exchange: Exchange,
        server: Ipv4Address,
        address: Ipv4Address,
        /// `secs` of the DISCOVER, which the REQUEST repeats (RFC 2131 §3.1).
        secs: u16,
    },
    Rebooting {
        exchange: Exchange,
        address: Ipv4Address,
    },
    Holding {
        lease: Lease,
        /// When its REQUEST was sent.
        since: Instant,
        phase: Holding,
    },
}

/// What is under way about a lease that was granted.
#[derive(Debug, Clone, Copy)]
enum Holding {
    Checking { until: Instant, renew_at: Option<Instant> },
    Bound { renew_at: Option<Instant> },
    Renewing(Exchange),
    Rebinding(Exchange),
}

/// The address of before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Memory {
    Nothing,
    /// It was given back: it would be nice to have it again.
    Wish(Ipv4Address),
    /// It may still be ours.
    Lease(Ipv4Address),
}

#[derive(Debug, Clone, Copy)]
struct Farewell {
    message_type: MessageType,
    xid: u32,
    address: Ipv4Address,
    server: Ipv4Address,
}

/// What the client is doing (RFC 2131 §4.4, figure 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Nothing: the link is down, or the lease was given back.
    Idle,
    /// About to look for a server.
    Init,
    /// Looking for a server.
    Selecting,
    /// Asking one for what it offered.
    Requesting,
    /// Asking whether an address of before is still good.
    Rebooting,
    /// Waiting for the owner to look for a conflict.
    Checking,
    /// There is a lease.
    Bound,
    /// There is a lease, and its server is asked for more time.
    Renewing,
    /// There is a lease, and any server is asked for more time.
    Rebinding,
}

impl Client {
    /// A client at rest.
    pub const fn new(config: Config) -> Self {
        Self {
            config,
            state: State::Idle,
            memory: Memory::Nothing,
            farewell: None,
            failures: 0,
            events: Deque::new(),
            counters: Counters::ZERO,
        }
    }

    /// Who we say we are.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Says something else from the next message on. A lease granted to another identity stays, and is
    /// renewed if the server does not mind; better [`release`](Self::release) it first.
    pub fn set_config(&mut self, config: Config) {
        self.config = config;
    }

    /// What is under way.
    pub const fn phase(&self) -> Phase {
        match &self.state {
            State::Idle => Phase::Idle,
            State::Init { .. } => Phase::Init,
            State::Selecting { .. } => Phase::Selecting,
            State::Requesting { .. } => Phase::Requesting,
            State::Rebooting { .. } => Phase::Rebooting,
            State::Holding { phase, .. } => match phase {
                Holding::Checking { .. } => Phase::Checking,
                Holding::Bound { .. } => Phase::Bound,
                Holding::Renewing(_) => Phase::Renewing,
                Holding::Rebinding(_) => Phase::Rebinding,
            },
        }
    }

    /// The lease, once it is bound and until it is lost.
    pub const fn lease(&self) -> Option<&Lease> {
        match &self.state {
            State::Holding { phase: Holding::Checking { .. }, .. } => None,
            State::Holding { lease, .. } => Some(lease),
            _ => None,
        }
    }

    /// The address whose [check](Event::Check) is awaited.
    pub const fn checking(&self) -> Option<Ipv4Address> {
        match &self.state {
            State::Holding { phase: Holding::Checking { .. }, lease, .. } => Some(lease.address.address()),
            _ => None,
        }
    }

    /// When the lease ends; `None` if there is none, or it is for ever.
    pub fn expires_at(&self) -> Option<Instant> {
        match &self.state {
            State::Holding { lease: Lease { times: Times::Finite { end, .. }, .. }, since, .. } => {
                Some(*since + *end)
            }
            _ => None,
        }
    }

    /// What was ignored, and how often.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// An address we had before a reboot: when the link is up, it is asked for first (INIT-REBOOT).
    pub const fn remember(&mut self, address: Ipv4Address) {
        if !address.is_unspecified() {
            self.memory = Memory::Lease(address);
        }
    }

    /// The link is up: begins, unless it has begun already.
    pub fn link_up(&mut self, now: Instant, rng: &mut dyn Rng) {
        if !matches!(self.state, State::Idle) {
            return;
        }
        self.failures = 0;
        self.state = match self.memory {
            Memory::Lease(address) => State::Rebooting { exchange: Exchange::new(now, rng), address },
            Memory::Nothing | Memory::Wish(_) => {
                let spread = Duration::from_micros(u64::from(rng.next_u32() % START_SPREAD_MICROS));
                State::Init { at: now + spread }
            }
        };
    }

    /// The link is down. The address is asked for again when it is up.
    pub fn link_down(&mut self) {
        self.farewell = None;
        if self.lease().is_some() {
            self.tell(Event::Lost(Loss::LinkDown));
        }
        self.state = State::Idle;
    }

    /// Gives the address back, and rests until [`link_up`](Self::link_up). Without event; the lease is
    /// over.
    pub fn release(&mut self, rng: &mut dyn Rng) {
        if let State::Holding { lease, .. } = &self.state {
            let (address, server) = (lease.address.address(), lease.server);
            self.farewell =
                Some(Farewell { message_type: MessageType::Release, xid: rng.next_u32(), address, server });
            self.memory = Memory::Wish(address);
        }
        self.state = State::Idle;
    }

    /// Renews the lease now instead of at T1. Of no effect unless bound.
    pub fn renew(&mut self, now: Instant, rng: &mut dyn Rng) {
        if let State::Holding { phase: phase @ Holding::Bound { .. }, .. } = &mut self.state {
            *phase = Holding::Renewing(Exchange::new(now, rng));
        }
    }

    /// The owner found nobody with the address of [`Event::Check`].
    pub fn accept(&mut self) {
        if let State::Holding { phase, .. } = &mut self.state
            && let Holding::Checking { renew_at, .. } = *phase
        {
            *phase = Holding::Bound { renew_at };
            self.failures = 0;
            self.tell(Event::Bound);
        }
    }

    /// The owner found somebody else with our address, at the first check or later: it is declined, and
    /// another is asked for after 10 s (RFC 2131 §3.1).
    pub fn decline(&mut self, now: Instant, rng: &mut dyn Rng) {
        let is_lost = self.lease().is_some();
        let State::Holding { lease, .. } = &self.state else { return };
        let (address, server) = (lease.address.address(), lease.server);
        self.farewell =
            Some(Farewell { message_type: MessageType::Decline, xid: rng.next_u32(), address, server });
        if is_lost {
            self.tell(Event::Lost(Loss::Conflict));
        }
        self.start_over(now, DECLINE_WAIT);
    }

    /// Takes the payload of a datagram that came to port 68.
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
            State::Init { at } if *at <= now => {
                self.state = State::Selecting { exchange: Exchange::new(now, rng), offers: 0 };
            }
            State::Requesting { exchange, .. }
                if exchange.is_due(now) && exchange.sent >= REQUEST_ATTEMPTS =>
            {
                self.state = State::Selecting { exchange: Exchange::new(now, rng), offers: 0 };
            }
            State::Rebooting { exchange, address }
                if exchange.is_due(now) && exchange.sent >= REBOOT_ATTEMPTS =>
            {
                self.memory = Memory::Wish(*address);
                self.state = State::Selecting { exchange: Exchange::new(now, rng), offers: 0 };
            }
            State::Holding { .. } => self.lease_timeout(now, rng),
            _ => {}
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), and [`poll_transmit`](Self::poll_transmit)
    /// after it.
    pub fn poll_at(&self) -> Option<Instant> {
        match &self.state {
            State::Idle => None,
            State::Init { at } => Some(*at),
            State::Selecting { exchange, .. }
            | State::Requesting { exchange, .. }
            | State::Rebooting { exchange, .. } => Some(exchange.at),
            State::Holding { lease, since, phase } => {
                let (rebinding, end) = match lease.times {
                    Times::Infinite => (None, None),
                    Times::Finite { rebinding, end, .. } => (Some(*since + rebinding), Some(*since + end)),
                };
                match phase {
                    Holding::Checking { until, .. } => Some(*until),
                    Holding::Bound { renew_at } => *renew_at,
                    Holding::Renewing(exchange) => {
                        Some(rebinding.map_or(exchange.at, |at| at.min(exchange.at)))
                    }
                    Holding::Rebinding(exchange) => Some(end.map_or(exchange.at, |at| at.min(exchange.at))),
                }
            }
        }
    }

    /// What happened since the last call.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The exchange that is under way.
    const fn exchange(&self) -> Option<&Exchange> {
        match &self.state {
            State::Selecting { exchange, .. }
            | State::Requesting { exchange, .. }
            | State::Rebooting { exchange, .. }
            | State::Holding { phase: Holding::Renewing(exchange) | Holding::Rebinding(exchange), .. } => {
                Some(exchange)
            }
            State::Idle | State::Init { .. } | State::Holding { .. } => None,
        }
    }

    fn tell(&mut self, event: Event) {
        if self.events.push_back(event).is_err() {
            self.counters.events_lost = self.counters.events_lost.wrapping_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_as_small_as_it_says() {
        assert!(size_of::<Client>() <= 1_000, "{}", size_of::<Client>());
    }
}
