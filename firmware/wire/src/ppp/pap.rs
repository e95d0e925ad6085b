//! PAP: name and password in clear.
//!
//! Reading list: RFC 1334 §2.2.
//!
//! ```text
//! Authenticate-Request:    code 1, identifier, length, Peer-ID Length (1), Peer-Id, Passwd-Length (1), Password
//! Authenticate-Ack, -Nak:  code 2, 3, identifier, length, Msg-Length (1), Message
//! ```

use super::{Protocol, RawControl, Writer};
use crate::cursor::Reader;
use crate::{BufferTooSmall, Malformed};

/// A PAP packet: what follows the protocol field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet<'a> {
    /// 1 (RFC 1334 §2.2.1)
    AuthenticateRequest {
        /// Matches the answer.
        identifier: u8,
        /// Who the sender is.
        peer_id: &'a [u8],
        /// And its proof.
        password: &'a [u8],
    },
    /// 2 (RFC 1334 §2.2.2)
    AuthenticateAck {
        /// The request's.
        identifier: u8,
        /// A text for people, often empty.
        message: &'a [u8],
    },
    /// 3 (RFC 1334 §2.2.2)
    AuthenticateNak {
        /// The request's.
        identifier: u8,
        /// A text for people, often empty; where it is not, it says why.
        message: &'a [u8],
    },
}

impl<'a> Packet<'a> {
    /// Reads a packet from what follows the protocol field. An Ack or Nak that ends before its
    /// Msg-Length has an empty message: some servers leave the field out.
    ///
    /// # Errors
    /// Those of [`Control::parse`](super::Control::parse), [`Malformed::UnknownCode`],
    /// [`Malformed::FieldLength`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let RawControl { code, identifier, data } = RawControl::parse(bytes)?;
        let mut reader = Reader::new(data);
        match code {
            1 => {
                let peer_id = counted(&mut reader)?;
                let password = counted(&mut reader)?;
                Ok(Self::AuthenticateRequest { identifier, peer_id, password })
            }
            2 => Ok(Self::AuthenticateAck { identifier, message: message(data)? }),
            3 => Ok(Self::AuthenticateNak { identifier, message: message(data)? }),
            _ => Err(Malformed::UnknownCode),
        }
    }

    /// Writes the packet, protocol field first, and answers the length.
    ///
    /// # Errors
    /// [`BufferTooSmall`], also for a field above 255 octets.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let begin = |buffer, code, identifier| Writer::raw(buffer, Protocol::Pap, code, identifier);
        let (mut writer, fields): (_, [Option<&[u8]>; 2]) = match *self {
            Self::AuthenticateRequest { identifier, peer_id, password } => {
                (begin(buffer, 1, identifier), [Some(peer_id), Some(password)])
            }
            Self::AuthenticateAck { identifier, message } => {
                (begin(buffer, 2, identifier), [Some(message), None])
            }
            Self::AuthenticateNak { identifier, message } => {
                (begin(buffer, 3, identifier), [Some(message), None])
            }
        };
        for field in fields.into_iter().flatten() {
            let length = u8::try_from(field.len()).map_err(|_| BufferTooSmall)?;
            writer.bytes(&[length]).bytes(field);
        }
        writer.finish()
    }
}

fn message(data: &[u8]) -> Result<&[u8], Malformed> {
    if data.is_empty() { Ok(data) } else { counted(&mut Reader::new(data)) }
}

fn counted<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
    let length = reader.u8().map_err(|_| Malformed::FieldLength)?;
    reader.take(usize::from(length), Malformed::FieldLength)
}
