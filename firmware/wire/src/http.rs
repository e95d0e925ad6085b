//! HTTP/1.1, as much of it as a connectivity probe needs: one GET, and the head and the beginning of
//! the body of its response.
//!
//! Reading list: RFC 9112 §2 (messages, a lenient reader), §3 (request line), §4 (status line), §5
//! (field lines), §6 (how long a body is), §7.1 (chunks); RFC 9110 §15.2 (interim responses).
//!
//! ```text
//!            line            empty line                  BODY_MAX octets, or the end
//!   Head ──────────► Head ───────────────► Body, Chunk ──────────────────────────────► Done
//!     ▲                          │
//!     └── status 1xx: once more ─┘
//! ```
//!
//! A captive portal may answer anything, for as long as it likes: [`ResponseReader`] keeps no more
//! than it says, takes a head of [`HEAD_MAX`] octets at most, and is done when the body's first
//! [`BODY_MAX`] octets are there. How long it may take is the caller's to say.

use crate::cursor::Filler;
use crate::{BufferTooSmall, Malformed};

/// Octets of a body that are kept. The longest body that a probe compares has 75.
pub const BODY_MAX: usize = 512;
/// Octets of a `Location` that are kept.
pub const LOCATION_MAX: usize = 256;
/// The longest head, interim responses included. Portals set cookies and policies of some kilobytes.
pub const HEAD_MAX: usize = 16 * 1024;

/// How every status line begins; the minor version follows.
const VERSION: &[u8] = b"HTTP/1.";

/// Writes a GET for `path` of `host` that closes the connection, and answers its length.
///
/// # Errors
/// [`BufferTooSmall`], also if `host` or `path` holds a blank or a control character, which would end
/// its line early.
pub fn emit_get(buffer: &mut [u8], host: &str, path: &str) -> Result<usize, BufferTooSmall> {
    let mut filler = Filler::new(buffer);
    if host.is_empty()
        || !path.starts_with('/')
        || !host.bytes().chain(path.bytes()).all(|b| b.is_ascii_graphic())
    {
        filler.fail();
    }
    for part in [
        "GET ",
        path,
        " HTTP/1.1\r\nHost: ",
        host,
        // Nothing that could tell who asks; the encoding so that the body can be compared as it comes.
        "\r\nUser-Agent: Gatelet\r\nAccept: */*\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n",
    ] {
        filler.put(part.as_bytes());
    }
    filler.finish()
}

/// Whether a response is read to where it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Progress {
    /// More octets are wanted.
    More,
    /// What [`ResponseReader::response`] says will not change any more.
    Done,
}

/// A response, as far as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Response<'a> {
    /// The status code, 200..=999 (and 101).
    pub status: u16,
    /// The first `Location`.
    pub location: Option<&'a [u8]>,
    /// Whether `location` was longer than [`LOCATION_MAX`] and is cut off.
    pub location_is_cut: bool,
    /// Whether the body is packed (gzip and the like), so that it cannot be compared.
    pub is_encoded: bool,
    /// The body without its chunks, up to [`BODY_MAX`] octets.
    pub body: &'a [u8],
    /// Whether `body` is all of it.
    pub is_complete: bool,
}

/// Reads a response as it arrives, in pieces of any size.
///
/// ```
/// use gatelet_wire::http::{Progress, ResponseReader};
/// let mut reader = ResponseReader::new();
/// assert_eq!(reader.push(b"HTTP/1.1 302 Found\r\nLocation: http://portal.test/\r\n"), Ok(Progress::More));
/// assert_eq!(reader.push(b"Content-Length: 0\r\n\r\n"), Ok(Progress::Done));
/// assert_eq!(reader.response().and_then(|response| response.location), Some(&b"http://portal.test/"[..]));
/// ```
#[derive(Debug, Clone)]
pub struct ResponseReader {
    state: State,
    /// The current line of the head; then the body.
    text: [u8; BODY_MAX],
    text_len: usize,
    /// Octets of the head so far.
    head_len: usize,
    status: u16,
    location: [u8; LOCATION_MAX],
    /// The octets of the first `Location`, more than there is room for if it is longer.
    location_len: Option<usize>,
    content_length: Length,
    is_chunked: bool,
    is_encoded: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    StatusLine,
    FieldLine,
    /// The body, with as much to come; to the end of the stream if nothing is said.
    Body(Option<u64>),
    /// A chunk's size, and the rest of its line.
    ChunkSize {
        size: u32,
        digits: u8,
        in_extension: bool,
    },
    ChunkData(u32),
    /// The line end behind a chunk.
    ChunkEnd,
    Done {
        is_complete: bool,
    },
    Failed(Malformed),
}

