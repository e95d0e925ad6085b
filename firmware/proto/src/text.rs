//! Texts from the peer, made fit to be shown and kept.

use heapless::String;

/// The bytes as text: what is not UTF-8 becomes U+FFFD, control characters become spaces, and what
/// is beyond `N` bytes is cut off at a character's boundary.
pub fn from_peer<const N: usize>(bytes: &[u8]) -> String<N> {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        let valid = chunk.valid().chars().map(|c| if c.is_control() { ' ' } else { c });
        let replacement = (!chunk.invalid().is_empty()).then_some(char::REPLACEMENT_CHARACTER);
        for c in valid.chain(replacement) {
            if text.push(c).is_err() {
                return text;
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_bad_utf8_are_replaced() {
        assert_eq!(from_peer::<32>(b"locked\r\n\x1b[31m\xff!").as_str(), "locked   [31m\u{fffd}!");
    }

    #[test]
    fn cut_at_a_character_boundary() {
        assert_eq!(from_peer::<7>("密码错误".as_bytes()).as_str(), "密码");
        assert_eq!(from_peer::<4>(b"abcdefgh").as_str(), "abcd");
    }
}
