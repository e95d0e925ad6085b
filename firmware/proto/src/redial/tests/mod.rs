//! The engine's rules as transcripts, its promises as properties, its wear measured.

extern crate std;

mod bench;
mod documents;
mod properties;
mod rules;
mod wear;
