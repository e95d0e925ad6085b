//! What the engine wants done, and how it went.

use core::net::IpAddr;

use gatelet_wire::Malformed;
use gatelet_wire::http::Response;
use gatelet_wire::tls;
use heapless::String;
use smoltcp::time::{Duration, Instant};

use super::Family;

/// A name may take this long to resolve, all attempts together.
pub const DNS_TIMEOUT: Duration = Duration::from_secs(5);
/// A TCP connection may take this long to come up.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// An answer may take this long from then on.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Names a task, for as long as nobody counts to 2³² in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TaskId(pub(super) u32);

/// One thing to do. Report how it went with [`super::Engine::handle_result`]; whether anybody still wants to know is
/// asked with [`super::Engine::awaits`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task<'a> {
    /// What to report it under.
    pub id: TaskId,
    /// What to do. All of it by the engine's WAN, never through a tunnel, if it is for IPv4; by the IPv6 default route
    /// otherwise. A resolver may have an address of the other family.
    pub kind: TaskKind<'a>,
    /// A connection that is not up by then fails ([`Failure::ConnectTimeout`]). For a question by UDP: the same as
    /// `give_up_at`.
    pub connect_by: Instant,
    /// The task ends by then, with what there is: a response whose head is whole is reported as it is.
    pub give_up_at: Instant,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskKind<'a> {
    /// Ask `resolver` for the addresses of `name`; no cache in between. Repeat a question by UDP once a second.
    Resolve {
        /// The name.
        name: Name<'a>,
        /// A or AAAA.
        family: Family,
        /// Whom to ask, on port 53.
        resolver: IpAddr,
        /// How.
        transport: Transport,
    },
    /// GET `http://host path` ([`gatelet_wire::http::emit_get`]) from port 80 of `address`; follow nothing.
    Get {
        /// Whom to connect to.
        address: IpAddr,
        /// The `Host`.
        host: &'a str,
        /// The path.
        path: &'a str,
    },
    /// Send a [`tls::ClientHello`] to port 443 of `address`, and wait for a [`tls::Answer`], no longer: a receive
    /// window of a kilobyte keeps the certificates away.
    Hello {
        /// Whom to connect to.
        address: IpAddr,
        /// The server's name; none for an address that is looked at for itself.
        server_name: Option<&'a str>,
    },
}

/// How to ask a resolver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP (RFC 7766).
    Tcp,
}

/// A name to resolve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name<'a> {
    /// A probe's, or the known one.
    Known(&'a str),
    /// One that nobody has: 14 random letters under `.com`.
    Random(RandomName),
}

/// Room for a random name.
pub type RandomName = String<18>;

impl Name<'_> {
    /// The name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(name) => name,
            Self::Random(name) => name,
        }
    }
}

/// How a task went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// [`TaskKind::Resolve`]: the addresses of the family asked for, CNAMEs followed. Empty: the name has none.
    Addresses(&'a [IpAddr]),
    /// [`TaskKind::Resolve`]: an answer, but no address.
    NoAddress(DnsError),
    /// [`TaskKind::Get`]: a response, or as much of it as had come when time was up.
    Response(Response<'a>),
    /// [`TaskKind::Hello`]: an answer.
    Hello(tls::Answer<'a>),
    /// Nothing of the kind.
    Failed(Failure),
}

/// How a resolver says no (RFC 1035 §4.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DnsError {
    /// NXDOMAIN: the name does not exist.
    NoSuchName,
    /// REFUSED.
    Refused,
    /// SERVFAIL, or any other code, or an answer that makes no sense.
    ServerFailure,
}

impl DnsError {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoSuchName => "nxdomain",
            Self::Refused => "refused",
            Self::ServerFailure => "servfail",
        }
    }
}

/// Why a task came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    /// There is no route, or a router on the way says so.
    Unreachable,
    /// The far end says no: a reset instead of a connection, or a port unreachable.
    Rejected,
    /// No connection in its time.
    ConnectTimeout,
    /// The connection broke before the answer.
    Broken,
    /// The answer cannot be read.
    Malformed(Malformed),
    /// No answer in its time. For a question by UDP: no answer at all.
    AnswerTimeout,
}

impl Failure {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Rejected => "rejected",
            Self::ConnectTimeout => "connect-timeout",
            Self::Broken => "broken",
            Self::Malformed(_) => "malformed",
            Self::AnswerTimeout => "answer-timeout",
        }
    }

    /// Whether it proves that a packet came back.
    pub(super) const fn is_sign_of_life(self) -> bool {
        matches!(self, Self::Rejected | Self::Broken | Self::Malformed(_))
    }
}
