//! A tunnel's settings.

use gatelet_wire::{Ipv4Address, Ipv6Address, Ipv6Cidr};

use crate::ra::host::LEAST_MTU;
use crate::ra::is_usable_network;

/// What an IPv4 header adds (RFC 4213 §3.1).
const OVERHEAD: u16 = 20;
/// An MTU above this would need fragments on Ethernet (RFC 4213 §3.2.1).
const MOST_MTU: u16 = 1480;

/// One end of a tunnel. The local IPv4 address is the WAN's, whatever it is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tunnel {
    /// The far end's IPv4 address. `None`: not known yet; it comes by an authenticated
    /// [update](super::update::server), never from a packet.
    pub remote: Option<Ipv4Address>,
    /// Our address on the tunnel itself, with its length: 64 or 127 bits.
    pub address: Ipv6Cidr,
    /// The far end's address on the tunnel.
    pub peer: Ipv6Address,
    /// What is routed through it.
    pub routed: Routed,
    /// TTL of the outer header.
    pub ttl: u8,
    /// TOS of the outer header.
    pub traffic_class: TrafficClass,
    /// The longest packet.
    pub mtu: Mtu,
}

/// Which of the two ends we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Routed {
    /// The client: the whole Internet is at the far end, and this prefix, of 48 to 64 bits, is our LAN's.
    Client {
        /// Ours; inner sources from the far end must not be in it.
        prefix: Option<Ipv6Cidr>,
    },
    /// The server: these are the client's, and inner sources from the far end must be in one of them, or be its address
    /// on the tunnel.
    Server {
        /// The client's prefix, if it has one.
        prefix: Option<Ipv6Cidr>,
    },
}

/// DSCP and ECN of the outer header; ECN always as RFC 6040 has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TrafficClass {
    /// That of the packet inside.
    #[default]
    Inherit,
    /// Always this DSCP, 0 to 63.
    Dscp(u8),
}

/// The longest packet that goes into a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mtu {
    /// The WAN's without the outer header: 1480 on Ethernet, 1472 on PPPoE.
    #[default]
    Derived,
    /// This, in octets: 1280 to 1480, and no more than the WAN carries.
    Fixed(u16),
}

impl Mtu {
    /// In octets, on a WAN that carries packets of `wan_mtu`. A WAN that carries less than 1300 still has to carry 1280 of
    /// IPv6: the outer packet is fragmented (RFC 4213 §3.2.1).
    pub fn on(self, wan_mtu: u16) -> u16 {
        let derived = wan_mtu.saturating_sub(OVERHEAD).clamp(LEAST_MTU, MOST_MTU);
        match self {
            Self::Derived => derived,
            Self::Fixed(mtu) => mtu.clamp(LEAST_MTU, derived),
        }
    }
}

/// Why a tunnel cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConfigError {
    /// The far end's IPv4 address is none that a host can have.
    Remote,
    /// The tunnel's own network has neither 64 nor 127 bits, or cannot be used.
    Network,
    /// Both ends have the same address, the far end's is not in the tunnel's network, or one is the network's anycast
    /// address (RFC 6164 leaves it free with 127 bits).
    Ends,
    /// What is routed has not 48 to 64 bits, or cannot be used, or holds the tunnel's own network.
    Routed,
    /// A TTL of 0.
    Ttl,
    /// A DSCP of more than six bits.
    Dscp,
    /// An MTU that is not within 1280 to 1480.
    Mtu,
}

impl ConfigError {
    /// What is wrong, in a few words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Remote => "remote is no host's IPv4 address",
            Self::Network => "tunnel network is not a usable /64 or /127",
            Self::Ends => "tunnel addresses do not fit together",
            Self::Routed => "routed prefix is not a usable /48 to /64 of its own",
            Self::Ttl => "TTL is zero",
            Self::Dscp => "DSCP is above 63",
            Self::Mtu => "MTU is not within 1280 to 1480",
        }
    }
}

impl Tunnel {
    /// The client's end of `ip tunnel add … mode sit remote R ttl 255`, with the network `address` and a default route.
    pub fn client(
        remote: Ipv4Address,
        address: Ipv6Cidr,
        peer: Ipv6Address,
        prefix: Option<Ipv6Cidr>,
    ) -> Self {
        Self {
            remote: Some(remote),
            address,
            peer,
            routed: Routed::Client { prefix },
            ttl: 255,
            traffic_class: TrafficClass::Inherit,
            mtu: Mtu::Derived,
        }
    }

