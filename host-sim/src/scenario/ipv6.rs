//! IPv6 of a scenario: `[ipv6]`, what the carrier gives and what the way to the Internet is like.

use serde::Deserialize;
use smoltcp::time::Duration;
use smoltcp::wire::{Ipv4Address, Ipv6Address, Ipv6Cidr};

use super::values;
use gatelet_proto::sixinfour::update::server::Entry;
use gatelet_proto::sixinfour::update::{Account, Config as UpdateConfig};
use gatelet_proto::sixinfour::{Mtu, Routed, Tunnel as OwnTunnel};
use gatelet_runtime::TunnelUpdate;
use gatelet_wire::nic_update::HTTP;

use super::fault::Fault;
use super::lan::TaskFile;
use crate::peers::broker::{TooLong, Tunnel};
use crate::peers::concentrator::Ipv6Access;
use crate::peers::home::HOME;
use crate::peers::internet::Narrow;

/// `[ipv6]`. Without it there is IPv6 on the link of a session at most.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Ipv6File {
    /// Whether Router Advertisements have a prefix for the line.
    line_prefix: Option<bool>,
    /// For how long the concentrator is a default router, as it says.
    #[serde(deserialize_with = "values::some_duration")]
    router_lifetime: Option<Duration>,
    /// Whether they name DNS servers.
    rdnss: Option<bool>,
    /// Whether there is DHCPv6.
    dhcp: Option<bool>,
    /// Length of a delegated prefix; 0: none is delegated.
    delegates: Option<u8>,
    /// How many prefixes.
    prefixes: Option<u32>,
    /// Whether DHCPv6 gives the line an address.
    address: Option<bool>,
    rapid_commit: Option<bool>,
    /// How long a prefix is preferred; it is valid for twice as long.
    #[serde(deserialize_with = "values::some_duration")]
    preferred: Option<Duration>,
    /// Whether who redials gets the prefixes he had.
    keeps_prefix: Option<bool>,
    /// The captive portal that Router Advertisements name (option 37).
    portal: Option<String>,
    /// Octets that the way beyond the concentrator takes.
    path_mtu: Option<usize>,
    /// Whether what is longer vanishes without a word.
    black_hole: bool,
}

impl Ipv6File {
    /// What the concentrator gives.
    ///
    /// # Errors
    /// Which value cannot be.
    pub fn access(&self) -> Result<Ipv6Access, String> {
        let usual = Ipv6Access::default();
        let delegates =
            self.delegates.map_or(usual.delegates, |length| Some(length).filter(|&length| length > 0));
        if delegates.is_some_and(|length| !(48..=64).contains(&length)) {
            return Err("ipv6.delegates: a prefix of 48 to 64 bits, or 0".into());
        }
        Ok(Ipv6Access {
            line_prefix: self.line_prefix.unwrap_or(usual.line_prefix),
            router_lifetime: self.router_lifetime.unwrap_or(usual.router_lifetime),
            rdnss: self.rdnss.unwrap_or(usual.rdnss),
            dhcp: self.dhcp.unwrap_or(usual.dhcp),
            delegates,
            prefixes: self.prefixes.unwrap_or(usual.prefixes),
            address: self.address.unwrap_or(usual.address),
            rapid_commit: self.rapid_commit.unwrap_or(usual.rapid_commit),
            preferred: self.preferred.unwrap_or(usual.preferred),
            keeps_prefix: self.keeps_prefix.unwrap_or(usual.keeps_prefix),
            portal: self.portal.clone(),
        })
    }

    /// What the way to the Internet is like.
    pub fn narrow(&self) -> Option<Narrow> {
        self.path_mtu.map(|mtu| Narrow { mtu, is_black_hole: self.black_hole })
    }
}

/// `[broker]`: a tunnel broker on the Internet.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct BrokerFile {
    /// What it does with what is too long for a tunnel.
    pub too_long: TooLong,
    #[serde(rename = "tunnel")]
    tunnels: Vec<TunnelFile>,
}

/// `[[broker.tunnel]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct TunnelFile {
    /// The client's address, with the length of the tunnel's own network.
    #[serde(deserialize_with = "values::ipv6_cidr")]
    client: Ipv6Cidr,
    /// The broker's; the other one of the network if nothing is said and it has 127 bits.
    server: Option<Ipv6Address>,
    /// What is routed into it.
    #[serde(default, deserialize_with = "values::ipv6_cidrs")]
    routed: Vec<Ipv6Cidr>,
    /// The endpoint, before anybody has said another one.
    endpoint: Option<Ipv4Address>,
    #[serde(default = "first")]
    id: String,
    #[serde(default = "user")]
    user: String,
    #[serde(default = "key")]
    key: String,
    /// The longest packet.
    #[serde(default = "mtu")]
    mtu: usize,
}

fn first() -> String {
    "1".into()
}

fn user() -> String {
    "alice".into()
}

fn key() -> String {
    "wonderland".into()
}

/// What an endpoint on plain Ethernet takes (RFC 4213 §3.2.1).
fn mtu() -> usize {
    1480
}

impl BrokerFile {
    /// Its tunnels.
    ///
    /// # Errors
    /// Which cannot be.
    pub fn tunnels(&self) -> Result<Vec<Tunnel>, String> {
        self.tunnels.iter().map(TunnelFile::check).collect()
    }
}

