//! PPP: the protocol field, the control packets all of LCP, IPCP, IPV6CP and the authentication
//! protocols share, and configuration options.
//!
//! Reading list: RFC 1661 §2 (encapsulation), §5 (control packets), §6 (options); RFC 1570 §2
//! (Identification, Time-Remaining); RFC 2516 §7 (no address and control field, no compressed
//! protocol field on `PPPoE`).
//!
//! ```text
//!  0          2      3            4         6
//! +----------+------+------------+---------+------------- - -
//! | protocol | code | identifier | length  | data            length counts from the code on
//! +----------+------+------------+---------+------------- - -
//!   option:  type (1)  length (1, counts both)  value
//! ```

pub mod chap;
pub mod ipcp;
pub mod ipv6cp;
pub mod lcp;
pub mod mschapv2;
pub mod pap;

use crate::cursor::{Filler, Reader};
use crate::{BufferTooSmall, Malformed};

/// Octets of the protocol field.
pub const PROTOCOL_LEN: usize = 2;
/// Octets of a control packet before its data.
pub const CONTROL_HEADER_LEN: usize = 4;

/// What a PPP packet carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// 0x0021
    Ipv4,
    /// 0x0057
    Ipv6,
    /// 0x8021: IP Control Protocol (RFC 1332).
    Ipcp,
    /// 0x8057: IPv6 Control Protocol (RFC 5072).
    Ipv6cp,
    /// 0xC021: Link Control Protocol (RFC 1661).
    Lcp,
    /// 0xC023: Password Authentication Protocol (RFC 1334).
    Pap,
    /// 0xC223: Challenge Handshake Authentication Protocol (RFC 1994).
    Chap,
    /// Anything else: answered with a Protocol-Reject (RFC 1661 §5.7).
    Unknown(u16),
}

impl From<u16> for Protocol {
    fn from(value: u16) -> Self {
        match value {
            0x0021 => Self::Ipv4,
            0x0057 => Self::Ipv6,
            0x8021 => Self::Ipcp,
            0x8057 => Self::Ipv6cp,
            0xC021 => Self::Lcp,
            0xC023 => Self::Pap,
            0xC223 => Self::Chap,
            other => Self::Unknown(other),
        }
    }
}

impl From<Protocol> for u16 {
    fn from(value: Protocol) -> Self {
        match value {
            Protocol::Ipv4 => 0x0021,
            Protocol::Ipv6 => 0x0057,
            Protocol::Ipcp => 0x8021,
            Protocol::Ipv6cp => 0x8057,
            Protocol::Lcp => 0xC021,
            Protocol::Pap => 0xC023,
            Protocol::Chap => 0xC223,
            Protocol::Unknown(other) => other,
        }
    }
}

/// Splits a PPP packet into its protocol and what follows. For IPv4 and IPv6 the rest is the IP
/// packet itself, in place.
///
/// # Errors
/// [`Malformed::Truncated`]; [`Malformed::ProtocolField`] if the field is not an even octet followed
/// by an odd one (RFC 1661 §2), which also refuses a compressed field.
pub fn parse(packet: &[u8]) -> Result<(Protocol, &[u8]), Malformed> {
    let mut reader = Reader::new(packet);
    let protocol = reader.u16()?;
    if protocol & 0x0101 != 0x0001 {
        return Err(Malformed::ProtocolField);
    }
    Ok((protocol.into(), reader.rest()))
}

/// The code of a control packet. Codes 1 to 7 mean the same in LCP, IPCP and IPV6CP; 8 and above
/// are LCP's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// 1 (RFC 1661 §5.1)
    ConfigureRequest,
    /// 2 (RFC 1661 §5.2)
    ConfigureAck,
    /// 3 (RFC 1661 §5.3)
    ConfigureNak,
    /// 4 (RFC 1661 §5.4)
    ConfigureReject,
    /// 5 (RFC 1661 §5.5)
    TerminateRequest,
    /// 6 (RFC 1661 §5.5)
    TerminateAck,
    /// 7 (RFC 1661 §5.6)
    CodeReject,
    /// 8 (RFC 1661 §5.7)
    ProtocolReject,
    /// 9 (RFC 1661 §5.8)
    EchoRequest,
    /// 10 (RFC 1661 §5.8)
    EchoReply,
    /// 11 (RFC 1661 §5.9)
    DiscardRequest,
    /// 12 (RFC 1570 §2.1)
    Identification,
    /// 13 (RFC 1570 §2.2)
    TimeRemaining,
    /// Anything else: answered with a Code-Reject.
    Unknown(u8),
}

