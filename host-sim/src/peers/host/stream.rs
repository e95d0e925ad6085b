//! Datagrams at a steady pace, each of which is wanted back: a call, a game.

use std::collections::BTreeSet;

use rand_core::Rng;
use smoltcp::iface::SocketHandle;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::IpAddress;

use super::Next;
use super::body::Body;
use super::lookup::{Found, Lookup, Target};
use crate::timeline::Tone;

/// How long the last answer is waited for.
const LINGER: Duration = Duration::from_secs(2);
/// A cookie and a number.
const HEADER: usize = 8;

/// A stream.
#[derive(Debug)]
pub(super) struct Stream {
    target: Target,
    port: u16,
    every: Duration,
    lasts: Duration,
    size: usize,
    step: Step,
    /// Numbers not back yet.
    missing: BTreeSet<u32>,
    sent: u32,
    cookie: u32,
}

#[derive(Debug)]
enum Step {
    Name(Lookup),
    Running { handle: SocketHandle, to: IpAddress, next: Instant, until: Instant },
}

impl Stream {
    pub(super) fn new(
        now: Instant,
        target: Target,
        port: u16,
        every: Duration,
        lasts: Duration,
        size: usize,
    ) -> Self {
        Self {
            step: Step::Name(Lookup::new(now, target.clone())),
            target,
            port,
            every: every.max(Duration::from_micros(1)),
            lasts,
            size: size.max(HEADER),
            missing: BTreeSet::new(),
            sent: 0,
            cookie: 0,
        }
    }

    pub(super) fn poll(&mut self, now: Instant, body: &mut Body<'_>) -> Next {
        if let Step::Name(lookup) = &mut self.step {
            let to = match lookup.poll(now, body) {
                Found::NotYet(until) => return Next::Wait(Some(until)),
                Found::Nothing(why) => {
                    body.tell("stream-over", Tone::Bad, &format!("no stream to {}", self.target), why);
                    return Next::Done;
                }
                Found::Addresses(addresses) => addresses[0],
            };
            let Some((handle, _)) = body.claim_udp() else {
                body.tell("stream-over", Tone::Bad, "no stream", "no socket is left");
                return Next::Done;
            };
            self.cookie = body.rng.next_u32();
            self.step = Step::Running { handle, to, next: now, until: now + self.lasts };
        }
        let Step::Running { handle, to, next, until } = &mut self.step else { return Next::Done };
        let socket = body.udp(*handle);
        while let Ok((data, _)) = socket.recv() {
            if let Some((cookie, rest)) = data.split_first_chunk::<4>()
                && let Some((number, _)) = rest.split_first_chunk::<4>()
                && u32::from_be_bytes(*cookie) == self.cookie
                && data.len() == self.size
            {
                self.missing.remove(&u32::from_be_bytes(*number));
            }
        }
        while *next <= now && *next < *until {
            let mut datagram = vec![0xDA; self.size];
            datagram[..4].copy_from_slice(&self.cookie.to_be_bytes());
            datagram[4..HEADER].copy_from_slice(&self.sent.to_be_bytes());
            body.send_udp(*handle, &datagram, (*to, self.port));
            self.missing.insert(self.sent);
            self.sent += 1;
            *next += self.every;
        }
        let end = *until + LINGER;
        if *next < *until {
            return Next::Wait(Some(*next));
        }
        if now < end && !self.missing.is_empty() {
            return Next::Wait(Some(end));
        }
        let handle = *handle;
        body.release(handle);
        let (sent, lost) = (u64::from(self.sent), self.missing.len() as u64);
        body.tally.datagrams_sent += sent;
        body.tally.datagrams_lost += lost;
        let what = format!("{sent} datagrams to {} and back, {lost} lost", self.target);
        let why = match (self.missing.first(), self.missing.last()) {
            (Some(first), Some(end)) if first != end => format!("between number {first} and {end}"),
            (Some(first), _) => format!("number {first}"),
            _ => String::new(),
        };
        let (tag, tone) = if lost == 0 { ("stream-over", Tone::Good) } else { ("datagrams-lost", Tone::Bad) };
        body.tell(tag, tone, &what, why);
        Next::Done
    }
}
