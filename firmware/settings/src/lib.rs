//! The settings of a gateway: which there are, what may stand in them, what is edited and what is in force.
//!
//! ```text
//!   console, file ── text ──► Key: parse, check ──► working ──commit──► running ──► WanConfig, LanConfig, rules …
//!                                                      ▲                   │
//!   flash ── records ──► restore ──────────────────────┴────── revert ─────┘
//! ```
//!
//! [`KEYS`] is the table of all of them: path, kind of value, help, example. A value is kept as its text, and one reader
//! judges it wherever it comes from: typed, pasted, or out of flash. [`Settings`] keep only what somebody has set, so
//! that a better default of a newer firmware reaches those who never touched it.
//!
//! Reading list: docs/settings.md for the table as a user reads it.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod check;
mod check6;
mod config;
mod config6;
mod difference;
#[cfg(test)]
mod documents;
mod editor;
mod key;
mod keys;
mod kind;
mod kind6;
mod settings;
mod text;
mod value;
mod wifi;

pub use check::{Conflict, Problem};
pub use config::{PROBES, UPSTREAMS, Wan};
pub use config6::{Ipv6, TUNNELS};
pub use difference::{Difference, Effects};
pub use editor::{CommitError, EditError, Editor, Event, ImportError, TRIAL_MINUTES_MAX, Uncommitted};
pub use key::{Effect, Key, PathError, Place, Unset, find, next_segments};
pub use keys::KEYS;
pub use kind::{Kind, Reason};
pub use settings::{Complaint, ROOM, Record, Refused, Settings};
pub use text::{ExportLine, QuoteError, Quoted, unquote};
pub use value::{ClientId, TEXT_MAX, Value};
pub use wifi::{Radio, Wifi};
