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
    /// The checksum of an IPv4 header, an ICMP message or a DHCP message does not hold.
    BadChecksum,
    /// Its IP options tell the way to go, or cannot be read (RFC 7126 §4.3).
    SourceRoute,
    /// Its source address does not belong where it came from.
    Spoofed,
    /// Its source address is nobody's, or is its destination too (RFC 6890).
    Martian,
    /// A broadcast or multicast: none is forwarded (RFC 2644).
    Group,
    /// From a host on the LAN to another one on the LAN.
    OnLink,
    /// No interface leads to its destination.
    NoRoute,
    /// An answer, a RST or a fragment of no known flow.
    NoFlow,
    /// From a WAN, and nothing inside has asked for it.
    Uninvited,
    /// A rule of the firewall says so.
    Rule,
    /// Its host has as many flows as a host may have.
    HostQuota,
    /// The table of flows is full of flows that may not be given up.
    FlowTableFull,
    /// The table of NAT mappings is full, or no port was free.
    NoMapping,
    /// The answer could not be told from that of another flow.
    Ambiguous,
    /// Its time to live is over; the sender was told, within limits.
    TtlExceeded,
    /// Of a connection through an address we have no more; the sender inside was told.
    Cut,
    /// Its neighbour does not answer ARP, or too many frames wait for such.
    Unreachable,
    /// No place for another neighbour: all of them have flows.
    NeighbourTableFull,
    /// A fragment that overlaps another, or too many gaps; and what follows it (RFC 5722 §4).
    FragmentOverlap,
    /// No place to remember a fragmented datagram.
    FragmentTableFull,
    /// A fragment that came before the first one, while too many wait; or it waited in vain.
    FragmentsWaiting,
    /// An ICMP error about a packet nobody here sent.
    IcmpUnrelated,
    /// An ICMP Redirect or Source Quench: nobody may redirect us (RFC 1812 §5.2.7.2, RFC 6633).
    IcmpUnwanted,
    /// More of its kind than are let through in a time: ICMP errors, pings from the Internet.
    RateLimited,
    /// A DHCP message that the server did not take.
    DhcpRefused,
    /// A Neighbor Discovery message that fails the checks of RFC 4861: its hop limit, checksum, addresses or options.
    NdpInvalid,
    /// More IPv6 extension headers than anybody needs.
    ExtensionHeaders,
    /// An IPv6 address that is not to be forwarded: link-local, loopback, IPv4-mapped (RFC 4291).
    Scope,
    /// A message for a machine of the router's own that is not there: router discovery, DHCPv6.
    ControlRefused,
    /// Protocol 41 from somebody who is no tunnel's other end (RFC 4213 §4).
    TunnelPeer,
    /// From a tunnel, with a source inside that does not belong there (RFC 4213 §4).
    TunnelSource,
    /// From a tunnel, with an address inside that no packet has on the Internet (RFC 4213 §3.6).
    TunnelScope,
    /// From a tunnel, and its way leads back into it (RFC 6324 §3.1).
    TunnelLoop,
    /// From a tunnel, marked outside for a sender who does not understand it (RFC 6040 §4.2).
    TunnelEcn,
}

impl Dropped {
    /// Every reason, in the order of the counters.
    pub const ALL: [Self; 49] = [
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
        Self::BadChecksum,
        Self::SourceRoute,
        Self::Spoofed,
        Self::Martian,
        Self::Group,
        Self::OnLink,
        Self::NoRoute,
        Self::NoFlow,
        Self::Uninvited,
        Self::Rule,
        Self::HostQuota,
        Self::FlowTableFull,
        Self::NoMapping,
        Self::Ambiguous,
        Self::TtlExceeded,
        Self::Cut,
        Self::Unreachable,
        Self::NeighbourTableFull,
        Self::FragmentOverlap,
        Self::FragmentTableFull,
        Self::FragmentsWaiting,
        Self::IcmpUnrelated,
        Self::IcmpUnwanted,
        Self::RateLimited,
        Self::DhcpRefused,
        Self::NdpInvalid,
        Self::ExtensionHeaders,
        Self::Scope,
        Self::ControlRefused,
        Self::TunnelPeer,
        Self::TunnelSource,
        Self::TunnelScope,
        Self::TunnelLoop,
        Self::TunnelEcn,
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
            Self::BadChecksum => "router.bad-checksum",
            Self::SourceRoute => "router.source-route",
            Self::Spoofed => "router.spoofed",
            Self::Martian => "router.martian",
            Self::Group => "router.group",
            Self::OnLink => "router.on-link",
            Self::NoRoute => "router.no-route",
            Self::NoFlow => "router.no-flow",
            Self::Uninvited => "router.uninvited",
            Self::Rule => "router.rule",
            Self::HostQuota => "router.host-quota",
            Self::FlowTableFull => "router.flow-table-full",
            Self::NoMapping => "router.no-mapping",
            Self::Ambiguous => "router.ambiguous",
            Self::TtlExceeded => "router.ttl-exceeded",
            Self::Cut => "router.cut",
            Self::Unreachable => "router.unreachable",
            Self::NeighbourTableFull => "router.neighbour-table-full",
            Self::FragmentOverlap => "router.fragment-overlap",
            Self::FragmentTableFull => "router.fragment-table-full",
            Self::FragmentsWaiting => "router.fragments-waiting",
            Self::IcmpUnrelated => "router.icmp-unrelated",
            Self::IcmpUnwanted => "router.icmp-unwanted",
            Self::RateLimited => "router.rate-limited",
            Self::DhcpRefused => "router.dhcp-refused",
            Self::NdpInvalid => "router.ndp-invalid",
            Self::ExtensionHeaders => "router.extension-headers",
            Self::Scope => "router.scope",
            Self::ControlRefused => "router.control-refused",
            Self::TunnelPeer => "router.tunnel-peer",
            Self::TunnelSource => "router.tunnel-source",
            Self::TunnelScope => "router.tunnel-scope",
            Self::TunnelLoop => "router.tunnel-loop",
            Self::TunnelEcn => "router.tunnel-ecn",
        }
    }
}

/// How often each reason of [`Dropped`] occurred. Wraps around.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters([u32; Dropped::ALL.len()]);

impl Default for Counters {
    fn default() -> Self {
        Self([0; Dropped::ALL.len()])
    }
}

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
