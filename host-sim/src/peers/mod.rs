//! Simulated peers: access concentrators and what stands behind them.
//!
//! ```text
//!  router ── ONT ── Concentrator ┬── Radius        who may log in, how often at once
//!   │     (ont, modem)  (dhcpv6) ├── Throttle(s)   who asks too often
//!   │        │                   ├── internet      servers, DNS, NTP, routers on the way, an attacker,
//!   │        │                   │                 and what interferes on the way (portal)
//!   │        └───── Edge ────────┤                 a line without PPP, and a neighbour on it
//!   │                            ├── broker        the far end of a tunnel of IPv6 over IPv4
//!   │                            ├── home          another home with a Gatelet, which serves a tunnel
//!   │                            └── far           somebody behind such a tunnel that the router serves
//!   └── lan: Machine(s) (host)                      computers at home, some of them ill
//! ```
//!
//! They prove logic, not interoperability: that takes a peer nobody here wrote (the peer lab).

pub mod broker;
pub mod concentrator;
pub mod dhcpv6;
pub mod edge;
pub mod far;
pub mod home;
pub mod host;
pub mod internet;
pub mod lan;
pub mod modem;
pub mod ndp;
pub mod neighbour;
pub mod ont;
pub mod packet;
pub mod portal;
pub mod radius;
