//! What a server grants, looked at twice before it is believed.

use gatelet_wire::dhcpv4::{Message, OptionCode, Route};
use gatelet_wire::{Ipv4Address, Ipv4Cidr};
use heapless::{String, Vec};
use smoltcp::time::Duration;

use super::event::Dropped;
use crate::text;

/// DNS servers that are kept.
pub const DNS_SERVERS: usize = 3;
/// NTP servers that are kept.
pub const NTP_SERVERS: usize = 2;
/// Classless routes that are kept, the default route apart.
pub const ROUTES: usize = 8;
/// Bytes of the domain name that are kept.
pub const DOMAIN_NAME_MAX: usize = 63;
/// Bytes of the captive portal's URI (RFC 8910 §2).
pub const URI_MAX: usize = 255;

/// A lease below this would have us renew every few seconds.
const SHORTEST: u32 = 10;

/// The smallest datagram every host must take (RFC 791 §3.1): an MTU below it is a mistake.
const LEAST_MTU: u16 = 576;

/// What we have been granted, and told about the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Our address and its prefix. Without a subnet mask, the prefix of its class (RFC 791 §3.2).
    pub address: Ipv4Cidr,
    /// The default router, on the link. None: there is no way out, except by `routes`.
    pub router: Option<Ipv4Address>,
    /// Other classless routes, whose routers are on the link (option 121). Those beyond [`ROUTES`], and
    /// those with a router we cannot reach, are left out.
    pub routes: Vec<Route, ROUTES>,
    /// DNS servers.
    pub dns_servers: Vec<Ipv4Address, DNS_SERVERS>,
    /// NTP servers.
    pub ntp_servers: Vec<Ipv4Address, NTP_SERVERS>,
    /// Domain name.
    pub domain_name: String<DOMAIN_NAME_MAX>,
    /// The link's MTU, 576 at least.
    pub mtu: Option<u16>,
    /// The URI of a captive portal's API (RFC 8910), printable ASCII; or empty.
    pub captive_portal_uri: String<URI_MAX>,
    /// Server identifier: who renews it.
    pub server: Ipv4Address,
    /// Its times.
    pub times: Times,
}

/// How long a lease is, from the moment its REQUEST was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// For ever (RFC 2131 §3.3).
    Infinite,
    /// RFC 2131 §4.4.5.
    Finite {
        /// T1: when renewal begins.
        renewal: Duration,
        /// T2: when any server will do.
        rebinding: Duration,
        /// When it ends.
        end: Duration,
    },
}

impl Lease {
    /// Reads an OFFER or ACK.
    pub(super) fn parse(message: &Message<'_>) -> Result<Self, Dropped> {
        let server = message.address(OptionCode::SERVER_IDENTIFIER)?;
        let server = server.filter(|server| is_host(*server)).ok_or(Dropped::Server)?;
        let address = prefix(message, message.header.yiaddr)?;
        let (default_router, routes) = routes(message, address)?;
        let uri = message.value(OptionCode::CAPTIVE_PORTAL);
        let domain_name = message.value(OptionCode::DOMAIN_NAME);
        Ok(Self {
            address,
            router: default_router,
            routes,
            dns_servers: servers(message, OptionCode::DOMAIN_NAME_SERVER)?,
            ntp_servers: servers(message, OptionCode::NTP_SERVERS)?,
            domain_name: domain_name.map_or_else(String::new, |value| {
                let octets: Vec<u8, DOMAIN_NAME_MAX> = value.octets().take(DOMAIN_NAME_MAX).collect();
                text::from_peer(&octets)
            }),
            mtu: message.u16(OptionCode::INTERFACE_MTU)?.filter(|mtu| *mtu >= LEAST_MTU),
            captive_portal_uri: uri.and_then(|value| printable(value.octets())).unwrap_or_default(),
            server,
            times: Times::parse(message)?,
        })
    }

    /// Whether the other says the same, apart from times.
    pub(super) fn is_alike(&self, other: &Self) -> bool {
        let Self { address, router, routes, dns_servers, ntp_servers, .. } = self;
        let Self { domain_name, mtu, captive_portal_uri, server, times: _, .. } = self;
        *address == other.address
            && *router == other.router
            && *routes == other.routes
            && *dns_servers == other.dns_servers
            && *ntp_servers == other.ntp_servers
            && *domain_name == other.domain_name
            && *mtu == other.mtu
            && *captive_portal_uri == other.captive_portal_uri
            && *server == other.server
    }
}

