//! Simulated peers: access concentrators and what stands behind them.
//!
//! ```text
//!  router ── ONT ── Concentrator ┬── Radius        who may log in, how often at once
//!            (ont)               ├── Throttle(s)   who asks too often
//!                                └── internet      pings and DNS
//! ```
//!
//! They prove logic, not interoperability: that takes a peer nobody here wrote (the peer lab).

pub mod concentrator;
pub mod host;
pub mod internet;
pub mod ont;
pub mod radius;
