//! ICMPv6 straight behind an IPv6 header: what Neighbor Discovery and pings are sent in.
//!
//! Reading list: RFC 8200 §3 (header), §8.1 (pseudo-header); RFC 4443 §2.1 (message), §2.3 (checksum), §4 (echo).
//!
//! ```text
//!  0          4             6           7        8        24            40     41     42       44
//! +----------+-------------+-----------+--------+--------+-------------+------+------+--------+-----
//! | 6, class,| payload     | next      | hop    | source | destination | type | code | check- | body
//! | label    | length      | header 58 | limit  |        |             |      |      | sum    |
//! +----------+-------------+-----------+--------+--------+-------------+------+------+--------+-----
//! ```
//!
//! Extension headers are not looked behind: no message that is read here may have one before it, except MLD's, which
//! nobody reads.

use smoltcp::wire::Ipv6Address;

use crate::cursor::{Filler, Reader};
use crate::{BufferTooSmall, Malformed};

/// Octets of the IPv6 header.
pub const IPV6_HEADER_LEN: usize = 40;
/// Octets of both headers: IPv6's, and type, code and checksum.
pub const HEADER_LEN: usize = IPV6_HEADER_LEN + 4;
/// Echo Request (RFC 4443 §4.1).
pub const ECHO_REQUEST: u8 = 128;
/// Echo Reply (RFC 4443 §4.2).
pub const ECHO_REPLY: u8 = 129;

/// The Next Header value of ICMPv6.
const ICMPV6: u8 = 58;
/// Octets before the checksum within the message.
const CHECKSUM_AT: usize = IPV6_HEADER_LEN + 2;

/// An ICMPv6 message with what matters of its IPv6 header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// From whom.
    pub source: Ipv6Address,
    /// For whom.
    pub destination: Ipv6Address,
    /// As it arrived.
    pub hop_limit: u8,
    /// The message's type.
    pub kind: u8,
    /// The message's code.
    pub code: u8,
    /// What follows the checksum.
    pub body: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads an IPv6 packet; octets behind its payload are padding.
    ///
    /// # Errors
    /// [`Malformed::Version`], [`Malformed::NextHeader`], [`Malformed::LengthOverrun`], [`Malformed::Checksum`], or
    /// [`Malformed::Truncated`] if there is less than the headers.
    pub fn parse(packet: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(packet);
        if reader.u32()? >> 28 != 6 {
            return Err(Malformed::Version);
        }
        let payload_len = usize::from(reader.u16()?);
        let [next_header, hop_limit] = reader.array()?;
        let source = Ipv6Address::from(reader.array::<16>()?);
        let destination = Ipv6Address::from(reader.array::<16>()?);
        if next_header != ICMPV6 {
            return Err(Malformed::NextHeader);
        }
        let message = reader.take(payload_len, Malformed::LengthOverrun)?;
        let mut reader = Reader::new(message);
        let [kind, code] = reader.array()?;
        reader.u16()?;
        if sum(source, destination, message) != 0xFFFF {
            return Err(Malformed::Checksum);
        }
        Ok(Self { source, destination, hop_limit, kind, code, body: reader.rest() })
    }
}

/// The parts of an echo that both directions have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Echo<'a> {
    /// Tells the pings of one program from another's.
    pub identifier: u16,
    /// Tells one ping from the next.
    pub sequence_number: u16,
    /// What comes back as it was sent.
    pub data: &'a [u8],
}

impl<'a> Echo<'a> {
    /// Reads the body of an Echo Request or Reply.
    ///
    /// # Errors
    /// [`Malformed::Truncated`].
    pub fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let (identifier, sequence_number) = (reader.u16()?, reader.u16()?);
        Ok(Self { identifier, sequence_number, data: reader.rest() })
    }

    /// Writes an IPv6 packet with an Echo Request, or Reply as `kind` has it, and answers its length.
    ///
    /// # Errors
    /// [`BufferTooSmall`].
    pub fn emit(
        &self,
        buffer: &mut [u8],
        kind: u8,
        source: Ipv6Address,
        destination: Ipv6Address,
        hop_limit: u8,
    ) -> Result<usize, BufferTooSmall> {
        let mut filler = Filler::new(buffer);
        begin(&mut filler, source, destination, hop_limit, kind);
        filler.put(&self.identifier.to_be_bytes());
        filler.put(&self.sequence_number.to_be_bytes());
        filler.put(self.data);
        finish(&mut filler, source, destination)
    }
}

/// Writes both headers, code 0, without payload length and checksum.
pub(crate) fn begin(
    filler: &mut Filler<'_>,
    source: Ipv6Address,
    destination: Ipv6Address,
    hop_limit: u8,
    kind: u8,
) {
    filler.put(&[0x60, 0, 0, 0, 0, 0, ICMPV6, hop_limit]);
    filler.put(&source.octets());
    filler.put(&destination.octets());
    filler.put(&[kind, 0, 0, 0]);
}

/// Writes payload length and checksum, and answers the packet's length.
pub(crate) fn finish(
    filler: &mut Filler<'_>,
    source: Ipv6Address,
    destination: Ipv6Address,
) -> Result<usize, BufferTooSmall> {
    let message = filler.written().get(IPV6_HEADER_LEN..).ok_or(BufferTooSmall)?;
    let (length, checksum) = (message.len(), !sum(source, destination, message));
    filler.patch_u16(4, length);
    filler.patch_u16(CHECKSUM_AT, usize::from(checksum));
    filler.finish()
}

/// The ones' complement sum of a message and its pseudo-header (RFC 8200 §8.1).
fn sum(source: Ipv6Address, destination: Ipv6Address, message: &[u8]) -> u16 {
    let words = |octets: &[u8]| -> u32 {
        let (pairs, last) = octets.as_chunks::<2>();
        let sum: u32 = pairs.iter().map(|pair| u32::from(u16::from_be_bytes(*pair))).sum();
        sum + last.first().map_or(0, |octet| u32::from(*octet) << 8)
    };
    // 64 KB of words at most: 32 bits hold their sum.
    let mut sum = words(&source.octets()) + words(&destination.octets());
    sum += message.len() as u32 + u32::from(ICMPV6) + words(message);
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    sum as u16
}
