//! Whether the Internet is really there: a verdict per WAN and address family, with its evidence, that is true in China and
//! elsewhere.
//!
//! ```text
//!           line_up                due, nothing proves it         all heard, or 15 s
//!   Down ───────────► Resting ───────────────────────► Checking ─────────────────────► Resting
//!    ▲                   │        (a provisional verdict after 3 s)                        │
//!    └──── line_down ────┴─────────────────────────────────────────────────────────────────┘
//!
//!   Resting lasts: on line 5 min · portal, LAN active 8 s · else 1 s doubling to 10 min
//! ```
//!
//! A full round asks up to six operators for a page that they serve for this purpose, looks for the TLS server of two
//! others, and asks each resolver for a name whose address is known and for one that cannot exist. In between, one probe is
//! asked whether it is as before; if not, a full round follows at once. How a round is judged is in `verdict.rs`.
//!
//! The engine does no I/O. The owner reports [`Engine::line_up`] and [`Engine::line_down`], takes tasks from
//! [`Engine::poll_task`] until there are none, reports each with [`Engine::handle_result`], comes back at
//! [`Engine::poll_at`], and drains [`Engine::poll_event`] after every call. A verdict of [`Verdict::Portal`] or
//! [`Verdict::Hijacked`] freezes the DNS cache; a dead session is reported to the redial engine.
//!
//! Reading: `docs/connectivity.md` (what is sent where, what the verdicts mean), `docs/connectivity-matrix.md` (how it
//! compares); RFC 8910 (what a network may say of itself), RFC 6585 §6 (511).

mod budget;
mod check;
mod classify;
mod decide;
mod engine;
mod event;
mod health;
pub mod probes;
mod region;
mod round;
mod schedule;
mod sentences;
mod tally;
mod task;
mod url;
mod verdict;

pub use check::{Finding, RESOLVERS_MAX, What};
pub use classify::{Answer, classify, portal_url};
pub use engine::{Engine, Evidence};
pub use event::{Activity, CaptivePortalUri, Counters, Dropped, Event};
pub use region::{PROBES_MAX, ROWS_MAX, Region};
pub use task::{
    ANSWER_TIMEOUT, CONNECT_TIMEOUT, DNS_TIMEOUT, DnsError, Failure, Name, Outcome, RandomName, Task, TaskId,
    TaskKind, Transport,
};
pub use url::{URL_MAX, Url};
pub use verdict::{Impairment, Stage, Verdict};

/// An address family. Each has its own probes and its own verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4, by the WAN itself.
    Ipv4,
    /// IPv6, by its default route, which may be a tunnel.
    Ipv6,
}

impl Family {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        }
    }
}

/// How an engine is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config<'a> {
    /// Which probes.
    pub region: Region<'a>,
    /// Which addresses.
    pub family: Family,
    /// Tasks under way at once, at least one: as many sockets as the owner has for them. With fewer than eight a round
    /// takes longer where nothing answers, and may miss what would have come last.
    pub in_flight: u8,
    /// Octets a day that checks may cost while on line, both directions.
    pub daily_octets: u32,
}

impl Config<'_> {
    /// Both families of a WAN together stay below 1 MB a day.
    pub const DAILY_OCTETS: u32 = 500_000;

    /// The usual figures.
    pub const fn new(region: Region<'_>, family: Family) -> Config<'_> {
        Config { region, family, in_flight: 8, daily_octets: Self::DAILY_OCTETS }
    }
}
