//! Why messages were ignored or refused, and how the others were answered.

/// Why a message was ignored, or answered without an answer. Each variant has a
/// [counter](Counters).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dropped {
    // What clients send, and is ignored.
    /// No header.
    QueryTruncated,
    /// A response, from a client.
    QueryIsResponse,
    /// More queries than a client may send (see [`Config::rate_per_s`](super::Config::rate_per_s)).
    RateLimited,
    /// As many queries of this client wait as one client may have waiting.
    ClientQuota,
    /// All places for queries are taken, or all for those who wait.
    TableFull,
    /// The same query of the same client waits already.
    Duplicate,
    // What clients send, and is refused.
    /// An opcode other than QUERY: NOTIMP.
    Opcode,
    /// Not exactly one question, or unreadable: FORMERR.
    QueryMalformed,
    /// A version of EDNS that nobody knows: BADVERS.
    EdnsVersion,
    /// A class other than IN: NOTIMP.
    Class,
    /// ANY: answered with an HINFO (RFC 8482 §4.2).
    Any,
    /// A zone transfer, or another type that is no data: REFUSED.
    MetaType,
    /// RD is not set and the answer not known here: REFUSED.
    NoRecursion,
    /// No server can be asked, and nothing is known: SERVFAIL.
    NoUpstream,
    /// Every server failed, and nothing is known: SERVFAIL.
    AllFailed,
    // What arrives in the name of a server, and is ignored.
    /// Nobody waits for that, or not any more.
    NotAwaited,
    /// From an address that was not asked, or not from its port 53.
    WrongServer,
    /// Over UDP where TCP was asked, or the other way round.
    WrongTransport,
    /// The ID is not the query's.
    WrongId,
    /// Not readable to its end, or no response.
    AnswerMalformed,
    /// Its question is not the query's.
    WrongQuestion,
    /// Its question has the query's letters in another case.
    WrongCase,
    /// Longer than is kept.
    AnswerTooLong,
    /// An address of the LAN's kind from outside: NXDOMAIN.
    Rebind,
    /// So many IDs were guessed wrong that the query went on over TCP.
    Guessed,
    // What the owner did not do in time.
    /// An answer was not fetched before the next query came.
    ReplyNotFetched,
    /// The buffer lent for sending was too small even to say so.
    BufferTooSmall,
    /// An event was not fetched before the queue was full.
    EventLost,
}

impl Dropped {
    /// Every reason, in the order of the counters.
    pub const ALL: [Self; 28] = [
        Self::QueryTruncated,
        Self::QueryIsResponse,
        Self::RateLimited,
        Self::ClientQuota,
        Self::TableFull,
        Self::Duplicate,
        Self::Opcode,
        Self::QueryMalformed,
        Self::EdnsVersion,
        Self::Class,
        Self::Any,
        Self::MetaType,
        Self::NoRecursion,
        Self::NoUpstream,
        Self::AllFailed,
        Self::NotAwaited,
        Self::WrongServer,
        Self::WrongTransport,
        Self::WrongId,
        Self::AnswerMalformed,
        Self::WrongQuestion,
        Self::WrongCase,
        Self::AnswerTooLong,
        Self::Rebind,
        Self::Guessed,
        Self::ReplyNotFetched,
        Self::BufferTooSmall,
        Self::EventLost,
    ];

    /// The counter's name, stable for consoles and scripts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::QueryTruncated => "dns-query-truncated",
            Self::QueryIsResponse => "dns-query-is-response",
            Self::RateLimited => "dns-rate-limited",
            Self::ClientQuota => "dns-client-quota",
            Self::TableFull => "dns-table-full",
            Self::Duplicate => "dns-duplicate",
            Self::Opcode => "dns-opcode",
            Self::QueryMalformed => "dns-query-malformed",
            Self::EdnsVersion => "dns-edns-version",
            Self::Class => "dns-class",
            Self::Any => "dns-any",
            Self::MetaType => "dns-meta-type",
            Self::NoRecursion => "dns-no-recursion",
            Self::NoUpstream => "dns-no-upstream",
            Self::AllFailed => "dns-all-failed",
            Self::NotAwaited => "dns-not-awaited",
            Self::WrongServer => "dns-wrong-server",
            Self::WrongTransport => "dns-wrong-transport",
            Self::WrongId => "dns-wrong-id",
            Self::AnswerMalformed => "dns-answer-malformed",
            Self::WrongQuestion => "dns-wrong-question",
            Self::WrongCase => "dns-wrong-case",
            Self::AnswerTooLong => "dns-answer-too-long",
            Self::Rebind => "dns-rebind",
            Self::Guessed => "dns-guessed",
            Self::ReplyNotFetched => "dns-reply-not-fetched",
            Self::BufferTooSmall => "dns-buffer-too-small",
            Self::EventLost => "dns-event-lost",
        }
    }
}

/// How often each reason of [`Dropped`] occurred. Wraps around.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters([u32; Dropped::ALL.len()]);

impl Counters {
    /// Nothing yet.
    pub(super) const fn new() -> Self {
        Self([0; Dropped::ALL.len()])
    }

    /// Counts one.
    pub fn count(&mut self, reason: Dropped) {
        let counter = &mut self.0[reason as usize];
        *counter = counter.wrapping_add(1);
    }

    /// How often `reason` occurred.
    pub const fn of(&self, reason: Dropped) -> u32 {
        self.0[reason as usize]
    }

    /// Every reason with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Dropped, u32)> {
        Dropped::ALL.into_iter().zip(self.0)
    }
}

/// How queries were answered. Each wraps around.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Queries that arrived, whatever became of them.
    pub queries: u32,
    /// Answered from what is known here: the LAN's names, and those that never leave it.
    pub local: u32,
    /// Answered from the cache.
    pub hits: u32,
    /// Answered with what had expired, because nobody had anything newer in time (RFC 8767).
    pub stale: u32,
    /// Joined to a query under way.
    pub coalesced: u32,
    /// Messages to servers over UDP, repetitions included.
    pub asked_udp: u32,
    /// Messages to servers over TCP.
    pub asked_tcp: u32,
    /// Answers that were taken.
    pub answers: u32,
    /// Answers that made room for others before they had expired.
    pub evicted: u32,
}
