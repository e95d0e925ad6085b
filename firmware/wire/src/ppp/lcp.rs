//! LCP: its configuration options, and the data of the packets only LCP has.
//!
//! Reading list: RFC 1661 §6 (options), §5.6 (Code-Reject), §5.7 (Protocol-Reject), §5.8 (Echo).

use super::{CONTROL_HEADER_LEN, Code, PROTOCOL_LEN, Protocol, RawOption, Writer};
use crate::cursor::Reader;
use crate::{BufferTooSmall, Malformed};

/// An LCP configuration option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigOption<'a> {
    /// 1: the longest information field the sender can receive, in octets (RFC 1661 §6.1).
    MaximumReceiveUnit(u16),
    /// 3: how the receiver shall prove who it is (RFC 1661 §6.2).
    AuthenticationProtocol(Authentication<'a>),
    /// 5: a random number of the sender, to detect a looped-back link (RFC 1661 §6.4).
    MagicNumber(u32),
    /// 7: one-octet protocol fields (RFC 1661 §6.5); not for `PPPoE` (RFC 2516 §7).
    ProtocolFieldCompression,
    /// 8: no address and control field (RFC 1661 §6.6); not for `PPPoE` (RFC 2516 §7).
    AddressAndControlFieldCompression,
    /// Anything else.
    Unknown {
        /// The Type field.
        kind: u8,
        /// What follows the Length field.
        value: &'a [u8],
    },
}

impl<'a> ConfigOption<'a> {
    /// Makes sense of an option.
    ///
    /// # Errors
    /// [`Malformed::OptionLength`] if an option of fixed size has another one. The packet around it
    /// is still good: the option can be answered with a Configure-Reject of the raw one.
    pub fn parse(option: RawOption<'a>) -> Result<Self, Malformed> {
        Ok(match option.kind {
            1 => Self::MaximumReceiveUnit(u16::from_be_bytes(option.fixed()?)),
            3 => Self::AuthenticationProtocol(Authentication::parse(option.value)?),
            5 => Self::MagicNumber(u32::from_be_bytes(option.fixed()?)),
            7 => option.empty().map(|()| Self::ProtocolFieldCompression)?,
            8 => option.empty().map(|()| Self::AddressAndControlFieldCompression)?,
            kind => Self::Unknown { kind, value: option.value },
        })
    }

    /// The Type field.
    pub const fn kind(&self) -> u8 {
        match self {
            Self::MaximumReceiveUnit(_) => 1,
            Self::AuthenticationProtocol(_) => 3,
            Self::MagicNumber(_) => 5,
            Self::ProtocolFieldCompression => 7,
            Self::AddressAndControlFieldCompression => 8,
            Self::Unknown { kind, .. } => *kind,
        }
    }

    /// Appends the option to a packet.
    pub fn write(&self, writer: &mut Writer<'_>) {
        let kind = self.kind();
        match self {
            Self::MaximumReceiveUnit(mru) => writer.option(kind, &mru.to_be_bytes()),
            Self::AuthenticationProtocol(authentication) => {
                let (protocol, data) = authentication.fields();
                writer.option_of(kind, &[&protocol.to_be_bytes(), data])
            }
            Self::MagicNumber(magic) => writer.option(kind, &magic.to_be_bytes()),
            Self::ProtocolFieldCompression | Self::AddressAndControlFieldCompression => {
                writer.option(kind, &[])
            }
            Self::Unknown { value, .. } => writer.option(kind, value),
        };
    }
}

/// The value of the Authentication-Protocol option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication<'a> {
    /// 0xC023 (RFC 1334 §2.1)
    Pap,
    /// 0xC223 with algorithm 5 (RFC 1994 §3)
    ChapMd5,
    /// 0xC223 with algorithm 0x80 (RFC 2433 §2): broken, offered by old concentrators
    MsChapV1,
    /// 0xC223 with algorithm 0x81 (RFC 2759 §2)
    MsChapV2,
    /// Anything else.
    Unknown {
        /// The Authentication-Protocol field.
        protocol: u16,
        /// The Data field.
        data: &'a [u8],
    },
}

impl<'a> Authentication<'a> {
    fn parse(value: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(value);
        let protocol = reader.u16().map_err(|_| Malformed::OptionLength)?;
        let data = reader.rest();
        Ok(match (Protocol::from(protocol), data) {
            (Protocol::Pap, []) => Self::Pap,
            (Protocol::Chap, [0x05]) => Self::ChapMd5,
            (Protocol::Chap, [0x80]) => Self::MsChapV1,
            (Protocol::Chap, [0x81]) => Self::MsChapV2,
            (Protocol::Pap, _) => return Err(Malformed::OptionLength),
            (Protocol::Chap, data) if data.len() != 1 => return Err(Malformed::OptionLength),
            _ => Self::Unknown { protocol, data },
        })
    }

