//! Domain names: where they stand in a message, and on their own.

use core::fmt::{self, Write as _};

use super::HEADER_LEN;
use crate::Malformed;

/// The longest name, length octets and the root's included (RFC 1035 §3.1).
pub const MAX_NAME_LEN: usize = 255;
/// The longest label (RFC 1035 §3.1).
pub const MAX_LABEL_LEN: usize = 63;

/// The two high bits of a length octet that is the first of a compression pointer (RFC 1035 §4.1.4).
const POINTER: u8 = 0xC0;

/// A name in a message, compressed or not. Its labels are where the message has them, its pointers
/// have been followed once and lead backwards only.
#[derive(Clone, Copy)]
pub struct Name<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Name<'a> {
    /// Reads the name at `at` and answers it with where the next thing begins.
    ///
    /// # Errors
    /// [`Malformed::Truncated`]; [`Malformed::LabelType`] for a length octet of neither kind;
    /// [`Malformed::CompressionPointer`] for a pointer into the header, or not before the place where
    /// this name, or the part of it that was pointed to last, begins, and for a part that was pointed
    /// to and does not end before that place either: "a prior occurrence of the same name", and no way
    /// to go round in circles; [`Malformed::NameLength`].
    pub(super) fn parse(message: &'a [u8], at: usize) -> Result<(Self, usize), Malformed> {
        let mut cursor = Cursor::new(message, at);
        let mut behind = None;
        let mut len = 1;
        loop {
            match cursor.step()? {
                Step::Label(label) => len += 1 + label.len(),
                Step::Pointer(pointer_at) => {
                    behind.get_or_insert(pointer_at + 2);
                }
                Step::Root => break,
            }
            if len > MAX_NAME_LEN {
                return Err(Malformed::NameLength);
            }
        }
        Ok((Self { message, at }, behind.unwrap_or(cursor.at)))
    }

    /// Its labels, without the root's.
    pub const fn labels(&self) -> Labels<'a> {
        Labels(Cursor::new(self.message, self.at))
    }

    /// The name on its own.
    pub fn to_buf(self) -> NameBuf {
        let mut name = NameBuf::ROOT;
        for label in self.labels() {
            // Reading has seen to it that it fits.
            let _ = name.push(label);
        }
        name
    }

    /// Whether it is `other`, where A is a (RFC 4343 §3).
    pub fn eq_ignore_ascii_case(&self, other: &NameBuf) -> bool {
        self.labels().eq_by_case(other.labels())
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(self.labels(), f)
    }
}

impl fmt::Debug for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(self.labels(), f)
    }
}

/// The labels of a name.
#[derive(Debug, Clone)]
pub struct Labels<'a>(Cursor<'a>);

impl Labels<'_> {
    fn eq_by_case(self, other: Labels<'_>) -> bool {
        let mut others = other;
        let is_prefix = self
            .into_iter()
            .all(|label| others.next().is_some_and(|other| label.eq_ignore_ascii_case(other)));
        is_prefix && others.next().is_none()
    }
}

impl<'a> Iterator for Labels<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.0.step() {
                Ok(Step::Label(label)) => return Some(label),
                Ok(Step::Pointer(_)) => {}
                Ok(Step::Root) | Err(_) => {
                    self.0 = Cursor::new(&[], 0);
                    return None;
                }
            }
        }
    }
}

#[derive(Debug, Clone)]
struct Cursor<'a> {
    message: &'a [u8],
    at: usize,
    /// Where the part of the name that is being read begins,
    part: usize,
    /// and where it must have ended: behind a pointer, where the part before it begins.
    end: usize,
}

enum Step<'a> {
    Label(&'a [u8]),
    /// A pointer, which stands there and has been followed.
    Pointer(usize),
    Root,
}

impl<'a> Cursor<'a> {
    const fn new(message: &'a [u8], at: usize) -> Self {
        Self { message, at, part: at, end: message.len() }
    }

    fn step(&mut self) -> Result<Step<'a>, Malformed> {
        let is_pointed_to = self.end < self.message.len();
        let overrun = if is_pointed_to { Malformed::CompressionPointer } else { Malformed::Truncated };
        let rest = self.message.get(self.at..self.end).ok_or(overrun)?;
        let (length, rest) = rest.split_first().ok_or(overrun)?;
        match length & POINTER {
            0 if *length == 0 => {
                self.at += 1;
                Ok(Step::Root)
            }
            0 => {
                let label = rest.get(..usize::from(*length)).ok_or(overrun)?;
                self.at += 1 + label.len();
                Ok(Step::Label(label))
            }
            POINTER => {
                let low = rest.first().ok_or(overrun)?;
                let target = usize::from(u16::from_be_bytes([length & !POINTER, *low]));
                if target < HEADER_LEN || target >= self.part {
                    return Err(Malformed::CompressionPointer);
                }
                let pointer_at = self.at;
                (self.at, self.part, self.end) = (target, target, self.part);
                Ok(Step::Pointer(pointer_at))
            }
            _ => Err(Malformed::LabelType),
        }
    }
}

/// A name of its own: 255 octets wherever it is kept, labels with their length octets in front, the
/// root's at the end. Equal means equal to the letter; see
/// [`eq_ignore_ascii_case`](Self::eq_ignore_ascii_case).
#[derive(Clone, Copy)]
pub struct NameBuf {
    /// Octets in use, at least the root's.
    len: u8,
    octets: [u8; MAX_NAME_LEN],
}

