//! The router between the ports: one owner, synchronous, never awaits.
//!
//! ```text
//!                     ┌─────────────────────── Router ───────────────────────┐
//!   port ── frame ──► │ handle_frame ──► Wan: Discovery, ppp::Link, Engine   │ ──► poll_transmit
//!   stack ─ packet ─► │ handle_stack_packet        │ session data: headers   │       port or stack
//!   owner ─ command ► │ handle_command             │ pushed and pulled,      │ ──► poll_event
//!   flash ─ done ───► │ handle_stored              │ nothing copied          │ ──► poll_store
//!   clock ──────────► │ handle_timeout             ▼                         │ ──► poll_at
//!                     └──────────────────────────────────────────────────────┘
//! ```
//!
//! After each `handle_*` the owner drains `poll_transmit`, `poll_store` and `poll_event` until they
//! answer `None`, then sleeps until [`Router::poll_at`].
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod counters;
mod datapath;
mod ipv6;
mod lan;
mod lan6;
mod router;
mod wan;

pub use counters::{Counters, Dropped};
pub use datapath::{
    Action, DatapathEvent, Filtering, FlowStatus, FlowStatus6, Forward, Ipv6Policy, Ipv6Route, MAX_FORWARDS,
    MAX_IPV6_ADDRESSES, MAX_RULES, MAX_TUNNELS, MappingStatus, PingPolicy, PortRange, Prefix, Protocol, Rule,
    TableSpace, TableUse, Tables, Tos, TunnelConfig, TunnelId, TunnelRole, Zone,
};
pub use ipv6::Ipv6Event;
pub use lan::LanConfig;
pub use router::{Captive, Command, Egress, Ipv6Access, MAX_WANS, Router, RouterEvent, TunnelStatus, Via};
pub use wan::{
    AddressKind, Addressing, EthernetWanConfig, Forwarded, Ipv4Status, Ipv6Status, PadtReason, SessionStatus,
    WanConfig, WanCounters, WanEvent, WanId, WanState, WanStatus,
};
