//! The simulator and the Linux runner.
//!
//! | module | what it is |
//! |---|---|
//! | [`clock`], [`executor`] | virtual and real time under the embassy time driver, per thread |
//! | [`world`] | the runtime under test, its link, and the peers at the other end |
//! | [`link`] | an Ethernet link that loses, delays, repeats, reorders, corrupts, and can be cut |
//! | [`peers`] | access concentrators and what stands behind them |
//! | [`scenario`] | a world, a script of faults and what is expected, from a TOML file |
//! | [`timeline`], [`pcap`] | what happened, for people and for Wireshark |
//! | [`soak`] | millions of packets through the router alone: nothing may leak |
//! | [`year`] | the same random year against every redial policy |
//! | [`isp`] | the simulated provider in real time, on a socket |
//! | [`linux`] | real time, real interfaces |
//! | [`cli`] | the command line |

pub mod cli;
pub mod clock;
pub mod executor;
pub mod isp;
pub mod link;
pub mod linux;
pub mod message;
pub mod narrate;
pub mod pcap;
pub mod peers;
pub mod scenario;
pub mod soak;
pub mod timeline;
pub mod world;
pub mod year;
