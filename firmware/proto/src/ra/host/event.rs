//! What a host tells, and what it counts.

use gatelet_wire::{Ipv6Address, Malformed};

/// What happened. Poll until there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// This is the default router now.
    Router {
        /// Its link-local address.
        address: Ipv6Address,
    },
    /// There is no default router any more.
    RouterLost,
    /// We have this address, to be used for what is new.
    Address {
        /// The address.
        address: Ipv6Address,
    },
    /// The address stays, but another is to be used for what is new.
    AddressDeprecated {
        /// The address.
        address: Ipv6Address,
    },
    /// The address is ours no more.
    AddressLost {
        /// The address.
        address: Ipv6Address,
    },
    /// DNS servers, MTU, flags or the captive portal are others than before.
    SettingsChanged,
}

/// Why a message, or a part of one, was ignored. Each variant has a [counter](Counters).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dropped {
    /// It cannot be read, or does not pass the validation of RFC 4861.
    Malformed,
    /// Another message of Neighbor Discovery.
    NotAdvertisement,
    /// The link is down.
    Down,
    /// It claims to be from ourselves.
    OwnAddress,
    /// A default router that found no place.
    TooManyRouters,
    /// A prefix that found no place.
    TooManyPrefixes,
    /// A DNS server that found no place.
    TooManyServers,
    /// A prefix that no host can use, or one that is preferred longer than it is valid.
    Prefix,
    /// An MTU below 1280.
    Mtu,
    /// A DNS server that no host can be.
    DnsServer,
    /// A captive portal's URI that is none, or too long.
    CaptivePortal,
    /// An option in a wrong form.
    UnreadableOption,
}

impl Dropped {
    /// Every reason, in the order of the counters.
    pub const ALL: [Self; 12] = [
        Self::Malformed,
        Self::NotAdvertisement,
        Self::Down,
        Self::OwnAddress,
        Self::TooManyRouters,
        Self::TooManyPrefixes,
        Self::TooManyServers,
        Self::Prefix,
        Self::Mtu,
        Self::DnsServer,
        Self::CaptivePortal,
        Self::UnreadableOption,
    ];

    /// The counter's name, stable for consoles and scripts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "ra-malformed",
            Self::NotAdvertisement => "ra-not-advertisement",
            Self::Down => "ra-down",
            Self::OwnAddress => "ra-own-address",
            Self::TooManyRouters => "ra-too-many-routers",
            Self::TooManyPrefixes => "ra-too-many-prefixes",
            Self::TooManyServers => "ra-too-many-servers",
            Self::Prefix => "ra-prefix",
            Self::Mtu => "ra-mtu",
            Self::DnsServer => "ra-dns-server",
            Self::CaptivePortal => "ra-captive-portal",
            Self::UnreadableOption => "ra-unreadable-option",
        }
    }
}

impl From<Malformed> for Dropped {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// How often each reason of [`Dropped`] occurred, and what was left out. Wraps around.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    dropped: [u32; Dropped::ALL.len()],
    /// Events that were lost because the owner did not poll.
    pub events_lost: u32,
}

impl Counters {
    pub(super) const ZERO: Self = Self { dropped: [0; Dropped::ALL.len()], events_lost: 0 };

    /// How often `reason` occurred.
    pub const fn dropped(&self, reason: Dropped) -> u32 {
        self.dropped[reason as usize]
    }

    /// Every reason with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Dropped, u32)> {
        Dropped::ALL.into_iter().zip(self.dropped)
    }

    pub(super) const fn count(&mut self, reason: Dropped) {
        let counter = &mut self.dropped[reason as usize];
        *counter = counter.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_counter_and_name() {
        let mut counters = Counters::ZERO;
        for (index, reason) in Dropped::ALL.into_iter().enumerate() {
            assert_eq!(counters.dropped(reason), 0);
            counters.count(reason);
            assert_eq!(counters.dropped(reason), 1);
            assert!(Dropped::ALL[..index].iter().all(|other| other.name() != reason.name()));
        }
        assert_eq!(counters.iter().map(|(_, count)| count).sum::<u32>(), 12);
    }
}
