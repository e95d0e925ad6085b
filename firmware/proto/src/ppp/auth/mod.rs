//! Authentication: who we are, proven by PAP, CHAP-MD5 or MS-CHAPv2.

pub mod chap;
pub mod mschapv2;
mod pap;

use gatelet_wire::ppp::chap::Packet;
use gatelet_wire::ppp::{Protocol, lcp};
use rand_core::Rng;
use smoltcp::time::Instant;

use self::chap::Chap;
use self::pap::Pap;
use super::config::Credentials;
use super::event::{Dropped, LinkEvent, RepeatCause, Text};
use super::io::Io;

/// A way to authenticate, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AuthMethod {
    /// The password in clear (RFC 1334).
    Pap,
    /// A keyed MD5 (RFC 1994).
    ChapMd5,
    /// Both sides prove the password (RFC 2759).
    MsChapV2,
}

impl AuthMethod {
    /// All of them, weakest first.
    pub const ALL: [Self; 3] = [Self::Pap, Self::ChapMd5, Self::MsChapV2];

    /// The name people know it by.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pap => "PAP",
            Self::ChapMd5 => "CHAP-MD5",
            Self::MsChapV2 => "MS-CHAPv2",
        }
    }

    /// The protocol its packets belong to.
    pub const fn protocol(self) -> Protocol {
        match self {
            Self::Pap => Protocol::Pap,
            Self::ChapMd5 | Self::MsChapV2 => Protocol::Chap,
        }
    }

    /// What LCP's Authentication-Protocol option says for it.
    pub const fn option(self) -> lcp::Authentication<'static> {
        match self {
            Self::Pap => lcp::Authentication::Pap,
            Self::ChapMd5 => lcp::Authentication::ChapMd5,
            Self::MsChapV2 => lcp::Authentication::MsChapV2,
        }
    }

    /// The method an Authentication-Protocol option asks for, if we speak it.
    pub const fn from_option(option: lcp::Authentication<'_>) -> Option<Self> {
        match option {
            lcp::Authentication::Pap => Some(Self::Pap),
            lcp::Authentication::ChapMd5 => Some(Self::ChapMd5),
            lcp::Authentication::MsChapV2 => Some(Self::MsChapV2),
            lcp::Authentication::MsChapV1 | lcp::Authentication::Unknown { .. } => None,
        }
    }
}

/// The authentication of one link, from LCP's Opened on.
#[derive(Debug)]
pub(super) struct Authentication {
    method: AuthMethod,
    exchange: Exchange,
    /// Whether the owner lets us show the password's proof.
    is_permitted: bool,
    /// Until when the peer has to be satisfied; `None` once it is.
    patience: Option<Instant>,
}

#[derive(Debug)]
enum Exchange {
    Pap(Pap),
    Chap(Chap),
}

/// What the peer thinks of our proof.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It is fine.
    Accepted(Text),
    /// It is not.
    Refused {
        /// What it said.
        text: Text,
        /// And the error code of MS-CHAPv2.
        code: Option<u32>,
    },
    /// It is fine, but the peer's own proof is not.
    NotGenuine,
}

impl Authentication {
    /// LCP opened and the peer demands `method`, to be satisfied until `patience`. `identifier` is
    /// where PAP's begin.
    pub(super) fn begin(
        now: Instant,
        io: &mut Io,
        credentials: &Credentials,
        method: AuthMethod,
        (identifier, is_permitted, patience): (u8, bool, Instant),
    ) -> Self {
        let exchange = match method {
            AuthMethod::Pap => Exchange::Pap(Pap::new(now, identifier, io.first_period)),
            AuthMethod::ChapMd5 | AuthMethod::MsChapV2 => Exchange::Chap(Chap::new(now, method)),
        };
        let mut new = Self { method, exchange, is_permitted, patience: Some(patience) };
        if is_permitted && method == AuthMethod::Pap {
            new.send(now, io, credentials);
        }
        new
    }

    /// Until when the peer has to be satisfied.
    pub(super) const fn patience(&self) -> Option<Instant> {
        self.patience
    }

    pub(super) const fn method(&self) -> AuthMethod {
        self.method
    }

    /// Whether the peer is satisfied.
    pub(super) const fn is_done(&self) -> bool {
        self.patience.is_none()
    }

    /// Whether a request or response waits for permission.
    pub(super) fn is_waiting(&self) -> bool {
        !self.is_permitted
            && match &self.exchange {
                Exchange::Pap(pap) => pap.attempt() == 0,
                Exchange::Chap(chap) => chap.is_waiting(),
            }
    }

