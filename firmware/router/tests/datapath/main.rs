//! A [`Router`](gatelet_router::Router) between a home network and the Internet.
//!
//! `house` is the world: hosts on the LAN that answer ARP, a `PPPoE` line brought up by the miniature concentrator of
//! `tests/wan`, and the Internet behind it. Every frame that leaves the router is taken apart and its checksums are verified.
//! `docs/nat.md` names for each requirement of the NAT RFCs the test that is about it.

mod house;
mod house6;
mod packets;
mod packets6;

#[path = "../wan/concentrator.rs"]
#[expect(dead_code, reason = "it can do more than is asked of it here")]
mod concentrator;
#[path = "../../../proto/tests/ppp/server.rs"]
#[expect(dead_code, reason = "it can do more than is asked of it here")]
mod server;

mod addresses;
mod arp;
mod ethernet_wan;
mod firewall;
mod forwards;
mod fragments;
mod icmp;
mod ipv6;
mod lines;
mod local;
mod mapping;
mod properties;
mod tables;
mod tcp;