    /// Whether it can work.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.remote.is_some_and(|remote| !is_host(remote)) {
            return Err(ConfigError::Remote);
        }
        let network = gatelet_wire::ndp::network(self.address.address(), self.address.prefix_len());
        if !matches!(network.prefix_len(), 64 | 127) || !is_usable_network(network) {
            return Err(ConfigError::Network);
        }
        let own = self.address.address();
        let is_anycast = |address| network.prefix_len() == 64 && network.address() == address;
        let is_apart = own != self.peer && network.contains_addr(&self.peer);
        if !is_apart || is_anycast(own) || is_anycast(self.peer) {
            return Err(ConfigError::Ends);
        }
        let (Routed::Client { prefix } | Routed::Server { prefix }) = self.routed;
        if let Some(prefix) = prefix {
            let is_good = (48..=64).contains(&prefix.prefix_len()) && is_usable_network(prefix);
            if !is_good || prefix.contains_addr(&own) || network.contains_addr(&prefix.address()) {
                return Err(ConfigError::Routed);
            }
        }
        if self.ttl == 0 {
            return Err(ConfigError::Ttl);
        }
        if matches!(self.traffic_class, TrafficClass::Dscp(64..)) {
            return Err(ConfigError::Dscp);
        }
        match self.mtu {
            Mtu::Fixed(mtu) if !(LEAST_MTU..=MOST_MTU).contains(&mtu) => Err(ConfigError::Mtu),
            _ => Ok(()),
        }
    }
}

/// Whether a host can have this address, be it on the Internet or in somebody's own network: not this network, not
/// ourselves, not the link's, not a group's (RFC 6890).
pub(crate) fn is_host(address: Ipv4Address) -> bool {
    !matches!(address.octets(), [0 | 127 | 224.., ..] | [169, 254, ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str, len: u8) -> Ipv6Cidr {
        Ipv6Cidr::new(text.parse().unwrap(), len)
    }

    fn tunnel() -> Tunnel {
        let remote = Ipv4Address::new(203, 0, 113, 1);
        let prefix = Some(cidr("2001:db8:7::", 48));
        Tunnel::client(
            remote,
            cidr("2001:4860:4860::8889", 127),
            "2001:4860:4860::8888".parse().unwrap(),
            prefix,
        )
    }

    #[test]
    fn what_can_be_and_what_cannot() {
        assert_eq!(tunnel().check(), Ok(()));
        assert_eq!(Tunnel { remote: None, ..tunnel() }.check(), Ok(()));
        let cases = [
            (Tunnel { remote: Some(Ipv4Address::new(169, 254, 1, 1)), ..tunnel() }, ConfigError::Remote),
            (Tunnel { remote: Some(Ipv4Address::LOCALHOST), ..tunnel() }, ConfigError::Remote),
            (Tunnel { remote: Some(Ipv4Address::BROADCAST), ..tunnel() }, ConfigError::Remote),
            (Tunnel { address: cidr("2001:db8::2", 96), ..tunnel() }, ConfigError::Network),
            (Tunnel { address: cidr("fe80::2", 64), ..tunnel() }, ConfigError::Network),
            (Tunnel { address: cidr("2001:4860:4860::8888", 127), ..tunnel() }, ConfigError::Ends),
            (Tunnel { peer: "2001:db8::1".parse().unwrap(), ..tunnel() }, ConfigError::Ends),
            (
                Tunnel { address: cidr("2001:db8::", 64), peer: "2001:db8::1".parse().unwrap(), ..tunnel() },
                ConfigError::Ends,
            ),
            (
                Tunnel { routed: Routed::Client { prefix: Some(cidr("2001:db8::", 32)) }, ..tunnel() },
                ConfigError::Routed,
            ),
            (
                Tunnel { routed: Routed::Server { prefix: Some(cidr("2001:4860:4860::", 48)) }, ..tunnel() },
                ConfigError::Routed,
            ),
            (Tunnel { ttl: 0, ..tunnel() }, ConfigError::Ttl),
            (Tunnel { traffic_class: TrafficClass::Dscp(64), ..tunnel() }, ConfigError::Dscp),
            (Tunnel { mtu: Mtu::Fixed(1279), ..tunnel() }, ConfigError::Mtu),
            (Tunnel { mtu: Mtu::Fixed(1481), ..tunnel() }, ConfigError::Mtu),
        ];
        for (tunnel, expected) in cases {
            assert_eq!(tunnel.check(), Err(expected), "{tunnel:?}");
        }
    }

    #[test]
    fn the_mtu_follows_from_the_wan() {
        for (mtu, wan, expected) in [
            (Mtu::Derived, 1500, 1480),
            (Mtu::Derived, 1492, 1472),
            (Mtu::Derived, 9000, 1480),
            (Mtu::Derived, 1000, 1280),
            (Mtu::Fixed(1280), 1492, 1280),
            (Mtu::Fixed(1480), 1492, 1472),
        ] {
            assert_eq!(mtu.on(wan), expected, "{mtu:?} on {wan}");
        }
    }
}