    /// The Authentication-Protocol and Data fields.
    const fn fields(&self) -> (u16, &'a [u8]) {
        match self {
            Self::Pap => (0xC023, &[]),
            Self::ChapMd5 => (0xC223, &[0x05]),
            Self::MsChapV1 => (0xC223, &[0x80]),
            Self::MsChapV2 => (0xC223, &[0x81]),
            Self::Unknown { protocol, data } => (*protocol, data),
        }
    }
}

/// The data of an Echo-Request, Echo-Reply, Discard-Request or Identification: a magic number and
/// what the sender likes (RFC 1661 §5.8, §5.9; RFC 1570 §2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Echo<'a> {
    /// The sender's Magic-Number, 0 if it negotiated none.
    pub magic_number: u32,
    /// Anything; an Echo-Reply carries the request's (RFC 1661 §5.8).
    pub data: &'a [u8],
}

impl<'a> Echo<'a> {
    /// Reads the data of a control packet.
    ///
    /// # Errors
    /// [`Malformed::Truncated`] below four octets.
    pub fn parse(data: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(data);
        Ok(Self { magic_number: reader.u32()?, data: reader.rest() })
    }

    /// Writes the packet of `code` around it, protocol field first.
    ///
    /// # Errors
    /// [`BufferTooSmall`].
    pub fn emit(&self, buffer: &mut [u8], code: Code, identifier: u8) -> Result<usize, BufferTooSmall> {
        Writer::new(buffer, Protocol::Lcp, code, identifier)
            .bytes(&self.magic_number.to_be_bytes())
            .bytes(self.data)
            .finish()
    }
}

/// Writes an Echo-Request whose data are `padding` zero octets: with `padding` =
/// `MRU - `[`ECHO_OVERHEAD`] it is as long as the longest packet of the link.
///
/// # Errors
/// [`BufferTooSmall`].
pub fn emit_padded_echo_request(
    buffer: &mut [u8],
    identifier: u8,
    magic_number: u32,
    padding: usize,
) -> Result<usize, BufferTooSmall> {
    Writer::new(buffer, Protocol::Lcp, Code::EchoRequest, identifier)
        .bytes(&magic_number.to_be_bytes())
        .zeros(padding)
        .finish()
}

/// Octets of an Echo-Request's information field before its data: header and magic number.
pub const ECHO_OVERHEAD: usize = CONTROL_HEADER_LEN + 4;

/// The data of a Protocol-Reject (RFC 1661 §5.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProtocolReject<'a> {
    /// The protocol the peer does not speak.
    pub protocol: Protocol,
    /// The packet it refused, from behind its protocol field on, possibly cut off.
    pub information: &'a [u8],
}

impl<'a> ProtocolReject<'a> {
    /// Reads the data of a control packet.
    ///
    /// # Errors
    /// [`Malformed::Truncated`] below two octets.
    pub fn parse(data: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(data);
        Ok(Self { protocol: reader.u16()?.into(), information: reader.rest() })
    }

    /// Writes the packet, its information cut off so that it fits `mru`, the peer's.
    ///
    /// # Errors
    /// [`BufferTooSmall`].
    pub fn emit(&self, buffer: &mut [u8], identifier: u8, mru: u16) -> Result<usize, BufferTooSmall> {
        let room = usize::from(mru).saturating_sub(CONTROL_HEADER_LEN + PROTOCOL_LEN);
        Writer::new(buffer, Protocol::Lcp, Code::ProtocolReject, identifier)
            .bytes(&u16::from(self.protocol).to_be_bytes())
            .bytes(self.information.get(..room).unwrap_or(self.information))
            .finish()
    }
}

/// Writes a Code-Reject of `protocol` about `rejected`, a control packet from its code on, cut off
/// so that it fits `mru`, the peer's (RFC 1661 §5.6).
///
/// # Errors
/// [`BufferTooSmall`].
pub fn emit_code_reject(
    buffer: &mut [u8],
    protocol: Protocol,
    identifier: u8,
    rejected: &[u8],
    mru: u16,
) -> Result<usize, BufferTooSmall> {
    let room = usize::from(mru).saturating_sub(CONTROL_HEADER_LEN);
    Writer::new(buffer, protocol, Code::CodeReject, identifier)
        .bytes(rejected.get(..room).unwrap_or(rejected))
        .finish()
}
