//! From a name to an address, by the DNS servers that the lease names: each is asked in turn, as stub resolvers do.

use rand_core::Rng;
use smoltcp::iface::SocketHandle;
use smoltcp::socket::udp;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::IpAddress;

use super::Next;
use super::body::Body;
use super::dns::{self, Answer, Kind};
use crate::scenario::values::format_duration;
use crate::timeline::Tone;

/// Patience with one server, and how many questions in all.
const PATIENCE: Duration = Duration::from_secs(3);
const QUESTIONS: usize = 4;

/// Over what a machine is to be reached by its name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// IPv6 where there is a way, else IPv4.
    #[default]
    Any,
    /// IPv4 alone.
    Ipv4,
    /// IPv6 alone.
    Ipv6,
}

/// Whom a task is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// By name.
    Name(String, Family),
    /// By address.
    Address(IpAddress),
}

impl core::fmt::Display for Target {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Name(name, _) => f.write_str(name),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// A lookup in progress: one question, or one for each family.
#[derive(Debug)]
pub(super) struct Lookup {
    target: Target,
    asked: usize,
    questions: Vec<Question>,
    socket: Option<SocketHandle>,
    deadline: Instant,
}

#[derive(Debug)]
struct Question {
    message: Vec<u8>,
    answer: Option<Answer>,
}

/// How it stands.
pub(super) enum Found {
    /// IPv6 first.
    Addresses(Vec<IpAddress>),
    /// Why there is none.
    Nothing(String),
    NotYet(Instant),
}

impl Lookup {
    pub(super) fn new(now: Instant, target: Target) -> Self {
        Self { target, asked: 0, questions: Vec::new(), socket: None, deadline: now }
    }

    pub(super) fn poll(&mut self, now: Instant, body: &mut Body<'_>) -> Found {
        let (name, family) = match &self.target {
            Target::Address(address) => return Found::Addresses(vec![*address]),
            Target::Name(name, family) => (name.clone(), *family),
        };
        if let Some(handle) = self.socket {
            while let Ok((message, _)) = body.sockets.set.get_mut::<udp::Socket>(handle).recv() {
                for question in self.questions.iter_mut().filter(|question| question.answer.is_none()) {
                    question.answer = dns::answer(&question.message, message);
                }
            }
        }
        if !self.questions.is_empty() && self.questions.iter().all(|question| question.answer.is_some()) {
            self.release(body);
            return self.found();
        }
        if now < self.deadline {
            return Found::NotYet(self.deadline);
        }
        self.release(body);
        if let found @ Found::Addresses(_) = self.found() {
            return found; // one family is better than to wait for the other
        }
        let servers = body.dns_servers();
        if servers.is_empty() {
            return Found::Nothing("no DNS server is known".into());
        }
        if self.asked == QUESTIONS {
            return Found::Nothing(format!("no DNS server answers {QUESTIONS} questions"));
        }
        let server = servers[self.asked % servers.len()];
        self.asked += 1;
        self.deadline = now + PATIENCE;
        let Some((handle, _)) = body.claim_udp() else { return Found::NotYet(self.deadline) };
        let (has_ipv4, has_ipv6) = body.ways();
        let ask_ipv6 = family == Family::Ipv6 || family == Family::Any && has_ipv6;
        let ask_ipv4 = family == Family::Ipv4 || family == Family::Any && (has_ipv4 || !has_ipv6);
        self.questions.clear();
        for (kind, _) in [(Kind::Aaaa, ask_ipv6), (Kind::A, ask_ipv4)].into_iter().filter(|(_, ask)| *ask) {
            let message = dns::question(body.rng.next_u32() as u16, &name, kind);
            // A full queue is as good as a lost question: it is asked again.
            body.send_udp(handle, &message, (server, dns::PORT));
            self.questions.push(Question { message, answer: None });
        }
        self.socket = Some(handle);
        Found::NotYet(self.deadline)
    }

    /// What the answers come to.
    fn found(&self) -> Found {
        let addresses: Vec<_> = self
            .questions
            .iter()
            .filter_map(|question| match question.answer {
                Some(Answer::Address(address)) => Some(address),
                _ => None,
            })
            .collect();
        if !addresses.is_empty() {
            return Found::Addresses(addresses);
        }
        let code = self.questions.iter().find_map(|question| match question.answer {
            Some(Answer::None(code)) => Some(code),
            _ => None,
        });
        Found::Nothing(match code {
            Some(3) => "no such name".into(),
            Some(0) => "the name has no address".into(),
            Some(code) => format!("response code {code}"),
            None => "no answer".into(),
        })
    }

    fn release(&mut self, body: &mut Body<'_>) {
        if let Some(handle) = self.socket.take() {
            body.release(handle);
        }
    }
}

/// Looks a name up for its own sake.
#[derive(Debug)]
pub(super) struct Resolve {
    began: Instant,
    name: String,
    lookup: Lookup,
}

impl Resolve {
    pub(super) fn new(now: Instant, name: String, family: Family) -> Self {
        Self { began: now, lookup: Lookup::new(now, Target::Name(name.clone(), family)), name }
    }

    pub(super) fn poll(&mut self, now: Instant, body: &mut Body<'_>) -> Next {
        match self.lookup.poll(now, body) {
            Found::NotYet(until) => return Next::Wait(Some(until)),
            Found::Addresses(addresses) => {
                body.tally.resolved += 1;
                let addresses: Vec<_> = addresses.iter().map(IpAddress::to_string).collect();
                let what = format!("{} is {}", self.name, addresses.join(" and "));
                body.tell("resolved", Tone::Plain, &what, format_duration(now - self.began));
            }
            Found::Nothing(why) => {
                body.tally.resolve_failed += 1;
                body.tell("resolve-failed", Tone::Bad, &format!("no address for {}", self.name), why);
            }
        }
        Next::Done
    }
}
