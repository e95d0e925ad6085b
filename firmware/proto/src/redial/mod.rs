//! The redial engine: when to dial, when to poll, when to keep silent, and why.

mod engine;
mod failure;
mod ledger;
mod policy;
mod report;

pub use engine::{Action, Boot, Engine, Event, HangUpReason, Permit};
pub use failure::{AuthRefusal, Failure, Language, PadsErrorTag};
pub use ledger::{HoldReason, LastSession, Ledger};
pub use policy::{Carrier, NightlyReconnect, Policy, Preset, Window};
pub use report::{Advice, Doing, Note};

pub use crate::pppoe::DiscoveryMessage;
