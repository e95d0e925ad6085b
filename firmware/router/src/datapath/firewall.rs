//! What may open a flow: rules, port forwards, and what a WAN lets in. Asked once per flow.

use heapless::Vec;
use smoltcp::wire::{Ipv4Address, Ipv4Cidr, Ipv6Address, Ipv6Cidr};

use super::interface::{Network, word};
use super::packet::{ICMP, TCP, UDP};
use super::v6::ICMPV6;

/// The most rules.
pub const MAX_RULES: usize = 32;
/// The most port forwards.
pub const MAX_FORWARDS: usize = 16;

/// A side of the router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Zone {
    /// The home network.
    Lan,
    /// The Internet, and the modem's own page.
    Wan,
    /// The router itself.
    Router,
}

/// What a rule does with a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// It may be opened.
    Accept,
    /// Its packets are dropped without a word.
    Drop,
    /// Its packets are dropped, and the sender is told so: by a RST, or ICMP "administratively prohibited".
    Reject,
}

/// Addresses of one family; [`Any`](Prefix::Any) is both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefix {
    /// Every address.
    Any,
    /// An IPv4 network.
    Ipv4(Ipv4Cidr),
    /// An IPv6 network.
    Ipv6(Ipv6Cidr),
}

impl Prefix {
    fn contains_ipv4(self, address: u32) -> bool {
        match self {
            Self::Any => true,
            Self::Ipv4(cidr) => Network::of(cidr).contains(address),
            Self::Ipv6(_) => false,
        }
    }

    fn contains_ipv6(self, address: &Ipv6Address) -> bool {
        match self {
            Self::Any => true,
            Self::Ipv4(_) => false,
            Self::Ipv6(cidr) => cidr.contains_addr(address),
        }
    }
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// TCP and UDP.
    TcpUdp,
    /// ICMP (of IPv6: `ICMPv6`).
    Icmp,
    /// Another one, by its number.
    Other(u8),
    /// All of them.
    Any,
}

impl Protocol {
    fn is(self, number: u8) -> bool {
        match self {
            Self::Any => true,
            Self::Tcp => number == TCP,
            Self::Udp => number == UDP,
            Self::TcpUdp => number == TCP || number == UDP,
            Self::Icmp => number == ICMP,
            Self::Other(other) => number == other,
        }
    }

    /// Of IPv6, whose ICMP has another number.
    fn is_in_ipv6(self, number: u8) -> bool {
        match self {
            Self::Icmp => number == ICMPV6,
            _ => self.is(number),
        }
    }
}

/// Ports from `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    /// The lowest.
    pub first: u16,
    /// The highest.
    pub last: u16,
}

impl PortRange {
    /// All ports.
    pub const ALL: Self = Self { first: 0, last: u16::MAX };

    /// One port.
    pub const fn one(port: u16) -> Self {
        Self { first: port, last: port }
    }

    const fn contains(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }
}

/// One rule. The first that fits a new flow decides; without one, flows from the LAN and the router are opened and flows from a
/// WAN are not, unless a [`Forward`] leads them in. Packets of flows that are open ask no rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Where the first packet comes from.
    pub from: Zone,
    /// Where it wants to go.
    pub to: Zone,
    /// Its source.
    pub source: Prefix,
    /// Its destination: behind a port forward, the host inside.
    pub destination: Prefix,
    /// Its protocol.
    pub protocol: Protocol,
    /// Its source port, if the protocol has ports.
    pub source_ports: PortRange,
    /// Its destination port, if the protocol has ports.
    pub destination_ports: PortRange,
    /// What becomes of it.
    pub action: Action,
    /// Whether it is worth an event.
    pub log: bool,
}

impl Rule {
    /// Everything from one zone to another.
    pub const fn new(from: Zone, to: Zone, action: Action) -> Self {
        Self {
            from,
            to,
            source: Prefix::Any,
            destination: Prefix::Any,
            protocol: Protocol::Any,
            source_ports: PortRange::ALL,
            destination_ports: PortRange::ALL,
            action,
            log: false,
        }
    }
}

/// A port of a WAN that leads to a host inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forward {
    /// TCP, UDP, or both.
    pub protocol: Protocol,
    /// The ports outside.
    pub ports: PortRange,
    /// The host inside.
    pub host: Ipv4Address,
    /// Its port for the first of `ports`; the others follow.
    pub host_port: u16,
    /// Who may use it.
    pub source: Ipv4Cidr,
}

impl Forward {
    /// Whether it can be carried out: a protocol with ports, a range that is not turned round and fits behind `host_port`.
    pub fn is_valid(&self) -> bool {
        matches!(self.protocol, Protocol::Tcp | Protocol::Udp | Protocol::TcpUdp)
            && self.ports.first >= 1
            && self.ports.last >= self.ports.first
            && self.host_port >= 1
            && u32::from(self.host_port) + u32::from(self.ports.last - self.ports.first) <= 0xFFFF
            && !self.host.is_unspecified()
            && !self.host.is_multicast()
    }
}

