//! Another customer on the same line without PPP, where the carrier has put several of them into one /64.
//!
//! ```text
//!   joins ─► probes its address (RFC 4862 §5.4) ─┬─ nobody has it ─► takes it, and answers for it
//!                                                └─ somebody says he has ─► told
//!         ─► asks for others, one after the other: NS, 3 times ─► told who answered, or that nobody did
//! ```

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, EthernetFrame, EthernetProtocol, Ipv6Address, Ipv6Packet};

use super::ndp::{self, Neighbourly};
use super::packet;
use crate::world::{Node, Outbox};

/// Its Ethernet address.
pub const NEIGHBOUR_MAC: EthernetAddress = EthernetAddress([0x02, 0xED, 0, 0, 0, 0x77]);
/// RFC 4861 §10 and RFC 4862 §5.1: `RETRANS_TIMER`, `MAX_MULTICAST_SOLICIT`, `DupAddrDetectTransmits`.
const RETRANSMISSION: Duration = Duration::from_secs(1);
const MOST_QUESTIONS: u8 = 3;
const PROBES: u8 = 1;

/// The station.
#[derive(Debug)]
pub struct Neighbour {
    address: Ipv6Address,
    has_address: bool,
    /// What it asks for yet; its own address first.
    targets: Vec<Ipv6Address>,
    asked: u8,
    next: Option<Instant>,
}

impl Neighbour {
    /// One that joins at `joins`, wants `address`, and then asks for these.
    pub fn new(joins: Instant, address: Ipv6Address, asks: &[Ipv6Address]) -> Self {
        let targets = core::iter::once(address).chain(asks.iter().copied()).collect();
        Self { address, has_address: false, targets, asked: 0, next: Some(joins) }
    }

    fn is_probing(&self) -> bool {
        self.targets.first() == Some(&self.address)
    }

    /// The first question has its answer: on to the next.
    fn settle(&mut self, now: Instant, what: String, why: String, out: &mut Outbox) {
        out.remark(what, why);
        self.targets.remove(0);
        self.asked = 0;
        self.next = (!self.targets.is_empty()).then_some(now);
    }
}

impl Node for Neighbour {
    fn handle_frame(&mut self, now: Instant, frame: &[u8], out: &mut Outbox) {
        let Ok(frame) = EthernetFrame::new_checked(frame) else { return };
        if frame.ethertype() != EthernetProtocol::Ipv6
            || frame.dst_addr().is_unicast() && frame.dst_addr() != NEIGHBOUR_MAC
        {
            return;
        }
        let Some(bytes) = packet::ipv6_of(frame.payload()) else { return };
        let source = Ipv6Packet::new_unchecked(bytes).src_addr();
        match ndp::neighbourly(bytes) {
            Some(Neighbourly::Solicitation { target, .. })
                if self.has_address && target == self.address && !source.is_unspecified() =>
            {
                out.send(&ndp::advertise_neighbour(NEIGHBOUR_MAC, target, frame.src_addr(), source));
            }
            Some(Neighbourly::Advertisement { target, mac, .. })
                if self.asked > 0 && self.targets.first() == Some(&target) =>
            {
                let mac = mac.unwrap_or(frame.src_addr());
                if self.is_probing() {
                    let what = format!("a neighbour on the line may not take {target}");
                    self.settle(now, what, format!("{mac} says that it has it"), out);
                } else {
                    self.settle(
                        now,
                        format!("a neighbour on the line finds {target}"),
                        format!("at {mac}"),
                        out,
                    );
                }
            }
            _ => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant, out: &mut Outbox) {
        let Some(&target) = self.targets.first() else { return };
        let is_probing = self.is_probing();
        let most = if is_probing { PROBES } else { MOST_QUESTIONS };
        if self.asked < most {
            self.asked += 1;
            self.next = Some(now + RETRANSMISSION);
            out.send(&if is_probing {
                ndp::probe_address(NEIGHBOUR_MAC, target)
            } else {
                ndp::solicit_neighbour(NEIGHBOUR_MAC, self.address, target)
            });
        } else if is_probing {
            self.has_address = true;
            self.settle(now, format!("a neighbour on the line takes {target}"), "nobody has it".into(), out);
        } else {
            let why = format!("asked {MOST_QUESTIONS} times");
            self.settle(now, format!("a neighbour on the line does not find {target}"), why, out);
        }
    }

    fn poll_at(&self) -> Option<Instant> {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Ipv6Address = Ipv6Address::new(0x2001, 0xDB8, 0xF000, 1, 0, 0, 0, 0x77);
    const OTHER: Ipv6Address = Ipv6Address::new(0x2001, 0xDB8, 0xF000, 1, 0, 0, 0, 0x88);
    const MAC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 9]);

    /// What it tells of a second in which `answer`, if there is one, comes to each of its questions.
    fn told(neighbour: &mut Neighbour, answer: Option<&[u8]>) -> Vec<String> {
        let mut told = Vec::new();
        let mut out = Outbox::new();
        while let Some(at) = neighbour.poll_at() {
            neighbour.handle_timeout(at, &mut out);
            if let Some(answer) = answer.filter(|_| out.frames().count() > 0) {
                neighbour.handle_frame(at, answer, &mut out);
            }
            told.extend(out.take_remarks().map(|remark| remark.what));
            out.clear();
        }
        told
    }

    #[test]
    fn it_takes_an_address_unless_it_is_somebodys() {
        let mut alone = Neighbour::new(Instant::ZERO, OWN, &[OTHER]);
        let of = |what: &str, address| format!("a neighbour on the line {what} {address}");
        assert_eq!(told(&mut alone, None), [of("takes", OWN), of("does not find", OTHER)]);
        assert_eq!(alone.poll_at(), None);
        let claim = ndp::advertise_neighbour(MAC, OWN, NEIGHBOUR_MAC, OWN);
        let mut refused = Neighbour::new(Instant::ZERO, OWN, &[]);
        assert_eq!(told(&mut refused, Some(&claim)), [of("may not take", OWN)]);
        let answer = ndp::advertise_neighbour(MAC, OTHER, NEIGHBOUR_MAC, OWN);
        let mut finds = Neighbour::new(Instant::ZERO, OWN, &[OTHER]);
        assert_eq!(told(&mut finds, Some(&answer)), [of("takes", OWN), of("finds", OTHER)]);
    }
}
