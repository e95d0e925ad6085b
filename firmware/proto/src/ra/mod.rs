//! Router Advertisements, both sides: [`host`] learns a WAN's routers, prefixes and DNS servers; [`router`] tells the LAN.
//!
//! Neither sees an interface: whole IPv6 packets come in and go out. Reachability and duplicate addresses are the
//! business of whoever owns Neighbor Discovery.

pub mod host;
pub mod router;

use gatelet_wire::Ipv6Address;

/// The link-local address of an interface identifier (RFC 4291 §2.5.6).
pub const fn link_local(interface_id: [u8; 8]) -> Ipv6Address {
    with_interface_id(Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), interface_id)
}

/// The address that a /64 and an interface identifier make (RFC 4862 §5.5.3).
pub const fn with_interface_id(prefix: Ipv6Address, interface_id: [u8; 8]) -> Ipv6Address {
    let network = prefix.to_bits() >> 64 << 64;
    Ipv6Address::from_bits(network | u64::from_be_bytes(interface_id) as u128)
}

/// The interface identifier that a hardware address makes (RFC 4291, appendix A).
pub const fn modified_eui_64(mac: gatelet_wire::EthernetAddress) -> [u8; 8] {
    let [first, second, third, rest @ ..] = mac.0;
    [first ^ 2, second, third, 0xff, 0xfe, rest[0], rest[1], rest[2]]
}

/// Whether a prefix can be used by hosts that are to be reached: not a group, not link-local, not loopback, no
/// IPv4-mapped or -compatible addresses (RFC 4291 §2.4), not everything.
pub(crate) fn is_usable_network(network: gatelet_wire::Ipv6Cidr) -> bool {
    let address = network.address();
    let is_for_ipv4 = address.to_bits() >> 48 == 0 || address.to_bits() >> 32 == 0xffff;
    network.prefix_len() > 0 && !address.is_multicast() && !address.is_unicast_link_local() && !is_for_ipv4
}