/// What the first packet of a flow is, for a rule.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opening {
    pub(crate) from: Zone,
    pub(crate) to: Zone,
    pub(crate) source: u32,
    pub(crate) destination: u32,
    pub(crate) protocol: u8,
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
}

/// The same, of IPv6.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opening6 {
    pub(crate) from: Zone,
    pub(crate) to: Zone,
    pub(crate) source: Ipv6Address,
    pub(crate) destination: Ipv6Address,
    pub(crate) protocol: u8,
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
}

/// Who, from the Internet, may ping us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PingPolicy {
    /// Nobody.
    Nobody,
    /// Hosts of this network.
    From(Ipv4Cidr),
}

/// Whose packets an open mapping lets in (RFC 4787 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Filtering {
    /// Only those of the address and port that a packet went to: the strictest, and the default.
    #[default]
    AddressAndPortDependent,
    /// Those of any port of an address that a packet went to.
    AddressDependent,
    /// Everybody's: what games and calls between peers like best.
    EndpointIndependent,
}

/// All that is asked about a new flow.
#[derive(Debug)]
pub(crate) struct Firewall {
    pub(crate) rules: Vec<(Rule, u32), MAX_RULES>,
    pub(crate) forwards: Vec<Forward, MAX_FORWARDS>,
    /// The one that leads to the router itself, behind all others.
    pub(crate) listening: Option<Forward>,
    /// The host that gets what nobody else wants.
    pub(crate) dmz: Option<Ipv4Address>,
    pub(crate) ping: PingPolicy,
    pub(crate) filtering: Filtering,
}

impl Firewall {
    pub(crate) const fn new() -> Self {
        Self {
            rules: Vec::new(),
            forwards: Vec::new(),
            listening: None,
            dmz: None,
            ping: PingPolicy::Nobody,
            filtering: Filtering::AddressAndPortDependent,
        }
    }

    /// The rule that decides on a flow, by number, if there is one: counted.
    pub(crate) fn decide(&mut self, opening: &Opening) -> Option<(u8, Rule)> {
        let found = self.find(opening)?;
        if let Some((_, hits)) = self.rules.get_mut(usize::from(found.0)) {
            *hits = hits.wrapping_add(1);
        }
        Some(found)
    }

    /// The rule that fits a flow, by number, if there is one.
    pub(crate) fn find(&self, opening: &Opening) -> Option<(u8, Rule)> {
        let has_ports = matches!(opening.protocol, TCP | UDP);
        let found = self.rules.iter().enumerate().find(|(_, (rule, _))| {
            (rule.from, rule.to) == (opening.from, opening.to)
                && rule.protocol.is(opening.protocol)
                && rule.source.contains_ipv4(opening.source)
                && rule.destination.contains_ipv4(opening.destination)
                && (rule.source_ports == PortRange::ALL
                    || has_ports && rule.source_ports.contains(opening.source_port))
                && (rule.destination_ports == PortRange::ALL
                    || has_ports && rule.destination_ports.contains(opening.destination_port))
        });
        found.map(|(number, (rule, _))| (number as u8, *rule))
    }

    /// [`decide`](Self::decide), of IPv6.
    pub(crate) fn decide6(&mut self, opening: &Opening6) -> Option<(u8, Rule)> {
        let found = self.find6(opening)?;
        if let Some((_, hits)) = self.rules.get_mut(usize::from(found.0)) {
            *hits = hits.wrapping_add(1);
        }
        Some(found)
    }

    /// [`find`](Self::find), of IPv6.
    pub(crate) fn find6(&self, opening: &Opening6) -> Option<(u8, Rule)> {
        let has_ports = matches!(opening.protocol, TCP | UDP);
        let fits = |range: PortRange, port| range == PortRange::ALL || has_ports && range.contains(port);
        let found = self.rules.iter().enumerate().find(|(_, (rule, _))| {
            (rule.from, rule.to) == (opening.from, opening.to)
                && rule.protocol.is_in_ipv6(opening.protocol)
                && rule.source.contains_ipv6(&opening.source)
                && rule.destination.contains_ipv6(&opening.destination)
                && fits(rule.source_ports, opening.source_port)
                && fits(rule.destination_ports, opening.destination_port)
        });
        found.map(|(number, (rule, _))| (number as u8, *rule))
    }

    fn all_forwards(&self) -> impl Iterator<Item = &Forward> {
        self.forwards.iter().chain(&self.listening)
    }

