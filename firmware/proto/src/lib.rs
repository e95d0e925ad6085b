//! Protocol state machines without I/O.
//!
//! Time is an argument ([`smoltcp::time::Instant`], microseconds), randomness a generator the
//! owner passes in, bytes come and go as slices. Each machine has getters, `handle_*` for what
//! arrives, verbs for what the owner wants, and `poll_*` for what is to be sent, when to call
//! again and what happened: one mutation, then drain.
#![no_std]
#![forbid(unsafe_code)]

pub mod connectivity;
pub mod dhcp;
pub mod dhcpv6;
pub mod dns;
pub mod lifetime;
pub mod ppp;
pub mod pppoe;
pub mod ra;
pub mod redial;
pub mod sixinfour;
pub mod sntp;
pub mod text;

mod retransmit;
