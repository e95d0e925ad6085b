//! [`Forwarder`](gatelet_proto::dns::Forwarder) between hosts of the LAN and servers outside.
//!
//! `world` is its owner: it carries the messages, speaks for hosts and servers, and writes down what
//! is said.

mod answers;
mod bounds;
mod forgery;
mod local;
mod oracle;
mod properties;
mod rebind;
mod servers;
mod stale;
mod world;
