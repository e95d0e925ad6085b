//! What IPv6's machines tell the owner and the datapath, and how their messages are put into packets.
//!
//! ```text
//!   WAN:  wan::ipv6::Uplink   RA host side, DHCPv6 client ─┐ prefixes, addresses, routers
//!   LAN:  lan6::Lan6          RA router side, DHCPv6 server ◄┤ planned by router::control6, told to the datapath
//!   tunnels: liveness         ─────────────────────────────┘
//! ```

use gatelet_proto::lifetime::Lifetime;
use gatelet_proto::sixinfour::liveness;
use smoltcp::wire::{
    IpAddress, IpProtocol, Ipv4Address, Ipv6Address, Ipv6Cidr, Ipv6Packet, Ipv6Repr, UdpPacket, UdpRepr,
};

use crate::{TunnelId, WanId};

/// What happened to IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ipv6Event {
    /// A WAN has another default router.
    Router {
        /// Which WAN.
        wan: WanId,
        /// Its link-local address.
        address: Ipv6Address,
    },
    /// A WAN has no default router any more.
    RouterLost {
        /// Which WAN.
        wan: WanId,
    },
    /// We have an address on a WAN, made of a prefix that its router advertises.
    Address {
        /// Which WAN.
        wan: WanId,
        /// The address.
        address: Ipv6Address,
    },
    /// The address stays, but another is to be used for what is new.
    AddressDeprecated {
        /// Which WAN.
        wan: WanId,
        /// The address.
        address: Ipv6Address,
    },
    /// The address is ours no more.
    AddressLost {
        /// Which WAN.
        wan: WanId,
        /// The address.
        address: Ipv6Address,
    },
    /// A prefix is delegated to us, or for longer than before.
    Delegated {
        /// Which WAN.
        wan: WanId,
        /// The prefix.
        prefix: Ipv6Cidr,
        /// How long it is to be used for what is new.
        preferred: Lifetime,
        /// How long it is ours.
        valid: Lifetime,
    },
    /// A prefix is not ours any more.
    DelegationLost {
        /// Which WAN.
        wan: WanId,
        /// The prefix.
        prefix: Ipv6Cidr,
    },
    /// A WAN's DHCPv6 servers have nothing for us.
    NothingDelegated {
        /// Which WAN.
        wan: WanId,
    },
    /// A WAN's DNS servers, MTU or captive portal are others than before.
    SettingsChanged {
        /// Which WAN.
        wan: WanId,
    },
    /// Somebody else advertises on the LAN.
    OtherRouter {
        /// Its link-local address.
        address: Ipv6Address,
    },
    /// A tunnel's far end has another address.
    TunnelMoved {
        /// Which tunnel.
        tunnel: TunnelId,
        /// The address.
        remote: Ipv4Address,
    },
    /// A tunnel's far end answers, or does not.
    Tunnel {
        /// Which tunnel.
        tunnel: TunnelId,
        /// How it is.
        state: liveness::State,
    },
}

/// IPv6 and UDP headers.
pub(crate) const HEADERS_LEN: usize = 40 + 8;

/// The sender and the payload of a UDP datagram to `port` that is not in fragments, if its checksum holds.
pub(crate) fn udp_payload(packet: &[u8], port: u16) -> Option<(Ipv6Address, &[u8])> {
    let packet = Ipv6Packet::new_checked(packet).ok()?;
    let (source, destination) = (packet.src_addr(), packet.dst_addr());
    if packet.version() != 6 || packet.next_header() != IpProtocol::Udp {
        return None;
    }
    let datagram = UdpPacket::new_checked(packet.payload()).ok()?;
    // None is not good enough without IPv4's header checksum (RFC 8200 §8.1).
    let has_checksum = datagram.checksum() != 0;
    let is_good = datagram.verify_checksum(&IpAddress::Ipv6(source), &IpAddress::Ipv6(destination));
    (has_checksum && is_good && datagram.dst_port() == port).then(|| (source, datagram.payload()))
}

/// Writes IPv6 and UDP headers before a payload that begins at [`HEADERS_LEN`], and answers the packet's length.
pub(crate) fn wrap_udp(
    buffer: &mut [u8],
    (source, destination): (Ipv6Address, Ipv6Address),
    ports: (u16, u16),
    payload_len: usize,
) -> Option<usize> {
    let udp = UdpRepr { src_port: ports.0, dst_port: ports.1 };
    let len = HEADERS_LEN + payload_len;
    let packet = buffer.get_mut(..len)?;
    let ip = Ipv6Repr {
        src_addr: source,
        dst_addr: destination,
        next_header: IpProtocol::Udp,
        payload_len: udp.header_len() + payload_len,
        hop_limit: 64,
    };
    ip.emit(&mut Ipv6Packet::new_unchecked(&mut *packet));
    let mut datagram = UdpPacket::new_unchecked(packet.get_mut(40..)?);
    let (source, destination) = (IpAddress::Ipv6(source), IpAddress::Ipv6(destination));
    datagram.set_src_port(udp.src_port);
    datagram.set_dst_port(udp.dst_port);
    datagram.set_len((udp.header_len() + payload_len) as u16);
    datagram.fill_checksum(&source, &destination);
    Some(len)
}
