//! Plain `async fn`s that give the router frames, time, randomness, flash and sockets.
#![no_std]
#![forbid(unsafe_code)]
