//! TLS, as much of it as tells whether a TLS server answers: a `ClientHello` goes out, a `ServerHello`
//! or an alert comes back. Nothing is encrypted, no certificate is judged.
//!
//! Reading list: RFC 8446 §5.1 (records), §4.1.2 (`ClientHello`), §4.1.3 (`ServerHello`), §4.2
//! (extensions), §6 (alerts), appendix D (older versions); RFC 5246 §7.4.1; RFC 6066 §3 (server
//! name).
//!
//! ```text
//!  0      1         3        5           6            9        11       43
//! +------+---------+--------+-----------+------------+--------+--------+------------- - -
//! | TYPE | VERSION | LENGTH | HANDSHAKE | LENGTH (3) | LEGACY | RANDOM | session id, cipher
//! | 22   | 3.1-3.3 |        | 1 or 2    |            | 3.3    |  (32)  | suites, extensions
//! +------+---------+--------+-----------+------------+--------+--------+------------- - -
//!   alert: TYPE 21, LENGTH 2, then level and description
//! ```

use crate::cursor::{Filler, Reader};
use crate::{BufferTooSmall, Malformed};

/// Octets of an answer that a reader must have room for: a longer `ServerHello` is refused.
pub const ANSWER_MAX: usize = 512;
/// A buffer in which every [`ClientHello`] fits: its name has 253 octets at most.
pub const CLIENT_HELLO_MAX: usize = 512;

/// TLS 1.2, the oldest version spoken of here, and what the legacy fields say.
pub const TLS_1_2: u16 = 0x0303;
/// TLS 1.3.
pub const TLS_1_3: u16 = 0x0304;

const RECORD_HEADER_LEN: usize = 5;
const RECORD_ALERT: u8 = 21;
const RECORD_HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
/// The longest fragment of a record in plain text (RFC 8446 §5.1).
const FRAGMENT_MAX: usize = 1 << 14;

const EXTENSION_SERVER_NAME: u16 = 0;
const EXTENSION_SUPPORTED_VERSIONS: u16 = 43;
const EXTENSION_KEY_SHARE: u16 = 51;
const GROUP_X25519: u16 = 0x001D;

/// What is common today: the three of TLS 1.3, then ECDHE with AES-GCM or `ChaCha20`, then plain RSA for
/// servers of old.
const CIPHER_SUITES: [u16; 11] =
    [0x1301, 0x1302, 0x1303, 0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8, 0x009C, 0x002F];

/// The extensions that are always the same, ready-made: type, length, value.
const FIXED_EXTENSIONS: &[u8] = &[
    0x00, 0x0A, 0x00, 0x06, 0x00, 0x04, 0x00, 0x1D, 0x00, 0x17, // supported_groups: x25519, secp256r1
    0x00, 0x0B, 0x00, 0x02, 0x01, 0x00, // ec_point_formats: uncompressed
    // signature_algorithms: ECDSA and RSA-PSS and PKCS #1 with SHA-256, -384, -512; Ed25519; SHA-1 last
    0x00, 0x0D, 0x00, 0x18, 0x00, 0x16, 0x04, 0x03, 0x05, 0x03, 0x06, 0x03, 0x08, 0x07, 0x08, 0x04, 0x08,
    0x05, 0x08, 0x06, 0x04, 0x01, 0x05, 0x01, 0x06, 0x01, 0x02, 0x01, //
    0x00, 0x2B, 0x00, 0x05, 0x04, 0x03, 0x04, 0x03, 0x03, // supported_versions: 1.3, 1.2
    0x00, 0x2D, 0x00, 0x02, 0x01, 0x01, // psk_key_exchange_modes: psk_dhe_ke
];

/// The first message of a client (RFC 8446 §4.1.2), as far as it varies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientHello<'a> {
    /// 32 random octets.
    pub random: [u8; 32],
    /// 32 random octets, which a TLS 1.3 server sends back.
    pub session_id: [u8; 32],
    /// The `x25519` share. Any 32 octets are a public key, and nobody here will use the secret.
    pub key_share: [u8; 32],
    /// The server's name; `None` for a server known by its address only.
    pub server_name: Option<&'a str>,
}

