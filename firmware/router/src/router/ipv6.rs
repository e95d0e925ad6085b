//! IPv6: what the owner says about addresses, routes, tunnels and policy, and what the datapath is told of each link.

use smoltcp::time::Instant;
use smoltcp::wire::{Ipv6Address, Ipv6Cidr};

use super::{ETHERNET_MTU, MAX_WANS, Router};
use crate::datapath::{
    Framing, Hop, Ipv6Policy, Ipv6Route, Link, Medium, TunnelConfig, TunnelId, interface_identifier,
    link_local,
};
use crate::wan::{Line, WanId};

/// A side of the router, as IPv6 routes name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Via {
    /// The home network.
    Lan,
    /// A WAN.
    Wan(WanId),
    /// A tunnel.
    Tunnel(TunnelId),
    /// Nowhere: for what is delegated to us and not in use.
    Nowhere,
}

impl Via {
    fn hop(self) -> Option<Hop> {
        match self {
            Self::Lan => Some(Hop::LAN),
            Self::Wan(wan) => (usize::from(wan.0) < MAX_WANS).then(|| Hop::wan(wan)),
            Self::Tunnel(tunnel) => (usize::from(tunnel.0) < crate::MAX_TUNNELS).then(|| Hop::tunnel(tunnel)),
            Self::Nowhere => None,
        }
    }
}

/// What a captive portal has of a WAN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Captive {
    /// Nothing.
    #[default]
    No,
    /// IPv4, and with it what carries tunnels. The line's own IPv6 gets through.
    Ipv4,
    /// All of it.
    All,
}

/// How the router itself gets to the Internet by IPv6, over one WAN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ipv6Access {
    /// Ours, a global one: what is sent from it goes this way, and answers to it come back this way.
    pub address: Ipv6Address,
    /// The WAN itself, or a tunnel over it.
    pub via: Via,
    /// The longest packet, in bytes.
    pub mtu: u16,
    /// Name servers that the line told by IPv6, as far as they are beyond the link.
    pub dns: [Option<Ipv6Address>; DNS_SERVERS],
}

/// Name servers of an [`Ipv6Access`]: as many as embassy-net's stack takes.
const DNS_SERVERS: usize = 3;

impl Router<'_> {
    /// How the router's own stack of a WAN gets to the Internet by IPv6: over the line itself where that has a router and an
    /// address for us (if need be one out of the delegated prefix), else through a tunnel over it, preferably one whose far end
    /// answers. `None`: it does not, or it is not known yet.
    pub fn ipv6_access(&self, wan: WanId) -> Option<Ipv6Access> {
        if let Some(uplink) = self.uplink(wan).filter(|uplink| uplink.router().is_some())
            && let Some(own) = uplink.addresses().first()
        {
            let mut dns = [None; DNS_SERVERS];
            let beyond = uplink.dns_servers().filter(|server| !server.is_unicast_link_local());
            dns.iter_mut().zip(beyond).for_each(|(place, server)| *place = Some(server));
            return Some(Ipv6Access { address: own.address(), via: Via::Wan(wan), mtu: uplink.mtu(), dns });
        }
        let (id, address) = self.tunnel_out(wan)?;
        let via = Via::Tunnel(id);
        Some(Ipv6Access { address, via, mtu: self.ipv6_mtu(via)?, dns: [None; DNS_SERVERS] })
    }

    /// Our addresses on a side, each with the length of the network on that link (128 if none is), the preferred one first. Those
    /// there were are forgotten. False without tables, for [`Via::Nowhere`], or beyond
    /// [`MAX_IPV6_ADDRESSES`](crate::MAX_IPV6_ADDRESSES).
    pub fn set_ipv6_addresses(&mut self, via: Via, addresses: &[Ipv6Cidr]) -> bool {
        let (Some(datapath), Some(hop)) = (&mut self.datapath, via.hop()) else { return false };
        let fit = datapath.set_ipv6_addresses(hop, addresses);
        if via == Via::Lan {
            datapath.probe_addresses6(hop);
        }
        fit
    }

    /// Routes by way of a side; of several that fit, the longest is taken, and of those the one for the longest source. Those there
    /// were are forgotten. False without tables, or if they do not all fit.
    pub fn set_ipv6_routes(&mut self, via: Via, routes: &[Ipv6Route]) -> bool {
        let hop = if via == Via::Nowhere { Some(Hop::NONE) } else { via.hop() };
        let (Some(datapath), Some(hop)) = (&mut self.datapath, hop) else { return false };
        datapath.set_ipv6_routes(hop, routes.iter().copied())
    }

    /// Networks whose hosts are elsewhere, and for whom we answer Neighbor Solicitations on this side (RFC 4389): for those behind
    /// tunnels always, for those on the LAN once they have been heard. Those there were are forgotten. A WAN that
    /// [acquires](Self::acquire_ipv6) its addresses needs none of it: the network that it shares with the LAN, and those of the
    /// tunnels that we serve, are known. False without tables, or if they do not all fit.
    pub fn set_ndp_proxy(&mut self, via: Via, networks: &[Ipv6Cidr]) -> bool {
        let (Some(datapath), Some(hop)) = (&mut self.datapath, via.hop()) else { return false };
        datapath.set_ndp_proxy(hop, networks)
    }

    /// Sets up a tunnel of IPv6 over IPv4, or takes it down. Its addresses and routes are set like those of any side. False without
    /// tables, or beyond [`MAX_TUNNELS`](crate::MAX_TUNNELS).
    pub fn set_tunnel(&mut self, now: Instant, id: TunnelId, config: Option<TunnelConfig>) -> bool {
        self.datapath.as_mut().is_some_and(|datapath| datapath.set_tunnel(now, id, config))
    }

    /// The longest IPv6 packet that a side carries, in bytes; `None` while it is down.
    pub fn ipv6_mtu(&self, via: Via) -> Option<u16> {
        let link = self.datapath.as_ref()?.link6(via.hop()?)?;
        (link.medium != Medium::Down).then_some(link.mtu)
    }

    /// What comes in over IPv6 without having been asked for. False without tables.
    pub fn set_ipv6_policy(&mut self, policy: Ipv6Policy) -> bool {
        let Some(datapath) = &mut self.datapath else { return false };
        datapath.set_ipv6_policy(policy);
        datapath.next_epoch();
        true
    }
}

/// The LAN as a link of IPv6.
pub(super) fn lan_link(port: gatelet_hal::PortId, mac: gatelet_wire::EthernetAddress, mtu: u16) -> Link {
    Link {
        port,
        medium: Medium::Ethernet,
        mtu,
        framing: Framing::ethernet(mac, None).for_ipv6(),
        local: link_local(interface_identifier(mac)),
    }
}

/// A WAN as a link of IPv6.
pub(super) fn wan_link(wan: &Line<'_>) -> Link {
    let port = wan.port();
    match wan {
        Line::Pppoe(wan) => wan.face6().map_or(Link::DOWN, |face| Link {
            port,
            medium: Medium::Ppp,
            mtu: face.mtu,
            framing: Framing::of_session(face.header).for_ipv6(),
            local: link_local(face.identifier),
        }),
        Line::Ethernet(wan) if wan.has_carrier() => {
            let (mac, vlan) = wan.framing();
            Link {
                port,
                medium: Medium::Ethernet,
                mtu: ETHERNET_MTU,
                framing: Framing::ethernet(mac, vlan).for_ipv6(),
                local: link_local(interface_identifier(mac)),
            }
        }
        Line::Ethernet(_) => Link::DOWN,
    }
}
