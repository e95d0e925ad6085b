//! [`Discovery`](gatelet_proto::pppoe::Discovery) in conversation with concentrators, one test for
//! each thing that clients get wrong.
//!
//! `world` is the client's owner and speaks for the concentrators; what is said is written down.

mod discovery;
mod mistakes;
mod pace;
mod session;
mod world;
