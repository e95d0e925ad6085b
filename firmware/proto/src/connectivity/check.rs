//! One check of a round: a name or an address to look at, the task under way for it, and what came out.

use core::net::{IpAddr, Ipv4Addr};

use smoltcp::time::Instant;

use super::Family;
use super::classify::Answer;
use super::task::{DnsError, Failure, TaskId, Transport};

/// Resolvers that are looked at; more are not used.
pub const RESOLVERS_MAX: usize = 3;

/// What a check looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum What {
    /// A row's plain HTTP.
    Http {
        /// The row of the region's list.
        row: u8,
    },
    /// A row's TLS.
    Tls {
        /// The row of the region's list.
        row: u8,
    },
    /// What a resolver says of the known name.
    KnownName {
        /// The resolver, counted as they were given.
        resolver: u8,
        /// How it is asked.
        transport: Transport,
    },
    /// What a resolver says, by UDP, of a name that does not exist.
    RandomName {
        /// The resolver, counted as they were given.
        resolver: u8,
    },
    /// An address that answered before, or that everybody knows: is there a way out at all?
    Anchor {
        /// The row whose HTTP is asked for; `None`: TLS.
        row: Option<u8>,
    },
}

/// What came out of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// A response, read.
    Http(Answer),
    /// A TLS server goes on with the handshake.
    ServerHello,
    /// A TLS server refuses, with this description.
    Alert(u8),
    /// The known name has its address; the random name has none.
    DnsRight,
    /// A name has an address that it cannot have.
    DnsWrong(IpAddr),
    /// The name, a probe's or the known one, has no address of the family.
    NoAddress,
    /// The resolver says no.
    Dns(DnsError),
    /// Nobody answered as he should.
    Failed(Failure),
}

impl Finding {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http(answer) => answer.name(),
            Self::ServerHello => "server-hello",
            Self::Alert(_) => "alert",
            Self::DnsRight => "right",
            Self::DnsWrong(_) => "wrong",
            Self::NoAddress => "no-address",
            Self::Dns(error) => error.name(),
            Self::Failed(failure) => failure.name(),
        }
    }

    /// Whether it proves that a packet came back.
    pub(super) const fn is_sign_of_life(self) -> bool {
        match self {
            Self::Failed(failure) => failure.is_sign_of_life(),
            _ => true,
        }
    }
}

/// A check.
#[derive(Debug, Clone, Copy)]
pub(super) struct Check {
    pub(super) what: What,
    /// The address to look at: given, or resolved.
    pub(super) address: Option<IpAddr>,
    /// The resolver that the address is from, or that is being asked.
    pub(super) resolver: Option<(u8, Transport)>,
    /// Resolvers and transports asked so far, a bit each.
    asked: u8,
    pub(super) tries: u8,
    pub(super) task: Option<Running>,
    /// When the first task began.
    pub(super) began_at: Option<Instant>,
    pub(super) finding: Option<(Finding, Instant)>,
    /// Somebody answered a task of this check.
    pub(super) is_alive: bool,
}

/// A task under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Running {
    pub(super) id: TaskId,
    pub(super) give_up_at: Instant,
}

impl Check {
    pub(super) const fn new(what: What, address: Option<IpAddr>) -> Self {
        Self {
            what,
            address,
            resolver: None,
            asked: 0,
            tries: 0,
            task: None,
            began_at: None,
            finding: None,
            is_alive: false,
        }
    }

    pub(super) const fn is_waiting(&self) -> bool {
        self.task.is_none() && self.finding.is_none()
    }

    pub(super) fn was_asked(&self, resolver: u8, transport: Transport) -> bool {
        self.asked & bit(resolver, transport) != 0
    }

    pub(super) fn ask(&mut self, resolver: u8, transport: Transport) {
        self.asked |= bit(resolver, transport);
        self.tries = self.tries.saturating_add(1);
        self.resolver = Some((resolver, transport));
    }

    pub(super) fn conclude(&mut self, now: Instant, finding: Finding) {
        self.is_alive |= finding.is_sign_of_life();
        self.task = None;
        self.finding = Some((finding, now));
    }
}

fn bit(resolver: u8, transport: Transport) -> u8 {
    let place = resolver * 2 + u8::from(transport == Transport::Tcp);
    1_u8.checked_shl(u32::from(place)).unwrap_or(0)
}

/// Whether an address is one that a public name cannot have: private, loopback, link-local, shared (RFC 6598),
/// unspecified, and their kin in IPv6.
pub(super) fn is_not_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [a, b, ..] = address.octets();
            let is_shared = a == 100 && b & 0xC0 == 64;
            let is_benchmark = a == 198 && b & 0xFE == 18;
            address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_broadcast()
                || address.is_multicast()
                || is_shared
                || is_benchmark
                || a == 0
        }
        IpAddr::V6(address) => {
            address.is_loopback()
                || address.is_unspecified()
                || address.is_multicast()
                || address.is_unique_local()
                || address.is_unicast_link_local()
                || address.to_ipv4_mapped().is_some_and(|mapped: Ipv4Addr| is_not_public(IpAddr::V4(mapped)))
        }
    }
}

/// The first address of a family.
pub(super) fn first_of(addresses: &[IpAddr], family: Family) -> Option<IpAddr> {
    addresses.iter().copied().find(|address| address.is_ipv4() == (family == Family::Ipv4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_no_public_name_has() {
        for (text, expected) in [
            ("10.0.0.1", true),
            ("172.31.255.255", true),
            ("172.32.0.0", false),
            ("192.168.1.1", true),
            ("127.0.0.1", true),
            ("0.0.0.0", true),
            ("169.254.1.1", true),
            ("100.64.0.1", true),
            ("100.128.0.1", false),
            ("198.18.0.1", true),
            ("198.20.0.1", false),
            ("224.0.0.1", true),
            ("255.255.255.255", true),
            ("203.0.113.1", false),
            ("::", true),
            ("::1", true),
            ("fe80::1", true),
            ("fd00::1", true),
            ("ff02::1", true),
            ("::ffff:10.0.0.1", true),
            ("::ffff:203.0.113.1", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_not_public(text.parse().expect("an address")), expected, "{text}");
        }
    }
}