impl<'a> ClientHello<'a> {
    /// Writes the message in its record and answers the length. TLS 1.3 and 1.2 are offered.
    ///
    /// # Errors
    /// [`BufferTooSmall`], also if the name is longer than 253 octets, which no name is.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let mut filler = Filler::new(buffer);
        // The record's version is the oldest there is, for middleboxes (RFC 8446 §5.1).
        filler.put(&[RECORD_HANDSHAKE, 3, 1, 0, 0, CLIENT_HELLO, 0, 0, 0]);
        filler.put(&TLS_1_2.to_be_bytes());
        filler.put(&self.random);
        filler.put(&[32]);
        filler.put(&self.session_id);
        filler.put(&((CIPHER_SUITES.len() * 2) as u16).to_be_bytes());
        for suite in CIPHER_SUITES {
            filler.put(&suite.to_be_bytes());
        }
        filler.put(&[1, 0]); // compression: none
        let extensions_at = filler.len();
        filler.put(&[0, 0]);
        if let Some(name) = self.server_name {
            let Some(name_len) = u16::try_from(name.len()).ok().filter(|len| (1..=253).contains(len)) else {
                return Err(BufferTooSmall);
            };
            for field in [EXTENSION_SERVER_NAME, name_len + 5, name_len + 3] {
                filler.put(&field.to_be_bytes());
            }
            filler.put(&[0]); // host_name
            filler.put(&name_len.to_be_bytes());
            filler.put(name.as_bytes());
        }
        filler.put(FIXED_EXTENSIONS);
        for field in [EXTENSION_KEY_SHARE, 2 + 4 + 32, 4 + 32, GROUP_X25519, 32] {
            filler.put(&field.to_be_bytes());
        }
        filler.put(&self.key_share);
        let end = filler.len();
        filler.patch_u16(3, end.saturating_sub(RECORD_HEADER_LEN));
        filler.patch_u16(7, end.saturating_sub(RECORD_HEADER_LEN + 4));
        filler.patch_u16(extensions_at, end.saturating_sub(extensions_at + 2));
        filler.finish()
    }

    /// Reads the message back from a whole record: for a server that is a simulation.
    ///
    /// # Errors
    /// [`Malformed::NotTls`] for another record or message; [`Malformed::Truncated`] and
    /// [`Malformed::LengthOverrun`]; [`Malformed::FieldLength`] for a session id or a key share that
    /// is not one of 32 octets; [`Malformed::Text`] for a name that is no text.
    pub fn parse(record: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(record);
        let [kind, major, _, high, low] = reader.array()?;
        if kind != RECORD_HANDSHAKE || major != 3 {
            return Err(Malformed::NotTls);
        }
        let fragment_len = usize::from(u16::from_be_bytes([high, low]));
        let mut reader = Reader::new(reader.take(fragment_len, Malformed::LengthOverrun)?);
        let [message, a, b, c] = reader.array()?;
        if message != CLIENT_HELLO {
            return Err(Malformed::NotTls);
        }
        let mut reader = Reader::new(reader.take(u24(a, b, c), Malformed::LengthOverrun)?);
        let _legacy_version = reader.u16()?;
        let random = reader.array()?;
        let session_id = counted_u8(&mut reader)?.try_into().map_err(|_| Malformed::FieldLength)?;
        let _cipher_suites = counted_u16(&mut reader)?;
        let _compression = counted_u8(&mut reader)?;
        let mut extensions = Reader::new(counted_u16(&mut reader)?);
        let mut server_name = None;
        let mut key_share = None;
        while !extensions.rest().is_empty() {
            let kind = extensions.u16()?;
            let mut value = Reader::new(counted_u16(&mut extensions)?);
            match kind {
                EXTENSION_SERVER_NAME => {
                    let mut list = Reader::new(counted_u16(&mut value)?);
                    let _host_name = list.u8()?;
                    let name = core::str::from_utf8(counted_u16(&mut list)?).map_err(|_| Malformed::Text)?;
                    server_name = Some(name);
                }
                EXTENSION_KEY_SHARE => {
                    let mut shares = Reader::new(counted_u16(&mut value)?);
                    let _group = shares.u16()?;
                    let share = counted_u16(&mut shares)?;
                    key_share = Some(share.try_into().map_err(|_| Malformed::FieldLength)?);
                }
                _ => {}
            }
        }
        Ok(Self { random, session_id, key_share: key_share.ok_or(Malformed::FieldLength)?, server_name })
    }
}

/// What a TLS server says first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer<'a> {
    /// It goes on with the handshake.
    ServerHello(ServerHello<'a>),
    /// It refuses (RFC 8446 §6).
    Alert {
        /// The level, 1 or 2.
        level: u8,
        /// What is wrong: 40 `handshake_failure`, 112 `unrecognized_name`, ...
        description: u8,
    },
}