impl From<u8> for Code {
    fn from(value: u8) -> Self {
        match value {
            1 => Self::ConfigureRequest,
            2 => Self::ConfigureAck,
            3 => Self::ConfigureNak,
            4 => Self::ConfigureReject,
            5 => Self::TerminateRequest,
            6 => Self::TerminateAck,
            7 => Self::CodeReject,
            8 => Self::ProtocolReject,
            9 => Self::EchoRequest,
            10 => Self::EchoReply,
            11 => Self::DiscardRequest,
            12 => Self::Identification,
            13 => Self::TimeRemaining,
            other => Self::Unknown(other),
        }
    }
}

impl From<Code> for u8 {
    fn from(value: Code) -> Self {
        match value {
            Code::ConfigureRequest => 1,
            Code::ConfigureAck => 2,
            Code::ConfigureNak => 3,
            Code::ConfigureReject => 4,
            Code::TerminateRequest => 5,
            Code::TerminateAck => 6,
            Code::CodeReject => 7,
            Code::ProtocolReject => 8,
            Code::EchoRequest => 9,
            Code::EchoReply => 10,
            Code::DiscardRequest => 11,
            Code::Identification => 12,
            Code::TimeRemaining => 13,
            Code::Unknown(other) => other,
        }
    }
}

/// A control packet of LCP, IPCP or IPV6CP: what follows the protocol field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Control<'a> {
    /// Which packet this is.
    pub code: Code,
    /// Matches an answer to its request.
    pub identifier: u8,
    /// What the code makes of it: options, a rejected packet, a magic number, a text.
    pub data: &'a [u8],
}

impl<'a> Control<'a> {
    /// Reads a packet from what follows the protocol field. Octets beyond Length are padding and
    /// left out (RFC 1661 §5).
    ///
    /// # Errors
    /// [`Malformed::Truncated`], [`Malformed::LengthTooShort`], [`Malformed::LengthOverrun`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let raw = RawControl::parse(bytes)?;
        Ok(Self { code: raw.code.into(), identifier: raw.identifier, data: raw.data })
    }

    /// Writes the packet with `protocol` before it and answers the length.
    ///
    /// # Errors
    /// [`BufferTooSmall`].
    pub fn emit(&self, buffer: &mut [u8], protocol: Protocol) -> Result<usize, BufferTooSmall> {
        Writer::new(buffer, protocol, self.code, self.identifier).bytes(self.data).finish()
    }

    /// The options of a Configure-Request, -Ack, -Nak or -Reject.
    pub const fn options(&self) -> Options<'a> {
        Options::new(self.data)
    }
}

/// Code, identifier, length, data, for every protocol with that shape.
struct RawControl<'a> {
    code: u8,
    identifier: u8,
    data: &'a [u8],
}

impl<'a> RawControl<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let code = reader.u8()?;
        let identifier = reader.u8()?;
        let length = usize::from(reader.u16()?);
        let data_len = length.checked_sub(CONTROL_HEADER_LEN).ok_or(Malformed::LengthTooShort)?;
        let data = reader.take(data_len, Malformed::LengthOverrun)?;
        Ok(Self { code, identifier, data })
    }
}

/// Writes a control packet, protocol field first, into a lent buffer.
///
/// ```
/// use gatelet_wire::ppp::{Code, Protocol, Writer, lcp::ConfigOption};
/// let mut buffer = [0; 64];
/// let mut writer = Writer::new(&mut buffer, Protocol::Lcp, Code::ConfigureRequest, 1);
/// ConfigOption::MaximumReceiveUnit(1492).write(&mut writer);
/// ConfigOption::MagicNumber(0x1234_5678).write(&mut writer);
/// assert_eq!(writer.finish()?, 2 + 4 + 4 + 6);
/// # Ok::<(), gatelet_wire::BufferTooSmall>(())
/// ```
#[derive(Debug)]
pub struct Writer<'a> {
    filler: Filler<'a>,
}

