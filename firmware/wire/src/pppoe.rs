//! `PPPoE`: the header shared by discovery and session stage, and the tags of discovery.
//!
//! Reading list: RFC 2516 §4 (header, tags), §5 (the discovery packets), §6 (session stage),
//! appendix A (tag types); RFC 4638 §4 (PPP-Max-Payload).
//!
//! ```text
//!  0         1      2            4          6
//! +---------+------+------------+----------+------------- - -
//! | VER TYPE| CODE | SESSION_ID |  LENGTH  | tags, or a PPP packet from its protocol field on
//! +---------+------+------------+----------+------------- - -
//!   tag:  TAG_TYPE (2)  TAG_LENGTH (2)  TAG_VALUE
//! ```

use crate::cursor::{Filler, Reader};
use crate::{BufferTooSmall, Malformed};

/// Octets of the `PPPoE` header.
pub const HEADER_LEN: usize = 6;
/// Octets the session stage adds to an IP packet: the `PPPoE` header and the PPP protocol field.
pub const SESSION_OVERHEAD: usize = 8;
/// The longest PADI, header and tags without Ethernet, so that a relay can still add its tag
/// (RFC 2516 §5.1).
pub const MAX_PADI_LEN: usize = 1484;

/// VER 1 and TYPE 1 (RFC 2516 §4).
const VERSION_AND_TYPE: u8 = 0x11;

/// The CODE field: which packet this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// 0x00: session stage, the payload is a PPP packet (RFC 2516 §6).
    Session,
    /// 0x07: Active Discovery Offer (RFC 2516 §5.2).
    Pado,
    /// 0x09: Active Discovery Initiation (RFC 2516 §5.1).
    Padi,
    /// 0x19: Active Discovery Request (RFC 2516 §5.3).
    Padr,
    /// 0x65: Active Discovery Session-confirmation (RFC 2516 §5.4).
    Pads,
    /// 0xA7: Active Discovery Terminate (RFC 2516 §5.5).
    Padt,
    /// Anything else.
    Unknown(u8),
}

impl From<u8> for Code {
    fn from(value: u8) -> Self {
        match value {
            0x00 => Self::Session,
            0x07 => Self::Pado,
            0x09 => Self::Padi,
            0x19 => Self::Padr,
            0x65 => Self::Pads,
            0xA7 => Self::Padt,
            other => Self::Unknown(other),
        }
    }
}

impl From<Code> for u8 {
    fn from(value: Code) -> Self {
        match value {
            Code::Session => 0x00,
            Code::Pado => 0x07,
            Code::Padi => 0x09,
            Code::Padr => 0x19,
            Code::Pads => 0x65,
            Code::Padt => 0xA7,
            Code::Unknown(other) => other,
        }
    }
}

/// Whether `id` may name a session: neither 0 nor 0xFFFF (RFC 2516 §4).
pub const fn is_session_id(id: u16) -> bool {
    id != 0 && id != 0xFFFF
}

/// A `PPPoE` packet: what an Ethernet frame of either `EtherType` carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Which packet this is.
    pub code: Code,
    /// The session. 0 in PADI, PADO, PADR and a refusing PADS; see [`is_session_id`].
    pub session_id: u16,
    /// Tags, or with [`Code::Session`] a PPP packet from its protocol field on. Ethernet padding
    /// is already cut off.
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a packet from an Ethernet payload. Octets beyond LENGTH are Ethernet padding and are
    /// left out; the tags are not looked at yet.
    ///
    /// # Errors
    /// [`Malformed::Truncated`], [`Malformed::Version`], [`Malformed::LengthOverrun`], and
    /// [`Malformed::SessionId`] for 0xFFFF, and for 0 with session data.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let version_and_type = reader.u8()?;
        let code = Code::from(reader.u8()?);
        let session_id = reader.u16()?;
        let length = reader.u16()?;
        if version_and_type != VERSION_AND_TYPE {
            return Err(Malformed::Version);
        }
        if session_id == 0xFFFF || (code == Code::Session && session_id == 0) {
            return Err(Malformed::SessionId);
        }
        let payload = reader.take(usize::from(length), Malformed::LengthOverrun)?;
        Ok(Self { code, session_id, payload })
    }

    /// Writes header and payload to the front of `buffer` and answers the length.
    ///
    /// # Errors
    /// [`BufferTooSmall`].
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let mut writer = Writer::new(buffer, self.code, self.session_id);
        writer.filler.put(self.payload);
        writer.finish()
    }

    /// The tags of a discovery packet, in order.
    pub const fn tags(&self) -> Tags<'a> {
        Tags::new(self.payload)
    }
}

