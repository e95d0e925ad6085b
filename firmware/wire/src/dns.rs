//! DNS messages: header, question, records with compressed names, the EDNS pseudo-record, and the
//! two-octet length that goes in front of a message on TCP.
//!
//! Reading list: RFC 1035 §3.1 (names), §3.2 (records), §4.1 (messages), §4.1.4 (compression),
//! §4.2.2 (TCP); RFC 2181 §8 (TTL), §11 (name syntax); RFC 3596 §2 (AAAA); RFC 4035 §3.2 (AD, CD);
//! RFC 4343 (case); RFC 6891 §6.1 (OPT); RFC 8914 §2 (Extended DNS Error); RFC 9460 §2.2 (SVCB).
//!
//! ```text
//!  0    2       4          6         8          10          12
//! +----+-------+----------+---------+----------+-----------+----------- - -
//! | ID | flags | QDCOUNT  | ANCOUNT | NSCOUNT  | ARCOUNT   | questions, answers, authority, additional
//! +----+-------+----------+---------+----------+-----------+----------- - -
//!   flags:     QR  Opcode (4)  AA TC RD RA  Z AD CD  RCODE (4)
//!   question:  QNAME  QTYPE (2)  QCLASS (2)
//!   record:    NAME  TYPE (2)  CLASS (2)  TTL (4)  RDLENGTH (2)  RDATA
//! ```

mod name;
mod record;
mod writer;

pub use name::{Labels, MAX_LABEL_LEN, MAX_NAME_LEN, Name, NameBuf};
pub use record::{ExtendedError, Opt, Record, Section, Soa, SvcHints};
pub use writer::Writer;

use crate::Malformed;
use crate::cursor::Reader;
use record::Position;

/// Octets of the header; the first question stands right behind it.
pub const HEADER_LEN: usize = 12;
/// The longest message over UDP where nobody spoke of EDNS (RFC 1035 §4.2.1).
pub const MAX_UDP_LEN: usize = 512;
/// Where DNS servers listen, over UDP and TCP (RFC 1035 §4.2).
pub const PORT: u16 = 53;

/// What kind of record, TYPE or QTYPE. Those without a name here are passed on as they are
/// (RFC 3597).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Type(pub u16);

impl Type {
    /// An IPv4 address (RFC 1035 §3.4.1).
    pub const A: Self = Self(1);
    /// A name server (RFC 1035 §3.3.11).
    pub const NS: Self = Self(2);
    /// The canonical name (RFC 1035 §3.3.1).
    pub const CNAME: Self = Self(5);
    /// Start of a zone of authority (RFC 1035 §3.3.13).
    pub const SOA: Self = Self(6);
    /// The name of an address (RFC 1035 §3.3.12).
    pub const PTR: Self = Self(12);
    /// What machine it is; also the answer to ANY (RFC 8482 §4.2).
    pub const HINFO: Self = Self(13);
    /// A mail exchange (RFC 1035 §3.3.9).
    pub const MX: Self = Self(15);
    /// Text (RFC 1035 §3.3.14).
    pub const TXT: Self = Self(16);
    /// An IPv6 address (RFC 3596 §2.1).
    pub const AAAA: Self = Self(28);
    /// Where a service is (RFC 2782).
    pub const SRV: Self = Self(33);
    /// A subtree's other name (RFC 6672).
    pub const DNAME: Self = Self(39);
    /// EDNS (RFC 6891 §6.1.1).
    pub const OPT: Self = Self(41);
    /// Service binding (RFC 9460 §2).
    pub const SVCB: Self = Self(64);
    /// Service binding of HTTPS (RFC 9460 §9).
    pub const HTTPS: Self = Self(65);
    /// An incremental zone transfer (RFC 1995).
    pub const IXFR: Self = Self(251);
    /// A zone transfer (RFC 5936).
    pub const AXFR: Self = Self(252);
    /// Whatever there is (RFC 1035 §3.2.3; RFC 8482).
    pub const ANY: Self = Self(255);

    /// Whether it may only be asked, or is no data of a name: 128 to 255 and OPT (RFC 6895 §3.1).
    pub const fn is_meta(self) -> bool {
        self.0 == Self::OPT.0 || (self.0 >= 128 && self.0 <= 255)
    }
}

/// CLASS or QCLASS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Class(pub u16);

impl Class {
    /// The Internet (RFC 1035 §3.2.4).
    pub const IN: Self = Self(1);
}

/// What is asked of a server (RFC 1035 §4.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Opcode(pub u8);

impl Opcode {
    /// A standard query.
    pub const QUERY: Self = Self(0);
}

/// How it went, with the eight bits of EDNS in front where they are known (RFC 6891 §6.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rcode(pub u16);

