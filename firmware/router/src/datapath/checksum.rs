//! The Internet checksum, changed instead of computed (RFC 1071, RFC 1624).
//!
//! One's-complement sums do not care about byte order as long as all of a sum has the same, so words are added as they lie in
//! memory.

/// A 32-bit word as a sum of its halves, not yet folded.
#[inline]
pub(crate) const fn halves(word: u32) -> u32 {
    (word & 0xFFFF) + (word >> 16)
}

/// A sum of less than 65,536 halves as one of 16 bits.
#[inline]
pub(crate) const fn fold(sum: u32) -> u16 {
    let once = halves(sum);
    (once + (once >> 16)) as u16
}

/// What replacing one word by another adds to a sum, not yet folded.
#[inline]
pub(crate) const fn replacement(old: u32, new: u32) -> u32 {
    halves(!old) + halves(new)
}

/// What replacing `old` by `new` adds to a sum: `~m + m'` of RFC 1624 (eqn. 3). Its complement is what the way back adds.
pub(crate) fn difference<const N: usize>(old: [u32; N], new: [u32; N]) -> u16 {
    fold(old.into_iter().zip(new).map(|(old, new)| replacement(old, new)).sum())
}

/// A checksum after something it covers has changed by `difference`: `~(~HC + ~m + m')`.
#[inline]
pub(crate) const fn adjust(checksum: u16, difference: u16) -> u16 {
    !fold((!checksum) as u32 + difference as u32)
}

/// The checksum over `bytes`, of which the last may be the first half of a pair. In the byte order of the machine: to be
/// stored as it is.
pub(crate) fn of(bytes: &[u8], start: u32) -> u16 {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let sum = pairs.iter().fold(start, |sum, pair| sum + u32::from(u16::from_ne_bytes(*pair)));
    let last = rest.first().map_or(0, |byte| u32::from(u16::from_ne_bytes([*byte, 0])));
    !fold(sum + last)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1624 §4: a header with checksum 0xDD2F and a field that goes from 0x5555 to 0x3285 has checksum 0x0000.
    #[test]
    fn the_example_of_rfc_1624() {
        let field = |value: u16| u32::from(value.to_be());
        let difference = difference([field(0x5555)], [field(0x3285)]);
        assert_eq!(adjust(0xDD2F_u16.to_be(), difference), 0x0000);
    }

    /// RFC 1071 §3: 00 01 f2 03 f4 f5 f6 f7 sum up to ddf2.
    #[test]
    fn the_example_of_rfc_1071() {
        let bytes = [0x00, 0x01, 0xF2, 0x03, 0xF4, 0xF5, 0xF6, 0xF7];
        assert_eq!(of(&bytes, 0).to_be(), !0xDDF2);
    }

    #[test]
    fn there_and_back_is_where_it_was() {
        for (old, new) in [(0, 0), (1, 0xFFFF_FFFF), (0xC0A8_0101, 0x0A00_0001), (0xFFFF, 0)] {
            let there = difference([old], [new]);
            for checksum in [0x0000, 0x0001, 0x1234, 0xFFFE, 0xFFFF] {
                let back = adjust(adjust(checksum, there), !there);
                // Zero has two spellings.
                assert!(back == checksum || [checksum, back].iter().all(|sum| [0, 0xFFFF].contains(sum)));
            }
        }
    }
}
