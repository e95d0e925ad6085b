//! What a host keeps, and in which order it gives it up.

use gatelet_wire::ndp::Preference;
use gatelet_wire::{Ipv6Address, Ipv6Cidr};
use heapless::Vec;
use smoltcp::time::Instant;

use super::rank;
use crate::lifetime::Lifetime;

/// A default router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DefaultRouter {
    /// Its link-local address.
    pub address: Ipv6Address,
    /// How it compares with others (RFC 4191).
    pub preference: Preference,
    /// For how long it is one.
    pub lifetime: Lifetime,
}

/// A DNS server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DnsServer {
    /// Its address.
    pub address: Ipv6Address,
    /// For how long it is one.
    pub lifetime: Lifetime,
}

/// A prefix of the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnLink {
    /// The prefix.
    pub prefix: Ipv6Cidr,
    /// Whether its addresses are on the link; else they are reached by the router.
    pub is_on_link: bool,
    /// Our address in it, if we have one.
    pub address: Option<Ipv6Address>,
    /// How long the address is to be used for what is new.
    pub preferred: Lifetime,
    /// How long the address is ours.
    pub valid: Lifetime,
    /// Whether `preferred` has ended.
    pub is_deprecated: bool,
}

/// A table has no place for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

impl OnLink {
    /// When it ends to be preferred, or to be.
    pub(super) fn next_change(&self) -> Option<Instant> {
        if self.is_deprecated { self.valid.until() } else { self.preferred.min(self.valid).until() }
    }
}

/// Inserts a router, the most preferred first, `leads` before its equals. Where there is no place, the last goes, if it
/// is preferred less; answers false if it does not.
pub(super) fn insert_router<const N: usize>(
    routers: &mut Vec<DefaultRouter, N>,
    router: DefaultRouter,
    leads: bool,
) -> bool {
    let own = rank(router.preference);
    let goes_before = |other: &DefaultRouter| {
        let other = rank(other.preference);
        own < other || (leads && own == other)
    };
    let place = routers.iter().position(goes_before).unwrap_or(routers.len());
    if routers.is_full() {
        if place == routers.len() {
            return false;
        }
        routers.pop();
    }
    routers.insert(place, router).is_ok()
}

/// Inserts a prefix. Where there is no place, that goes which is not preferred any more and ends first.
///
/// # Errors
/// [`Full`] if all are preferred; else what was given up.
pub(super) fn insert_prefix<const N: usize>(
    prefixes: &mut Vec<OnLink, N>,
    prefix: OnLink,
) -> Result<Option<OnLink>, Full> {
    let mut given_up = None;
    if prefixes.is_full() {
        let all = prefixes.iter().enumerate().filter(|(_, known)| known.is_deprecated);
        let (index, _) = all.min_by_key(|(_, known)| known.valid).ok_or(Full)?;
        given_up = Some(prefixes.remove(index));
    }
    prefixes.push(prefix).map_err(|_| Full)?;
    Ok(given_up)
}

/// Inserts a server, the one that stays longest first, equals in the order in which they were told. Where there is no
/// place, the last goes, if it ends earlier (RFC 8106 §6.2); answers false if it does not.
pub(super) fn insert_server<const N: usize>(servers: &mut Vec<DnsServer, N>, server: DnsServer) -> bool {
    let place = servers.iter().position(|known| known.lifetime < server.lifetime).unwrap_or(servers.len());
    if servers.is_full() {
        if place == servers.len() {
            return false;
        }
        servers.pop();
    }
    servers.insert(place, server).is_ok()
}
