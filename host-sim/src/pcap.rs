//! Captures for Wireshark: the classic libpcap file format, Ethernet, microsecond timestamps.

use std::io::{self, Write};

use smoltcp::time::Instant;

/// Magic number of a little-endian capture with microsecond timestamps.
const MAGIC: u32 = 0xA1B2_C3D4;
/// The most octets a record may hold; longer frames are cut and say so in their record.
const SNAP_LENGTH: u32 = 65_535;
/// `LINKTYPE_ETHERNET`.
const LINK_TYPE_ETHERNET: u32 = 1;

/// Writes frames as they pass, stamped with virtual time since the world began.
pub struct Writer<W: Write> {
    output: W,
}

impl<W: Write> Writer<W> {
    /// Writes the file header.
    ///
    /// # Errors
    /// What the output says.
    pub fn new(mut output: W) -> io::Result<Self> {
        output.write_all(&MAGIC.to_le_bytes())?;
        output.write_all(&2u16.to_le_bytes())?; // version 2.4
        output.write_all(&4u16.to_le_bytes())?;
        output.write_all(&[0; 8])?; // time zone and accuracy: unused by every reader
        output.write_all(&SNAP_LENGTH.to_le_bytes())?;
        output.write_all(&LINK_TYPE_ETHERNET.to_le_bytes())?;
        Ok(Self { output })
    }

    /// Appends one frame (from the Ethernet header on, no FCS).
    ///
    /// # Errors
    /// What the output says.
    pub fn write(&mut self, at: Instant, frame: &[u8]) -> io::Result<()> {
        let micros = u64::try_from(at.total_micros()).unwrap_or(0);
        let kept = &frame[..frame.len().min(SNAP_LENGTH as usize)];
        self.output.write_all(&((micros / 1_000_000) as u32).to_le_bytes())?;
        self.output.write_all(&((micros % 1_000_000) as u32).to_le_bytes())?;
        self.output.write_all(&(kept.len() as u32).to_le_bytes())?;
        self.output.write_all(&(frame.len() as u32).to_le_bytes())?;
        self.output.write_all(kept)
    }

    /// Hands what is buffered to the output: from here on a reader sees it.
    ///
    /// # Errors
    /// What the output says.
    pub fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }

    /// Flushes and gives the output back.
    ///
    /// # Errors
    /// What the output says.
    pub fn finish(mut self) -> io::Result<W> {
        self.output.flush()?;
        Ok(self.output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capture_is_laid_out_as_the_format_says() {
        let mut writer = Writer::new(Vec::new()).unwrap();
        writer.write(Instant::from_micros(1_500_002), &[0xEE; 14]).unwrap();
        let bytes = writer.finish().unwrap();
        assert_eq!(bytes.len(), 24 + 16 + 14);
        assert_eq!(bytes[..8], [0xD4, 0xC3, 0xB2, 0xA1, 2, 0, 4, 0]);
        assert_eq!(bytes[20..24], [1, 0, 0, 0]);
        assert_eq!(bytes[24..40], [1, 0, 0, 0, 0x22, 0xA1, 7, 0, 14, 0, 0, 0, 14, 0, 0, 0]);
    }
}
