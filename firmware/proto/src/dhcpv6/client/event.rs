//! What a client tells, and what it counts.

use gatelet_wire::{Ipv6Cidr, Malformed};

/// What happened. Poll until there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// There is a [lease](super::Client::lease).
    Bound,
    /// The lease is longer now.
    Renewed {
        /// Something of it, apart from its times, is different from before.
        is_changed: bool,
    },
    /// A prefix is not ours any more; others may be.
    PrefixLost {
        /// The prefix.
        prefix: Ipv6Cidr,
    },
    /// There is no lease any more.
    Lost(Loss),
    /// Servers answer, and have nothing for us. Told once until there is a lease.
    NothingAvailable,
}

/// Why a lease ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Loss {
    /// Nobody renewed it in time.
    Expired,
    /// The server has no record of it: it is asked to make one.
    NoBinding,
    /// The server set all lifetimes to zero.
    Withdrawn,
    /// The link went down. It is confirmed when it is up again.
    LinkDown,
}

/// Why a message, or a part of one, was ignored. Each variant has a [counter](Counters).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dropped {
    /// It cannot be read.
    Malformed,
    /// RECONFIGURE, which nobody takes without authentication (RFC 8415 §20.4).
    Reconfigure,
    /// Another message that servers do not send to clients.
    MessageType,
    /// A message at the wrong time.
    NotAwaited,
    /// Another transaction than that under way.
    TransactionId,
    /// No client identifier, or another's.
    ClientId,
    /// No server identifier, or another's than the one that was asked.
    Server,
    /// A server that could not do what it was asked for.
    Status,
    /// No lease that we could use.
    NothingGranted,
    /// An ADVERTISE that is no better than another.
    WorseOffer,
    /// An identity association that is not ours.
    Iaid,
    /// T1 after T2, or preferred for longer than valid.
    Times,
    /// A prefix that no LAN can use: not of 24 to 64 bits, or not of the Internet.
    Prefix,
    /// An address that no host can have.
    Address,
    /// A lease that found no place.
    TooManyLeases,
}

impl Dropped {
    /// Every reason, in the order of the counters.
    pub const ALL: [Self; 15] = [
        Self::Malformed,
        Self::Reconfigure,
        Self::MessageType,
        Self::NotAwaited,
        Self::TransactionId,
        Self::ClientId,
        Self::Server,
        Self::Status,
        Self::NothingGranted,
        Self::WorseOffer,
        Self::Iaid,
        Self::Times,
        Self::Prefix,
        Self::Address,
        Self::TooManyLeases,
    ];

    /// The counter's name, stable for consoles and scripts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "dhcpv6-client-malformed",
            Self::Reconfigure => "dhcpv6-client-reconfigure",
            Self::MessageType => "dhcpv6-client-message-type",
            Self::NotAwaited => "dhcpv6-client-not-awaited",
            Self::TransactionId => "dhcpv6-client-transaction-id",
            Self::ClientId => "dhcpv6-client-identifier",
            Self::Server => "dhcpv6-client-server",
            Self::Status => "dhcpv6-client-status",
            Self::NothingGranted => "dhcpv6-client-nothing-granted",
            Self::WorseOffer => "dhcpv6-client-worse-offer",
            Self::Iaid => "dhcpv6-client-iaid",
            Self::Times => "dhcpv6-client-times",
            Self::Prefix => "dhcpv6-client-prefix",
            Self::Address => "dhcpv6-client-address",
            Self::TooManyLeases => "dhcpv6-client-too-many-leases",
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
        assert_eq!(counters.iter().map(|(_, count)| count).sum::<u32>(), 15);
    }
}
