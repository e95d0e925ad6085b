//! What a WAN tells: each step with who and why, and its state at any moment.

use gatelet_hal::LinkState;
use gatelet_proto::dhcp::client::Loss;
use gatelet_proto::ppp::{self, LinkEvent, Phase};
use gatelet_proto::pppoe::{self, DiscoveryMessage, NAME_MAX, Refusal, TEXT_MAX};
use gatelet_proto::redial::{Advice, Failure, HangUpReason, LastSession, Note};
use gatelet_wire::dhcpv4::MessageType;
use gatelet_wire::{EthernetAddress, Ipv4Address, Ipv4Cidr};
use heapless::String;
use smoltcp::time::{Duration, Instant};

/// A WAN, by number in the order of [`Router::add_wan`](crate::Router::add_wan).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WanId(pub u8);

/// One step of a WAN. What is `…Sent` is ours, what is `…Received` is the concentrator's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WanEvent {
    /// The port has carrier.
    LinkUp,
    /// The port has lost its carrier.
    LinkDown,
    /// The redial engine has us dial, or send a single PADI to see whether anybody is there.
    DialBegun {
        /// A single PADI.
        probe: bool,
    },
    /// A PADT for a session that we remember and do not have any more.
    StaleSessionCleared(LastSession),
    /// A PADI went out.
    PadiSent {
        /// Which of this dial, from 1.
        attempt: u8,
    },
    /// A PADI or PADR is due, and the budget holds it back.
    Deferred {
        /// Which.
        message: DiscoveryMessage,
        /// Until when.
        until: Instant,
    },
    /// The peer waits for our authentication, and the budget holds it back.
    AuthenticationDeferred {
        /// Until when.
        until: Instant,
    },
    /// An acceptable PADO: we ask this concentrator.
    PadoReceived {
        /// The concentrator.
        ac_mac: EthernetAddress,
        /// Its AC-Name.
        ac_name: String<NAME_MAX>,
        /// It had been kept as fallback, and the first choice failed.
        fallback: bool,
    },
    /// A further acceptable PADO, kept as fallback.
    PadoKept {
        /// The concentrator.
        ac_mac: EthernetAddress,
        /// Its AC-Name.
        ac_name: String<NAME_MAX>,
    },
    /// A PADR went out.
    PadrSent {
        /// To whom.
        ac_mac: EthernetAddress,
        /// Which to this concentrator, from 1.
        attempt: u8,
    },
    /// A PADO or PADS refused us with an error tag.
    RefusalReceived(Refusal),
    /// PADS: there is a session.
    PadsReceived {
        /// The concentrator.
        ac_mac: EthernetAddress,
        /// The session.
        session_id: u16,
        /// PPP-Max-Payload, where both agreed to one (RFC 4638).
        max_payload: Option<u16>,
    },
    /// A PADS for a session we do not want; it is ended with a PADT.
    SurplusPadsReceived {
        /// The concentrator.
        ac_mac: EthernetAddress,
        /// The session.
        session_id: u16,
    },
    /// The concentrator ended our session.
    PadtReceived {
        /// The session.
        session_id: u16,
        /// What it had to say; mostly nothing.
        text: String<TEXT_MAX>,
    },
    /// We ended a session.
    PadtSent {
        /// To whom.
        ac_mac: EthernetAddress,
        /// The session.
        session_id: u16,
        /// Why.
        reason: PadtReason,
    },
    /// A step of PPP. `Ipv4Up` and `Ipv6Up` come as [`Up`](Self::Up) and [`Ipv6Up`](Self::Ipv6Up).
    Ppp(LinkEvent),
    /// IPv4 is up.
    Up {
        /// What IPCP gave us.
        ipv4: Ipv4Status,
        /// The longest IP packet, in bytes.
        mtu: u16,
        /// From the first PADI of this dial.
        since_dial: Duration,
    },
    /// IPv6 is up, as far as link-local addresses go.
    Ipv6Up {
        /// What IPV6CP gave us.
        ipv6: Ipv6Status,
        /// The longest IP packet, in bytes.
        mtu: u16,
        /// From the first PADI of this dial.
        since_dial: Duration,
    },
    /// The path does not carry what RFC 4638 promised: the MTU falls to 1492 for what we send, and
    /// the next dial asks for no more.
    BlackHole {
        /// The size that did not come back.
        size: u16,
    },
    /// We end the session, or the dial.
    HangingUp {
        /// Why.
        reason: HangUpReason,
    },
    /// The dial or session is over.
    Down {
        /// In the engine's reading.
        failure: Failure,
        /// How long it was up, if it was.
        uptime: Option<Duration>,
    },
    /// What the engine does next, why, until when. Told whenever it changes.
    Advice(Advice),
    /// Something the engine wants people to know.
    Note(Note),
    /// A DHCP message went out.
    DhcpSent {
        /// Which.
        message: MessageType,
        /// Which copy of it, from 1.
        attempt: u8,
    },
    /// A DHCP server has given us an address; [`Up`](Self::Up) follows.
    Leased {
        /// Our address, and how much is on the link.
        address: Ipv4Cidr,
        /// The server.
        server: Ipv4Address,
        /// For how long; `None`: for ever.
        duration: Option<Duration>,
    },
    /// The lease is longer now.
    LeaseRenewed,
    /// There is no lease any more.
    LeaseLost(Loss),
    /// Another station has the address that the server gave us: it was declined.
    AddressInUse {
        /// The address.
        address: Ipv4Address,
    },
    /// The address is not one of the Internet: the carrier translates it once more. Port forwards, and tunnels of protocol 41,
    /// cannot be reached from outside.
    BehindNat {
        /// The address.
        address: Ipv4Address,
        /// Whose kind it is.
        kind: AddressKind,
    },
    /// The LAN and this WAN use the same addresses: what is in both can be reached only on the LAN.
    Clash {
        /// The network of the WAN.
        wan: Ipv4Cidr,
        /// The LAN.
        lan: Ipv4Cidr,
        /// A network that would do for the LAN.
        suggestion: Ipv4Cidr,
    },
}

