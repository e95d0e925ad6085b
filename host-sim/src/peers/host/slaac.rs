//! What a computer makes of Router Advertisements: addresses, a way out, DNS servers, an MTU.
//!
//! ```text
//!  joins ─► Router Solicitation, 3 times at most ─► advertisement ─► address, router, MTU, DNS ─┐
//!                                                       ▲                                       │ lifetimes
//!                                                       └── renewed, deprecated, withdrawn ◄────┘
//! ```
//!
//! smoltcp's own has neither deprecation nor DNS servers. Reading list: RFC 4861 §6.3 (routers), RFC 4862 §5.5.3
//! (prefixes, with its rule of the two hours), RFC 8106 §6 (RDNSS).

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, Ipv6Address, Ipv6Cidr};

use crate::peers::ndp::{self, Advertisement, Prefix};
use crate::peers::packet::IPV6_LEAST_MTU;

/// RFC 4861 §10: `RTR_SOLICITATION_INTERVAL` and `MAX_RTR_SOLICITATIONS`.
const SOLICITATION_INTERVAL: Duration = Duration::from_secs(4);
const MOST_SOLICITATIONS: u8 = 3;
/// RFC 4862 §5.5.3 e: nobody unauthenticated ends an address sooner.
const TWO_HOURS: Duration = Duration::from_secs(7200);
/// Addresses of prefixes, beside the link-local one; what more is advertised is ignored.
pub(super) const MOST_ADDRESSES: usize = 4;

/// An address out of a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Address {
    cidr: Ipv6Cidr,
    preferred_until: Instant,
    valid_until: Instant,
    is_deprecated: bool,
}

/// What came of an advertisement, or of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Address(Ipv6Cidr),
    /// Not for new connections any more.
    Deprecated(Ipv6Cidr),
    AddressLost(Ipv6Cidr),
    Router(Ipv6Address),
    RouterLost(Ipv6Address),
    Mtu(usize),
    /// What is said of a captive portal is not what it was.
    Portal,
}

/// Stateless autoconfiguration.
#[derive(Debug)]
pub(super) struct Slaac {
    mac: EthernetAddress,
    solicitations: u8,
    /// The next solicitation; `None` once somebody has advertised, or if nobody does.
    solicit_at: Option<Instant>,
    routers: Vec<(Ipv6Address, Instant)>,
    /// The hardware address of the one that advertised last, as far as it says.
    router_mac: Option<EthernetAddress>,
    addresses: Vec<Address>,
    dns: Vec<(Ipv6Address, Instant)>,
    /// What the router says of a captive portal (RFC 8910).
    pub(super) portal: Option<String>,
    mtu: usize,
}

impl Slaac {
    pub(super) fn new(mac: EthernetAddress, mtu: usize) -> Self {
        Self {
            mac,
            solicitations: 0,
            solicit_at: Some(Instant::ZERO),
            routers: Vec::new(),
            router_mac: None,
            addresses: Vec::new(),
            dns: Vec::new(),
            portal: None,
            mtu,
        }
    }

    pub(super) fn mac(&self) -> EthernetAddress {
        self.mac
    }

    pub(super) fn link_local(&self) -> Ipv6Address {
        ndp::address_in(Ipv6Address::new(0xFE80, 0, 0, 0, 0, 0, 0, 0), self.mac)
    }

    /// Valid addresses of prefixes, those for new connections first.
    pub(super) fn addresses(&self) -> impl Iterator<Item = Ipv6Cidr> {
        let of = |deprecated: bool| {
            self.addresses.iter().filter(move |address| address.is_deprecated == deprecated)
        };
        of(false).chain(of(true)).map(|address| address.cidr)
    }

    /// Where new connections to the Internet come from, if there is a way there.
    pub(super) fn source(&self) -> Option<Ipv6Address> {
        self.router()?;
        self.addresses().next().map(|cidr| cidr.address())
    }

    pub(super) fn router(&self) -> Option<Ipv6Address> {
        self.routers.first().map(|(router, _)| *router)
    }

    /// What the router would say to who asked for its hardware address, in its frame: it has said so when it advertised
    /// (RFC 4861 §6.3.4).
    pub(super) fn router_advert(&self) -> Option<Vec<u8>> {
        Some(ndp::advertise_neighbour(self.router_mac?, self.router()?, self.mac, self.link_local()))
    }

    pub(super) fn dns(&self) -> impl Iterator<Item = Ipv6Address> {
        self.dns.iter().map(|(server, _)| *server)
    }

