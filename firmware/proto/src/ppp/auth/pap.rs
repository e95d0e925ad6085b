//! PAP: our request, repeated until somebody answers.
//!
//! Timer: *Restart timer*, started by each request; when it fires, the request or its answer was
//! lost and the request is sent again under a new identifier.
//!
//! Reading list: RFC 1334 §2.

use gatelet_wire::ppp::pap::Packet;
use smoltcp::time::{Duration, Instant};

use super::Verdict;
use crate::ppp::config::Credentials;
use crate::ppp::event::{Dropped, text};
use crate::ppp::io::Io;

/// The requests of one authentication.
#[derive(Debug)]
pub(super) struct Pap {
    /// Of the first request. Each transmission has its own (RFC 1334 §2.2.1).
    first_identifier: u8,
    /// Transmissions so far. An answer to any of them counts.
    attempt: u8,
    restart_timer: Option<Instant>,
    period: Duration,
    sent_at: Instant,
}

impl Pap {
    pub(super) const fn new(now: Instant, first_identifier: u8, period: Duration) -> Self {
        Self { first_identifier, attempt: 0, restart_timer: None, period, sent_at: now }
    }

    pub(super) const fn attempt(&self) -> u8 {
        self.attempt
    }

    pub(super) const fn sent_at(&self) -> Instant {
        self.sent_at
    }

    pub(super) const fn restart_timer(&self) -> Option<Instant> {
        self.restart_timer
    }

    /// The identifier after the last one used.
    pub(super) const fn next_identifier(&self) -> u8 {
        self.first_identifier.wrapping_add(self.attempt)
    }

    /// Sends the request, once more.
    pub(super) fn send(&mut self, now: Instant, io: &mut Io, credentials: &Credentials) {
        let request = Packet::AuthenticateRequest {
            identifier: self.next_identifier(),
            peer_id: credentials.username.as_bytes(),
            password: credentials.password.as_bytes(),
        };
        io.send(|buffer| request.emit(buffer));
        self.attempt = self.attempt.saturating_add(1);
        self.sent_at = now;
        self.restart_timer = Some(now + self.period);
        self.period = io.longer(self.period);
    }

    /// An answer came, or is no longer waited for.
    pub(super) const fn stop(&mut self) {
        self.restart_timer = None;
    }

    pub(super) fn handle_packet(&mut self, packet: &[u8]) -> Result<Verdict, Dropped> {
        let (identifier, verdict) = match Packet::parse(packet)? {
            Packet::AuthenticateRequest { .. } => return Err(Dropped::WrongRole),
            Packet::AuthenticateAck { identifier, message } => (identifier, Verdict::Accepted(text(message))),
            Packet::AuthenticateNak { identifier, message } => {
                (identifier, Verdict::Refused { text: text(message), code: None })
            }
        };
        if identifier.wrapping_sub(self.first_identifier) >= self.attempt {
            return Err(Dropped::Identifier);
        }
        Ok(verdict)
    }
}
