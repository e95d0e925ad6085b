//! IPv6: `docs/ipv6.md` names for each requirement the test that is about it.

mod control;
mod firewall;
mod flows;
mod fragments;
mod icmp;
mod ndp;
mod properties;
mod sit;
