//! The WAN supervisor.

mod config;
mod event;

pub use config::WanConfig;
pub use event::{
    Ipv4Status, Ipv6Status, PadtReason, SessionStatus, WanCounters, WanEvent, WanId, WanState, WanStatus,
};
