//! Bytes to values and back, for the formats `smoltcp::wire` lacks: Ethernet with an 802.1Q tag,
//! `PPPoE` (RFC 2516, 4638), PPP control packets and their options (RFC 1661, 1332, 1877, 5072), the
//! authentication packets (RFC 1334, 1994, 2759), and what connectivity probes say and hear of HTTP/1.1
//! (RFC 9112) and TLS (RFC 8446).
//!
//! No time, no heap, and no state but that of a response read in pieces; no input makes it panic.
//! Parsing borrows from the input and answers [`Malformed`]; emitting writes into a buffer the caller
//! lends and answers the length or [`BufferTooSmall`].
#![no_std]
#![forbid(unsafe_code)]

pub mod ethernet;
pub mod http;
pub mod ppp;
pub mod pppoe;
pub mod tls;

mod cursor;

pub use smoltcp::wire::{EthernetAddress, Ipv4Address, Ipv6Address};

/// Why bytes from the network are not what they should be. Each variant is a reason worth counting
/// of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Malformed {
    /// The input ends before the fixed part of the header does.
    Truncated,
    /// `PPPoE`: VER or TYPE is not 1 (RFC 2516 §4).
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
    /// PPP: an option reaches beyond the packet, or its length is below two (RFC 1661 §6).
    OptionOverrun,
    /// PPP: an option of fixed size has another size (RFC 1661 §6).
    OptionLength,
    /// An authentication packet with a code its protocol does not know.
    UnknownCode,
    /// A counted field of an authentication packet (name, password, value, message) reaches beyond
    /// the packet, or has a size its algorithm does not know.
    FieldLength,
    /// MS-CHAPv2: the text of a Success or Failure does not have the form RFC 2759 §5 and §6 ask. TLS: a
    /// server name is no text.
    Text,
    /// HTTP: not the status line of an HTTP/1.x response (RFC 9112 §4).
    StatusLine,
    /// HTTP: a head longer than [`http::HEAD_MAX`].
    HeadTooLong,
    /// HTTP: a chunk's size is no number, or no line end follows the chunk (RFC 9112 §7.1).
    ChunkSize,
    /// TLS: not the record or the message that is due (RFC 8446 §5.1).
    NotTls,
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
