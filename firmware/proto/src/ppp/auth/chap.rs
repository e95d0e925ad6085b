//! CHAP with MD5: the response value, for the one who proves and the one who checks.
//!
//! Reading list: RFC 1994 §4.1 (the value is MD5 over identifier, secret, challenge).

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

/// The value of a Response to the Challenge `challenge` with `identifier`.
pub fn response(identifier: u8, secret: &[u8], challenge: &[u8]) -> [u8; 16] {
    let mut md5 = Md5::new();
    md5.update([identifier]);
    md5.update(secret);
    md5.update(challenge);
    md5.finalize().into()
}

/// Whether `value` is the right Response, compared in constant time.
pub fn verify(identifier: u8, secret: &[u8], challenge: &[u8], value: &[u8]) -> bool {
    response(identifier, secret, challenge).ct_eq(value).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1994 prints no example; this one was computed with another MD5:
    /// `printf '\x2asecret\x00\x01..\x0f' | md5sum`.
    const CHALLENGE: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
    const RESPONSE: [u8; 16] =
        [0x03, 0xdc, 0x98, 0xc5, 0xa8, 0x32, 0x69, 0x2b, 0x49, 0xdf, 0x73, 0xcf, 0x48, 0xfc, 0xb4, 0xe9];

    #[test]
    fn response_is_md5_of_identifier_secret_challenge() {
        assert_eq!(response(0x2a, b"secret", &CHALLENGE), RESPONSE);
    }

    #[test]
    fn only_the_right_response_is_accepted() {
        assert!(verify(0x2a, b"secret", &CHALLENGE, &RESPONSE));
        assert!(!verify(0x2b, b"secret", &CHALLENGE, &RESPONSE));
        assert!(!verify(0x2a, b"Secret", &CHALLENGE, &RESPONSE));
        assert!(!verify(0x2a, b"secret", &CHALLENGE[1..], &RESPONSE));
        assert!(!verify(0x2a, b"secret", &CHALLENGE, &RESPONSE[..15]));
        assert!(!verify(0x2a, b"secret", &CHALLENGE, &[]));
    }
}
