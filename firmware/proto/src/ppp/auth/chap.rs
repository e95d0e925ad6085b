//! CHAP: the response to a challenge, by MD5 or MS-CHAPv2, and what the peer makes of it.
//!
//! No timer of ours: the authenticator repeats its challenge until it has a response (RFC 1994
//! §4.1). Its verdict nobody repeats. When it is lost, the peer's first network protocol packet shows
//! that, and our response is sent again: the authenticator has to answer it as before (RFC 1994
//! §4.2).
//!
//! Reading list: RFC 1994 §4, RFC 2759 §4 to §6.

use gatelet_wire::ppp::chap::Packet;
use gatelet_wire::ppp::mschapv2::{self as wire_v2, CHALLENGE_LEN, RESPONSE_LEN};
use md5::{Digest, Md5};
use rand_core::Rng;
use smoltcp::time::Instant;
use subtle::ConstantTimeEq;

use super::{AuthMethod, Verdict, mschapv2};
use crate::ppp::config::Credentials;
use crate::ppp::event::{Dropped, LinkEvent, PeerMessage, text};
use crate::ppp::io::Io;
use crate::ppp::negotiation::PEER_TIMER_SUSPECTED;

/// The value of a Response to the Challenge `challenge` with `identifier` (RFC 1994 §4.1), for the
/// one who proves.
pub fn response(identifier: u8, secret: &[u8], challenge: &[u8]) -> [u8; 16] {
    let mut md5 = Md5::new();
    md5.update([identifier]);
    md5.update(secret);
    md5.update(challenge);
    md5.finalize().into()
}

/// Whether `value` is the right Response, compared in constant time, for the one who checks.
pub fn verify(identifier: u8, secret: &[u8], challenge: &[u8], value: &[u8]) -> bool {
    response(identifier, secret, challenge).ct_eq(value).into()
}

/// The challenges and responses of one link.
#[derive(Debug)]
pub(super) struct Chap {
    method: AuthMethod,
    /// When the peer could have sent its first challenge.
    began: Instant,
    response: Option<Response>,
}

/// Our response to the newest challenge.
#[derive(Debug)]
struct Response {
    identifier: u8,
    proof: Proof,
    /// When it was sent last; `None` while it waits for permission.
    sent_at: Option<Instant>,
    attempt: u8,
    /// Whether the verdict on it has come.
    is_judged: bool,
}

#[derive(Debug)]
enum Proof {
    Md5([u8; 16]),
    V2 {
        challenge: [u8; CHALLENGE_LEN],
        value: [u8; RESPONSE_LEN],
        /// How the peer has to prove that it knows the password.
        expected: [u8; 20],
    },
}

impl Proof {
    const fn value(&self) -> &[u8] {
        match self {
            Self::Md5(value) => value,
            Self::V2 { value, .. } => value,
        }
    }
}

impl Chap {
    pub(super) const fn new(now: Instant, method: AuthMethod) -> Self {
        Self { method, began: now, response: None }
    }

    /// Whether a response waits for permission.
    pub(super) fn is_waiting(&self) -> bool {
        self.response.as_ref().is_some_and(|response| response.sent_at.is_none())
    }

    /// When the response nobody judged yet was sent last.
    pub(super) fn unjudged_since(&self) -> Option<Instant> {
        self.response.as_ref().filter(|response| !response.is_judged)?.sent_at
    }

    /// Sends the response, once more; answers how often it has been sent by now.
    pub(super) fn send(&mut self, now: Instant, io: &mut Io, credentials: &Credentials) -> u8 {
        let Some(response) = &mut self.response else { return 0 };
        response.sent_at = Some(now);
        response.attempt = response.attempt.saturating_add(1);
        let packet = Packet::Response {
            identifier: response.identifier,
            value: response.proof.value(),
            name: credentials.username.as_bytes(),
        };
        io.send(|buffer| packet.emit(buffer));
        response.attempt
    }

