//! DNS for the LAN: a caching forwarder.
//!
//! [`Forwarder`] answers what it knows (the names of the LAN, the names nobody outside may be asked
//! for, what is in its cache) and asks the provider's servers for the rest. Its owner moves the
//! messages: from clients over UDP and TCP ([`Forwarder::handle_query`]), to and from the servers
//! over one UDP socket per query, at the port the forwarder names, and over TCP where an answer was
//! cut off.
//!
//! ```text
//!              query                                  answer
//!  client ───────────► local? cached? ──no──► Pending ─────────────► examined, cached, sent to all who wait
//!    ▲                    │      │              │  │ ▲
//!    └────────────────────┴──────┘              │  │ └── timeout, SERVFAIL: the next server (4 in all)
//!                 yes                           │  └──── cut off: TCP; FORMERR: without EDNS;
//!                              after 1.8 s, or  │        its case lost: without 0x20
//!                              all silent: stale│
//!                              or SERVFAIL ◄────┘
//! ```
//!
//! The owner, after whatever it has called, drains [`Forwarder::poll_transmit`] and
//! [`Forwarder::poll_event`], and sleeps until [`Forwarder::poll_at`]. For a message to a server it
//! looks at the place the query has ([`QueryId::slot`]): if the socket there was opened for the same
//! query, it sends once more; if not, it closes that one and binds another to the port named
//! ([`Forwarder::handle_port_taken`] if it cannot). A socket whose query is not awaited any more
//! ([`Forwarder::is_awaiting`]) it closes, whatever else arrives there.
//!
//! What it takes, in octets, at most (a 64-bit host; smaller chips need the same or less):
//!
//! | of [`Tables`] | each | for a household | together |
//! |---|---|---|---|
//! | `entries`, places of answers | 40 | 128 | 5,120 |
//! | `arena`, the answers themselves | 1 | 16,384 | 16,384 |
//! | `pending`, queries under way | 352 | 16 | 5,632 |
//! | `waiters`, clients that wait | 82 | 32 | 2,624 |
//! | `clients`, whose rate is watched | 40 | 32 | 1,280 |
//! | the [`Forwarder`] itself | 3,136 | 1 | 3,136 |
//!
//! An answer of one address for a name of 20 letters takes 54 octets of the arena, one with two aliases
//! and four addresses about 180. The sockets are the owner's: for UDP, a message of
//! [`UDP_PAYLOAD_SIZE`] each.
//!
//! Reading list: RFC 1035 §4, §7; RFC 2181 §5, §8; RFC 2308 (nothing is also an answer); RFC 3225,
//! RFC 6840 §5.7 to §5.9 (DO, AD, CD); RFC 5452 (forged answers), draft-vixie-dnsext-dns0x20; RFC 5625
//! (DNS proxies); RFC 6303, 6761, 6762 §22.1, 7686, 7793, 8375, 9462 (names answered here); RFC
//! 6891 (EDNS); RFC 7766 (TCP); RFC 8482 (ANY); RFC 8767 (stale answers); RFC 8914 (Extended DNS
//! Errors); RFC 9520 (failures are remembered).

mod cache;
mod compose;
mod counters;
mod examine;
mod face;
mod forwarder;
mod limit;
mod local;
mod pending;
mod rebind;
mod upstream;

pub use cache::CacheEntry;
pub use counters::{Counters, Dropped, Statistics};
pub use face::{
    Client, ClientTransport, Config, Destination, Event, Hosts, NameList, QueryId, Tables, Transmit,
    Transport, UpstreamQuery,
};
pub use forwarder::Forwarder;
pub use limit::ClientRate;
pub use pending::{Pending, Waiter};

/// The most servers that are asked.
pub const MAX_UPSTREAMS: usize = 3;
/// The UDP payload we say we can receive, and send: no fragments on any path that carries IPv6 (DNS
/// flag day 2020).
pub const UDP_PAYLOAD_SIZE: u16 = 1232;
/// The longest message that is kept and passed on, octets: longer ones are as good as none. The
/// buffer of [`Forwarder::poll_transmit`] should have so many.
pub const MAX_MESSAGE_LEN: usize = 4096;
/// Octets of a host's name: one label.
pub const HOST_NAME_MAX: usize = 63;