/// What an IPv4 address is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressKind {
    /// It can be reached from the Internet.
    Public,
    /// 100.64.0.0/10: behind the carrier's own NAT (RFC 6598).
    CarrierGrade,
    /// 10/8, 172.16/12 or 192.168/16 (RFC 1918): behind somebody's NAT, the carrier's or the modem's.
    Private,
}

impl AddressKind {
    /// The kind of `address`.
    pub const fn of(address: Ipv4Address) -> Self {
        match address.octets() {
            [100, second, ..] if second & 0xC0 == 64 => Self::CarrierGrade,
            [10, ..] | [192, 168, ..] => Self::Private,
            [172, second, ..] if second & 0xF0 == 16 => Self::Private,
            _ => Self::Public,
        }
    }
}

/// Why we sent a PADT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PadtReason {
    /// A session that we had before a reboot, or before the line went dead.
    Stale,
    /// We hung up.
    HangUp,
    /// PPP failed or was ended by the peer: the session is of no more use.
    LinkEnded,
    /// A PADS we had not asked for, or not any more.
    Surplus,
    /// Data of a session nobody here has.
    UnknownSession,
}

/// Where a WAN stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WanState {
    /// No session and no dial; see the advice for what is waited for.
    Idle,
    /// Between PADI and PADS.
    Discovery,
    /// A session whose PPP is on its way up.
    Negotiating(Phase),
    /// A DHCP server is being asked for an address.
    Acquiring,
    /// IPv4 or IPv6 flows.
    Up,
    /// Terminate-Request is out; PADT follows.
    Closing,
}

/// A session, as far as people want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionStatus {
    /// The concentrator.
    pub ac_mac: EthernetAddress,
    /// Its AC-Name.
    pub ac_name: String<NAME_MAX>,
    /// `SESSION_ID`.
    pub id: u16,
}

/// What IPCP gave us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ipv4Status {
    /// Our address.
    pub address: Ipv4Address,
    /// The peer's, if it told.
    pub peer: Option<Ipv4Address>,
    /// DNS servers, as far as it told.
    pub dns: [Option<Ipv4Address>; 2],
}

/// What IPV6CP gave us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ipv6Status {
    /// Our interface identifier: the link-local address is `fe80::` and this.
    pub local: [u8; 8],
    /// The peer's, if it told.
    pub peer: Option<[u8; 8]>,
}

/// A WAN at one moment.
#[derive(Debug, Clone)]
pub struct WanStatus {
    /// Where it stands.
    pub state: WanState,
    /// The port's carrier.
    pub link: LinkState,
    /// The session, if there is one.
    pub session: Option<SessionStatus>,
    /// IPv4, while it is up.
    pub ipv4: Option<Ipv4Status>,
    /// IPv6, while it is up.
    pub ipv6: Option<Ipv6Status>,
    /// The longest IP packet in bytes; 0 without a session.
    pub mtu: u16,
    /// Since when IPv4 or IPv6 flows.
    pub up_since: Option<Instant>,
    /// What the redial engine does, why, until when.
    pub advice: Advice,
    /// How the last dial or session ended.
    pub last_failure: Option<Failure>,
    /// What was received, sent and dropped.
    pub counters: WanCounters,
    /// What LAN hosts send by it over IPv4, and get back.
    pub forwarded: Forwarded,
    /// The same of IPv6, over the line or through the tunnel that stands in for it. Neighbor Discovery is among it.
    pub forwarded_ipv6: Forwarded,
}

/// One family's packets between the LAN and a WAN, counted at both ends, less what the router's own stacks sent and received there. What was
/// dropped on the way is counted at one end only, and so is what passed by another WAN: what has grown at both ends has passed.
/// Wraps around.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Forwarded {
    /// Packets that came from the LAN, for whichever WAN.
    pub from_lan: u32,
    /// Packets that left by this WAN.
    pub to_wan: u32,
    /// Bytes of IP that came by this WAN.
    pub from_wan_bytes: u64,
    /// Bytes of IP that went to the LAN, from whichever WAN.
    pub to_lan_bytes: u64,
}

/// What one WAN received, sent and dropped since it was added. Wraps around.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WanCounters {
    /// PADIs sent.
    pub padi_sent: u32,
    /// PADRs sent.
    pub padr_sent: u32,
    /// PADTs sent.
    pub padt_sent: u32,
    /// Control packets of PPP sent.
    pub ppp_sent: u32,
    /// Control packets of PPP received.
    pub ppp_received: u32,
    /// IP packets sent.
    pub ip_sent: u32,
    /// IP packets received.
    pub ip_received: u32,
    /// Bytes of IP sent.
    pub ip_sent_bytes: u64,
    /// Bytes of IP received.
    pub ip_received_bytes: u64,
    /// Sessions that PADS opened.
    pub sessions: u32,
    /// Session frames that arrived before their PADS and were held.
    pub held: u32,
    /// What Discovery dropped.
    pub discovery: pppoe::Counters,
    /// What the PPP of the present session, or the last one, dropped.
    pub link: ppp::Counters,
}
