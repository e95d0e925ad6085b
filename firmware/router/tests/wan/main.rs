//! A [`Router`](gatelet_router::Router) with one or two WANs, against small concentrators.
//!
//! `concentrator` speaks Discovery, and PPP with the server that `gatelet-proto` is tested against;
//! `world` carries frames between them and the router with a delay, loses what a test wants lost,
//! and writes down what was on the wire and what the router told.

mod concentrator;
mod world;

#[path = "../../../proto/tests/ppp/server.rs"]
#[expect(dead_code, reason = "it can do more than is asked of it here")]
mod server;
#[path = "../../../proto/tests/ppp/words.rs"]
mod words;

mod budget;
mod data;
mod dial;
mod end;
mod frames;
mod ledger;
mod loss;
mod port;
mod strangers;
