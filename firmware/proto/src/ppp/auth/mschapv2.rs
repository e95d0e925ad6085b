//! MS-CHAPv2: the hashes, for the one who proves and the one who checks.
//!
//! MS-CHAPv2 is broken as cryptography (DES, no salt); it is here because some carriers demand it,
//! and because the peer has to prove the password too, which PAP and CHAP-MD5 do not ask.
//!
//! Reading list: RFC 2759 §8.1 (NT-Response), §8.2 (challenge hash), §8.3 (password hash), §8.5
//! (three DES keys), §8.7 (authenticator response), §9.2 (the example tested below).

use des::Des;
use des::cipher::{BlockCipherEncrypt, KeyInit};
use md4::Md4;
use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;

/// `GenerateNTResponse` (RFC 2759 §8.1). A domain in front of the user name, up to the last
/// backslash, is left out.
pub fn nt_response(
    authenticator_challenge: &[u8; 16],
    peer_challenge: &[u8; 16],
    username: &str,
    password: &str,
) -> [u8; 24] {
    let challenge = challenge_hash(peer_challenge, authenticator_challenge, username);
    challenge_response(challenge, &password_hash(password))
}

/// `GenerateAuthenticatorResponse` (RFC 2759 §8.7), before it is written in hexadecimal: how the
/// authenticator proves that it knows the password.
pub fn authenticator_response(
    authenticator_challenge: &[u8; 16],
    peer_challenge: &[u8; 16],
    nt_response: &[u8; 24],
    username: &str,
    password: &str,
) -> [u8; 20] {
    let password_hash_hash = Md4::digest(password_hash(password));
    let digest = Sha1::new()
        .chain_update(password_hash_hash)
        .chain_update(nt_response)
        .chain_update(b"Magic server to client signing constant")
        .finalize();
    Sha1::new()
        .chain_update(digest)
        .chain_update(challenge_hash(peer_challenge, authenticator_challenge, username))
        .chain_update(b"Pad to make it do more than one iteration")
        .finalize()
        .into()
}

/// Whether two proofs of either side are the same, compared in constant time.
pub fn verify(expected: &[u8], received: &[u8]) -> bool {
    expected.ct_eq(received).into()
}

/// `ChallengeHash` (RFC 2759 §8.2).
fn challenge_hash(peer_challenge: &[u8; 16], authenticator_challenge: &[u8; 16], username: &str) -> [u8; 8] {
    let username = username.rsplit_once('\\').map_or(username, |(_domain, user)| user);
    let digest = Sha1::new()
        .chain_update(peer_challenge)
        .chain_update(authenticator_challenge)
        .chain_update(username)
        .finalize();
    core::array::from_fn(|i| digest[i])
}

/// `NtPasswordHash` (RFC 2759 §8.3): MD4 over the password in UTF-16, little endian.
fn password_hash(password: &str) -> [u8; 16] {
    let mut md4 = Md4::new();
    for unit in password.encode_utf16() {
        md4.update(unit.to_le_bytes());
    }
    md4.finalize().into()
}

/// `ChallengeResponse` (RFC 2759 §8.5): the challenge encrypted under three keys of seven octets
/// cut from the zero-padded password hash.
fn challenge_response(challenge: [u8; 8], password_hash: &[u8; 16]) -> [u8; 24] {
    let mut keys = [0; 21];
    keys[..16].copy_from_slice(password_hash);
    let mut response = [0; 24];
    for (block, key) in response.chunks_exact_mut(8).zip(keys.chunks_exact(7)) {
        let mut cipher_block = challenge.into();
        Des::new(&des_key(key).into()).encrypt_block(&mut cipher_block);
        block.copy_from_slice(&cipher_block);
    }
    response
}

