//! The RADIUS server behind a concentrator: who may log in, how often at once, and in which words it refuses.

use std::collections::BTreeMap;

use smoltcp::time::{Duration, Instant};

/// What the server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Let in.
    Accept,
    /// Refused, with the text the client gets to see.
    Reject(Refusal),
}

/// Why the server refuses. Windows calls every one of them 691.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No such user, or not this password.
    WrongPassword,
    /// The user is online already.
    TooManySessions,
    /// The account is locked.
    Locked,
    /// The account may not be used on this line.
    Binding,
    /// Nothing left on a prepaid account.
    Exhausted,
    /// The server itself is in trouble, and everybody is refused.
    Trouble,
}

impl Refusal {
    /// The text carriers send with it (reports in router issue trackers).
    pub fn text(self) -> &'static str {
        match self {
            Self::WrongPassword => "Authentication failed",
            Self::TooManySessions => "Radius User Restriction",
            Self::Locked => "userid locked",
            Self::Binding => "not match, Request Deny",
            Self::Exhausted => "account balance exhausted",
            Self::Trouble => "Authentication server unavailable",
        }
    }
}

/// A one-session (or n-session) RADIUS server with a memory for who is online.
#[derive(Debug, Default)]
pub struct Radius {
    accounts: BTreeMap<String, String>,
    /// At most this many sessions of a user at once; `None`: as many as they like.
    pub simultaneous: Option<usize>,
    /// After this long without news of a session the server takes it for gone. Routers report 5 to 6 minutes, at
    /// worst a day (freeradius-server issue 3046, openwisp-radius issue 617).
    pub ageing: Duration,
    /// While set, everybody is refused for this reason.
    pub refuse_all: Option<Refusal>,
    online: Vec<Online>,
    next: u64,
}

#[derive(Debug)]
struct Online {
    ticket: Ticket,
    user: String,
    /// When the concentrator last vouched for it; `None` while the session is known to live.
    last_news: Option<Instant>,
}

/// A session as the server knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(u64);

impl Radius {
    /// A server without accounts that counts no sessions.
    pub fn new() -> Self {
        Self { ageing: Duration::from_secs(330), ..Self::default() }
    }

    /// Adds an account.
    pub fn add_account(&mut self, user: &str, password: &str) {
        self.accounts.insert(user.to_owned(), password.to_owned());
    }

    /// The password of `user`, which whoever checks a CHAP response needs.
    pub fn password(&self, user: &str) -> Option<&str> {
        self.accounts.get(user).map(String::as_str)
    }

    /// Access-Request: `proven` says whether the password was right.
    pub fn access(&mut self, now: Instant, user: &str, proven: bool) -> Verdict {
        let ageing = self.ageing;
        self.online.retain(|online| online.last_news.is_none_or(|at| now < at + ageing));
        if let Some(refusal) = self.refuse_all {
            return Verdict::Reject(refusal);
        }
        if !proven {
            return Verdict::Reject(Refusal::WrongPassword);
        }
        let sessions = self.online.iter().filter(|online| online.user == user).count();
        if self.simultaneous.is_some_and(|limit| sessions >= limit) {
            return Verdict::Reject(Refusal::TooManySessions);
        }
        Verdict::Accept
    }

    /// Accounting-Start.
    pub fn start(&mut self, user: &str) -> Ticket {
        let ticket = Ticket(self.next);
        self.next += 1;
        self.online.push(Online { ticket, user: user.to_owned(), last_news: None });
        ticket
    }

    /// Accounting-Stop.
    pub fn stop(&mut self, ticket: Ticket) {
        self.online.retain(|online| online.ticket != ticket);
    }

    /// The concentrator lost this session without an Accounting-Stop (it crashed): it stays until it ages out.
    pub fn lose(&mut self, now: Instant, ticket: Ticket) {
        if let Some(online) = self.online.iter_mut().find(|online| online.ticket == ticket) {
            online.last_news = Some(now);
        }
    }

    /// How many sessions of `user` the server believes in.
    pub fn sessions(&self, user: &str) -> usize {
        self.online.iter().filter(|online| online.user == user).count()
    }

    /// The first moment, not before `now`, at which `user` is let in, if it ends the sessions it still has itself:
    /// only those that were lost count. `None` while everybody is refused.
    pub fn accepts_at(&self, now: Instant, user: &str) -> Option<Instant> {
        if self.refuse_all.is_some() {
            return None;
        }
        let Some(limit) = self.simultaneous else { return Some(now) };
        let lost =
            self.online.iter().filter(|online| online.user == user).filter_map(|online| online.last_news);
        let mut ends: Vec<Instant> = lost.map(|at| at + self.ageing).filter(|&end| now < end).collect();
        ends.sort_unstable();
        Some(if ends.len() < limit { now } else { ends[ends.len() - limit] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_session_keeps_its_user_out_until_it_ages() {
        let mut radius = Radius { simultaneous: Some(1), ..Radius::new() };
        radius.add_account("alice", "wonderland");
        let at = Instant::from_secs;
        assert_eq!(radius.access(at(0), "alice", true), Verdict::Accept);
        let ticket = radius.start("alice");
        assert_eq!(radius.access(at(5), "alice", true), Verdict::Reject(Refusal::TooManySessions));
        assert_eq!(radius.accepts_at(at(5), "alice"), Some(at(5)), "it would end its own session first");
        radius.lose(at(10), ticket);
        assert_eq!(radius.access(at(339), "alice", true), Verdict::Reject(Refusal::TooManySessions));
        assert_eq!(radius.accepts_at(at(339), "alice"), Some(at(340)));
        assert_eq!(radius.access(at(340), "alice", true), Verdict::Accept);
    }

    #[test]
    fn a_stopped_session_is_forgotten_at_once() {
        let mut radius = Radius { simultaneous: Some(1), ..Radius::new() };
        let ticket = radius.start("alice");
        radius.stop(ticket);
        assert_eq!(radius.access(Instant::from_secs(1), "alice", true), Verdict::Accept);
        assert_eq!(
            radius.access(Instant::from_secs(1), "alice", false),
            Verdict::Reject(Refusal::WrongPassword)
        );
    }
}
