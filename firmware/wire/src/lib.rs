//! Bytes to values and back, for the formats `smoltcp::wire` lacks: Ethernet with an 802.1Q tag,
//! `PPPoE` (RFC 2516, 4638), PPP control packets and their options (RFC 1661, 1332, 1877, 5072), the
//! authentication packets (RFC 1334, 1994, 2759), DHCPv4 (RFC 2131, 2132), DHCPv6 (RFC 8415), Neighbor Discovery
//! (RFC 4861), DNS (RFC 1035, 6891), SNTP (RFC 5905), what tunnel brokers hear of a new address, and what connectivity
//! probes say and hear of HTTP/1.1 (RFC 9112) and TLS (RFC 8446).
//!
//! No time, no heap, and no state but that of a response read in pieces; no input makes it panic.
//! Parsing borrows from the input and answers [`Malformed`]; emitting writes into a buffer the caller
//! lends and answers the length or [`BufferTooSmall`].
#![no_std]
#![forbid(unsafe_code)]

pub mod dhcpv4;
pub mod dhcpv6;
pub mod dns;
pub mod ethernet;
pub mod http;
pub mod icmpv6;
pub mod ndp;
pub mod nic_update;
pub mod ntp;
pub mod ppp;
pub mod pppoe;
pub mod tls;

mod cursor;

pub use smoltcp::wire::{EthernetAddress, IpAddress, Ipv4Address, Ipv4Cidr, Ipv6Address, Ipv6Cidr};

/// Why bytes from the network are not what they should be. Each variant is a reason worth counting
/// of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Malformed {
    /// The input ends before the fixed part of the header does.
    Truncated,
    /// `PPPoE`: VER or TYPE is not 1 (RFC 2516 §4). IPv6: the version is not 6.
    Version,
    /// A length field claims more than has arrived.
    LengthOverrun,
    /// A length field claims less than the header it stands in.
    LengthTooShort,
    /// 802.1Q: VLAN id 0xFFF is reserved.
    VlanId,
    /// `PPPoE`: a session id that must not be used: 0xFFFF anywhere, 0 with session data
    /// (RFC 2516 §4).
    SessionId,
    /// `PPPoE`: a tag reaches beyond the payload, or a tag header is cut off (RFC 2516 §4).
    TagOverrun,
    /// `PPPoE`: a tag of fixed size has another size.
    TagLength,
    /// `PPPoE`: a tag that may stand once stands twice, with two values.
    DuplicateTag,
    /// PPP: the protocol field is not two octets, even then odd (RFC 1661 §2).
    ProtocolField,
    /// PPP: an option reaches beyond the packet, or its length is below two (RFC 1661 §6). DHCP: an
    /// option reaches beyond the field it stands in (RFC 2132 §2).
    OptionOverrun,
    /// PPP, DHCP: an option of fixed size has another size (RFC 1661 §6, RFC 2132 §2).
    OptionLength,
    /// An authentication packet with a code its protocol does not know. DHCPv6: a relay agent's message.
    UnknownCode,
    /// A counted field of an authentication packet (name, password, value, message) reaches beyond
    /// the packet, or has a size its algorithm does not know.
    FieldLength,
    /// MS-CHAPv2: the text of a Success or Failure does not have the form RFC 2759 §5 and §6 ask. TLS: a
    /// server name is no text.
    Text,
    /// DHCP: `op` is neither BOOTREQUEST nor BOOTREPLY (RFC 2131 §2).
    Operation,
    /// DHCP: `hlen` is longer than the field `chaddr` (RFC 2131 §2).
    HardwareLength,
    /// DHCP: the options do not begin with 99.130.83.99 (RFC 2131 §3).
    MagicCookie,
    /// DHCP: an option of fixed size stands twice, with two values.
    DuplicateOption,
    /// DHCP: option 52 is none of 1, 2 and 3 (RFC 2132 §9.3).
    Overload,
    /// DHCP: a prefix of more bits than an address has (RFC 3442, RFC 8415 §21.22).
    PrefixLength,
    /// DNS: a length octet that is neither a label's nor a pointer's (RFC 1035 §4.1.4).
    LabelType,
    /// DNS: a compression pointer that does not lead backwards, or leads into the header.
    CompressionPointer,
    /// DNS: an empty label, one above 63 octets, or a name above 255 (RFC 1035 §3.1).
    NameLength,
    /// DNS: an OPT where none may be (RFC 6891 §6.1.1).
    Opt,
    /// HTTP: not the status line of an HTTP/1.x response (RFC 9112 §4).
    StatusLine,
    /// HTTP: a head longer than [`http::HEAD_MAX`].
    HeadTooLong,
    /// HTTP: a chunk's size is no number, or no line end follows the chunk (RFC 9112 §7.1).
    ChunkSize,
    /// TLS: not the record or the message that is due (RFC 8446 §5.1).
    NotTls,
    /// HTTP: not the request line of a GET (RFC 9112 §3).
    RequestLine,
    /// IPv6: what follows the header is not ICMPv6.
    NextHeader,
    /// ICMPv6: the checksum does not fit (RFC 4443 §2.3).
    Checksum,
    /// Neighbor Discovery: a hop limit other than 255: it came through a router (RFC 4861 §6.1, §7.1).
    HopLimit,
    /// Neighbor Discovery: not a message of it, or one with a code other than 0.
    NotNeighborDiscovery,
    /// Neighbor Discovery: addresses that its validation forbids (RFC 4861 §6.1, §7.1).
    Addresses,
    /// DHCPv6: an identifier of no octets, or of more than 128 and its type (RFC 8415 §11.1).
    DuidLength,
}

