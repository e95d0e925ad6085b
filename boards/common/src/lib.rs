//! What all boards' images have in common beside the runtime: the console at a serial line, whether the Internet is there,
//! what is kept over a reset, random numbers.
#![no_std]
#![forbid(unsafe_code)]

mod checks;
mod last_ledger;
mod last_words;
mod random;
mod talk;

pub use checks::{Engines, OwnProbes, engines, look};
pub use last_ledger::LastLedger;
pub use last_words::LastWords;
pub use random::{mix, random};
pub use talk::talk;
