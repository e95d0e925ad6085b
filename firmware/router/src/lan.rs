//! The home network's side.

use gatelet_hal::PortId;
use smoltcp::wire::Ipv4Cidr;

/// Everything about the LAN.
#[derive(Debug, Clone)]
pub struct LanConfig {
    /// The port that faces the home network.
    pub port: PortId,
    /// The router's own address there, and the network's length.
    pub address: Ipv4Cidr,
}

impl LanConfig {
    /// A network with nothing but a router in it.
    pub const fn new(port: PortId, address: Ipv4Cidr) -> Self {
        Self { port, address }
    }
}
