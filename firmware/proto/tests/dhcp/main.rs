//! The DHCP server and client, in conversation with hosts that are played here and with each other.
//!
//! `lan` is the server's owner and the hosts' mouth; what is said is written down.

mod client;
mod flood;
mod lan;
mod link;
mod net;
mod oracle;
mod properties;
mod reboot;
mod server;
mod together;
