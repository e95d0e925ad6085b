//! What a server tells, and what it counts.

use gatelet_wire::{EthernetAddress, Ipv4Address, Malformed};

/// What happened. Poll until there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A client has an address that it did not have before.
    Granted {
        /// The address.
        address: Ipv4Address,
        /// The client.
        mac: EthernetAddress,
    },
    /// A client keeps its address.
    Renewed {
        /// The address.
        address: Ipv4Address,
        /// The client.
        mac: EthernetAddress,
    },
    /// A client has given its address back.
    Released {
        /// The address.
        address: Ipv4Address,
        /// The client.
        mac: EthernetAddress,
    },
    /// A client did not renew in time.
    Expired {
        /// The address.
        address: Ipv4Address,
        /// The client.
        mac: EthernetAddress,
    },
    /// A client found somebody else with the address it was given.
    Declined {
        /// The address, not given to anybody for a while.
        address: Ipv4Address,
        /// The client that said so.
        mac: EthernetAddress,
    },
    /// Somebody has an address that we were about to give away.
    Conflict {
        /// The address, not given to anybody for a while.
        address: Ipv4Address,
        /// Who answered for it.
        mac: EthernetAddress,
    },
    /// A client was told that it cannot have the address it asked for (DHCPNAK).
    Refused {
        /// The address it asked for.
        address: Ipv4Address,
        /// The client.
        mac: EthernetAddress,
    },
    /// A lease ended because the subnet moved, or the address became another's.
    Withdrawn {
        /// The address.
        address: Ipv4Address,
        /// The client.
        mac: EthernetAddress,
    },
    /// There is no address left for a newcomer. Told once, until one has been had again.
    Exhausted,
}

/// Why a message was ignored. Each variant has a [counter](Counters).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dropped {
    /// It cannot be read.
    Malformed,
    /// A server's message: there may be another server on this network.
    NotForServers,
    /// The client's hardware is not Ethernet.
    NotEthernet,
    /// `giaddr` is set: relay agents have no business on this link.
    Relayed,
    /// `chaddr` is no unicast address, or not the one the frame came from.
    HardwareAddress,
    /// The datagram's source is neither unspecified nor the `ciaddr` its message claims.
    SourceAddress,
    /// No message type: BOOTP.
    Bootp,
    /// A message type that clients do not send.
    MessageType,
    /// The client chose another server, or speaks to it.
    OtherServer,
    /// It names no address where it must, or one outside of the subnet.
    NoAddress,
    /// A DECLINE or RELEASE of what the sender does not have.
    NoSuchLease,
    /// A newcomer, while too many have come within a minute.
    TooManyNewcomers,
    /// A newcomer, while as many offers as there is room for wait to be taken.
    TooManyOffers,
    /// One more identifier of a host that has enough addresses.
    TooManyOfOneHost,
    /// There is no address left, or no place for another lease.
    Exhausted,
    /// The answers to what came before have not been taken yet.
    Busy,
}

impl Dropped {
    /// Every reason, in the order of the counters.
    pub const ALL: [Self; 16] = [
        Self::Malformed,
        Self::NotForServers,
        Self::NotEthernet,
        Self::Relayed,
        Self::HardwareAddress,
        Self::SourceAddress,
        Self::Bootp,
        Self::MessageType,
        Self::OtherServer,
        Self::NoAddress,
        Self::NoSuchLease,
        Self::TooManyNewcomers,
        Self::TooManyOffers,
        Self::TooManyOfOneHost,
        Self::Exhausted,
        Self::Busy,
    ];

    /// The counter's name, stable for consoles and scripts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "dhcp-server-malformed",
            Self::NotForServers => "dhcp-server-not-for-servers",
            Self::NotEthernet => "dhcp-server-not-ethernet",
            Self::Relayed => "dhcp-server-relayed",
            Self::HardwareAddress => "dhcp-server-hardware-address",
            Self::SourceAddress => "dhcp-server-source-address",
            Self::Bootp => "dhcp-server-bootp",
            Self::MessageType => "dhcp-server-message-type",
            Self::OtherServer => "dhcp-server-other-server",
            Self::NoAddress => "dhcp-server-no-address",
            Self::NoSuchLease => "dhcp-server-no-such-lease",
            Self::TooManyNewcomers => "dhcp-server-too-many-newcomers",
            Self::TooManyOffers => "dhcp-server-too-many-offers",
            Self::TooManyOfOneHost => "dhcp-server-too-many-of-one-host",
            Self::Exhausted => "dhcp-server-exhausted",
            Self::Busy => "dhcp-server-busy",
        }
    }
}

impl From<Malformed> for Dropped {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// How often each reason of [`Dropped`] occurred, and how many events nobody fetched. Wraps around.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    dropped: [u32; Dropped::ALL.len()],
    /// Events that were lost because the owner did not poll.
    pub events_lost: u32,
}

impl Counters {
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
        let mut counters = Counters::default();
        for (index, reason) in Dropped::ALL.into_iter().enumerate() {
            assert_eq!(counters.dropped(reason), 0);
            counters.count(reason);
            assert_eq!(counters.dropped(reason), 1);
            assert!(Dropped::ALL[..index].iter().all(|other| other.name() != reason.name()));
        }
        assert_eq!(counters.iter().map(|(_, count)| count).sum::<u32>(), 16);
    }
}
