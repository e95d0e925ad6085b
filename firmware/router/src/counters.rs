//! Why the router dropped a frame, and how often.

/// Why a frame was dropped. What the machines below drop is counted by them
/// ([`WanCounters`](crate::WanCounters)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dropped {
    /// It came from a port nobody added.
    UnknownPort,
    /// The Ethernet or `PPPoE` header cannot be read.
    Malformed,
    /// Its destination is another station, or a group.
    NotForUs,
    /// Its VLAN is no WAN's, or it has one where none is expected.
    OtherVlan,
    /// An `EtherType` no WAN speaks.
    OtherEtherType,
    /// A session-stage packet whose code is not 0 (RFC 2516 §6), or a Discovery packet whose code is.
    WrongStage,
    /// Data of a session nobody here has.
    UnknownSession,
    /// More session data than is held while PADS is awaited.
    TooEarly,
    /// IPv4 data while IPCP is not Opened, or IPv6 data while IPV6CP is not (RFC 1661 §3.5).
    NetworkDown,
    /// Neither IPv4 nor IPv6.
    NotIp,
    /// To be sent, and longer than the session's MTU.
    TooLong,
    /// The frame had no room for the headers, which its maker should have left.
    NoHeadroom,
    /// No frame was free for a control message; it stays pending and is tried again soon.
    OutOfFrames,
    /// More was to be sent than was fetched meanwhile.
    QueueFull,
    /// More happened than was fetched meanwhile: an event was lost.
    EventLost,
}

impl Dropped {
    /// Every reason, in the order of the counters.
    pub const ALL: [Self; 15] = [
        Self::UnknownPort,
        Self::Malformed,
        Self::NotForUs,
        Self::OtherVlan,
        Self::OtherEtherType,
        Self::WrongStage,
        Self::UnknownSession,
        Self::TooEarly,
        Self::NetworkDown,
        Self::NotIp,
        Self::TooLong,
        Self::NoHeadroom,
        Self::OutOfFrames,
        Self::QueueFull,
        Self::EventLost,
    ];

    /// The counter's name, stable for consoles and scripts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownPort => "router.unknown-port",
            Self::Malformed => "router.malformed",
            Self::NotForUs => "router.not-for-us",
            Self::OtherVlan => "router.other-vlan",
            Self::OtherEtherType => "router.other-ethertype",
            Self::WrongStage => "router.wrong-stage",
            Self::UnknownSession => "router.unknown-session",
            Self::TooEarly => "router.too-early",
            Self::NetworkDown => "router.network-down",
            Self::NotIp => "router.not-ip",
            Self::TooLong => "router.too-long",
            Self::NoHeadroom => "router.no-headroom",
            Self::OutOfFrames => "router.out-of-frames",
            Self::QueueFull => "router.queue-full",
            Self::EventLost => "router.event-lost",
        }
    }
}

/// How often each reason of [`Dropped`] occurred. Wraps around.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters([u32; Dropped::ALL.len()]);

impl Counters {
    pub(crate) const fn count(&mut self, reason: Dropped) {
        let counter = &mut self.0[reason as usize];
        *counter = counter.wrapping_add(1);
    }

    /// How often `reason` occurred.
    pub const fn of(&self, reason: Dropped) -> u32 {
        self.0[reason as usize]
    }

    /// Every reason with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Dropped, u32)> {
        Dropped::ALL.into_iter().zip(self.0)
    }
}