impl<'a> Answer<'a> {
    /// Looks at what has arrived so far, from the beginning of the stream. `None`: more is needed, up
    /// to [`ANSWER_MAX`] octets. What follows the `ServerHello` is not looked at.
    ///
    /// # Errors
    /// [`Malformed::NotTls`] as soon as an octet cannot be TLS; [`Malformed::LengthOverrun`] if the
    /// `ServerHello` does not fit its record or [`ANSWER_MAX`]; [`Malformed::FieldLength`] and
    /// [`Malformed::Truncated`] if its fields do not fit it.
    pub fn parse(octets: &'a [u8]) -> Result<Option<Self>, Malformed> {
        let header: [u8; RECORD_HEADER_LEN] = match octets.first_chunk() {
            Some(header) => *header,
            None => return begins_like_tls(octets).map(|()| None),
        };
        begins_like_tls(octets)?;
        let [kind, _, _, high, low] = header;
        let fragment_len = usize::from(u16::from_be_bytes([high, low]));
        if fragment_len == 0 || fragment_len > FRAGMENT_MAX {
            return Err(Malformed::NotTls);
        }
        let fragment = octets.get(RECORD_HEADER_LEN..).unwrap_or_default();
        if kind == RECORD_ALERT {
            if fragment_len != 2 {
                return Err(Malformed::NotTls);
            }
            let alert: Option<&[u8; 2]> = fragment.first_chunk();
            return Ok(
                alert.map(|[level, description]| Self::Alert { level: *level, description: *description })
            );
        }
        if fragment.first().is_some_and(|message| *message != SERVER_HELLO) {
            return Err(Malformed::NotTls);
        }
        let Some([_, a, b, c]) = fragment.first_chunk() else {
            return if fragment_len < 4 { Err(Malformed::LengthOverrun) } else { Ok(None) };
        };
        let message_len = u24(*a, *b, *c);
        if message_len + 4 > fragment_len || RECORD_HEADER_LEN + 4 + message_len > ANSWER_MAX {
            return Err(Malformed::LengthOverrun);
        }
        let Some(message) = fragment.get(4..4 + message_len) else { return Ok(None) };
        ServerHello::parse(message).map(|hello| Some(Self::ServerHello(hello)))
    }

    /// Writes the answer in a record of its own: for a server that is a simulation.
    ///
    /// # Errors
    /// [`BufferTooSmall`], also if a session id is longer than 32 octets.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let mut filler = Filler::new(buffer);
        match self {
            Self::Alert { level, description } => {
                filler.put(&[RECORD_ALERT, 3, 3, 0, 2, *level, *description]);
            }
            Self::ServerHello(hello) => {
                filler.put(&[RECORD_HANDSHAKE, 3, 3, 0, 0, SERVER_HELLO, 0, 0, 0]);
                hello.write(&mut filler);
                let end = filler.len();
                filler.patch_u16(3, end.saturating_sub(RECORD_HEADER_LEN));
                filler.patch_u16(7, end.saturating_sub(RECORD_HEADER_LEN + 4));
            }
        }
        filler.finish()
    }
}

/// The first message of a server (RFC 8446 §4.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerHello<'a> {
    /// The version it chose: [`TLS_1_3`] only if its extension says so.
    pub version: u16,
    /// Its random octets, or the mark of a `HelloRetryRequest`.
    pub random: [u8; 32],
    /// Its session id: with TLS 1.3 the client's.
    pub session_id: &'a [u8],
    /// The cipher suite it chose.
    pub cipher_suite: u16,
}

impl<'a> ServerHello<'a> {
    fn parse(message: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(message);
        let mut version = reader.u16()?;
        let random = reader.array()?;
        let session_id = counted_u8(&mut reader)?;
        if session_id.len() > 32 {
            return Err(Malformed::FieldLength);
        }
        let cipher_suite = reader.u16()?;
        let _compression = reader.u8()?;
        // Servers of old send no extensions, not even their length.
        if !reader.rest().is_empty() {
            let mut extensions = Reader::new(counted_u16(&mut reader)?);
            while !extensions.rest().is_empty() {
                let kind = extensions.u16()?;
                let value = counted_u16(&mut extensions)?;
                if kind == EXTENSION_SUPPORTED_VERSIONS {
                    version = value.try_into().map(u16::from_be_bytes).map_err(|_| Malformed::FieldLength)?;
                }
            }
        }
        if version >> 8 != 3 {
            return Err(Malformed::NotTls);
        }
        Ok(Self { version, random, session_id, cipher_suite })
    }

    fn write(&self, filler: &mut Filler<'_>) {
        let legacy_version = if self.version == TLS_1_3 { TLS_1_2 } else { self.version };
        filler.put(&legacy_version.to_be_bytes());
        filler.put(&self.random);
        match u8::try_from(self.session_id.len()) {
            Ok(len) if len <= 32 => filler.put(&[len]),
            _ => filler.fail(),
        }
        filler.put(self.session_id);
        filler.put(&self.cipher_suite.to_be_bytes());
        filler.put(&[0]);
        if self.version == TLS_1_3 {
            for field in [6, EXTENSION_SUPPORTED_VERSIONS, 2, TLS_1_3] {
                filler.put(&field.to_be_bytes());
            }
        }
    }
}

/// Whether `octets` may be the beginning of a record that a server sends first.
fn begins_like_tls(octets: &[u8]) -> Result<(), Malformed> {
    let kind_fits = octets.first().is_none_or(|kind| matches!(*kind, RECORD_HANDSHAKE | RECORD_ALERT));
    let version_fits = octets.get(1).is_none_or(|major| *major == 3);
    if kind_fits && version_fits { Ok(()) } else { Err(Malformed::NotTls) }
}

fn u24(a: u8, b: u8, c: u8) -> usize {
    usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)
}

fn counted_u8<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
    let len = reader.u8()?;
    reader.take(usize::from(len), Malformed::LengthOverrun)
}

fn counted_u16<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
    let len = reader.u16()?;
    reader.take(usize::from(len), Malformed::LengthOverrun)
}