    /// A challenge: computes the response to it. Whether it is a new one; the same challenge again
    /// is answered by the same response (RFC 1994 §4.1).
    pub(super) fn handle_challenge(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        io: &mut Io,
        credentials: &Credentials,
        identifier: u8,
        challenge: &[u8],
    ) -> Result<bool, Dropped> {
        let password = credentials.password.as_str();
        let previous = self.response.as_ref().filter(|response| response.identifier == identifier);
        let (proof, again) = if self.method == AuthMethod::MsChapV2 {
            let challenge: [u8; CHALLENGE_LEN] = challenge.try_into().map_err(|_| Dropped::Challenge)?;
            let known = previous.map(|response| &response.proof);
            if matches!(known, Some(Proof::V2 { challenge: known, .. }) if *known == challenge) {
                (None, true)
            } else {
                (Some(prove_v2(rng, credentials, challenge)), false)
            }
        } else {
            let value = response(identifier, password.as_bytes(), challenge);
            let again = previous.is_some_and(|previous| *previous.proof.value() == value);
            ((!again).then_some(Proof::Md5(value)), again)
        };
        let (message, since) = match previous.and_then(|response| response.sent_at) {
            Some(sent_at) if again => (PeerMessage::ChallengeAgain, sent_at),
            _ => (PeerMessage::Challenge, self.began),
        };
        let first = self.response.is_none();
        let late = now >= since + PEER_TIMER_SUSPECTED;
        if late && (first || message == PeerMessage::ChallengeAgain) {
            let protocol = gatelet_wire::ppp::Protocol::Chap;
            io.tell(LinkEvent::PeerTimer { protocol, message, waited: now - since });
        }
        if let Some(proof) = proof {
            self.response = Some(Response { identifier, proof, sent_at: None, attempt: 0, is_judged: false });
        }
        Ok(!again)
    }

    /// Success or Failure.
    pub(super) fn handle_verdict(&mut self, packet: Packet<'_>) -> Result<Verdict, Dropped> {
        let (identifier, success, message) = match packet {
            Packet::Success { identifier, message } => (identifier, true, message),
            Packet::Failure { identifier, message } => (identifier, false, message),
            Packet::Challenge { .. } | Packet::Response { .. } => return Err(Dropped::WrongRole),
        };
        let awaited = |response: &&mut Response| {
            response.identifier == identifier && response.sent_at.is_some() && !response.is_judged
        };
        let response = self.response.as_mut().filter(awaited).ok_or(Dropped::Identifier)?;
        response.is_judged = true;
        if !success {
            // Some servers write MS-CHAPv2's form on CHAP-MD5 too.
            let (code, message) = match wire_v2::Failure::parse(message) {
                Ok(failure) if failure.message.is_empty() => (Some(failure.error), message),
                Ok(failure) => (Some(failure.error), failure.message),
                Err(_) => (None, message),
            };
            return Ok(Verdict::Refused { text: text(message), code });
        }
        let Proof::V2 { expected, .. } = &response.proof else {
            return Ok(Verdict::Accepted(text(message)));
        };
        Ok(match wire_v2::Success::parse(message) {
            Ok(success) if mschapv2::verify(expected, &success.authenticator_response) => {
                Verdict::Accepted(text(success.message))
            }
            _ => Verdict::NotGenuine,
        })
    }
}

fn prove_v2(rng: &mut dyn Rng, credentials: &Credentials, challenge: [u8; CHALLENGE_LEN]) -> Proof {
    let (username, password) = (credentials.username.as_str(), credentials.password.as_str());
    let mut peer_challenge = [0; 16];
    rng.fill_bytes(&mut peer_challenge);
    let nt_response = mschapv2::nt_response(&challenge, &peer_challenge, username, password);
    let expected =
        mschapv2::authenticator_response(&challenge, &peer_challenge, &nt_response, username, password);
    Proof::V2 { challenge, value: wire_v2::Response { peer_challenge, nt_response }.value(), expected }
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