impl Times {
    fn parse(message: &Message<'_>) -> Result<Self, Dropped> {
        let end = message.u32(OptionCode::LEASE_TIME)?;
        let end = end.filter(|seconds| *seconds >= SHORTEST).ok_or(Dropped::LeaseTime)?;
        if end == u32::MAX {
            return Ok(Self::Infinite);
        }
        let defaults = (end / 2, end - end / 8);
        let renewal = message.u32(OptionCode::RENEWAL_TIME)?.unwrap_or(defaults.0);
        let rebinding = message.u32(OptionCode::REBINDING_TIME)?.unwrap_or(defaults.1);
        let is_in_order = 0 < renewal && renewal < rebinding && rebinding < end;
        let (renewal, rebinding) = if is_in_order { (renewal, rebinding) } else { defaults };
        let seconds = |count: u32| Duration::from_secs(u64::from(count));
        Ok(Self::Finite { renewal: seconds(renewal), rebinding: seconds(rebinding), end: seconds(end) })
    }
}

/// Whether a host can have `address` at all: neither this network, nor ourselves, nor a group, nor
/// class E (RFC 1122 §3.2.1.3).
fn is_host(address: Ipv4Address) -> bool {
    !matches!(address.octets()[0], 0 | 127 | 224..)
}

fn prefix(message: &Message<'_>, address: Ipv4Address) -> Result<Ipv4Cidr, Dropped> {
    if !is_host(address) {
        return Err(Dropped::Address);
    }
    let mask = message.address(OptionCode::SUBNET_MASK)?;
    let prefix = match mask {
        Some(mask) => Ipv4Cidr::from_netmask(address, mask).map_err(|_| Dropped::SubnetMask)?,
        None => Ipv4Cidr::new(address, class_prefix_len(address)),
    };
    if prefix.prefix_len() == 0 {
        return Err(Dropped::SubnetMask);
    }
    if prefix.prefix_len() <= 30
        && (address == prefix.network().address() || Some(address) == prefix.broadcast())
    {
        return Err(Dropped::Address);
    }
    Ok(prefix)
}

fn class_prefix_len(address: Ipv4Address) -> u8 {
    match address.octets()[0] {
        0..128 => 8,
        128..192 => 16,
        192.. => 24,
    }
}

/// The default router and the other routes. Where there are classless routes, option 3 does not count
/// (RFC 3442).
fn routes(
    message: &Message<'_>,
    own: Ipv4Cidr,
) -> Result<(Option<Ipv4Address>, Vec<Route, ROUTES>), Dropped> {
    let Some(value) = message.value(OptionCode::CLASSLESS_ROUTES) else {
        let Some(list) = message.value(OptionCode::ROUTER) else { return Ok((None, Vec::new())) };
        let mut list = list.addresses()?;
        let is_good = |router: &Ipv4Address| is_next_hop(*router, own, core::iter::empty());
        return Ok((Some(list.find(is_good).ok_or(Dropped::Router)?), Vec::new()));
    };
    // Read once before any is used: a list that cannot be read to its end is none.
    value.classless_routes().try_for_each(|route| route.map(drop))?;
    let all = || value.classless_routes().flatten();
    let on_link = || all().filter(|route| route.router.is_unspecified()).map(|route| route.destination);
    let (mut default_router, mut routes) = (None, Vec::new());
    for route in all() {
        let is_good = route.router.is_unspecified() || is_next_hop(route.router, own, on_link());
        let is_default = route.destination.prefix_len() == 0 && !route.router.is_unspecified();
        match (is_default, is_good) {
            (true, false) => return Err(Dropped::Router),
            (true, true) => default_router = default_router.or(Some(route.router)),
            // One that has no place is left out: the default router is asked instead.
            (false, true) => _ = routes.push(route),
            (false, false) => {}
        }
    }
    Ok((default_router, routes))
}

/// Whether `router` can be reached without another router: it is in our subnet, or in one that is on
/// the link, or we have no subnet at all (a /32, where the router is on the link by convention).
fn is_next_hop(router: Ipv4Address, own: Ipv4Cidr, mut on_link: impl Iterator<Item = Ipv4Cidr>) -> bool {
    is_host(router)
        && router != own.address()
        && (own.contains_addr(&router)
            || own.prefix_len() == 32
            || on_link.any(|subnet| subnet.contains_addr(&router)))
}

fn servers<const N: usize>(message: &Message<'_>, code: OptionCode) -> Result<Vec<Ipv4Address, N>, Dropped> {
    match message.value(code) {
        None => Ok(Vec::new()),
        Some(list) => Ok(list.addresses()?.filter(|address| is_host(*address)).take(N).collect()),
    }
}

fn printable<const N: usize>(octets: impl Iterator<Item = u8>) -> Option<String<N>> {
    let mut text = String::new();
    for octet in octets {
        if !octet.is_ascii_graphic() {
            return None;
        }
        text.push(char::from(octet)).ok()?;
    }
    Some(text)
}
