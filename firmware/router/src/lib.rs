//! The router between the ports. One owner, synchronous, never awaits.
#![no_std]
#![forbid(unsafe_code)]