impl Rcode {
    /// No error; the name exists, whether or not there is an answer.
    pub const NOERROR: Self = Self(0);
    /// The server cannot read the query.
    pub const FORMERR: Self = Self(1);
    /// The server could not do it.
    pub const SERVFAIL: Self = Self(2);
    /// There is no such name.
    pub const NXDOMAIN: Self = Self(3);
    /// The server does not do such things.
    pub const NOTIMP: Self = Self(4);
    /// The server will not.
    pub const REFUSED: Self = Self(5);
    /// A version of EDNS that is not known (RFC 6891 §6.1.3).
    pub const BADVERS: Self = Self(16);
}

/// The second word of the header (RFC 1035 §4.1.1, RFC 4035 §3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flags(pub u16);

impl Flags {
    /// QR: a response.
    pub const RESPONSE: Self = Self(0x8000);
    /// AA: of an authority for the name.
    pub const AUTHORITATIVE: Self = Self(0x0400);
    /// TC: cut off.
    pub const TRUNCATED: Self = Self(0x0200);
    /// RD: the client wants the whole answer, not a hint.
    pub const RECURSION_DESIRED: Self = Self(0x0100);
    /// RA: the server would do that.
    pub const RECURSION_AVAILABLE: Self = Self(0x0080);
    /// AD: the server has verified it all, or the client would like to know.
    pub const AUTHENTIC_DATA: Self = Self(0x0020);
    /// CD: the client verifies for itself.
    pub const CHECKING_DISABLED: Self = Self(0x0010);

    /// Whether all bits of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// With the bits of `other` set.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Only the bits that are also in `other`.
    #[must_use]
    pub const fn only(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is asked.
    pub const fn opcode(self) -> Opcode {
        Opcode((self.0 >> 11) as u8 & 0x0F)
    }

    /// With this opcode, of which four bits count.
    #[must_use]
    pub const fn with_opcode(self, opcode: Opcode) -> Self {
        Self(self.0 & 0x87FF | ((opcode.0 & 0x0F) as u16) << 11)
    }

    /// How it went, as far as the header says: an OPT may know more (see [`Opt::rcode`]).
    pub const fn rcode(self) -> Rcode {
        Rcode(self.0 & 0x0F)
    }

    /// With the low four bits of `rcode`; the others belong into an OPT.
    #[must_use]
    pub const fn with_rcode(self, rcode: Rcode) -> Self {
        Self(self.0 & 0xFFF0 | rcode.0 & 0x0F)
    }
}

/// What is asked (RFC 1035 §4.1.2).
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Of which name.
    pub name: Name<'a>,
    /// Which records.
    pub kind: Type,
    /// In which class.
    pub class: Class,
}

/// A message whose header has been read; the rest is read as it is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    bytes: &'a [u8],
    id: u16,
    flags: Flags,
    /// QDCOUNT, ANCOUNT, NSCOUNT, ARCOUNT.
    counts: [u16; 4],
}

/// Where in a message things stand, once all of it has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout<'a> {
    /// Where the answer section begins: behind the questions.
    pub answers: usize,
    /// Where the authority section begins.
    pub authority: usize,
    /// Where the additional section begins.
    pub additional: usize,
    /// Where the message ends; octets behind that are no part of it.
    pub end: usize,
    /// The OPT of the additional section.
    pub opt: Option<Opt<'a>>,
    /// Where that begins; without one, where the message ends.
    pub opt_at: usize,
    /// How many records of the additional section stand in front of it.
    pub before_opt: u16,
}

