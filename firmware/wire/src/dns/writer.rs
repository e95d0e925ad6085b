//! Writes messages.

use super::record::EXTENDED_ERROR_OPTION;
use super::{Class, ExtendedError, Flags, HEADER_LEN, Message, NameBuf, Opt, Section, Type};
use crate::BufferTooSmall;
use crate::cursor::Filler;

/// A pointer to the name of the first question (RFC 1035 §4.1.4).
const QUESTION_NAME: [u8; 2] = [0xC0, HEADER_LEN as u8];

/// Writes a message into a lent buffer, header first, then what it is given in the order in which it
/// stands in a message.
///
/// ```
/// use gatelet_wire::dns::{Class, Flags, NameBuf, Type, Writer};
/// let mut buffer = [0; 64];
/// let name = NameBuf::from_text("example.org").expect("a name");
/// let len = Writer::new(&mut buffer, 0x1234, Flags::RECURSION_DESIRED)
///     .question(&name, Type::A, Class::IN)
///     .finish()?;
/// assert_eq!(len, 12 + 13 + 4);
/// # Ok::<(), gatelet_wire::BufferTooSmall>(())
/// ```
#[derive(Debug)]
pub struct Writer<'a> {
    filler: Filler<'a>,
    /// QDCOUNT, ANCOUNT, NSCOUNT, ARCOUNT.
    counts: [u16; 4],
}

impl<'a> Writer<'a> {
    /// Begins a message at the front of `buffer`.
    pub fn new(buffer: &'a mut [u8], id: u16, flags: Flags) -> Self {
        let mut filler = Filler::new(buffer);
        filler.put(&id.to_be_bytes());
        filler.put(&flags.0.to_be_bytes());
        filler.zeros(8);
        Self { filler, counts: [0; 4] }
    }

    /// Goes on with the message that is the first `len` octets of `buffer`.
    ///
    /// # Errors
    /// [`BufferTooSmall`] if those are not there, or no header.
    pub fn resume(buffer: &'a mut [u8], len: usize) -> Result<Self, BufferTooSmall> {
        let message = buffer.get(..len).ok_or(BufferTooSmall)?;
        let message = Message::parse(message).map_err(|_| BufferTooSmall)?;
        let counts = [
            message.question_count(),
            message.record_count(Section::Answer),
            message.record_count(Section::Authority),
            message.record_count(Section::Additional),
        ];
        Ok(Self { filler: Filler::resume(buffer, len), counts })
    }

    /// Appends a question.
    pub fn question(&mut self, name: &NameBuf, kind: Type, class: Class) -> &mut Self {
        self.count(0);
        self.filler.put(name.as_bytes());
        self.filler.put(&kind.0.to_be_bytes());
        self.filler.put(&class.0.to_be_bytes());
        self
    }

    /// Appends a record of the Internet's class whose name is that of the first question.
    pub fn answer(&mut self, kind: Type, ttl_s: u32, data: &[u8]) -> &mut Self {
        self.owned_by(Section::Answer, &QUESTION_NAME, kind, Class::IN, ttl_s, data)
    }

    /// Appends a record with its whole name.
    pub fn record(
        &mut self,
        section: Section,
        name: &NameBuf,
        kind: Type,
        class: Class,
        ttl_s: u32,
        data: &[u8],
    ) -> &mut Self {
        self.owned_by(section, name.as_bytes(), kind, class, ttl_s, data)
    }

    /// Appends an OPT. Its place is the additional section, which a TSIG may still follow.
    pub fn opt(&mut self, opt: &Opt<'_>) -> &mut Self {
        let [flags_high, flags_low] = opt.flags.to_be_bytes();
        let ttl = u32::from_be_bytes([opt.extended_rcode, opt.version, flags_high, flags_low]);
        let class = Class(opt.udp_payload_size);
        self.record(Section::Additional, &NameBuf::ROOT, Type::OPT, class, ttl, opt.options)
    }

    /// Sets the counts and answers the length.
    ///
    /// # Errors
    /// [`BufferTooSmall`] if something did not fit the buffer or its field, or stood behind a later
    /// section.
    pub fn finish(&mut self) -> Result<usize, BufferTooSmall> {
        for (number, count) in self.counts.into_iter().enumerate() {
            self.filler.patch_u16(4 + 2 * number, usize::from(count));
        }
        self.filler.finish()
    }

    fn owned_by(
        &mut self,
        section: Section,
        name: &[u8],
        kind: Type,
        class: Class,
        ttl_s: u32,
        data: &[u8],
    ) -> &mut Self {
        let Ok(length) = u16::try_from(data.len()) else {
            self.filler.fail();
            return self;
        };
        self.count(section as usize);
        self.filler.put(name);
        self.filler.put(&kind.0.to_be_bytes());
        self.filler.put(&class.0.to_be_bytes());
        self.filler.put(&ttl_s.to_be_bytes());
        self.filler.put(&length.to_be_bytes());
        self.filler.put(data);
        self
    }

    fn count(&mut self, number: usize) {
        let is_behind = self.counts.iter().skip(number + 1).any(|count| *count > 0);
        match self.counts.get_mut(number).and_then(|count| Some((count.checked_add(1)?, count))) {
            Some((more, count)) if !is_behind => *count = more,
            _ => self.filler.fail(),
        }
    }
}

impl ExtendedError {
    /// The error as the options of an [`Opt`], without a text.
    pub const fn to_option(self) -> [u8; 6] {
        let [code_high, code_low] = EXTENDED_ERROR_OPTION.to_be_bytes();
        let [info_high, info_low] = self.0.to_be_bytes();
        [code_high, code_low, 0, 2, info_high, info_low]
    }
}