    /// The link came back: it asks again.
    pub(super) fn restart(&mut self, now: Instant) {
        self.solicitations = 0;
        self.solicit_at = Some(now);
    }

    /// The next solicitation that is due, in its frame.
    pub(super) fn solicitation(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.solicit_at.filter(|&at| at <= now)?;
        self.solicitations += 1;
        self.solicit_at = (self.solicitations < MOST_SOLICITATIONS).then_some(now + SOLICITATION_INTERVAL);
        Some(ndp::solicit_router(self.mac, self.link_local()))
    }

    pub(super) fn poll_at(&self) -> Option<Instant> {
        let of_addresses = self.addresses.iter().map(|address| {
            let until = if address.is_deprecated { address.valid_until } else { address.preferred_until };
            until.min(address.valid_until)
        });
        let others = self.routers.iter().chain(&self.dns).map(|&(_, until)| until);
        of_addresses.chain(others).chain(self.solicit_at).min()
    }

    /// An advertisement of `router`'s.
    pub(super) fn handle(
        &mut self,
        now: Instant,
        router: Ipv6Address,
        advertisement: &Advertisement,
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        self.solicit_at = None;
        self.router_mac = advertisement.mac;
        let known = self.routers.iter_mut().find(|(known, _)| *known == router);
        match (known, now + advertisement.lifetime) {
            (Some((_, until)), new) => *until = new,
            (None, new) if new > now => {
                self.routers.push((router, new));
                changes.push(Change::Router(router));
            }
            (None, _) => {}
        }
        for prefix in advertisement.prefixes.iter().filter(|prefix| prefix.autonomous) {
            self.take_prefix(now, prefix, &mut changes);
        }
        self.dns.retain(|(known, _)| !advertisement.old_dns.contains(known));
        for &server in &advertisement.dns {
            self.dns.retain(|(known, _)| *known != server);
            self.dns.push((server, now + advertisement.dns_lifetime));
        }
        if let Some(mtu) = advertisement.mtu.map(|mtu| mtu as usize)
            && (IPV6_LEAST_MTU..=super::body::MAX_PACKET_LEN).contains(&mtu)
            && mtu != self.mtu
        {
            self.mtu = mtu;
            changes.push(Change::Mtu(mtu));
        }
        if self.portal != advertisement.portal {
            self.portal.clone_from(&advertisement.portal);
            changes.push(Change::Portal);
        }
        changes.extend(self.expire(now));
        changes
    }

    fn take_prefix(&mut self, now: Instant, prefix: &Prefix, changes: &mut Vec<Change>) {
        const HALF: u8 = 64;
        if prefix.cidr.prefix_len() != HALF || ndp::is_link_local(prefix.cidr.address()) {
            return;
        }
        let cidr = Ipv6Cidr::new(ndp::address_in(prefix.cidr.address(), self.mac), HALF);
        let valid_until = now + prefix.valid;
        let preferred_until = now + prefix.preferred;
        if let Some(known) = self.addresses.iter_mut().find(|known| known.cidr == cidr) {
            known.preferred_until = preferred_until;
            known.is_deprecated &= prefix.preferred == Duration::ZERO;
            let two_hours = now + TWO_HOURS;
            if valid_until > two_hours || valid_until > known.valid_until {
                known.valid_until = valid_until;
            } else if known.valid_until > two_hours {
                known.valid_until = two_hours;
            }
        } else if valid_until > now && self.addresses.len() < MOST_ADDRESSES {
            let is_deprecated = false;
            self.addresses.push(Address { cidr, preferred_until, valid_until, is_deprecated });
            changes.push(Change::Address(cidr));
        }
    }

