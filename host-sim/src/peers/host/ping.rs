//! Pings (RFC 792), a second apart.

use smoltcp::iface::SocketHandle;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{Icmpv4Packet, Icmpv4Repr, IpAddress, Ipv4Address};

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
    Running {
        handle: SocketHandle,
        ident: u16,
        to: Ipv4Address,
        number: u16,
        sent_at: Instant,
        answered: bool,
    },
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
                Found::Address(address) => address,
            };
            let Some((handle, ident)) = body.claim_echo() else { return Next::Wait(Some(now + EVERY)) };
            send(body, handle, ident, to, 1, self.size);
            self.step = Step::Running { handle, ident, to, number: 1, sent_at: now, answered: false };
        }
        let Step::Running { handle, ident, to, number, sent_at, answered } = &mut self.step else {
            return Next::Done;
        };
        while let Ok((bytes, from)) = body.icmp(*handle).recv() {
            let Ok(packet) = Icmpv4Packet::new_checked(bytes) else { continue };
            let reply = Icmpv4Repr::parse(&packet, &ChecksumCapabilities::default());
            let Ok(Icmpv4Repr::EchoReply { ident: id, seq_no, data }) = reply else { continue };
            let right = (id, seq_no, data.len()) == (*ident, *number, self.size);
            if from == IpAddress::Ipv4(*to) && right && !*answered {
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

fn send(body: &mut Body<'_>, handle: SocketHandle, ident: u16, to: Ipv4Address, seq_no: u16, size: usize) {
    let data = vec![0x47; size];
    let request = Icmpv4Repr::EchoRequest { ident, seq_no, data: &data };
    let mut bytes = vec![0; request.buffer_len()];
    request.emit(&mut Icmpv4Packet::new_unchecked(&mut bytes), &ChecksumCapabilities::default());
    // A full queue loses it, as the network might.
    let _ = body.icmp(handle).send_slice(&bytes, IpAddress::Ipv4(to));
}