impl NameBuf {
    /// The root: no labels.
    pub const ROOT: Self = Self { len: 1, octets: [0; MAX_NAME_LEN] };

    /// Reads `www.example.org`, with or without a dot at its end. The empty text is the root. There
    /// is no way to write a dot within a label.
    ///
    /// # Errors
    /// [`Malformed::NameLength`] for a label that is empty or too long, or a name that is too long.
    pub fn from_text(text: &str) -> Result<Self, Malformed> {
        let mut name = Self::ROOT;
        let text = text.strip_suffix('.').unwrap_or(text);
        if !text.is_empty() {
            text.split('.').try_for_each(|label| name.push(label.as_bytes()))?;
        }
        Ok(name)
    }

    /// Reads a name that stands alone, uncompressed, as [`as_bytes`](Self::as_bytes) shows it.
    ///
    /// # Errors
    /// [`Malformed::Truncated`], [`Malformed::LabelType`] (also for a pointer),
    /// [`Malformed::NameLength`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(bytes, 0);
        let mut name = Self::ROOT;
        loop {
            match cursor.step() {
                Ok(Step::Label(label)) => name.push(label)?,
                Ok(Step::Root) => return Ok(name),
                // From the very beginning there is nowhere to point back to.
                Ok(Step::Pointer(_)) | Err(Malformed::CompressionPointer) => {
                    return Err(Malformed::LabelType);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Appends a label, in front of the root.
    ///
    /// # Errors
    /// [`Malformed::NameLength`] if it is empty or too long, or the name would be.
    pub fn push(&mut self, label: &[u8]) -> Result<(), Malformed> {
        let start = usize::from(self.len) - 1;
        let end = start + 1 + label.len();
        if label.is_empty() || label.len() > MAX_LABEL_LEN {
            return Err(Malformed::NameLength);
        }
        let room = self.octets.get_mut(start..=end).ok_or(Malformed::NameLength)?;
        if let [length, text @ .., root] = room {
            *length = label.len() as u8;
            text.copy_from_slice(label);
            *root = 0;
            self.len = (end + 1) as u8;
        }
        Ok(())
    }

    /// The name as it stands in a message that does not compress it.
    pub fn as_bytes(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Whether it is the root.
    pub const fn is_root(&self) -> bool {
        self.len == 1
    }

    /// Its labels, without the root's.
    pub fn labels(&self) -> Labels<'_> {
        Labels(Cursor::new(self.as_bytes(), 0))
    }

    /// Whether it is `other`, where A is a (RFC 4343 §3).
    pub fn eq_ignore_ascii_case(&self, other: &Self) -> bool {
        // Length octets are below every letter, so folding the case does not touch them.
        self.as_bytes().eq_ignore_ascii_case(other.as_bytes())
    }

    /// Whether it is `zone` or lies below it.
    pub fn is_within(&self, zone: &Self) -> bool {
        self.offset_of(zone).is_some()
    }

    /// How many octets of this name stand in front of `zone`, which it is or lies below.
    pub fn offset_of(&self, zone: &Self) -> Option<usize> {
        let mut offset = usize::from(self.len).checked_sub(usize::from(zone.len))?;
        let target = offset;
        // Only where a label begins may the zone begin.
        let mut labels = self.labels();
        offset = 0;
        while offset < target {
            offset += 1 + labels.next()?.len();
        }
        let tail = self.as_bytes().get(target..)?;
        (offset == target && tail.eq_ignore_ascii_case(zone.as_bytes())).then_some(target)
    }

    /// The same name in small letters.
    #[must_use]
    pub fn to_ascii_lowercase(mut self) -> Self {
        self.octets.make_ascii_lowercase();
        self
    }

    /// Lets `change` have each letter, with its number among the name's octets.
    pub fn map_letters(&mut self, mut change: impl FnMut(usize, u8) -> u8) {
        let octets = self.octets.iter_mut().take(usize::from(self.len)).enumerate();
        for (number, octet) in octets.filter(|(_, octet)| octet.is_ascii_alphabetic()) {
            let changed = change(number, *octet);
            if changed.eq_ignore_ascii_case(octet) {
                *octet = changed;
            }
        }
    }
}

impl Default for NameBuf {
    fn default() -> Self {
        Self::ROOT
    }
}

impl PartialEq for NameBuf {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for NameBuf {}

impl From<Name<'_>> for NameBuf {
    fn from(name: Name<'_>) -> Self {
        name.to_buf()
    }
}

impl fmt::Display for NameBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(self.labels(), f)
    }
}

impl fmt::Debug for NameBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(self.labels(), f)
    }
}

/// As in a zone file (RFC 1035 §5.1), without the dot at the end except for the root: what is no
/// visible ASCII is `\DDD`, a dot or backslash within a label has a backslash in front.
fn show(labels: Labels<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut is_root = true;
    for label in labels {
        if !is_root {
            f.write_char('.')?;
        }
        is_root = false;
        for octet in label {
            match octet {
                b'.' | b'\\' => write!(f, "\\{}", char::from(*octet))?,
                b'!'..=b'~' => f.write_char(char::from(*octet))?,
                _ => write!(f, "\\{octet:03}")?,
            }
        }
    }
    if is_root { f.write_char('.') } else { Ok(()) }
}
