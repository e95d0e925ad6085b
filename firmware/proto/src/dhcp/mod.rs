//! DHCPv4: the server of the LAN, and the client for a WAN that has no PPP.
//!
//! [`server::Server`] hands out the addresses of one subnet, [`client::Client`] gets one. Neither
//! sees a socket: payloads of UDP datagrams come in, payloads and their destinations go out. Both ask
//! their owner to look for a conflict by ARP, since the router is the only owner of ARP.
//!
//! Reading list: RFC 2131 (all of it), RFC 2132 (options), RFC 6842 (client identifiers in answers),
//! RFC 3442 (classless routes), RFC 8910 §2.1 (captive portals).

pub mod client;
pub mod server;

mod host_name;

pub use host_name::{HOST_NAME_MAX, HostName};
