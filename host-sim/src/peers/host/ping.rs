//! Pings (RFC 792, RFC 4443 §4), a second apart.

use smoltcp::iface::SocketHandle;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{Icmpv4Packet, Icmpv4Repr, Icmpv6Packet, Icmpv6Repr, IpAddress, Ipv6Address};

use super::Next;
use super::body::Body;
use super::lookup::{Found, Lookup, Target};
use crate::scenario::values::format_duration;
use crate::timeline::Tone;

const EVERY: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(2);

/// A series of pings.
#[derive(Debug)]
pub(super) struct Ping {
    target: Target,
    count: u16,
    size: usize,
    step: Step,
}

#[derive(Debug)]
enum Step {
    Name(Lookup),
    Running { handle: SocketHandle, ident: u16, to: IpAddress, number: u16, sent_at: Instant, answered: bool },
}

impl Ping {
    pub(super) fn new(now: Instant, target: Target, count: u16, size: usize) -> Self {
        Self { step: Step::Name(Lookup::new(now, target.clone())), target, count, size }
    }

    pub(super) fn poll(&mut self, now: Instant, body: &mut Body<'_>) -> Next {
        if let Step::Name(lookup) = &mut self.step {
            let to = match lookup.poll(now, body) {
                Found::NotYet(until) => return Next::Wait(Some(until)),
                Found::Nothing(why) => {
                    body.tally.pings_lost += u64::from(self.count);
                    body.tell("ping-lost", Tone::Bad, &format!("no ping of {}", self.target), why);
                    return Next::Done;
                }
                Found::Addresses(addresses) => addresses[0],
            };
            let Some((handle, ident)) = body.claim_echo() else { return Next::Wait(Some(now + EVERY)) };
            send(body, handle, ident, to, 1, self.size);
            self.step = Step::Running { handle, ident, to, number: 1, sent_at: now, answered: false };
        }
        let Step::Running { handle, ident, to, number, sent_at, answered } = &mut self.step else {
            return Next::Done;
        };
        while let Ok((bytes, from)) = body.icmp(*handle).recv() {
            let Some(reply) = echo_reply(bytes, from) else { continue };
            if from == *to && reply == (*ident, *number, self.size) && !*answered {
                *answered = true;
                body.tally.pings += 1;
                let took = format_duration(now - *sent_at);
                body.tell("ping", Tone::Good, &format!("ping {}: answered", self.target), took);
            }
        }
        if !*answered && now >= *sent_at + PATIENCE {
            *answered = true;
            body.tally.pings_lost += 1;
            body.tell("ping-lost", Tone::Bad, &format!("ping {}: no answer", self.target), "");
        }
        if !*answered {
            return Next::Wait(Some(*sent_at + PATIENCE));
        }
        if *number >= self.count {
            let handle = *handle;
            body.release(handle);
            return Next::Done;
        }
        let due = *sent_at + EVERY;
        if now < due {
            return Next::Wait(Some(due));
        }
        *number += 1;
        *sent_at = now;
        *answered = false;
        let (handle, ident, to, number) = (*handle, *ident, *to, *number);
        send(body, handle, ident, to, number, self.size);
        Next::Wait(Some(now + PATIENCE))
    }
}

/// Identifier, number and length of an answer.
fn echo_reply(bytes: &[u8], from: IpAddress) -> Option<(u16, u16, usize)> {
    match from {
        IpAddress::Ipv4(_) => {
            let packet = Icmpv4Packet::new_checked(bytes).ok()?;
            match Icmpv4Repr::parse(&packet, &ChecksumCapabilities::default()).ok()? {
                Icmpv4Repr::EchoReply { ident, seq_no, data } => Some((ident, seq_no, data.len())),
                _ => None,
            }
        }
        IpAddress::Ipv6(from) => {
            let packet = Icmpv6Packet::new_checked(bytes).ok()?;
            // The stack has checked the checksum, and does not say what address of ours is in it.
            let checksums = ChecksumCapabilities::ignored();
            match Icmpv6Repr::parse(&from, &Ipv6Address::UNSPECIFIED, &packet, &checksums).ok()? {
                Icmpv6Repr::EchoReply { ident, seq_no, data } => Some((ident, seq_no, data.len())),
                _ => None,
            }
        }
    }
}

fn send(body: &mut Body<'_>, handle: SocketHandle, ident: u16, to: IpAddress, seq_no: u16, size: usize) {
    let data = vec![0x47; size];
    let bytes = match to {
        IpAddress::Ipv4(_) => {
            let request = Icmpv4Repr::EchoRequest { ident, seq_no, data: &data };
            let mut bytes = vec![0; request.buffer_len()];
            request.emit(&mut Icmpv4Packet::new_unchecked(&mut bytes), &ChecksumCapabilities::default());
            bytes
        }
        IpAddress::Ipv6(to) => {
            let request = Icmpv6Repr::EchoRequest { ident, seq_no, data: &data };
            let mut bytes = vec![0; request.buffer_len()];
            // The stack fills the checksum in, with the source that it chooses.
            let (packet, checksums) =
                (&mut Icmpv6Packet::new_unchecked(&mut bytes), ChecksumCapabilities::ignored());
            request.emit(&Ipv6Address::UNSPECIFIED, &to, packet, &checksums);
            bytes
        }
    };
    if body.source(to).is_some() {
        // A full queue loses it, as the network might.
        let _ = body.icmp(handle).send_slice(&bytes, to);
    }
}