impl Malformed {
    /// What is wrong, in a few words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Truncated => "truncated header",
            Self::Version => "wrong version or type",
            Self::LengthOverrun => "length field beyond the data",
            Self::LengthTooShort => "length field below the header",
            Self::VlanId => "reserved VLAN id",
            Self::SessionId => "invalid session id",
            Self::TagOverrun => "tag beyond the payload",
            Self::TagLength => "tag of wrong size",
            Self::DuplicateTag => "contradicting duplicate tag",
            Self::ProtocolField => "invalid PPP protocol field",
            Self::OptionOverrun => "option beyond the packet",
            Self::OptionLength => "option of wrong size",
            Self::UnknownCode => "unknown authentication code",
            Self::FieldLength => "field beyond the packet",
            Self::Text => "unreadable text",
            Self::StatusLine => "no HTTP status line",
            Self::HeadTooLong => "HTTP head too long",
            Self::ChunkSize => "invalid HTTP chunk",
            Self::NotTls => "not a TLS answer",
            Self::RequestLine => "no HTTP request line",
            Self::NextHeader => "not ICMPv6",
            Self::Checksum => "wrong checksum",
            Self::HopLimit => "hop limit below 255",
            Self::NotNeighborDiscovery => "not Neighbor Discovery",
            Self::Addresses => "forbidden addresses",
            Self::DuidLength => "DUID of wrong length",
            Self::Operation => "neither request nor reply",
            Self::HardwareLength => "hardware address beyond its field",
            Self::MagicCookie => "wrong magic cookie",
            Self::DuplicateOption => "contradicting duplicate option",
            Self::Overload => "invalid option overload",
            Self::PrefixLength => "prefix longer than an address",
            Self::LabelType => "unknown label type",
            Self::CompressionPointer => "compression pointer that does not lead backwards",
            Self::NameLength => "domain name or label of wrong length",
            Self::Opt => "misplaced OPT record",
        }
    }
}

impl core::fmt::Display for Malformed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl core::error::Error for Malformed {}

/// The buffer lent for emitting, or a length field of the format, is too small for the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BufferTooSmall;

impl core::fmt::Display for BufferTooSmall {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("buffer too small")
    }
}

impl core::error::Error for BufferTooSmall {}