    /// Whether request or response was sent.
    pub(super) fn is_sent(&self) -> bool {
        match &self.exchange {
            Exchange::Pap(pap) => pap.attempt() > 0,
            Exchange::Chap(chap) => chap.unjudged_since().is_some(),
        }
    }

    /// The PAP identifier for the next authentication of this session.
    pub(super) const fn next_identifier(&self) -> u8 {
        match &self.exchange {
            Exchange::Pap(pap) => pap.next_identifier(),
            Exchange::Chap(_) => 1,
        }
    }

    /// The owner lets us authenticate.
    pub(super) fn permit(&mut self, now: Instant, io: &mut Io, credentials: &Credentials) {
        if self.is_waiting() {
            self.send(now, io, credentials);
        }
        self.is_permitted = true;
    }

    /// The peer went on to the network protocols: it must have accepted us, so the verdict was lost
    /// and is asked for again.
    pub(super) fn note_peer_went_on(&mut self, now: Instant, io: &mut Io, credentials: &Credentials) {
        let since = match &self.exchange {
            Exchange::Pap(pap) => (pap.attempt() > 0).then(|| pap.sent_at()),
            Exchange::Chap(chap) => chap.unjudged_since(),
        };
        if !self.is_done() && since.is_some_and(|sent| io.is_overdue(now, sent)) {
            self.repeat(now, io, credentials, RepeatCause::VerdictLost);
        }
    }

    pub(super) fn handle_packet(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        io: &mut Io,
        credentials: &Credentials,
        protocol: Protocol,
        packet: &[u8],
    ) -> Result<Option<Verdict>, Dropped> {
        let is_done = self.is_done();
        let verdict = match (&mut self.exchange, protocol) {
            // Duplicates of the Ack.
            (Exchange::Pap(_), Protocol::Pap) if is_done => return Err(Dropped::Identifier),
            (Exchange::Pap(pap), Protocol::Pap) => {
                let verdict = pap.handle_packet(packet)?;
                pap.stop();
                verdict
            }
            (Exchange::Chap(chap), Protocol::Chap) => match Packet::parse(packet)? {
                Packet::Challenge { identifier, value, .. } => {
                    let new = chap.handle_challenge(now, rng, io, credentials, identifier, value)?;
                    if self.is_permitted {
                        self.answer_challenge(now, io, credentials, new);
                    }
                    return Ok(None);
                }
                verdict => chap.handle_verdict(verdict)?,
            },
            _ => return Err(Dropped::WrongPhase),
        };
        if matches!(verdict, Verdict::Accepted(_)) {
            self.patience = None;
        }
        Ok(Some(verdict))
    }

    fn answer_challenge(&mut self, now: Instant, io: &mut Io, credentials: &Credentials, new: bool) {
        if new {
            self.send(now, io, credentials);
        } else if let Exchange::Chap(chap) = &mut self.exchange {
            chap.send(now, io, credentials);
        }
    }

    /// Repeats a PAP request; true when the peer had time enough.
    pub(super) fn handle_timeout(&mut self, now: Instant, io: &mut Io, credentials: &Credentials) -> bool {
        if self.patience.is_some_and(|until| until <= now) {
            return true;
        }
        let Exchange::Pap(pap) = &self.exchange else { return false };
        if pap.restart_timer().is_none_or(|at| now < at) {
            return false;
        }
        if pap.attempt() >= io.timers.max_configure {
            return true;
        }
        self.repeat(now, io, credentials, RepeatCause::Timeout);
        false
    }

    pub(super) fn poll_at(&self) -> Option<Instant> {
        let restart_timer = match &self.exchange {
            Exchange::Pap(pap) => pap.restart_timer(),
            Exchange::Chap(_) => None,
        };
        self.patience.into_iter().chain(restart_timer).min()
    }

    /// Sends request or response for the first time.
    fn send(&mut self, now: Instant, io: &mut Io, credentials: &Credentials) {
        match &mut self.exchange {
            Exchange::Pap(pap) => pap.send(now, io, credentials),
            Exchange::Chap(chap) => _ = chap.send(now, io, credentials),
        }
        io.tell(LinkEvent::AuthSent { method: self.method });
    }

    fn repeat(&mut self, now: Instant, io: &mut Io, credentials: &Credentials, cause: RepeatCause) {
        let (protocol, attempt) = match &mut self.exchange {
            Exchange::Pap(pap) => {
                pap.send(now, io, credentials);
                (Protocol::Pap, pap.attempt())
            }
            Exchange::Chap(chap) => (Protocol::Chap, chap.send(now, io, credentials)),
        };
        io.tell(LinkEvent::Repeated { protocol, attempt, cause });
    }
}
