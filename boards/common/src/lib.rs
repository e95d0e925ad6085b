//! What all boards' images have in common beside the runtime: the first questions, the story of what happens, the last
//! words of a panic.
#![no_std]
#![forbid(unsafe_code)]

mod last_words;
mod random;
mod setup;
mod story;

pub use last_words::LastWords;
pub use random::{mix, random};
pub use setup::{Settings, ask};
pub use story::tell;