/// What Content-Length says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Nothing,
    Octets(u64),
    /// No number, or two different ones: the stream's end is what counts.
    Nonsense,
}

impl Default for ResponseReader {
    fn default() -> Self {
        Self::new()
    }
}

impl ResponseReader {
    /// A reader that has seen nothing.
    pub const fn new() -> Self {
        Self {
            state: State::StatusLine,
            text: [0; BODY_MAX],
            text_len: 0,
            head_len: 0,
            status: 0,
            location: [0; LOCATION_MAX],
            location_len: None,
            content_length: Length::Nothing,
            is_chunked: false,
            is_encoded: false,
        }
    }

    /// Takes the next octets. What comes after [`Progress::Done`] is ignored.
    ///
    /// # Errors
    /// [`Malformed::StatusLine`] if this is no HTTP/1.x response, told by the first wrong octet;
    /// [`Malformed::HeadTooLong`]; [`Malformed::ChunkSize`]. An error is final.
    pub fn push(&mut self, octets: &[u8]) -> Result<Progress, Malformed> {
        for octet in octets {
            match self.take(*octet) {
                Ok(State::Done { is_complete }) => {
                    self.state = State::Done { is_complete };
                    break;
                }
                Ok(state) => self.state = state,
                Err(malformed) => {
                    self.state = State::Failed(malformed);
                    break;
                }
            }
        }
        self.progress()
    }

    /// The peer has closed its side.
    ///
    /// # Errors
    /// [`Malformed::Truncated`] if the head had not ended.
    pub fn close(&mut self) -> Result<Progress, Malformed> {
        match self.state {
            State::StatusLine | State::FieldLine => self.state = State::Failed(Malformed::Truncated),
            State::Body(length) => self.state = State::Done { is_complete: length.is_none() },
            State::ChunkSize { .. } | State::ChunkData(_) | State::ChunkEnd => {
                self.state = State::Done { is_complete: false };
            }
            State::Done { .. } | State::Failed(_) => {}
        }
        self.progress()
    }

    /// What was read, once the head is whole. Until [`Progress::Done`] the body may still grow.
    pub fn response(&self) -> Option<Response<'_>> {
        let is_complete = match self.state {
            State::StatusLine | State::FieldLine | State::Failed(_) => return None,
            State::Done { is_complete } => is_complete,
            _ => false,
        };
        Some(Response {
            status: self.status,
            location: self.location_len.and_then(|len| self.location.get(..len.min(LOCATION_MAX))),
            location_is_cut: self.location_len.is_some_and(|len| len > LOCATION_MAX),
            is_encoded: self.is_encoded,
            body: self.text(),
            is_complete,
        })
    }

    fn progress(&self) -> Result<Progress, Malformed> {
        match self.state {
            State::Failed(malformed) => Err(malformed),
            State::Done { .. } => Ok(Progress::Done),
            _ => Ok(Progress::More),
        }
    }

    /// Takes one octet and answers the state after it.
    fn take(&mut self, octet: u8) -> Result<State, Malformed> {
        match self.state {
            State::StatusLine | State::FieldLine => self.take_head(octet),
            State::Body(left) => {
                let is_last = left == Some(1);
                let is_full = self.keep(octet);
                Ok(match left {
                    _ if is_last => State::Done { is_complete: true },
                    _ if is_full => State::Done { is_complete: false },
                    left => State::Body(left.map(|left| left.saturating_sub(1))),
                })
            }
            State::ChunkSize { size, digits, in_extension } => chunk_size(size, digits, in_extension, octet),
            State::ChunkData(left) => Ok(match (self.keep(octet), left.saturating_sub(1)) {
                (true, _) => State::Done { is_complete: false },
                (false, 0) => State::ChunkEnd,
                (false, left) => State::ChunkData(left),
            }),
            State::ChunkEnd => match octet {
                b'\r' => Ok(State::ChunkEnd),
                b'\n' => Ok(State::ChunkSize { size: 0, digits: 0, in_extension: false }),
                _ => Err(Malformed::ChunkSize),
            },
            State::Done { is_complete } => Ok(State::Done { is_complete }),
            State::Failed(malformed) => Err(malformed),
        }
    }

    fn take_head(&mut self, octet: u8) -> Result<State, Malformed> {
        self.head_len += 1;
        if self.head_len > HEAD_MAX {
            return Err(Malformed::HeadTooLong);
        }
        let in_status_line = self.state == State::StatusLine;
        if in_status_line && VERSION.get(self.text_len).is_some_and(|expected| *expected != octet) {
            return Err(Malformed::StatusLine);
        }
        // A line longer than there is room for is cut off: no field that matters is that long, but
        // for Location, which is cut off anyway.
        if octet != b'\n' {
            self.keep(octet);
            return Ok(self.state);
        }
        let line = self.text().strip_suffix(b"\r").unwrap_or(self.text());
        if in_status_line {
            self.status = status(line).ok_or(Malformed::StatusLine)?;
        } else if line.is_empty() {
            self.text_len = 0;
            return Ok(self.after_head());
        } else {
            self.field_line();
        }
        self.text_len = 0;
        Ok(State::FieldLine)
    }

    fn field_line(&mut self) {
        // The line is looked at in place, its meaning put elsewhere.
        let line = self.text.get(..self.text_len).unwrap_or_default();
        let Some(colon) = line.iter().position(|octet| *octet == b':') else { return };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"location") {
            if self.location_len.is_none() {
                for (kept, octet) in self.location.iter_mut().zip(value) {
                    *kept = *octet;
                }
                self.location_len = Some(value.len());
            }
        } else if name.eq_ignore_ascii_case(b"content-length") {
            let new = decimal(value).map_or(Length::Nonsense, Length::Octets);
            let agrees = matches!(self.content_length, Length::Nothing) || self.content_length == new;
            self.content_length = if agrees { new } else { Length::Nonsense };
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            let mut codings = value.split(|octet| *octet == b',').map(<[u8]>::trim_ascii);
            self.is_chunked |= codings.clone().any(|coding| coding.eq_ignore_ascii_case(b"chunked"));
            self.is_encoded |= codings.any(|coding| !is_plain(coding));
        } else if name.eq_ignore_ascii_case(b"content-encoding") {
            self.is_encoded |=
                value.split(|octet| *octet == b',').any(|coding| !is_plain(coding.trim_ascii()));
        }
    }

    /// How long the body is (RFC 9112 §6.3).
    fn after_head(&mut self) -> State {
        match (self.status, self.content_length) {
            (100 | 102..=199, _) => {
                // An interim response: the real one follows, and the head's bound holds for both.
                *self = Self { head_len: self.head_len, ..Self::new() };
                State::StatusLine
            }
            (101 | 204 | 304, _) => State::Done { is_complete: true },
            _ if self.is_chunked => State::ChunkSize { size: 0, digits: 0, in_extension: false },
            (_, Length::Octets(0)) => State::Done { is_complete: true },
            (_, Length::Octets(length)) => State::Body(Some(length)),
            (_, Length::Nothing | Length::Nonsense) => State::Body(None),
        }
    }

    fn text(&self) -> &[u8] {
        self.text.get(..self.text_len).unwrap_or_default()
    }

    /// Keeps an octet if there is room, and answers whether there is no more.
    fn keep(&mut self, octet: u8) -> bool {
        if let Some(place) = self.text.get_mut(self.text_len) {
            *place = octet;
            self.text_len += 1;
        }
        self.text_len == BODY_MAX
    }
}