impl<'a> Writer<'a> {
    /// Begins a packet at the front of `buffer`.
    pub fn new(buffer: &'a mut [u8], protocol: Protocol, code: Code, identifier: u8) -> Self {
        Self::raw(buffer, protocol, code.into(), identifier)
    }

    fn raw(buffer: &'a mut [u8], protocol: Protocol, code: u8, identifier: u8) -> Self {
        let mut filler = Filler::new(buffer);
        filler.put(&u16::from(protocol).to_be_bytes());
        filler.put(&[code, identifier, 0, 0]);
        Self { filler }
    }

    /// Appends an option.
    pub fn option(&mut self, kind: u8, value: &[u8]) -> &mut Self {
        self.option_of(kind, &[value])
    }

    /// Appends an option whose value is `parts`, one after the other.
    fn option_of(&mut self, kind: u8, parts: &[&[u8]]) -> &mut Self {
        let value_len: usize = parts.iter().map(|part| part.len()).sum();
        let Ok(length) = u8::try_from(value_len + 2) else {
            self.filler.fail();
            return self;
        };
        self.filler.put(&[kind, length]);
        for part in parts {
            self.filler.put(part);
        }
        self
    }

    /// Appends an option as it was received: for Configure-Ack and Configure-Reject.
    pub fn raw_option(&mut self, option: RawOption<'_>) -> &mut Self {
        self.option(option.kind, option.value)
    }

    /// Appends octets as they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.filler.put(bytes);
        self
    }

    /// Appends `count` zero octets.
    pub fn zeros(&mut self, count: usize) -> &mut Self {
        self.filler.zeros(count);
        self
    }

    /// Octets written so far, protocol field and header included.
    #[expect(clippy::len_without_is_empty, reason = "there is always a header")]
    pub const fn len(&self) -> usize {
        self.filler.len()
    }

    /// Sets Length and answers the length of the packet, protocol field included.
    ///
    /// # Errors
    /// [`BufferTooSmall`] if anything did not fit.
    pub fn finish(&mut self) -> Result<usize, BufferTooSmall> {
        let length = self.filler.len().saturating_sub(PROTOCOL_LEN);
        self.filler.patch_u16(PROTOCOL_LEN + 2, length);
        self.filler.finish()
    }
}

/// A configuration option before anybody made sense of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawOption<'a> {
    /// The Type field.
    pub kind: u8,
    /// What follows the Length field.
    pub value: &'a [u8],
}

impl RawOption<'_> {
    /// The value as an array of the size the type prescribes.
    fn fixed<const N: usize>(self) -> Result<[u8; N], Malformed> {
        self.value.try_into().map_err(|_| Malformed::OptionLength)
    }

    fn empty(self) -> Result<(), Malformed> {
        self.fixed::<0>().map(|_| ())
    }
}

/// The options of a Configure packet, in order. Ends after the first error: what follows it cannot
/// be found.
#[derive(Debug, Clone)]
pub struct Options<'a> {
    rest: &'a [u8],
}

impl<'a> Options<'a> {
    /// The options in `data`, which is [`Control::data`].
    pub const fn new(data: &'a [u8]) -> Self {
        Self { rest: data }
    }

    fn parse_next(&mut self) -> Result<RawOption<'a>, Malformed> {
        let mut reader = Reader::new(self.rest);
        let header = reader.u8().and_then(|kind| Ok((kind, reader.u8()?)));
        let (kind, length) = header.map_err(|_| Malformed::OptionOverrun)?;
        let value_len = usize::from(length).checked_sub(2).ok_or(Malformed::OptionOverrun)?;
        let value = reader.take(value_len, Malformed::OptionOverrun)?;
        self.rest = reader.rest();
        Ok(RawOption { kind, value })
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = Result<RawOption<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let option = self.parse_next();
        if option.is_err() {
            self.rest = &[];
        }
        Some(option)
    }
}
