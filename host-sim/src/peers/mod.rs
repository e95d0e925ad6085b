//! Simulated peers: access concentrators and what stands behind them.
//!
//! ```text
//!  router ── ONT ── Concentrator ┬── Radius        who may log in, how often at once
//!   │        (ont)               ├── Throttle(s)   who asks too often
//!   │                            └── internet      servers, DNS, routers on the way, an attacker, and between
//!   │                                (portal)      here and there a network that interferes
//!   └── lan: Machine(s) (host)                      computers at home, some of them ill
//! ```
//!
//! They prove logic, not interoperability: that takes a peer nobody here wrote (the peer lab).

pub mod concentrator;
pub mod host;
pub mod internet;
pub mod lan;
pub mod ont;
pub mod packet;
pub mod portal;
pub mod radius;
