//! The console: what a person types, and what they see.
//!
//! ```text
//!   octets ──► Decoder ──► Editor ──► Command ──► settings::Editor          set, commit, diff …
//!              (keys)      (line)   (grammar)  ├► Request ──► owner         show, dial, ping, reboot …
//!                                              │                │
//!   octets ◄── Output ◄── pager ◄── lines ◄────┴──── Answer ◄───┘
//! ```
//!
//! No I/O and no clock: the owner gives octets ([`Console::handle_byte`]), events of the router and answers, and takes what is
//! to be sent ([`Console::output`]) and what is wanted ([`Console::poll_request`]). Everything that is printed is made line by
//! line when there is room for it, so that a table of a thousand flows needs no more memory than a short one.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod command;
mod console;
mod diary;
mod editor;
mod filter;
mod grammar;
mod history;
mod input;
mod lines;
mod log;
mod narrate;
mod nearest;
mod output;
pub mod pcap;
pub mod report;
mod request;
mod setup;
mod time;
mod width;
mod words;

pub use command::{CapturePort, Command, Filter, Mistake, Topic};
pub use console::{Console, Counters};
pub use diary::Day;
pub use editor::LINE_MAX;
pub use lines::{LINE_TEXT, Lines};
pub use log::Level;
pub use request::{Answer, Report, Request, Text};
pub use time::{Clock, Context};