    /// Gives up what is over.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Change> {
        let mut changes = Vec::new();
        self.dns.retain(|(_, until)| *until > now);
        self.routers.retain(|&(router, until)| {
            if until <= now {
                changes.push(Change::RouterLost(router));
            }
            until > now
        });
        for address in &mut self.addresses {
            if !address.is_deprecated && address.preferred_until <= now && address.valid_until > now {
                address.is_deprecated = true;
                changes.push(Change::Deprecated(address.cidr));
            }
        }
        self.addresses.retain(|address| {
            if address.valid_until <= now {
                changes.push(Change::AddressLost(address.cidr));
            }
            address.valid_until > now
        });
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 1]);
    const ROUTER: Ipv6Address = Ipv6Address::new(0xFE80, 0, 0, 0, 0, 0, 0, 9);

    fn advertise(lifetime: u64, prefixes: &[(&str, u64, u64)]) -> Advertisement {
        let prefixes = prefixes.iter().map(|&(prefix, valid, preferred)| Prefix {
            cidr: prefix.parse().unwrap(),
            on_link: true,
            autonomous: true,
            valid: Duration::from_secs(valid),
            preferred: Duration::from_secs(preferred),
        });
        Advertisement {
            lifetime: Duration::from_secs(lifetime),
            prefixes: prefixes.collect(),
            ..Advertisement::default()
        }
    }

    fn cidr(text: &str) -> Ipv6Cidr {
        text.parse().unwrap()
    }

    #[test]
    fn nobody_answers_three_solicitations() {
        let mut slaac = Slaac::new(MAC, 1500);
        let mut sent = Vec::new();
        while let Some(at) = slaac.poll_at() {
            sent.extend(slaac.solicitation(at).map(|_| at.secs()));
        }
        assert_eq!(sent, [0, 4, 8]);
        assert_eq!(slaac.source(), None);
    }

    #[test]
    fn another_prefix_takes_over_and_the_old_one_serves_what_is_there() {
        let mut slaac = Slaac::new(MAC, 1500);
        let (old, new) = (cidr("2001:db8:d000::ff:fe00:1/64"), cidr("2001:db8:d100::ff:fe00:1/64"));
        let first = advertise(1800, &[("2001:db8:d000::/64", 14_400, 7200)]);
        assert_eq!(
            slaac.handle(Instant::ZERO, ROUTER, &first),
            [Change::Router(ROUTER), Change::Address(old)]
        );
        assert_eq!(slaac.source(), Some(old.address()));
        // RFC 9096 §3.5: the old one is advertised with nothing left. Two hours are left to it all the same.
        let change = advertise(1800, &[("2001:db8:d100::/64", 14_400, 7200), ("2001:db8:d000::/64", 0, 0)]);
        let at = Instant::from_secs(100);
        let changes = slaac.handle(at, ROUTER, &change);
        assert_eq!(changes, [Change::Address(new), Change::Deprecated(old)]);
        assert_eq!(slaac.source(), Some(new.address()));
        assert_eq!(slaac.addresses().collect::<Vec<_>>(), [new, old]);
        slaac.handle(Instant::from_secs(1800), ROUTER, &change);
        let changes = slaac.expire(Instant::from_secs(7300));
        assert!(changes.contains(&Change::AddressLost(old)), "{changes:?}");
    }

    #[test]
    fn a_router_that_is_none_any_more_takes_the_way_out_with_it() {
        let mut slaac = Slaac::new(MAC, 1500);
        let prefix = [("2001:db8:d000::/64", 14_400, 7200)];
        slaac.handle(Instant::ZERO, ROUTER, &advertise(1800, &prefix));
        assert_eq!(slaac.router(), Some(ROUTER));
        let changes = slaac.handle(Instant::from_secs(5), ROUTER, &advertise(0, &prefix));
        assert_eq!(changes, [Change::RouterLost(ROUTER)]);
        assert_eq!((slaac.router(), slaac.source()), (None, None));
        assert_eq!(slaac.addresses().count(), 1, "the address stays");
    }

    #[test]
    fn mtu_and_dns_servers_are_learnt() {
        let mut slaac = Slaac::new(MAC, 1500);
        let server: Ipv6Address = "2001:db8:53::53".parse().unwrap();
        let mut advertisement = advertise(1800, &[]);
        advertisement.mtu = Some(1472);
        advertisement.dns = vec![server];
        advertisement.dns_lifetime = Duration::from_secs(60);
        let changes = slaac.handle(Instant::ZERO, ROUTER, &advertisement);
        assert_eq!(changes, [Change::Router(ROUTER), Change::Mtu(1472)]);
        assert_eq!(slaac.dns().collect::<Vec<_>>(), [server]);
        advertisement.mtu = Some(1279);
        assert_eq!(slaac.handle(Instant::from_secs(1), ROUTER, &advertisement), []);
        slaac.expire(Instant::from_secs(61));
        assert_eq!(slaac.dns().count(), 0);
        let other: Ipv6Address = "2001:db8:53::54".parse().unwrap();
        slaac.handle(Instant::from_secs(62), ROUTER, &advertisement);
        (advertisement.dns, advertisement.old_dns) = (vec![other], vec![server]);
        slaac.handle(Instant::from_secs(63), ROUTER, &advertisement);
        assert_eq!(slaac.dns().collect::<Vec<_>>(), [other]);
    }
}
