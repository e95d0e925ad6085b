//! PPP as spoken by a `PPPoE` client: LCP, authentication, IPCP and IPV6CP of one session.
//!
//! [`Link`] is the whole of it, and the only thing a router needs. The parts below are public where
//! somebody else has use for them: [`automaton`] knows no roles, the functions in
//! [`auth`] serve the one who proves and the one who checks, so the simulated concentrators are
//! built from them too.
//!
//! ```text
//!             open            LCP Opened                  authenticated
//!   Dead ───────────► Establish ───────► Authenticate ─────────────────► Network
//!     ▲                   ▲  │ (nothing demanded: straight to Network)     │
//!     │                   └──┼── LCP renegotiated by the peer ─────────────┤
//!     │ lower_down           ▼                                             ▼
//!     └───────────────── Terminate ◄───────── close, failure, Terminate-Request
//! ```
//!
//! Reading list: RFC 1661 §3 (phases), RFC 2516 §7 (PPP over Ethernet), and what each file names.

pub mod auth;
pub mod automaton;
mod config;
mod echo;
mod event;
mod io;
mod ipcp;
mod ipv6cp;
mod lcp;
mod link;
mod negotiation;
mod session;

pub use config::{Credentials, Echo, LastIpv4, LinkConfig, Timers};
pub use event::{
    Counters, Dropped, LinkEvent, LinkFailure, Ncp, NcpFailure, PeerMessage, RepeatCause, Text, text,
};
pub use link::{Link, Phase};
