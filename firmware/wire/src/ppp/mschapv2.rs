//! MS-CHAPv2: what its packets put into the value and the message of CHAP. The hashes are not here.
//!
//! Reading list: RFC 2759 §4 (Response), §5 (Success), §6 (Failure).
//!
//! ```text
//! Response value:   Peer-Challenge (16), reserved (8), NT-Response (24), Flags (1)
//! Success message:  S=<40 hex digits> M=<text>
//! Failure message:  E=<error> R=<retry> C=<32 hex digits> V=<version> M=<text>
//! ```

use crate::cursor::{Filler, Reader};
use crate::{BufferTooSmall, Malformed};

/// Octets of a Challenge value.
pub const CHALLENGE_LEN: usize = 16;
/// Octets of a Response value.
pub const RESPONSE_LEN: usize = 49;
/// `ERROR_AUTHENTICATION_FAILURE` (RFC 2759 §6).
pub const ERROR_AUTHENTICATION_FAILURE: u32 = 691;

/// The value of a Response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Response {
    /// The random number of the one who answers.
    pub peer_challenge: [u8; 16],
    /// The proof.
    pub nt_response: [u8; 24],
}

impl Response {
    /// Reads the value of a CHAP Response. Reserved octets and flags are ignored.
    ///
    /// # Errors
    /// [`Malformed::FieldLength`] unless the value is 49 octets.
    pub fn parse(value: &[u8]) -> Result<Self, Malformed> {
        let value: &[u8; RESPONSE_LEN] = value.try_into().map_err(|_| Malformed::FieldLength)?;
        let mut reader = Reader::new(value);
        let peer_challenge = reader.array()?;
        reader.array::<8>()?;
        Ok(Self { peer_challenge, nt_response: reader.array()? })
    }

    /// The value of a CHAP Response.
    pub fn value(&self) -> [u8; RESPONSE_LEN] {
        let mut value = [0; RESPONSE_LEN];
        value[..16].copy_from_slice(&self.peer_challenge);
        value[24..48].copy_from_slice(&self.nt_response);
        value
    }
}

/// The message of a Success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Success<'a> {
    /// The server's proof that it knows the password too.
    pub authenticator_response: [u8; 20],
    /// A text for people, possibly empty.
    pub message: &'a [u8],
}

impl<'a> Success<'a> {
    /// Reads the message of a CHAP Success. Hex digits of either case are taken; ` M=` and the text
    /// may be missing.
    ///
    /// # Errors
    /// [`Malformed::Text`].
    pub fn parse(message: &'a [u8]) -> Result<Self, Malformed> {
        let digits = message.strip_prefix(b"S=").ok_or(Malformed::Text)?;
        let (digits, rest) = digits.split_at_checked(40).ok_or(Malformed::Text)?;
        let authenticator_response = unhex(digits).ok_or(Malformed::Text)?;
        let message = match rest.trim_ascii_start() {
            [] => &[],
            text => text.strip_prefix(b"M=").ok_or(Malformed::Text)?,
        };
        Ok(Self { authenticator_response, message })
    }

    /// Writes the message of a CHAP Success.
    ///
    /// # Errors
    /// [`BufferTooSmall`].
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let mut filler = Filler::new(buffer);
        filler.put(b"S=");
        put_hex(&mut filler, &self.authenticator_response);
        filler.put(b" M=");
        filler.put(self.message);
        filler.finish()
    }
}

/// The message of a Failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure<'a> {
    /// A Windows error code, 691 for refused credentials (RFC 2759 §6).
    pub error: u32,
    /// Whether another Response may be tried.
    pub retry: bool,
    /// The challenge for that retry.
    pub challenge: Option<[u8; 16]>,
    /// Version of password changing, 3 for MS-CHAPv2.
    pub version: Option<u32>,
    /// A text for people, possibly empty.
    pub message: &'a [u8],
}

impl<'a> Failure<'a> {
    /// Reads the message of a CHAP Failure. Only `E=` has to be there; unknown fields are passed
    /// over, since servers in the field leave out or add some.
    ///
    /// # Errors
    /// [`Malformed::Text`] if there is no error code, or a field has an unreadable value.
    pub fn parse(message: &'a [u8]) -> Result<Self, Malformed> {
        let mut error = None;
        let mut failure = Self { error: 0, retry: false, challenge: None, version: None, message: &[] };
        let mut rest = message.trim_ascii_start();
        while !rest.is_empty() {
            if let Some(text) = rest.strip_prefix(b"M=") {
                failure.message = text;
                break;
            }
            let end = rest.iter().position(|octet| *octet == b' ').unwrap_or(rest.len());
            let (field, after) = rest.split_at(end);
            match field {
                [b'E', b'=', digits @ ..] => error = Some(decimal(digits)?),
                [b'R', b'=', digits @ ..] => failure.retry = decimal(digits)? != 0,
                [b'C', b'=', digits @ ..] => failure.challenge = Some(unhex(digits).ok_or(Malformed::Text)?),
                [b'V', b'=', digits @ ..] => failure.version = Some(decimal(digits)?),
                _ => {}
            }
            rest = after.trim_ascii_start();
        }
        failure.error = error.ok_or(Malformed::Text)?;
        Ok(failure)
    }

    /// Writes the message of a CHAP Failure.
    ///
    /// # Errors
    /// [`BufferTooSmall`].
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let mut filler = Filler::new(buffer);
        filler.put(b"E=");
        put_decimal(&mut filler, self.error);
        filler.put(if self.retry { b" R=1" } else { b" R=0" });
        if let Some(challenge) = &self.challenge {
            filler.put(b" C=");
            put_hex(&mut filler, challenge);
        }
        if let Some(version) = self.version {
            filler.put(b" V=");
            put_decimal(&mut filler, version);
        }
        if !self.message.is_empty() {
            filler.put(b" M=");
            filler.put(self.message);
        }
        filler.finish()
    }
}

fn unhex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    if digits.len() != 2 * N {
        return None;
    }
    let mut octets = [0; N];
    for (octet, pair) in octets.iter_mut().zip(digits.chunks_exact(2)) {
        let mut value = 0;
        for digit in pair {
            value = value << 4 | char::from(*digit).to_digit(16)?;
        }
        *octet = value as u8;
    }
    Some(octets)
}

fn put_hex(filler: &mut Filler<'_>, octets: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for octet in octets {
        filler.put(&[DIGITS[usize::from(octet >> 4)], DIGITS[usize::from(octet & 0xF)]]);
    }
}

fn decimal(digits: &[u8]) -> Result<u32, Malformed> {
    let text = core::str::from_utf8(digits).map_err(|_| Malformed::Text)?;
    text.parse().map_err(|_| Malformed::Text)
}

fn put_decimal(filler: &mut Filler<'_>, mut value: u32) {
    let mut digits = [0; 10];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    filler.put(&digits[start..]);
}