/// Writes the header of a session packet whose `payload_len` octets (PPP protocol field included)
/// follow elsewhere: for the datapath, which prepends it in the headroom. `payload_len` is at most
/// an Ethernet payload, so it fits its field.
pub const fn emit_session_header(header: &mut [u8; HEADER_LEN], session_id: u16, payload_len: u16) {
    let [id_high, id_low] = session_id.to_be_bytes();
    let [len_high, len_low] = payload_len.to_be_bytes();
    *header = [VERSION_AND_TYPE, 0, id_high, id_low, len_high, len_low];
}

/// The type of a tag (RFC 2516 appendix A, RFC 4638 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TagKind {
    /// 0x0000: nothing follows. Not required, and ends [`Tags`].
    EndOfList,
    /// 0x0101: the service asked for or offered; empty means any.
    ServiceName,
    /// 0x0102: the name of this concentrator.
    AcName,
    /// 0x0103: the host's cookie, echoed by the concentrator.
    HostUniq,
    /// 0x0104: the concentrator's cookie, echoed by the host.
    AcCookie,
    /// 0x0105: vendor id and whatever the vendor likes.
    VendorSpecific,
    /// 0x0110: added by a relay, echoed by both.
    RelaySessionId,
    /// 0x0120: the MRU above 1492 that both could do (RFC 4638).
    PppMaxPayload,
    /// 0x0201: the requested service cannot be honoured.
    ServiceNameError,
    /// 0x0202: the concentrator could not do it (no resources, typically).
    AcSystemError,
    /// 0x0203: an unrecoverable error, with a text.
    GenericError,
    /// Anything else.
    Unknown(u16),
}

impl From<u16> for TagKind {
    fn from(value: u16) -> Self {
        match value {
            0x0000 => Self::EndOfList,
            0x0101 => Self::ServiceName,
            0x0102 => Self::AcName,
            0x0103 => Self::HostUniq,
            0x0104 => Self::AcCookie,
            0x0105 => Self::VendorSpecific,
            0x0110 => Self::RelaySessionId,
            0x0120 => Self::PppMaxPayload,
            0x0201 => Self::ServiceNameError,
            0x0202 => Self::AcSystemError,
            0x0203 => Self::GenericError,
            other => Self::Unknown(other),
        }
    }
}

impl From<TagKind> for u16 {
    fn from(value: TagKind) -> Self {
        match value {
            TagKind::EndOfList => 0x0000,
            TagKind::ServiceName => 0x0101,
            TagKind::AcName => 0x0102,
            TagKind::HostUniq => 0x0103,
            TagKind::AcCookie => 0x0104,
            TagKind::VendorSpecific => 0x0105,
            TagKind::RelaySessionId => 0x0110,
            TagKind::PppMaxPayload => 0x0120,
            TagKind::ServiceNameError => 0x0201,
            TagKind::AcSystemError => 0x0202,
            TagKind::GenericError => 0x0203,
            TagKind::Unknown(other) => other,
        }
    }
}

/// One tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag<'a> {
    /// `TAG_TYPE`.
    pub kind: TagKind,
    /// `TAG_VALUE`, possibly empty.
    pub value: &'a [u8],
}

/// The tags of a discovery packet, in order. Ends at the end of the payload, at an End-Of-List
/// (which is not yielded), or after the first error.
#[derive(Debug, Clone)]
pub struct Tags<'a> {
    rest: &'a [u8],
}

impl<'a> Tags<'a> {
    /// The tags in `payload`, which is [`Packet::payload`].
    pub const fn new(payload: &'a [u8]) -> Self {
        Self { rest: payload }
    }

    fn parse_next(&mut self) -> Result<Tag<'a>, Malformed> {
        let mut reader = Reader::new(self.rest);
        let header = reader.u16().and_then(|kind| Ok((kind, reader.u16()?)));
        let (kind, length) = header.map_err(|_| Malformed::TagOverrun)?;
        let value = reader.take(usize::from(length), Malformed::TagOverrun)?;
        self.rest = reader.rest();
        Ok(Tag { kind: kind.into(), value })
    }
}

impl<'a> Iterator for Tags<'a> {
    type Item = Result<Tag<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let tag = self.parse_next();
        match tag {
            Ok(Tag { kind: TagKind::EndOfList, .. }) => {
                self.rest = &[];
                return None;
            }
            Ok(_) => {}
            Err(_) => self.rest = &[],
        }
        Some(tag)
    }
}

