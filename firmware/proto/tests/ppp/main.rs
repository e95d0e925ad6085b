//! [`Link`](gatelet_proto::ppp::Link) in conversation.
//!
//! `server` is a small, well-behaved concentrator; `world` carries packets between the two with a
//! delay, loses what a test wants lost, and writes down what was said; `script` is a conversation
//! whose other side the test speaks itself, for peers that behave badly.

mod authentication;
mod dial;
mod echo;
mod loss;
mod properties;
mod refusals;
mod script;
mod server;
mod termination;
mod words;
mod world;