impl<'a> Message<'a> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`Malformed::Truncated`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let id = reader.u16()?;
        let flags = Flags(reader.u16()?);
        let counts = [reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?];
        Ok(Self { bytes, id, flags, counts })
    }

    /// All octets, those behind the last record included.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Matches the response to its query.
    pub const fn id(&self) -> u16 {
        self.id
    }

    /// The flags.
    pub const fn flags(&self) -> Flags {
        self.flags
    }

    /// QDCOUNT.
    pub const fn question_count(&self) -> u16 {
        self.counts[0]
    }

    /// How many records `section` claims to have.
    pub const fn record_count(&self, section: Section) -> u16 {
        self.counts[section as usize]
    }

    /// The first question; `None` if there is none.
    ///
    /// # Errors
    /// [`Malformed::Truncated`], and those of a [`Name`].
    pub fn question(&self) -> Result<Option<Question<'a>>, Malformed> {
        if self.question_count() == 0 {
            return Ok(None);
        }
        Ok(Some(self.question_at(HEADER_LEN)?.0))
    }

    /// The records of all three sections, in order.
    ///
    /// # Errors
    /// What is wrong with the questions before them.
    pub fn records(&self) -> Result<Records<'a>, Malformed> {
        let mut at = HEADER_LEN;
        for _ in 0..self.question_count() {
            (_, at) = self.question_at(at)?;
        }
        let left = [self.counts[1], self.counts[2], self.counts[3]];
        Ok(Records { bytes: self.bytes, position: Position { at, left } })
    }

    /// Reads everything: all questions and records, and the names and lengths within the RDATA of
    /// the types that have compressed names or addresses.
    ///
    /// # Errors
    /// What is wrong with the first one that is; [`Malformed::Opt`] for an OPT that is not at the
    /// root, not in the additional section, or not the only one (RFC 6891 §6.1.1).
    pub fn check(&self) -> Result<Layout<'a>, Malformed> {
        let mut records = self.records()?;
        let at = records.position.at;
        let mut layout = Layout {
            answers: at,
            authority: at,
            additional: at,
            end: at,
            opt: None,
            opt_at: at,
            before_opt: self.record_count(Section::Additional),
        };
        while let Some(record) = records.next() {
            let record = record?;
            record.check()?;
            if record.kind == Type::OPT {
                if layout.opt.is_some() {
                    return Err(Malformed::Opt);
                }
                layout.opt = Some(Opt::from_record(&record)?);
                layout.opt_at = layout.end;
                // This one has been taken off what is left already.
                layout.before_opt -= records.position.left[2] + 1;
            }
            layout.end = records.position.at;
            match record.section {
                Section::Answer => (layout.authority, layout.additional) = (layout.end, layout.end),
                Section::Authority => layout.additional = layout.end,
                Section::Additional => {}
            }
        }
        if layout.opt.is_none() {
            layout.opt_at = layout.end;
        }
        Ok(layout)
    }

    fn question_at(&self, at: usize) -> Result<(Question<'a>, usize), Malformed> {
        let (name, behind) = Name::parse(self.bytes, at)?;
        let mut reader = Reader::new(self.bytes.get(behind..).ok_or(Malformed::Truncated)?);
        let question = Question { name, kind: Type(reader.u16()?), class: Class(reader.u16()?) };
        Ok((question, behind + 4))
    }
}

/// The records of a message. Ends behind the last one, or after the first error.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    bytes: &'a [u8],
    position: Position,
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        self.position.next(self.bytes)
    }
}

/// Replaces the ID of a message in place. Octets that are no header are left alone.
pub fn set_id(message: &mut [u8], id: u16) {
    set_u16(message, 0, id);
}

/// Replaces the flags of a message in place.
pub fn set_flags(message: &mut [u8], flags: Flags) {
    set_u16(message, 2, flags.0);
}

/// Lets every record but an OPT, whose TTL is none, have the TTL that `age` makes of its own, in
/// seconds. `age` is not shown what RFC 2181 §8 calls zero: a TTL with its first bit set.
///
/// A name whose pointer leads into a TTL is another afterwards, or none: [`Message::check`] tells.
///
/// # Errors
/// The first unreadable record's; those before it are changed by then.
pub fn rewrite_ttls(message: &mut [u8], mut age: impl FnMut(Section, u32) -> u32) -> Result<(), Malformed> {
    let mut position = Message::parse(message)?.records()?.position;
    while let Some(record) = position.next(message) {
        let Record { kind, section, ttl, ttl_at, .. } = record?;
        if kind != Type::OPT
            && let Some(field) = message.get_mut(ttl_at..ttl_at + 4)
        {
            field.copy_from_slice(&age(section, ttl).to_be_bytes());
        }
    }
    Ok(())
}

/// Takes the OPT off a message in place, with whatever stands behind it, and answers how long the
/// message is then. `layout` is the message's own.
pub fn cut_opt(message: &mut [u8], layout: &Layout<'_>) -> usize {
    set_u16(message, 10, layout.before_opt);
    layout.opt_at
}

/// Takes `section` and those behind it off a message in place, and answers how long it is then.
/// `layout` is the message's own.
pub fn cut_from(message: &mut [u8], layout: &Layout<'_>, section: Section) -> usize {
    let sections = [Section::Answer, Section::Authority, Section::Additional];
    for section in sections.into_iter().filter(|other| *other >= section) {
        set_u16(message, 4 + 2 * section as usize, 0);
    }
    match section {
        Section::Answer => layout.answers,
        Section::Authority => layout.authority,
        Section::Additional => layout.additional,
    }
}

/// What goes in front of a message of `len` octets on TCP (RFC 1035 §4.2.2); `None` for one that is
/// too long for its length field.
pub fn tcp_prefix(len: usize) -> Option<[u8; 2]> {
    u16::try_from(len).ok().map(u16::to_be_bytes)
}

/// The first message of what has been received over TCP so far, and what follows it; `None` until it
/// is complete.
pub fn tcp_message(stream: &[u8]) -> Option<(&[u8], &[u8])> {
    let (prefix, rest) = stream.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*prefix)))
}

/// `at` is a field of the header.
fn set_u16(message: &mut [u8], at: usize, value: u16) {
    if let Some(header) = message.first_chunk_mut::<HEADER_LEN>() {
        header[at..at + 2].copy_from_slice(&value.to_be_bytes());
    }
}
