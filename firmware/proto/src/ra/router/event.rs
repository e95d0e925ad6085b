//! What the LAN's router tells, and what it counts.

use gatelet_wire::{Ipv6Address, Malformed};

/// What happened. Poll until there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Somebody else advertises on our LAN. Told once for each, as long as they do not take turns.
    OtherRouter {
        /// Its link-local address.
        address: Ipv6Address,
    },
}

/// Why something was ignored. Each variant has a [counter](Counters).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dropped {
    /// It cannot be read, or does not pass the validation of RFC 4861.
    Malformed,
    /// Another message of Neighbor Discovery.
    NotSolicitation,
    /// An advertisement of another router.
    OtherRouter,
    /// The LAN is down.
    Down,
    /// A prefix of the owner's that no host can use.
    Prefix,
    /// A prefix of the owner's that found no place.
    TooManyPrefixes,
}

impl Dropped {
    /// Every reason, in the order of the counters.
    pub const ALL: [Self; 6] = [
        Self::Malformed,
        Self::NotSolicitation,
        Self::OtherRouter,
        Self::Down,
        Self::Prefix,
        Self::TooManyPrefixes,
    ];

    /// The counter's name, stable for consoles and scripts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "rs-malformed",
            Self::NotSolicitation => "rs-not-solicitation",
            Self::OtherRouter => "rs-other-router",
            Self::Down => "rs-down",
            Self::Prefix => "rs-prefix",
            Self::TooManyPrefixes => "rs-too-many-prefixes",
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
        assert_eq!(counters.iter().map(|(_, count)| count).sum::<u32>(), 6);
    }
}