    /// Where a packet from `source` to `port` of a WAN is to go, if a forward or the DMZ leads it in.
    pub(crate) fn inside(&self, protocol: u8, source: u32, port: u16) -> Option<(u32, u16)> {
        let forward = self.all_forwards().find(|forward| {
            forward.protocol.is(protocol)
                && forward.ports.contains(port)
                && Network::of(forward.source).contains(source)
        });
        if let Some(forward) = forward {
            return Some((word(forward.host), forward.host_port + (port - forward.ports.first)));
        }
        self.dmz.map(|host| (word(host), port))
    }

    /// The port outside from which a forward leads to this endpoint: what it sends from there is to come from the same.
    pub(crate) fn outside(&self, protocol: u8, host: u32, port: u16) -> Option<u16> {
        self.all_forwards().find_map(|forward| {
            let n = port.checked_sub(forward.host_port)?;
            let fits = n <= forward.ports.last - forward.ports.first;
            (fits && word(forward.host) == host && forward.protocol.is(protocol))
                .then(|| forward.ports.first + n)
        })
    }

    /// Whether a port outside is a forward's, so that no mapping may have it.
    pub(crate) fn reserves(&self, protocol: u8, port: u16) -> bool {
        self.all_forwards().any(|forward| forward.protocol.is(protocol) && forward.ports.contains(port))
    }

    pub(crate) fn may_ping(&self, source: u32) -> bool {
        match self.ping {
            PingPolicy::Nobody => false,
            PingPolicy::From(network) => Network::of(network).contains(source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opening() -> Opening {
        Opening {
            from: Zone::Lan,
            to: Zone::Wan,
            source: word(Ipv4Address::new(192, 168, 1, 2)),
            destination: word(Ipv4Address::new(192, 0, 2, 80)),
            protocol: TCP,
            source_port: 5000,
            destination_port: 25,
        }
    }

    #[test]
    fn the_first_rule_that_fits_decides_and_counts() {
        let mut firewall = Firewall::new();
        assert_eq!(firewall.decide(&opening()), None);
        let mail = Rule {
            protocol: Protocol::Tcp,
            destination_ports: PortRange::one(25),
            ..Rule::new(Zone::Lan, Zone::Wan, Action::Reject)
        };
        let host = Rule {
            source: Prefix::Ipv4(Ipv4Cidr::new(Ipv4Address::new(192, 168, 1, 2), 32)),
            ..Rule::new(Zone::Lan, Zone::Wan, Action::Drop)
        };
        firewall.rules.push((mail, 0)).unwrap();
        firewall.rules.push((host, 0)).unwrap();
        assert_eq!(firewall.decide(&opening()), Some((0, mail)));
        assert_eq!(firewall.decide(&Opening { protocol: UDP, ..opening() }), Some((1, host)));
        assert_eq!(firewall.decide(&Opening { from: Zone::Wan, ..opening() }), None);
        let another = Opening { source: 1, destination_port: 26, ..opening() };
        assert_eq!(firewall.decide(&another), None);
        assert_eq!(firewall.rules.iter().map(|rule| rule.1).collect::<std::vec::Vec<_>>(), [1, 1]);
    }

    #[test]
    fn ranges_are_forwarded_port_by_port_and_only_to_whom_may() {
        let mut firewall = Firewall::new();
        let forward = Forward {
            protocol: Protocol::TcpUdp,
            ports: PortRange { first: 8000, last: 8009 },
            host: Ipv4Address::new(192, 168, 1, 9),
            host_port: 80,
            source: Ipv4Cidr::new(Ipv4Address::new(203, 0, 113, 0), 24),
        };
        assert!(forward.is_valid());
        firewall.forwards.push(forward).unwrap();
        let host = word(forward.host);
        let friend = word(Ipv4Address::new(203, 0, 113, 7));
        assert_eq!(firewall.inside(UDP, friend, 8003), Some((host, 83)));
        assert_eq!(firewall.inside(UDP, friend, 8010), None);
        assert_eq!(firewall.inside(ICMP, friend, 8003), None);
        assert_eq!(firewall.inside(TCP, word(Ipv4Address::new(198, 51, 100, 7)), 8003), None);
        assert!(firewall.reserves(TCP, 8009) && !firewall.reserves(TCP, 7999));
        let outside = |port| firewall.outside(UDP, host, port);
        assert_eq!([79, 80, 89, 90].map(outside), [None, Some(8000), Some(8009), None]);
        assert_eq!(firewall.outside(UDP, friend, 80), None);
        firewall.dmz = Some(Ipv4Address::new(192, 168, 1, 10));
        assert_eq!(firewall.inside(TCP, friend, 22), Some((word(Ipv4Address::new(192, 168, 1, 10)), 22)));
        for bad in [
            Forward { ports: PortRange { first: 9, last: 8 }, ..forward },
            Forward { host_port: 65530, ..forward },
            Forward { protocol: Protocol::Icmp, ..forward },
            Forward { host: Ipv4Address::UNSPECIFIED, ..forward },
        ] {
            assert!(!bad.is_valid(), "{bad:?}");
        }
    }
}
