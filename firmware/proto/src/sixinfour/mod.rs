//! 6in4 tunnels, as far as they are a protocol: what a tunnel is, whether its far end is alive, and how an end whose
//! IPv4 address changes tells the other.
//!
//! Packets are put into tunnels and taken out of them by the router's datapath. Here are [`Tunnel`], its settings;
//! [`liveness`], a ping that goes on; [`update::Client`], which tells a tunnel broker our new address; and
//! [`update::server`], the broker's side of that.
//!
//! ```text
//!   our hosts ── LAN /64 ── us ═══ IPv4, protocol 41 ═══ far end ── the IPv6 Internet
//!                            └ local: the WAN's address    └ remote
//! ```
//!
//! Reading list: RFC 4213 §3 (encapsulation, MTU); RFC 6040 (ECN); RFC 6169, RFC 6324 (dangers); RFC 4443 §4 (echo).

pub mod liveness;
mod tunnel;
pub mod update;

pub use tunnel::{ConfigError, Mtu, Routed, TrafficClass, Tunnel};
