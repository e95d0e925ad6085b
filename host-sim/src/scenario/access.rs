//! How the router of a scenario gets on line, where that is not `PPPoE` alone: `[edge]`, `[modem]`, and what `[router]` says
//! about them.

use gatelet_hal::PortId;
use gatelet_router::{Addressing, EthernetWanConfig};
use serde::Deserialize;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{Ipv4Address, Ipv4Cidr, Ipv6Address};

use super::values;
use crate::peers::edge::{Edge, Settings};
use crate::peers::internet::DNS;
use crate::peers::neighbour::Neighbour;

/// `router.wan`: what kind of line it has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A session.
    #[default]
    Pppoe,
    /// Plain Ethernet, with an address by DHCP.
    Dhcp,
    /// Plain Ethernet, with an address that the owner has typed in.
    Static,
}

/// `[edge]`: the carrier's router on a line without PPP.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct EdgeFile {
    /// Its address, and the network on the line.
    #[serde(deserialize_with = "values::cidr")]
    address: Ipv4Cidr,
    /// How long a lease is.
    #[serde(deserialize_with = "values::duration")]
    lease: Duration,
    /// The captive portal it names (option 114).
    portal: Option<String>,
}

impl Default for EdgeFile {
    fn default() -> Self {
        // 64 addresses of a documentation range (RFC 5737), below the attacker's.
        let address = Ipv4Cidr::new(Ipv4Address::new(198, 51, 100, 1), 26);
        Self { address, lease: Duration::from_secs(3600), portal: None }
    }
}

/// The subscriber's address on a line with a static one: the twentieth of its network.
const FIXED_HOST: u32 = 20;

impl EdgeFile {
    fn fixed(&self) -> Ipv4Address {
        Ipv4Address::from_bits(self.address.network().address().to_bits() + FIXED_HOST)
    }

    /// The carrier's router, on a line of this kind.
    pub fn build(&self, kind: Kind) -> Option<Edge> {
        let fixed = (kind == Kind::Static).then(|| self.fixed());
        let settings =
            Settings { address: self.address, fixed, lease: self.lease, portal: self.portal.clone() };
        (kind != Kind::Pppoe).then(|| Edge::new(settings))
    }

    /// What the router is told of such a line; `None` where it has a session.
    pub fn config(&self, kind: Kind, port: PortId) -> Option<EthernetWanConfig> {
        let dhcp = EthernetWanConfig::dhcp(port);
        match kind {
            Kind::Pppoe => None,
            Kind::Dhcp => Some(dhcp),
            Kind::Static => Some(EthernetWanConfig {
                addressing: Addressing::Static {
                    address: Ipv4Cidr::new(self.fixed(), self.address.prefix_len()),
                    gateway: self.address.address(),
                    dns: DNS.map(Some),
                },
                ..dhcp
            }),
        }
    }
}

/// `[neighbour]`: another customer on a line without PPP, in the /64 of the line.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct NeighbourFile {
    /// When it joins.
    #[serde(deserialize_with = "values::duration")]
    joins: Duration,
    /// What address it wants.
    address: Ipv6Address,
    /// For whom it asks then, one after the other.
    #[serde(default)]
    asks: Vec<Ipv6Address>,
}

impl NeighbourFile {
    /// The station.
    pub fn build(&self) -> Neighbour {
        Neighbour::new(Instant::ZERO + self.joins, self.address, &self.asks)
    }
}

/// `[modem]`: the ONT has a page.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ModemFile {
    /// Where.
    #[serde(deserialize_with = "values::cidr")]
    pub address: Ipv4Cidr,
}
