//! The server's side of authentication: PAP, CHAP-MD5 and MS-CHAPv2.
//!
//! ```text
//!  idle ──LCP up──► asking ──right──► done
//!                     └────wrong────► refused   (Nak or Failure, then Terminate-Request, then PADT)
//! ```
//!
//! Reading list: RFC 1334 §2.2, RFC 1994 §4, RFC 2759 §5 and §6.

use gatelet_proto::ppp::auth::{chap as md5, mschapv2 as hash};
use gatelet_wire::ppp::{chap, mschapv2, pap};
use rand_core::Rng;
use smoltcp::time::{Duration, Instant};

use super::moods::Authentication;
use super::path::Path;
use crate::peers::radius::{Radius, Refusal};
use crate::world::Outbox;

/// A Challenge is repeated after this long, as pppd does.
const REPEAT: Duration = Duration::from_secs(3);
/// A client that has not proven itself after this long is given up (pppd: 10 challenges).
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Authenticator {
    pub(super) method: Authentication,
    challenge: [u8; 16],
    identifier: u8,
    repeat_at: Option<Instant>,
    give_up_at: Option<Instant>,
    /// What a client that repeats itself after the verdict gets to hear again.
    verdict: Option<Vec<u8>>,
}

/// What a client sent to prove itself.
#[derive(Debug)]
pub(super) struct Proof {
    pub(super) user: String,
    /// Whether the password was right.
    pub(super) proven: bool,
    identifier: u8,
    /// MS-CHAPv2: our own proof, if the user exists.
    authenticator_response: [u8; 20],
}

impl Authenticator {
    pub(super) fn new(method: Authentication) -> Self {
        Self { method, challenge: [0; 16], identifier: 0, repeat_at: None, give_up_at: None, verdict: None }
    }

    /// LCP is up: asks.
    pub(super) fn start(&mut self, now: Instant, rng: &mut dyn Rng, path: &Path, out: &mut Outbox) {
        rng.fill_bytes(&mut self.challenge);
        self.identifier = self.identifier.wrapping_add(1);
        self.verdict = None;
        self.give_up_at = Some(now + PATIENCE);
        self.ask(now, path, out);
    }

    pub(super) fn stop(&mut self) {
        self.repeat_at = None;
        self.give_up_at = None;
    }

    pub(super) fn poll_at(&self) -> Option<Instant> {
        self.repeat_at.into_iter().chain(self.give_up_at).min()
    }

    /// Repeats the question. False when patience is over.
    pub(super) fn handle_timeout(&mut self, now: Instant, path: &Path, out: &mut Outbox) -> bool {
        if self.give_up_at.is_some_and(|at| now >= at) {
            self.stop();
            return false;
        }
        if self.repeat_at.is_some_and(|at| now >= at) {
            self.ask(now, path, out);
        }
        true
    }

    /// A PAP packet; `Some` if it is a proof that still wants a verdict.
    pub(super) fn handle_pap(
        &mut self,
        bytes: &[u8],
        radius: &Radius,
        path: &Path,
        out: &mut Outbox,
    ) -> Option<Proof> {
        let Ok(pap::Packet::AuthenticateRequest { identifier, peer_id, password }) =
            pap::Packet::parse(bytes)
        else {
            return None;
        };
        if self.method != Authentication::Pap || self.repeats_verdict(path, out) || self.give_up_at.is_none()
        {
            return None;
        }
        let user = String::from_utf8_lossy(peer_id).into_owned();
        let proven = radius.password(&user).is_some_and(|secret| secret.as_bytes() == password);
        Some(Proof { user, proven, identifier, authenticator_response: [0; 20] })
    }

