//! Plain `async fn`s that give the router frames, time, randomness, flash and sockets.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod clock;
mod fmt;
mod gatelet;
mod ip_device;
mod ledger;
mod port;
mod queues;
mod router;
mod wan;

pub use clock::now;
pub use gatelet::{Gatelet, PortCounters, TimedEvent};
pub use ip_device::{IpDevice, Received, Room};
pub use ledger::{BadRange, FlashLedger, LedgerStore, StoreError, decode};
pub use queues::QUEUE_DEPTH;
pub use wan::{Session, WanRunner};
