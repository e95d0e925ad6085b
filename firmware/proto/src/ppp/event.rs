//! What a [`Link`](super::Link) tells: events for the owner, reasons why input was ignored.

use gatelet_wire::ppp::Protocol;
use heapless::String;
use smoltcp::time::Duration;
use smoltcp::wire::Ipv4Address;

use super::auth::AuthMethod;

/// A text the peer sent, made printable.
pub type Text = String<128>;

/// Makes what the peer sent printable: control characters become spaces, what is not UTF-8 becomes
/// U+FFFD, and it ends after 128 octets, between characters.
pub fn text(bytes: &[u8]) -> Text {
    crate::text::from_peer(bytes)
}

/// What happened on a link.
///
/// A session ends with exactly one of [`AuthRefused`](Self::AuthRefused), [`Failed`](Self::Failed),
/// [`TerminatedByPeer`](Self::TerminatedByPeer), or after [`Link::close`](super::Link::close) just
/// [`Closed`](Self::Closed); what was up is told down before it, and nothing comes up after it. The
/// first three are followed by `Closed`
/// too, once the Terminate exchange is over (3.8 s at most by default); the owner need not wait
/// for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkEvent {
    /// LCP is Opened.
    LcpUp {
        /// What the peer can receive, octets, at most our configured MRU: the most to be sent.
        peer_mru: u16,
        /// What we told the peer we can receive, octets.
        mru: u16,
        /// The authentication it demands of us.
        auth: Option<AuthMethod>,
    },
    /// Our PAP request or CHAP response went out, for the first time or to another challenge.
    AuthSent {
        /// By which method.
        method: AuthMethod,
    },
    /// The peer accepted it. Comes again for a re-authentication.
    Authenticated {
        /// By which method.
        method: AuthMethod,
        /// What it had to say.
        text: Text,
    },
    /// The peer refused it.
    AuthRefused {
        /// By which method.
        method: AuthMethod,
        /// What it had to say: the only place to tell a wrong password from a locked account.
        text: Text,
        /// The error code of an MS-CHAPv2 Failure, e.g. 691 (RFC 2759 §6).
        code: Option<u32>,
    },
    /// IPCP is Opened.
    Ipv4Up {
        /// Our address.
        address: Ipv4Address,
        /// The peer's, if it told.
        peer: Option<Ipv4Address>,
        /// DNS servers, as far as it told.
        dns: [Option<Ipv4Address>; 2],
    },
    /// IPCP left Opened.
    Ipv4Down,
    /// IPV6CP is Opened.
    Ipv6Up {
        /// Our interface identifier: the link-local address is `fe80::` and this.
        local: [u8; 8],
        /// The peer's, if it told.
        peer: Option<[u8; 8]>,
    },
    /// IPV6CP left Opened.
    Ipv6Down,
    /// A network protocol will not come up. The link goes on if it can be of use without.
    NcpUnavailable {
        /// Which.
        ncp: Ncp,
        /// Why.
        reason: NcpFailure,
    },
    /// The peer sent a Terminate-Request.
    TerminatedByPeer {
        /// What it had to say.
        text: Text,
    },
    /// The link ended, or never came up.
    Failed(LinkFailure),
    /// Nothing more will be sent: the lower layer can go.
    Closed,
    /// Two echoes in a row went unanswered while other traffic arrived, and none was ever answered:
    /// this peer does not answer echo. Told once a session. [`Link::set_echo`](super::Link::set_echo) can switch echo off.
    PeerIgnoresEcho,
    /// How [`Link::echo_padded`](super::Link::echo_padded) ended.
    PaddedEcho {
        /// Octets of the PPP information field that were tried.
        size: u16,
        /// Whether they came back.
        answered: bool,
    },
    /// A message of ours was sent again.
    Repeated {
        /// Whose message.
        protocol: Protocol,
        /// How often it has been sent by now.
        attempt: u8,
        /// Why.
        cause: RepeatCause,
    },
    /// We had to wait for a timer of the peer's: a message that only the peer can repeat was lost,
    /// or the peer is slow.
    PeerTimer {
        /// Whose message.
        protocol: Protocol,
        /// What was being waited for.
        message: PeerMessage,
        /// How long, since the peer's step was due.
        waited: Duration,
    },
}

/// Why a message of ours was sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepeatCause {
    /// The Restart timer fired.
    Timeout,
    /// The peer's first request arrived when an answer to ours was overdue: it was not listening
    /// yet when ours arrived.
    PeerStarted,
    /// The peer went on to the network protocols, so its verdict on our CHAP response was lost.
    VerdictLost,
}

/// A message that only the peer can send again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerMessage {
    /// Its Configure-Request, which did not come although it acknowledged ours.
    ConfigureRequest,
    /// Its Configure-Request again: our answer to the one before was lost.
    ConfigureRequestAgain,
    /// Its CHAP Challenge.
    Challenge,
    /// Its CHAP Challenge again: our response to it was lost.
    ChallengeAgain,
}

/// A network control protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ncp {
    /// IPv4 (RFC 1332).
    Ipcp,
    /// IPv6 (RFC 5072).
    Ipv6cp,
}

impl Ncp {
    /// The protocol its packets belong to.
    pub const fn protocol(self) -> Protocol {
        match self {
            Self::Ipcp => Protocol::Ipcp,
            Self::Ipv6cp => Protocol::Ipv6cp,
        }
    }
}

