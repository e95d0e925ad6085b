//! Tracing a route: datagrams that may go only so far, and who says so (RFC 792 and RFC 4443 §3.3, Time
//! Exceeded).

use smoltcp::iface::SocketHandle;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{Icmpv4Message, Icmpv4Packet, Icmpv6Message, Icmpv6Packet, IpAddress};

use super::Next;
use super::body::Body;
use super::lookup::{Found, Lookup, Target};
use crate::timeline::Tone;

const PATIENCE: Duration = Duration::from_secs(2);
const MOST_HOPS: u8 = 16;
/// Where nobody listens, as traceroute has it since 1988.
const PORT: u16 = 33_434;

/// A trace.
#[derive(Debug)]
pub(super) struct Trace {
    target: Target,
    step: Step,
    hops: Vec<String>,
}

#[derive(Debug)]
enum Step {
    Name(Lookup),
    Running { errors: SocketHandle, datagrams: SocketHandle, to: IpAddress, hop: u8, deadline: Instant },
}

impl Trace {
    pub(super) fn new(now: Instant, target: Target) -> Self {
        Self { step: Step::Name(Lookup::new(now, target.clone())), target, hops: Vec::new() }
    }

    pub(super) fn poll(&mut self, now: Instant, body: &mut Body<'_>) -> Next {
        if let Step::Name(lookup) = &mut self.step {
            let to = match lookup.poll(now, body) {
                Found::NotYet(until) => return Next::Wait(Some(until)),
                Found::Nothing(why) => {
                    body.tell("traced", Tone::Bad, &format!("no trace to {}", self.target), why);
                    return Next::Done;
                }
                Found::Addresses(addresses) => addresses[0],
            };
            let Some((errors, datagrams)) = body.claim_trace() else {
                return Next::Wait(Some(now + PATIENCE));
            };
            send(body, datagrams, to, 1);
            self.step = Step::Running { errors, datagrams, to, hop: 1, deadline: now + PATIENCE };
        }
        let Step::Running { errors, datagrams, to, hop, deadline } = &mut self.step else {
            return Next::Done;
        };
        let mut told = None;
        let mut arrived = false;
        while let Ok((bytes, from)) = body.icmp(*errors).recv() {
            arrived |= is_unreachable(bytes, from);
            told = Some(from.to_string());
        }
        if told.is_none() && now < *deadline {
            return Next::Wait(Some(*deadline));
        }
        self.hops.push(told.unwrap_or_else(|| "*".into()));
        if !arrived && *hop < MOST_HOPS {
            *hop += 1;
            *deadline = now + PATIENCE;
            let (datagrams, to, hop) = (*datagrams, *to, *hop);
            send(body, datagrams, to, hop);
            return Next::Wait(Some(now + PATIENCE));
        }
        for handle in [*errors, *datagrams] {
            body.release(handle);
        }
        let tone = if arrived { Tone::Good } else { Tone::Bad };
        let what = format!("{} is {} hops away", self.target, self.hops.len());
        body.tell("traced", tone, &what, self.hops.join(", "));
        Next::Done
    }
}

fn is_unreachable(message: &[u8], from: IpAddress) -> bool {
    match from {
        IpAddress::Ipv4(_) => Icmpv4Packet::new_checked(message)
            .is_ok_and(|packet| packet.msg_type() == Icmpv4Message::DstUnreachable),
        IpAddress::Ipv6(_) => Icmpv6Packet::new_checked(message)
            .is_ok_and(|packet| packet.msg_type() == Icmpv6Message::DstUnreachable),
    }
}

fn send(body: &mut Body<'_>, handle: SocketHandle, to: IpAddress, hop: u8) {
    body.udp(handle).set_hop_limit(Some(hop));
    body.send_udp(handle, b"how far?", (to, PORT + u16::from(hop)));
}
