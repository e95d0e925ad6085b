//! From a name to an address, by the DNS servers that the lease names: each is asked in turn, as stub resolvers do.

use rand_core::Rng;
use smoltcp::iface::SocketHandle;
use smoltcp::socket::udp;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpAddress, Ipv4Address};

use super::Next;
use super::body::Body;
use super::dns::{self, Answer};
use crate::scenario::values::format_duration;
use crate::timeline::Tone;

/// Patience with one server, and how many questions in all.
const PATIENCE: Duration = Duration::from_secs(3);
const QUESTIONS: usize = 4;

/// Whom a task is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// By name.
    Name(String),
    /// By address.
    Address(Ipv4Address),
}

impl core::fmt::Display for Target {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// A lookup in progress.
#[derive(Debug)]
pub(super) struct Lookup {
    target: Target,
    asked: usize,
    question: Vec<u8>,
    socket: Option<SocketHandle>,
    deadline: Instant,
}

/// How it stands.
pub(super) enum Found {
    Address(Ipv4Address),
    /// Why there is none.
    Nothing(String),
    NotYet(Instant),
}

impl Lookup {
    pub(super) fn new(now: Instant, target: Target) -> Self {
        Self { target, asked: 0, question: Vec::new(), socket: None, deadline: now }
    }

    pub(super) fn poll(&mut self, now: Instant, body: &mut Body<'_>) -> Found {
        let name = match &self.target {
            Target::Address(address) => return Found::Address(*address),
            Target::Name(name) => name.clone(),
        };
        if let Some(handle) = self.socket {
            while let Ok((message, _)) = body.sockets.set.get_mut::<udp::Socket>(handle).recv() {
                let Some(answer) = dns::answer(&self.question, message) else { continue };
                self.release(body);
                return match answer {
                    Answer::Address(address) => Found::Address(address),
                    Answer::None(3) => Found::Nothing("no such name".into()),
                    Answer::None(0) => Found::Nothing("the name has no address".into()),
                    Answer::None(code) => Found::Nothing(format!("response code {code}")),
                };
            }
        }
        if now < self.deadline {
            return Found::NotYet(self.deadline);
        }
        self.release(body);
        let servers = body.lease.as_ref().map_or(Vec::new(), |lease| lease.dns.clone());
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
        self.question = dns::question(body.rng.next_u32() as u16, &name);
        // A full queue is as good as a lost question: it is asked again.
        let _ = body.udp(handle).send_slice(&self.question, (IpAddress::Ipv4(server), dns::PORT));
        self.socket = Some(handle);
        Found::NotYet(self.deadline)
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
    pub(super) fn new(now: Instant, name: String) -> Self {
        Self { began: now, lookup: Lookup::new(now, Target::Name(name.clone())), name }
    }

    pub(super) fn poll(&mut self, now: Instant, body: &mut Body<'_>) -> Next {
        match self.lookup.poll(now, body) {
            Found::NotYet(until) => return Next::Wait(Some(until)),
            Found::Address(address) => {
                body.tally.resolved += 1;
                let what = format!("{} is {address}", self.name);
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
