//! Captured frames as text: a pcap file in base64, which a terminal can record and one command turns back.
//!
//! Reading list: the Internet-Draft "PCAP Capture File Format" (draft-ietf-opsawg-pcap), RFC 4648 §4.

use heapless::Vec;

/// The most octets of a frame that are kept: all of a Discovery packet as they are met, and of others what is before the data.
pub const SNAP: usize = 256;

/// The octets of base64 in a line: 76 letters, as MIME has them.
const LINE: usize = 57;

/// Makes the text.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    /// Octets that do not fill a line yet.
    rest: Vec<u8, LINE>,
}

impl Encoder {
    /// Begins with the file's header: microseconds, Ethernet.
    pub(crate) fn begin(&mut self, out: &mut dyn FnMut(&str)) {
        self.rest.clear();
        self.put(&0xA1B2_C3D4_u32.to_le_bytes(), out);
        self.put(&[2, 0, 4, 0], out);
        self.put(&[0; 8], out);
        self.put(&(SNAP as u32).to_le_bytes(), out);
        self.put(&1_u32.to_le_bytes(), out);
    }

    /// A frame of `len` octets, of which `bytes` were kept.
    pub(crate) fn frame(&mut self, micros: u64, bytes: &[u8], len: u16, out: &mut dyn FnMut(&str)) {
        let bytes = bytes.get(..SNAP).unwrap_or(bytes);
        let (seconds, micros) = ((micros / 1_000_000) as u32, (micros % 1_000_000) as u32);
        for word in [seconds, micros, bytes.len() as u32, u32::from(len).max(bytes.len() as u32)] {
            self.put(&word.to_le_bytes(), out);
        }
        self.put(bytes, out);
    }

    /// What is left.
    pub(crate) fn end(&mut self, out: &mut dyn FnMut(&str)) {
        self.flush(out);
    }

    fn put(&mut self, bytes: &[u8], out: &mut dyn FnMut(&str)) {
        for octet in bytes {
            if self.rest.is_full() {
                self.flush(out);
            }
            // There is room now.
            let _ = self.rest.push(*octet);
        }
    }

    fn flush(&mut self, out: &mut dyn FnMut(&str)) {
        let mut text: heapless::String<{ LINE.div_ceil(3) * 4 }> = heapless::String::new();
        for group in self.rest.chunks(3) {
            let bits =
                (0..3).fold(0, |bits, place| bits << 8 | u32::from(group.get(place).copied().unwrap_or(0)));
            for place in 0..4 {
                let digit = (bits >> (18 - 6 * place)) as usize & 0x3F;
                let letter = ALPHABET.get(digit).copied().unwrap_or(b'=');
                let _ = text.push(if place <= group.len() { char::from(letter) } else { '=' });
            }
        }
        self.rest.clear();
        if !text.is_empty() {
            out(&text);
        }
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#[cfg(test)]
mod tests {
    use std::string::String;

    use super::*;

    #[test]
    fn the_examples_of_rfc_4648() {
        for (bytes, text) in [
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            let mut encoder = Encoder::default();
            let mut told = String::new();
            encoder.put(bytes.as_bytes(), &mut |line| told.push_str(line));
            encoder.end(&mut |line| told.push_str(line));
            assert_eq!(told, text);
        }
    }

    #[test]
    fn lines_have_76_letters_and_the_last_one_fewer() {
        let mut lines = std::vec::Vec::new();
        let mut encoder = Encoder::default();
        let mut out = |line: &str| lines.push(line.len());
        encoder.begin(&mut out);
        encoder.frame(1_000_001, &[0xA5; 1500], 1500, &mut out);
        encoder.end(&mut out);
        let octets = 24 + 16 + SNAP;
        assert_eq!(lines.iter().sum::<usize>(), octets.div_ceil(3) * 4);
        assert!(lines.iter().rev().skip(1).all(|len| *len == 76), "{lines:?}");
    }
}
