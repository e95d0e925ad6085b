//! How a tunnel of IPv6 over IPv4 is to be (RFC 4213 §3): what its owner says.

use smoltcp::wire::Ipv4Address;

use crate::WanId;

/// The most tunnels.
pub const MAX_TUNNELS: usize = 4;

/// A tunnel, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TunnelId(pub u8);

/// A tunnel of IPv6 over IPv4: `ip tunnel add … mode sit remote R local L ttl 255`. Our end's address is that of the WAN, and
/// follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TunnelConfig {
    /// The line it goes over.
    pub wan: WanId,
    /// The other end.
    pub remote: Ipv4Address,
    /// Which end we are.
    pub role: TunnelRole,
    /// Of the IPv4 header.
    pub ttl: u8,
    /// Of the IPv4 header. ECN is carried over whatever it says (RFC 6040 §4.1, normal mode).
    pub tos: Tos,
    /// The longest IPv6 packet in bytes; `None`: what the WAN leaves (1480 on Ethernet, 1472 over `PPPoE`). Never below 1280, never
    /// more than the WAN leaves.
    pub mtu: Option<u16>,
}

impl TunnelConfig {
    /// The client end, as a broker's page of instructions has it.
    pub const fn new(wan: WanId, remote: Ipv4Address) -> Self {
        Self { wan, remote, role: TunnelRole::Client, ttl: 255, tos: Tos::Inherit, mtu: None }
    }
}

/// Which end of a tunnel we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TunnelRole {
    /// The Internet is behind it: sources from there must not be ours.
    Client,
    /// A client's networks are behind it, those that are routed there: sources from there must be in them.
    Server,
}

/// Where the type of service comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tos {
    /// From the traffic class of the packet inside.
    Inherit,
    /// Always this DSCP, 0 to 63.
    Fixed(u8),
}