/// The code in a status line whose beginning is checked (RFC 9112 §4). The reason phrase is nobody's.
fn status(line: &[u8]) -> Option<u16> {
    let rest = line.strip_prefix(VERSION)?;
    let (minor, rest) = rest.split_first()?;
    let (digits, reason) = rest.strip_prefix(b" ")?.split_at_checked(3)?;
    let is_well_formed = minor.is_ascii_digit() && (reason.is_empty() || reason.starts_with(b" "));
    let code = decimal(digits).filter(|code| is_well_formed && *code >= 100)?;
    u16::try_from(code).ok()
}

/// A number of decimal digits; one too large to count is as large as can be.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        Some(number.saturating_mul(10).saturating_add(u64::from(digit)))
    })
}

fn is_plain(coding: &[u8]) -> bool {
    coding.is_empty() || coding.eq_ignore_ascii_case(b"identity") || coding.eq_ignore_ascii_case(b"chunked")
}

/// One octet of a chunk's first line (RFC 9112 §7.1): size in hex, perhaps an extension.
fn chunk_size(size: u32, digits: u8, in_extension: bool, octet: u8) -> Result<State, Malformed> {
    match octet {
        b'\n' if digits == 0 => Err(Malformed::ChunkSize),
        // What follows the last chunk is trailers, which say nothing about the body.
        b'\n' if size == 0 => Ok(State::Done { is_complete: true }),
        b'\n' => Ok(State::ChunkData(size)),
        _ if in_extension => Ok(State::ChunkSize { size, digits, in_extension }),
        b'\r' | b';' | b' ' | b'\t' if digits > 0 => {
            Ok(State::ChunkSize { size, digits, in_extension: true })
        }
        _ => {
            let digit = char::from(octet).to_digit(16).ok_or(Malformed::ChunkSize)?;
            let size = size.checked_mul(16).ok_or(Malformed::ChunkSize)? | digit;
            Ok(State::ChunkSize { size, digits: digits.saturating_add(1), in_extension })
        }
    }
}
