//! What a client tells, and what it counts.

use gatelet_wire::{Ipv4Address, Malformed};

/// What happened. Poll until there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Is there anybody on the link who has this address? The owner looks by ARP and says
    /// [`accept`](super::Client::accept) or [`decline`](super::Client::decline); after 2 s without a
    /// word it is taken for accepted.
    Check {
        /// The address we have been granted.
        address: Ipv4Address,
    },
    /// There is a [lease](super::Client::lease).
    Bound,
    /// The lease is longer now.
    Renewed {
        /// Something of it, apart from its times, is different from before.
        is_changed: bool,
    },
    /// There is no lease any more: the address must not be used from now on.
    Lost(Loss),
}

/// Why a lease ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Loss {
    /// The server says that it is not ours (DHCPNAK).
    Refused,
    /// Nobody renewed it in time.
    Expired,
    /// The link went down. The address is asked for again when it is up.
    LinkDown,
    /// The owner found somebody else with the address.
    Conflict,
}

/// Why a message was ignored. Each variant has a [counter](Counters).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dropped {
    /// It cannot be read.
    Malformed,
    /// Another client's message.
    NotForClients,
    /// Another `xid` than that of our exchange, or none is under way.
    TransactionId,
    /// Another `chaddr` than ours.
    HardwareAddress,
    /// Another client identifier than ours (RFC 6842 §3).
    ClientIdentifier,
    /// No message type: BOOTP.
    Bootp,
    /// A message type that servers do not send, or that is not spoken here.
    MessageType,
    /// A message of the right exchange at the wrong time.
    NotAwaited,
    /// No server identifier, or another's than the one that was asked.
    Server,
    /// An address that no host can have, or another than we asked for.
    Address,
    /// A subnet mask with holes, or of no bits.
    SubnetMask,
    /// Routers, none of which is on the link.
    Router,
    /// No lease time, or one of less than 10 s.
    LeaseTime,
    /// A further offer after eight were no good.
    TooManyOffers,
}

impl Dropped {
    /// Every reason, in the order of the counters.
    pub const ALL: [Self; 14] = [
        Self::Malformed,
        Self::NotForClients,
        Self::TransactionId,
        Self::HardwareAddress,
        Self::ClientIdentifier,
        Self::Bootp,
        Self::MessageType,
        Self::NotAwaited,
        Self::Server,
        Self::Address,
        Self::SubnetMask,
        Self::Router,
        Self::LeaseTime,
        Self::TooManyOffers,
    ];

    /// The counter's name, stable for consoles and scripts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "dhcp-client-malformed",
            Self::NotForClients => "dhcp-client-not-for-clients",
            Self::TransactionId => "dhcp-client-transaction-id",
            Self::HardwareAddress => "dhcp-client-hardware-address",
            Self::ClientIdentifier => "dhcp-client-identifier",
            Self::Bootp => "dhcp-client-bootp",
            Self::MessageType => "dhcp-client-message-type",
            Self::NotAwaited => "dhcp-client-not-awaited",
            Self::Server => "dhcp-client-server",
            Self::Address => "dhcp-client-address",
            Self::SubnetMask => "dhcp-client-subnet-mask",
            Self::Router => "dhcp-client-router",
            Self::LeaseTime => "dhcp-client-lease-time",
            Self::TooManyOffers => "dhcp-client-too-many-offers",
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
        assert_eq!(counters.iter().map(|(_, count)| count).sum::<u32>(), 14);
    }
}