    /// A CHAP packet; `Some` if it is a proof that still wants a verdict.
    pub(super) fn handle_chap(
        &mut self,
        bytes: &[u8],
        radius: &Radius,
        path: &Path,
        out: &mut Outbox,
    ) -> Option<Proof> {
        let Ok(chap::Packet::Response { identifier, value, name }) = chap::Packet::parse(bytes) else {
            return None;
        };
        if identifier != self.identifier || self.repeats_verdict(path, out) || self.give_up_at.is_none() {
            return None;
        }
        let user = String::from_utf8_lossy(name).into_owned();
        let password = radius.password(&user);
        let mut proof =
            Proof { user: user.clone(), proven: false, identifier, authenticator_response: [0; 20] };
        match self.method {
            Authentication::ChapMd5 => {
                proof.proven = password
                    .is_some_and(|secret| md5::verify(identifier, secret.as_bytes(), &self.challenge, value));
            }
            Authentication::MsChapV2 => {
                let response = mschapv2::Response::parse(value).ok()?;
                let password = password.unwrap_or("");
                let (ours, theirs) = (&self.challenge, &response.peer_challenge);
                proof.proven = radius.password(&user).is_some()
                    && hash::nt_response(ours, theirs, &user, password) == response.nt_response;
                proof.authenticator_response =
                    hash::authenticator_response(ours, theirs, &response.nt_response, &user, password);
            }
            Authentication::None | Authentication::Pap => return None,
        }
        Some(proof)
    }

    /// Tells the client that it is in.
    pub(super) fn accept(&mut self, proof: &Proof, text: &str, path: &Path, out: &mut Outbox) {
        let mut buffer = [0; 512];
        let (identifier, message) = (proof.identifier, text.as_bytes());
        let len = match self.method {
            Authentication::Pap => pap::Packet::AuthenticateAck { identifier, message }.emit(&mut buffer),
            Authentication::MsChapV2 => {
                let mut text = [0; 300];
                let response = proof.authenticator_response;
                let success = mschapv2::Success { authenticator_response: response, message };
                let len = success.emit(&mut text).unwrap_or(0);
                chap::Packet::Success { identifier, message: &text[..len] }.emit(&mut buffer)
            }
            _ => chap::Packet::Success { identifier, message }.emit(&mut buffer),
        };
        self.give(&buffer[..len.unwrap_or(0)], path, out);
    }

    /// Tells the client that it is not.
    pub(super) fn refuse(&mut self, proof: &Proof, refusal: Refusal, path: &Path, out: &mut Outbox) {
        let mut buffer = [0; 512];
        let (identifier, message) = (proof.identifier, refusal.text().as_bytes());
        let len = match self.method {
            Authentication::Pap => pap::Packet::AuthenticateNak { identifier, message }.emit(&mut buffer),
            Authentication::MsChapV2 => {
                let mut text = [0; 300];
                let failure = mschapv2::Failure {
                    error: mschapv2::ERROR_AUTHENTICATION_FAILURE,
                    retry: false,
                    challenge: Some(self.challenge),
                    version: Some(3),
                    message,
                };
                let len = failure.emit(&mut text).unwrap_or(0);
                chap::Packet::Failure { identifier, message: &text[..len] }.emit(&mut buffer)
            }
            _ => chap::Packet::Failure { identifier, message }.emit(&mut buffer),
        };
        self.give(&buffer[..len.unwrap_or(0)], path, out);
    }

    fn give(&mut self, packet: &[u8], path: &Path, out: &mut Outbox) {
        self.stop();
        self.verdict = Some(packet.to_vec());
        send(packet, path, out);
    }

    /// RFC 1994 §4.1: a repeated Response gets the same answer.
    fn repeats_verdict(&self, path: &Path, out: &mut Outbox) -> bool {
        if let Some(packet) = &self.verdict {
            send(packet, path, out);
        }
        self.verdict.is_some()
    }

    fn ask(&mut self, now: Instant, path: &Path, out: &mut Outbox) {
        if matches!(self.method, Authentication::ChapMd5 | Authentication::MsChapV2) {
            let mut buffer = [0; 64];
            let (identifier, value) = (self.identifier, &self.challenge[..]);
            let challenge = chap::Packet::Challenge { identifier, value, name: b"bras" };
            let len = challenge.emit(&mut buffer).unwrap_or(0);
            send(&buffer[..len], path, out);
            self.repeat_at = Some(now + REPEAT);
        }
    }
}

fn send(packet: &[u8], path: &Path, out: &mut Outbox) {
    path.ppp(out, packet.len(), |buffer| {
        buffer[..packet.len()].copy_from_slice(packet);
        packet.len()
    });
}
