//! The redial engine: when to dial, when to poll, when to keep silent, and why.
//!
//! Carriers lock out who dials too often: the concentrator then answers nothing for minutes, and every further PADI
//! may prolong that. The engine is pure policy: events in; "dial now / poll / wait until / stop, and why" out. It
//! never dials more often than a budget allows, tells a lockout from a dark line by what it did before, and
//! remembers both across a power cut.
//!
//! ```text
//!              hang_up                                                          dial
//!   (any) ────────────────────────────────────────► Stopped ──────────────────────────────► Resting
//!
//!              due, link up, within budget, record stored
//!   Resting ─────────────────────────────────────────────► Attempt ──── Up ───► Up
//!      ▲  plan: Dial, AfterHold, ColdPoll, DarkPoll            │                 │ nightly, no traffic
//!      │                                                       │ Failed          ▼
//!      ├── back-off · hold · dark · at once ◄──────────────────┴───────────── Closing
//!      └──────────────────────────── Closed, Failed ────────────────────────────┘
//! ```
//!
//! The owner drives it like this: report [`Event`]s; do what [`Engine::poll_action`] says until it says `None`, then
//! write what [`Engine::poll_store`] gives and report [`Engine::stored`]; ask
//! [`Engine::permit`] right before each PADI and PADR, and [`Engine::permit_authentication`] before each
//! authentication; come back at
//! [`Engine::poll_at`]. A [`Permit::At`] is asked again then, or sooner if anything has happened.
//!
//! Reading: `docs/decisions/0002-redial.md` (why it is as it is), `docs/failures.md` (every failure and its sentence).

mod account;
mod boot;
mod budget;
mod clock;
mod concentrator;
mod engine;
mod event;
mod failure;
mod ledger;
mod memory;
mod nightly;
mod outcome;
mod permit;
mod policy;
mod report;
mod sentences;
mod start;
mod state;

pub use engine::Engine;
pub use event::{Action, Boot, Event, HangUpReason, Permit};
pub use failure::{AuthRefusal, Failure, PadsErrorTag};
pub use ledger::{HoldReason, LastSession, Ledger};
pub use policy::{Between, Carrier, NightlyReconnect, Policy, Preset, Window};
pub use report::{Advice, Doing, Note};
pub use sentences::Language;

pub use crate::pppoe::DiscoveryMessage;

#[cfg(test)]
mod tests;
