//! What all boards' images have in common beside the runtime: the console at a serial line, the last words of a panic, random
//! numbers.
#![no_std]
#![forbid(unsafe_code)]

mod last_words;
mod random;
mod talk;

pub use last_words::LastWords;
pub use random::{mix, random};
pub use talk::talk;