/// The tags of one discovery packet that may stand only once, and its first error tag. Service-Name
/// and Vendor-Specific may repeat (RFC 2516 §5.2): walk [`Packet::tags`] for those.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TagSet<'a> {
    /// The first Service-Name.
    pub service_name: Option<&'a [u8]>,
    /// AC-Name.
    pub ac_name: Option<&'a [u8]>,
    /// Host-Uniq.
    pub host_uniq: Option<&'a [u8]>,
    /// AC-Cookie.
    pub ac_cookie: Option<&'a [u8]>,
    /// Relay-Session-Id.
    pub relay_session_id: Option<&'a [u8]>,
    /// PPP-Max-Payload (RFC 4638).
    pub max_payload: Option<u16>,
    /// The first of Service-Name-Error, AC-System-Error and Generic-Error, with its text.
    pub error: Option<Tag<'a>>,
}

impl<'a> TagSet<'a> {
    /// Collects the tags of `packet`. A tag repeated with the same value is harmless and taken
    /// once.
    ///
    /// # Errors
    /// [`Malformed::TagOverrun`]; [`Malformed::TagLength`] for a PPP-Max-Payload that is not two
    /// octets; [`Malformed::DuplicateTag`] if a tag that may stand once has two values.
    pub fn parse(packet: &Packet<'a>) -> Result<Self, Malformed> {
        let mut set = Self::default();
        for tag in packet.tags() {
            let tag = tag?;
            match tag.kind {
                TagKind::ServiceName => set.service_name = set.service_name.or(Some(tag.value)),
                TagKind::AcName => once(&mut set.ac_name, tag.value)?,
                TagKind::HostUniq => once(&mut set.host_uniq, tag.value)?,
                TagKind::AcCookie => once(&mut set.ac_cookie, tag.value)?,
                TagKind::RelaySessionId => once(&mut set.relay_session_id, tag.value)?,
                TagKind::PppMaxPayload => {
                    let value = tag.value.try_into().map_err(|_| Malformed::TagLength)?;
                    once(&mut set.max_payload, u16::from_be_bytes(value))?;
                }
                TagKind::ServiceNameError | TagKind::AcSystemError | TagKind::GenericError => {
                    set.error = set.error.or(Some(tag));
                }
                TagKind::EndOfList | TagKind::VendorSpecific | TagKind::Unknown(_) => {}
            }
        }
        Ok(set)
    }
}

fn once<T: PartialEq>(slot: &mut Option<T>, value: T) -> Result<(), Malformed> {
    match slot {
        Some(first) if *first != value => Err(Malformed::DuplicateTag),
        _ => {
            *slot = Some(value);
            Ok(())
        }
    }
}

/// Writes a discovery packet, header first, into a lent buffer.
///
/// ```
/// use gatelet_wire::pppoe::{Code, TagKind, Writer};
/// let mut buffer = [0; 64];
/// let len = Writer::new(&mut buffer, Code::Padi, 0)
///     .push(TagKind::ServiceName, b"")
///     .push(TagKind::HostUniq, &[1, 2, 3, 4])
///     .finish()?;
/// assert_eq!(len, 6 + 4 + 8);
/// # Ok::<(), gatelet_wire::BufferTooSmall>(())
/// ```
#[derive(Debug)]
pub struct Writer<'a> {
    filler: Filler<'a>,
}

impl<'a> Writer<'a> {
    /// Begins a packet at the front of `buffer`.
    pub fn new(buffer: &'a mut [u8], code: Code, session_id: u16) -> Self {
        let mut filler = Filler::new(buffer);
        filler.put(&[VERSION_AND_TYPE, code.into()]);
        filler.put(&session_id.to_be_bytes());
        filler.put(&[0, 0]);
        Self { filler }
    }

    /// Appends a tag. One that does not fit is told by [`Writer::finish`].
    pub fn push(&mut self, kind: TagKind, value: &[u8]) -> &mut Self {
        let Ok(length) = u16::try_from(value.len()) else {
            self.filler.fail();
            return self;
        };
        self.filler.put(&u16::from(kind).to_be_bytes());
        self.filler.put(&length.to_be_bytes());
        self.filler.put(value);
        self
    }

    /// Appends the tag if there is one: for what is echoed.
    pub fn push_some(&mut self, kind: TagKind, value: Option<&[u8]>) -> &mut Self {
        match value {
            Some(value) => self.push(kind, value),
            None => self,
        }
    }

    /// Sets LENGTH and answers the length of the packet, header included.
    ///
    /// # Errors
    /// [`BufferTooSmall`] if the header or any tag did not fit.
    pub fn finish(&mut self) -> Result<usize, BufferTooSmall> {
        let payload_len = self.filler.len().saturating_sub(HEADER_LEN);
        self.filler.patch_u16(4, payload_len);
        self.filler.finish()
    }
}