impl TunnelFile {
    fn check(&self) -> Result<Tunnel, String> {
        const POINT_TO_POINT: u8 = 127;
        let client = self.client.address();
        let other = (self.client.prefix_len() == POINT_TO_POINT)
            .then(|| Ipv6Address::from_bits(client.to_bits() ^ 1));
        let server = self.server.or(other).ok_or("broker.tunnel: `server` is missing")?;
        if !self.client.contains_addr(&server) || server == client {
            return Err("broker.tunnel: `client` and `server` do not fit together".into());
        }
        Ok(Tunnel {
            id: self.id.clone(),
            user: self.user.clone(),
            key: self.key.clone(),
            endpoint: self.endpoint,
            server,
            client,
            routed: self.routed.clone(),
            mtu: self.mtu,
        })
    }
}

/// `[[tunnel]]`: the router's end of one.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OwnTunnelFile {
    /// The other end; if it is the one that moves, it may have to say so first.
    remote: Option<Ipv4Address>,
    /// Our address, with the length of the tunnel's own network.
    #[serde(deserialize_with = "values::ipv6_cidr")]
    address: Ipv6Cidr,
    /// That of the other end; the other one of the network if nothing is said and it has 127 bits.
    peer: Option<Ipv6Address>,
    /// Routed to us, or through the tunnel where we serve it.
    #[serde(default, deserialize_with = "values::ipv6_cidrs")]
    prefix: Vec<Ipv6Cidr>,
    /// Whether we are the end that serves.
    #[serde(default)]
    serves: bool,
    mtu: Option<u16>,
    update: Option<UpdateFile>,
}

/// `[tunnel.update]`: how the end that serves knows where the other one is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
struct UpdateFile {
    id: String,
    user: String,
    key: String,
    /// Where the broker's page is; at the other end if nothing is said.
    server: Option<String>,
}

impl Default for UpdateFile {
    fn default() -> Self {
        Self { id: first(), user: user(), key: key(), server: None }
    }
}

impl UpdateFile {
    fn check(&self, remote: Option<Ipv4Address>, serves: bool) -> Option<TunnelUpdate> {
        let hostname = self.id.as_str().try_into().ok()?;
        let account = Account::new(&self.user, &self.key)?;
        if serves {
            return Some(TunnelUpdate::Hear(Entry { account, hostname, remote }));
        }
        let broker = self.server.clone().or(remote.map(|remote| remote.to_string()))?;
        Some(TunnelUpdate::Tell(UpdateConfig {
            server: broker.as_str().try_into().ok()?,
            port: HTTP,
            hostname,
            account,
            says_address: true,
            allows_plain_http: true,
        }))
    }
}

impl OwnTunnelFile {
    /// What the router is told.
    ///
    /// # Errors
    /// Why it cannot be.
    pub fn check(&self) -> Result<(OwnTunnel, Option<TunnelUpdate>), String> {
        let update = match &self.update {
            Some(update) => {
                Some(update.check(self.remote, self.serves).ok_or("tunnel.update: no such names")?)
            }
            None => None,
        };
        if self.remote.is_none() && !(self.serves && update.is_some()) {
            return Err("tunnel: `remote` is missing".into());
        }
        let other = Ipv6Address::from_bits(self.address.address().to_bits() ^ 1);
        let prefix = self.prefix.first().copied();
        let mut tunnel =
            OwnTunnel::client(Ipv4Address::UNSPECIFIED, self.address, self.peer.unwrap_or(other), prefix);
        tunnel.remote = self.remote;
        if self.serves {
            tunnel.routed = Routed::Server { prefix };
        }
        tunnel.mtu = self.mtu.map_or(Mtu::Derived, Mtu::Fixed);
        tunnel.check().map_err(|error| format!("tunnel: {}", error.as_str()))?;
        Ok((tunnel, update))
    }
}

/// `[home]`: another home, at 192.0.2.74, whose router serves a tunnel.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct HomeFile {
    /// The client's address, with the length of the tunnel's own network.
    #[serde(deserialize_with = "values::ipv6_cidr")]
    client: Ipv6Cidr,
    /// What is routed into the tunnel.
    #[serde(default, deserialize_with = "values::ipv6_cidrs")]
    routed: Vec<Ipv6Cidr>,
    /// Where the client is, before it has said so.
    endpoint: Option<Ipv4Address>,
}

impl HomeFile {
    /// The tunnel, and whom it may be told by where its far end is.
    ///
    /// # Errors
    /// Why it cannot be.
    pub fn tunnel(&self) -> Result<(OwnTunnel, Entry), String> {
        let client = self.client.address();
        let server = Ipv6Cidr::new(Ipv6Address::from_bits(client.to_bits() ^ 1), self.client.prefix_len());
        let mut tunnel = OwnTunnel::client(HOME, server, client, None);
        tunnel.remote = self.endpoint;
        tunnel.routed = Routed::Server { prefix: self.routed.first().copied() };
        tunnel.check().map_err(|error| format!("home: {}", error.as_str()))?;
        let account = Account::new(&user(), &key()).ok_or("home: the account is too long")?;
        let hostname = first().as_str().try_into().map_err(|_| "home: the name is too long")?;
        Ok((tunnel, Entry { account, hostname, remote: self.endpoint }))
    }

    /// What its carrier believes to be on its line: the tunnel's own network.
    pub fn on_link(&self) -> Ipv6Cidr {
        self.client
    }
}

/// `[far]`: somebody on the Internet, at 192.0.2.61, behind a tunnel that the router serves.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FarFile {
    /// Its addresses, the first for what it begins.
    pub addresses: Vec<Ipv6Address>,
    #[serde(default, rename = "task")]
    tasks: Vec<TaskFile>,
}

impl FarFile {
    /// What it does.
    ///
    /// # Errors
    /// Which task cannot be, and why.
    pub fn script(&self) -> Result<Vec<Fault>, String> {
        self.tasks.iter().map(|task| task.check_far().map_err(|error| format!("far: {error}"))).collect()
    }
}