/// Why a network protocol is not available.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NcpFailure {
    /// No answer to our Configure-Requests.
    Timeout,
    /// Answers, but no agreement.
    NoConvergence,
    /// Agreement, but on no address.
    NoAddress,
    /// The peer does not speak it: Protocol-Reject or Code-Reject.
    Rejected,
    /// The peer ended it with a Terminate-Request.
    Terminated,
    /// The peer's MRU is below IPv6's least MTU of 1280 (RFC 8200 §5).
    MruTooSmall,
}

/// Why a link ended, or never came up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkFailure {
    /// LCP did not open in time.
    LcpTimeout {
        /// Whether the peer sent any LCP packet at all.
        peer_heard: bool,
    },
    /// The peer answered but never agreed.
    LcpNoConvergence,
    /// The peer refused LCP itself: Code-Reject of a code that must be known.
    LcpRejected,
    /// Our own packets come back (RFC 1661 §6.4).
    Loop,
    /// The peer insists on a weaker method than the configuration allows, or on one we do not
    /// speak (`None`).
    AuthTooWeak {
        /// What it insisted on.
        offered: Option<AuthMethod>,
    },
    /// No challenge, or no verdict, in time.
    AuthTimeout {
        /// By which method.
        method: AuthMethod,
        /// Whether we had sent request or response; else the peer never sent a challenge.
        sent: bool,
    },
    /// The peer refused the authentication protocol it had demanded by Protocol-Reject.
    AuthRejected {
        /// Which.
        method: AuthMethod,
    },
    /// The peer accepted our MS-CHAPv2 response but could not prove that it knows the password
    /// itself (RFC 2759 §5).
    PeerNotGenuine,
    /// A network protocol that is needed did not come up.
    NcpFailed {
        /// Which.
        ncp: Ncp,
        /// Why.
        reason: NcpFailure,
    },
    /// Echo-Requests were not answered and nothing else was received.
    EchoTimeout {
        /// Whether this peer ever answered an echo in this session; if not, it may be one that
        /// never does, on a line that was idle.
        ever_answered: bool,
    },
}

/// Why a received packet was ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Dropped {
    /// No session: [`Link::open`](super::Link::open) was not called.
    LinkDown,
    /// It cannot be read: too short, lengths that contradict each other.
    Malformed,
    /// Longer than any MRU of ours allows.
    Oversize,
    /// IPv4 or IPv6 data, which is not a link's business.
    NotControl,
    /// A protocol whose phase has not come or is over.
    WrongPhase,
    /// The identifier is not that of an unanswered request.
    Identifier,
    /// A Configure-Ack that differs from what was requested, or a Configure-Reject of something
    /// that was not.
    NotRequested,
    /// A packet only the other role sends: a PAP request, a CHAP response.
    WrongRole,
    /// A code that makes no sense here.
    UnexpectedCode,
    /// A CHAP challenge our method cannot answer.
    Challenge,
    /// A magic number that is not the peer's.
    MagicNumber,
    /// A packet that need not be answered: Discard-Request, Identification, Time-Remaining.
    Discarded,
}

impl Dropped {
    /// All reasons, in the order of their counters.
    pub const ALL: [Self; 12] = [
        Self::LinkDown,
        Self::Malformed,
        Self::Oversize,
        Self::NotControl,
        Self::WrongPhase,
        Self::Identifier,
        Self::NotRequested,
        Self::WrongRole,
        Self::UnexpectedCode,
        Self::Challenge,
        Self::MagicNumber,
        Self::Discarded,
    ];

    /// A stable name, for counters.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LinkDown => "ppp.link-down",
            Self::Malformed => "ppp.malformed",
            Self::Oversize => "ppp.oversize",
            Self::NotControl => "ppp.not-control",
            Self::WrongPhase => "ppp.wrong-phase",
            Self::Identifier => "ppp.identifier",
            Self::NotRequested => "ppp.not-requested",
            Self::WrongRole => "ppp.wrong-role",
            Self::UnexpectedCode => "ppp.unexpected-code",
            Self::Challenge => "ppp.challenge",
            Self::MagicNumber => "ppp.magic-number",
            Self::Discarded => "ppp.discarded",
        }
    }
}

impl From<gatelet_wire::Malformed> for Dropped {
    fn from(_: gatelet_wire::Malformed) -> Self {
        Self::Malformed
    }
}

/// How many packets were ignored for each reason, since the link was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    dropped: [u32; Dropped::ALL.len()],
    /// Answers that were not sent because the owner had not fetched earlier ones.
    pub unsent: u32,
    /// Events that were lost because the owner had not fetched earlier ones.
    pub events_lost: u32,
}

impl Counters {
    /// Packets ignored for `reason`.
    pub const fn dropped(&self, reason: Dropped) -> u32 {
        self.dropped[reason as usize]
    }

    pub(super) const fn count(&mut self, reason: Dropped) {
        self.dropped[reason as usize] = self.dropped[reason as usize].wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    #[test]
    fn texts_are_made_printable_and_end_between_characters() {
        assert_eq!(text(b"userid locked\r\n\x1b[2J").as_str(), "userid locked   [2J");
        assert_eq!(text(&[b'a', 0xFF, b'b']).as_str(), "a\u{FFFD}b");
        let long = text("密".repeat(100).as_bytes());
        assert_eq!(long.len(), 126);
        assert!(long.chars().all(|character| character == '密'));
    }

    #[test]
    fn every_reason_has_its_own_counter_and_name() {
        let mut counters = Counters::default();
        for (index, reason) in Dropped::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
            counters.count(reason);
            assert_eq!(counters.dropped(reason), 1);
            assert!(Dropped::ALL[..index].iter().all(|other| other.name() != reason.name()));
        }
    }
}
