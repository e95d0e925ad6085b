//! How a tunnel's end whose IPv4 address has changed tells the other end: both sides.
//!
//! [`Client`] is the home's, against Hurricane Electric's tunnel broker or against a [`server::Server`] of ours. Neither
//! sees a socket: requests and responses come and go as octets, over a connection of the owner's.

mod client;
pub mod server;

pub use client::{Client, Config, Event, NAME_MAX, Refusal, RetryIn};

use core::fmt;

use heapless::String;

/// Octets of a user name, or of a key.
pub const ACCOUNT_MAX: usize = 64;

/// A user name and a key. The key is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// Whose.
    pub username: String<ACCOUNT_MAX>,
    /// Never printed.
    pub key: String<ACCOUNT_MAX>,
}

impl Account {
    /// Both at once; `None` if either is longer than [`ACCOUNT_MAX`] octets.
    pub fn new(username: &str, key: &str) -> Option<Self> {
        Some(Self { username: username.try_into().ok()?, key: key.try_into().ok()? })
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("username", &self.username).finish_non_exhaustive()
    }
}
