//! [`Discovery`](gatelet_proto::pppoe::Discovery) in conversation with concentrators, one test for
//! each thing that clients get wrong.
//!
//! `world` is the client's owner and speaks for the concentrators; what is said is written down.

#![expect(clippy::similar_names, reason = "RFC 2516 named them: PADI, PADO, PADR, PADS, PADT")]

mod discovery;
mod mistakes;
mod pace;
mod session;
mod world;
