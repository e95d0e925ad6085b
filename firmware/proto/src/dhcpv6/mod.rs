//! DHCPv6: the client that gets a WAN its prefixes, and the stateless server of the LAN.
//!
//! Neither sees a socket: payloads of UDP datagrams come in, payloads go out.
//!
//! Reading list: RFC 8415 (all of it), RFC 3646 (DNS), RFC 7084 §4.2, §4.3 (a home router), RFC 8910 §2.2 (captive
//! portal).

pub mod client;
pub mod server;

use gatelet_wire::EthernetAddress;
use gatelet_wire::dhcpv6::Duid;
use heapless::Vec;

/// A DUID that is kept.
pub type DuidBuf = Vec<u8, { Duid::MAX_LEN }>;

/// The DUID of a hardware address: DUID-LL (RFC 8415 §11.4). It is the same after each boot without being stored.
pub fn duid_ll(mac: EthernetAddress) -> DuidBuf {
    // Type 3, hardware type 1.
    [0, 3, 0, 1].into_iter().chain(mac.0).collect()
}
