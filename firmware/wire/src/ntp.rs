//! Packets of SNTP: what a client sends, and what it may believe of an answer.
//!
//! Reading list: RFC 5905 §7.3 (packet), §7.4 (kiss codes), §6 (eras); RFC 4330 §5 (what a client checks); RFC 9109 (ports).
//!
//! ```text
//!  0            1         2      3           4 … 12 … 16 … 24            32          40        48
//! +------------+---------+------+-----------+- - - - - - - - +-----------+----------+---------+
//! | LI VN Mode | stratum | poll | precision | … id, reference | origin    | receive  | transmit|
//! +------------+---------+------+-----------+- - - - - - - - +-----------+----------+---------+
//! ```

use crate::cursor::Reader;
use crate::{BufferTooSmall, Malformed};

/// The port of a server.
pub const PORT: u16 = 123;
/// Octets of a packet without extensions.
pub const PACKET_LEN: usize = 48;

/// What a server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The warning of a leap second; 3: the server's clock is not set.
    pub leap: u8,
    /// 3 or 4.
    pub version: u8,
    /// 4: from a server.
    pub mode: u8,
    /// How far from a true clock, 1..=15; 0: a kiss code, in the reference id.
    pub stratum: u8,
    /// The kiss code (RFC 5905 §7.4), if the stratum is 0: "RATE", "DENY".
    pub reference_id: [u8; 4],
    /// What the request had as its transmit timestamp.
    pub origin: u64,
    /// When the answer left, in seconds since 1900 and 2^-32 of them; the seconds begin again in 2036.
    pub transmit: u64,
}

impl Answer {
    /// Reads a packet; what follows it (extensions, a digest) is ignored.
    ///
    /// # Errors
    /// [`Malformed::Truncated`] below 48 octets, [`Malformed::Version`] if it is neither version 3 nor 4.
    pub fn parse(packet: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(packet);
        let [first, stratum, _, _] = reader.array()?;
        let (leap, version, mode) = (first >> 6, first >> 3 & 7, first & 7);
        if !matches!(version, 3 | 4) {
            return Err(Malformed::Version);
        }
        let _root: [u8; 8] = reader.array()?;
        let reference_id = reader.array()?;
        let _reference: [u8; 8] = reader.array()?;
        let origin = u64::from_be_bytes(reader.array()?);
        let _receive: [u8; 8] = reader.array()?;
        let transmit = u64::from_be_bytes(reader.array()?);
        Ok(Self { leap, version, mode, stratum, reference_id, origin, transmit })
    }

    /// The time of the answer, in seconds since 1970. Seconds below 2^31 are of the era that begins in 2036 (RFC 4330 §3).
    pub const fn unix_seconds(&self) -> u64 {
        let seconds = self.transmit >> 32;
        let since_1900 = if seconds & 0x8000_0000 == 0 { seconds + (1 << 32) } else { seconds };
        since_1900 - SECONDS_1900_TO_1970
    }
}

/// Writes a client's request of version 4 with nothing in it but `cookie` as its transmit timestamp, by which the answer will
/// be known (RFC 4330 §5: the origin timestamp of the answer must be that). Answers its length.
///
/// # Errors
/// [`BufferTooSmall`] below 48 octets.
pub fn emit_request(buffer: &mut [u8], cookie: u64) -> Result<usize, BufferTooSmall> {
    let packet = buffer.get_mut(..PACKET_LEN).ok_or(BufferTooSmall)?;
    packet.fill(0);
    packet[0] = 4 << 3 | 3;
    packet[40..].copy_from_slice(&cookie.to_be_bytes());
    Ok(PACKET_LEN)
}

/// 70 years with 17 leap days (RFC 868).
const SECONDS_1900_TO_1970: u64 = 2_208_988_800;