/// Seven octets spread over eight, the low bit of each left for a parity nobody checks.
fn des_key(seven: &[u8]) -> [u8; 8] {
    let bits = seven.iter().fold(0u64, |bits, octet| bits << 8 | u64::from(*octet));
    core::array::from_fn(|i| ((bits >> (49 - 7 * i)) as u8) << 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 2759 §9.2.
    const USERNAME: &str = "User";
    const PASSWORD: &str = "clientPass";
    const AUTHENTICATOR_CHALLENGE: [u8; 16] =
        [0x5B, 0x5D, 0x7C, 0x7D, 0x7B, 0x3F, 0x2F, 0x3E, 0x3C, 0x2C, 0x60, 0x21, 0x32, 0x26, 0x26, 0x28];
    const PEER_CHALLENGE: [u8; 16] =
        [0x21, 0x40, 0x23, 0x24, 0x25, 0x5E, 0x26, 0x2A, 0x28, 0x29, 0x5F, 0x2B, 0x3A, 0x33, 0x7C, 0x7E];
    const CHALLENGE: [u8; 8] = [0xD0, 0x2E, 0x43, 0x86, 0xBC, 0xE9, 0x12, 0x26];
    const PASSWORD_HASH: [u8; 16] =
        [0x44, 0xEB, 0xBA, 0x8D, 0x53, 0x12, 0xB8, 0xD6, 0x11, 0x47, 0x44, 0x11, 0xF5, 0x69, 0x89, 0xAE];
    const NT_RESPONSE: [u8; 24] = [
        0x82, 0x30, 0x9E, 0xCD, 0x8D, 0x70, 0x8B, 0x5E, 0xA0, 0x8F, 0xAA, 0x39, 0x81, 0xCD, 0x83, 0x54, 0x42,
        0x33, 0x11, 0x4A, 0x3D, 0x85, 0xD6, 0xDF,
    ];
    const AUTHENTICATOR_RESPONSE: [u8; 20] = [
        0x40, 0x7A, 0x55, 0x89, 0x11, 0x5F, 0xD0, 0xD6, 0x20, 0x9F, 0x51, 0x0F, 0xE9, 0xC0, 0x45, 0x66, 0x93,
        0x2C, 0xDA, 0x56,
    ];

    #[test]
    fn rfc_2759_example_step_by_step() {
        assert_eq!(challenge_hash(&PEER_CHALLENGE, &AUTHENTICATOR_CHALLENGE, USERNAME), CHALLENGE);
        assert_eq!(password_hash(PASSWORD), PASSWORD_HASH);
        assert_eq!(challenge_response(CHALLENGE, &PASSWORD_HASH), NT_RESPONSE);
    }

    #[test]
    fn rfc_2759_example_as_a_whole() {
        let nt_response = nt_response(&AUTHENTICATOR_CHALLENGE, &PEER_CHALLENGE, USERNAME, PASSWORD);
        assert_eq!(nt_response, NT_RESPONSE);
        let proof = authenticator_response(
            &AUTHENTICATOR_CHALLENGE,
            &PEER_CHALLENGE,
            &nt_response,
            USERNAME,
            PASSWORD,
        );
        assert_eq!(proof, AUTHENTICATOR_RESPONSE);
        assert!(verify(&proof, &AUTHENTICATOR_RESPONSE));
        assert!(!verify(&proof, &AUTHENTICATOR_RESPONSE[..19]));
        let mut other = AUTHENTICATOR_RESPONSE;
        other[19] ^= 1;
        assert!(!verify(&proof, &other));
    }

    #[test]
    fn a_domain_before_the_user_name_is_not_hashed() {
        let hash = |name| challenge_hash(&PEER_CHALLENGE, &AUTHENTICATOR_CHALLENGE, name);
        assert_eq!(hash("CARRIER\\User"), CHALLENGE);
        assert_ne!(hash("User@carrier"), CHALLENGE);
    }

    #[test]
    fn des_keys_are_seven_bits_an_octet() {
        assert_eq!(des_key(&[0xFF; 7]), [0xFE; 8]);
        assert_eq!(des_key(&[0x80, 0, 0, 0, 0, 0, 0x01]), [0x80, 0, 0, 0, 0, 0, 0, 0x02]);
    }
}
