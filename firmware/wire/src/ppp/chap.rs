//! CHAP: challenge, response, verdict. The same packets carry CHAP-MD5 and MS-CHAPv2; what the
//! latter puts into value and message is in [`mschapv2`](super::mschapv2).
//!
//! Reading list: RFC 1994 §4.
//!
//! ```text
//! Challenge, Response:  code 1, 2, identifier, length, Value-Size (1), Value, Name (the rest)
//! Success, Failure:     code 3, 4, identifier, length, Message (the rest)
//! ```

use super::{Protocol, RawControl, Writer};
use crate::cursor::Reader;
use crate::{BufferTooSmall, Malformed};

/// A CHAP packet: what follows the protocol field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet<'a> {
    /// 1 (RFC 1994 §4.1)
    Challenge {
        /// Goes into the MD5 response.
        identifier: u8,
        /// The challenge, at least one octet; 16 with MS-CHAPv2.
        value: &'a [u8],
        /// Who asks.
        name: &'a [u8],
    },
    /// 2 (RFC 1994 §4.1)
    Response {
        /// The challenge's.
        identifier: u8,
        /// 16 octets with MD5, 49 with MS-CHAPv2.
        value: &'a [u8],
        /// Who answers.
        name: &'a [u8],
    },
    /// 3 (RFC 1994 §4.2)
    Success {
        /// The response's.
        identifier: u8,
        /// A text, possibly empty; of fixed form with MS-CHAPv2.
        message: &'a [u8],
    },
    /// 4 (RFC 1994 §4.2)
    Failure {
        /// The response's.
        identifier: u8,
        /// A text, possibly empty; of fixed form with MS-CHAPv2.
        message: &'a [u8],
    },
}

impl<'a> Packet<'a> {
    /// Reads a packet from what follows the protocol field.
    ///
    /// # Errors
    /// Those of [`Control::parse`](super::Control::parse), [`Malformed::UnknownCode`],
    /// [`Malformed::FieldLength`] if the value is empty or reaches beyond the packet.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let RawControl { code, identifier, data } = RawControl::parse(bytes)?;
        match code {
            1 => value_and_name(data).map(|(value, name)| Self::Challenge { identifier, value, name }),
            2 => value_and_name(data).map(|(value, name)| Self::Response { identifier, value, name }),
            3 => Ok(Self::Success { identifier, message: data }),
            4 => Ok(Self::Failure { identifier, message: data }),
            _ => Err(Malformed::UnknownCode),
        }
    }

    /// Writes the packet, protocol field first, and answers the length.
    ///
    /// # Errors
    /// [`BufferTooSmall`], also for a value above 255 octets.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let (code, identifier, value, text) = match *self {
            Self::Challenge { identifier, value, name } => (1, identifier, Some(value), name),
            Self::Response { identifier, value, name } => (2, identifier, Some(value), name),
            Self::Success { identifier, message } => (3, identifier, None, message),
            Self::Failure { identifier, message } => (4, identifier, None, message),
        };
        let mut writer = Writer::raw(buffer, Protocol::Chap, code, identifier);
        if let Some(value) = value {
            let size = u8::try_from(value.len()).map_err(|_| BufferTooSmall)?;
            writer.bytes(&[size]).bytes(value);
        }
        writer.bytes(text).finish()
    }
}

fn value_and_name(data: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let mut reader = Reader::new(data);
    match reader.u8() {
        // RFC 1994 §4.1: the value is at least one octet.
        Err(_) | Ok(0) => Err(Malformed::FieldLength),
        Ok(size) => Ok((reader.take(usize::from(size), Malformed::FieldLength)?, reader.rest())),
    }
}
