//! An Ethernet link that loses, delays, repeats, reorders, corrupts, and can be cut.
//!
//! ```text
//!            ┌── near ──►  loss ► corruption ► delay + jitter ► copy ► late ──► far ──┐
//!   router ──┤                                                                        ├── peers
//!            └── near ◄── ... the same, independently, towards the router ... ◄─ far ─┘
//! ```
//!
//! Sans-IO: [`Link::send`] puts a frame in, [`Link::receive`] gives out what has arrived by now, and
//! [`Link::poll_at`] says when the next one does. Frames overtake each other only where reordering asks
//! for it: jitter alone keeps their order, as a queue in a modem does.

use core::cmp::Reverse;
use std::collections::BinaryHeap;

use chacha20::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use serde::Deserialize;
use smoltcp::time::{Duration, Instant};

use crate::message::Message;
use crate::scenario::values::{self, Probability};

/// Most frames on their way at once; a frame more is lost, as in a full modem queue.
const QUEUE_LIMIT: usize = 1024;

/// Octets of a frame on the wire that are not in it: preamble, FCS, gap (IEEE 802.3 §3, §4.4.2).
const OVERHEAD: u64 = 8 + 4 + 12;

/// An end of the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// The router under test.
    Router,
    /// Whoever is at the far end.
    Peers,
}

impl End {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Router => Self::Peers,
            Self::Peers => Self::Router,
        }
    }
}

/// What the link does to frames, in both directions.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Quality {
    /// One way.
    #[serde(deserialize_with = "values::duration")]
    pub delay: Duration,
    /// Up to this much more, evenly distributed.
    #[serde(deserialize_with = "values::duration")]
    pub jitter: Duration,
    /// Of a frame to be lost.
    pub loss: Probability,
    /// Of a frame to arrive twice.
    pub duplicate: Probability,
    /// Of a frame to be held back by another delay, so that later ones overtake it.
    pub reorder: Probability,
    /// Of a frame to arrive with one bit flipped. (The Ethernet FCS catches most of these on a real
    /// wire; some modems recompute it after the damage is done.)
    pub corrupt: Probability,
    /// The longest frame that passes, without FCS; longer ones vanish. `None`: any.
    pub max_frame_len: Option<usize>,
    /// How fast frames go in, in bits per second, each way. `None`: at once.
    pub rate: Option<u64>,
}

impl Default for Quality {
    /// A good access line: 4 ms one way, nothing lost.
    fn default() -> Self {
        Self {
            delay: Duration::from_millis(4),
            jitter: Duration::ZERO,
            loss: Probability::NEVER,
            duplicate: Probability::NEVER,
            reorder: Probability::NEVER,
            corrupt: Probability::NEVER,
            max_frame_len: None,
            rate: None,
        }
    }
}

/// Frames of one kind to be lost.
#[derive(Debug, Clone, PartialEq)]
pub struct Loss {
    /// Which.
    pub message: Message,
    /// Sent by whom; `None`: by either.
    pub from: Option<End>,
    /// How many more of them.
    pub remaining: u32,
}

/// What has happened on the link.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames put in by the router.
    pub from_router: u64,
    /// Frames put in by the peers.
    pub from_peers: u64,
    /// Frames that never arrive: loss, cut, full queue, too long.
    pub lost: u64,
    /// Frames that arrive twice.
    pub duplicated: u64,
    /// Frames held back for others to overtake.
    pub reordered: u64,
    /// Frames with a flipped bit.
    pub corrupted: u64,
}

/// The link.
pub struct Link {
    /// What it does to frames from now on.
    pub quality: Quality,
    /// Frames of a kind to lose, whatever the quality.
    pub losses: Vec<Loss>,
    /// Whether nothing passes (and what was on its way is gone).
    cut: bool,
    rng: ChaCha8Rng,
    sequence: u64,
    in_flight: BinaryHeap<Reverse<InFlight>>,
    /// The last arrival in each direction: jitter does not reorder.
    last_arrival: [Instant; 2],
    /// Until when the last frame of each direction takes to go in.
    busy_until: [Instant; 2],
    spare: Vec<Vec<u8>>,
    counters: Counters,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct InFlight {
    at: Instant,
    sequence: u64,
    to: End,
    frame: Vec<u8>,
}

impl Link {
    /// A link whose accidents follow from `seed`.
    pub fn new(quality: Quality, seed: u64) -> Self {
        Self {
            quality,
            losses: Vec::new(),
            cut: false,
            rng: ChaCha8Rng::seed_from_u64(seed),
            sequence: 0,
            in_flight: BinaryHeap::new(),
            last_arrival: [Instant::ZERO; 2],
            busy_until: [Instant::ZERO; 2],
            spare: Vec::new(),
            counters: Counters::default(),
        }
    }

    /// Cuts the link, with what is on its way, or mends it.
    pub fn set_cut(&mut self, cut: bool) {
        self.cut = cut;
        if cut {
            self.counters.lost += self.in_flight.len() as u64;
            self.spare.extend(self.in_flight.drain().map(|Reverse(flight)| flight.frame));
        }
    }

    /// Puts a frame in at `from`.
    pub fn send(&mut self, now: Instant, from: End, frame: &[u8]) {
        match from {
            End::Router => self.counters.from_router += 1,
            End::Peers => self.counters.from_peers += 1,
        }
        if self.cut || self.is_lost(from, frame) {
            self.counters.lost += 1;
            return;
        }
        self.launch(now, from, frame);
        if self.quality.duplicate.strikes(&mut self.rng) {
            self.counters.duplicated += 1;
            self.launch(now, from, frame);
        }
    }

    /// A frame that has arrived by `now`, and at which end. Give the buffer back with [`Link::recycle`].
    pub fn receive(&mut self, now: Instant) -> Option<(End, Vec<u8>)> {
        if self.poll_at()? > now {
            return None;
        }
        self.in_flight.pop().map(|Reverse(flight)| (flight.to, flight.frame))
    }

    /// Takes back a buffer that [`Link::receive`] gave out.
    pub fn recycle(&mut self, frame: Vec<u8>) {
        self.spare.push(frame);
    }

    /// When the next frame arrives.
    pub fn poll_at(&self) -> Option<Instant> {
        self.in_flight.peek().map(|Reverse(flight)| flight.at)
    }

    /// What has happened so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    fn is_lost(&mut self, from: End, frame: &[u8]) -> bool {
        if !self.losses.is_empty() {
            let message = Message::of(frame);
            let hit = self.losses.iter_mut().find(|loss| {
                loss.remaining > 0 && loss.message == message && loss.from.is_none_or(|end| end == from)
            });
            if let Some(loss) = hit {
                loss.remaining -= 1;
                return true;
            }
        }
        self.quality.max_frame_len.is_some_and(|longest| frame.len() > longest)
            || self.in_flight.len() >= QUEUE_LIMIT
            || self.quality.loss.strikes(&mut self.rng)
    }

    fn launch(&mut self, now: Instant, from: End, frame: &[u8]) {
        let mut bytes = self.spare.pop().unwrap_or_default();
        bytes.clear();
        bytes.extend_from_slice(frame);
        if self.quality.corrupt.strikes(&mut self.rng) && !bytes.is_empty() {
            self.counters.corrupted += 1;
            let bit = self.rng.next_u32() as usize % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        let to = from.other();
        let mut at = now + self.quality.delay;
        if let Some(rate) = self.quality.rate {
            let bits = 8 * (bytes.len() as u64 + OVERHEAD);
            let busy = &mut self.busy_until[to as usize];
            *busy = now.max(*busy) + Duration::from_micros((bits * 1_000_000).div_ceil(rate.max(1)));
            at = *busy + self.quality.delay;
        }
        if self.quality.jitter > Duration::ZERO {
            at += Duration::from_micros(self.rng.next_u64() % (self.quality.jitter.total_micros() + 1));
        }
        let last = &mut self.last_arrival[to as usize];
        if self.quality.reorder.strikes(&mut self.rng) {
            self.counters.reordered += 1;
            at = at.max(*last) + self.quality.delay.max(Duration::from_millis(1));
        } else {
            at = at.max(*last);
            *last = at;
        }
        self.in_flight.push(Reverse(InFlight { at, sequence: self.sequence, to, frame: bytes }));
        self.sequence += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends `count` frames, 1 ms apart, and returns what arrives at the peers: (microseconds, frame).
    fn arrivals(link: &mut Link, count: u8) -> Vec<(i64, Vec<u8>)> {
        let mut arrived = Vec::new();
        let mut drain = |link: &mut Link, until: Instant| {
            while let Some(at) = link.poll_at().filter(|&at| at <= until) {
                let (end, frame) = link.receive(at).unwrap();
                assert_eq!(end, End::Peers);
                arrived.push((at.total_micros(), frame.clone()));
                link.recycle(frame);
            }
        };
        for number in 0..count {
            let now = Instant::from_millis(i64::from(number));
            drain(link, now);
            link.send(now, End::Router, &[number; 60]);
        }
        drain(link, Instant::from_secs(3600));
        arrived
    }

    fn link(change: impl FnOnce(&mut Quality)) -> Link {
        let mut quality = Quality::default();
        change(&mut quality);
        Link::new(quality, 7)
    }

    #[test]
    fn a_good_link_only_delays() {
        let arrived = arrivals(&mut link(|_| {}), 100);
        assert_eq!(arrived.len(), 100);
        for (number, (at, frame)) in (0..100u8).zip(arrived) {
            assert_eq!(at, i64::from(number) * 1000 + 4000);
            assert_eq!(frame, [number; 60]);
        }
    }

    #[test]
    fn frames_of_a_rate_take_their_time() {
        let mut link = link(|quality| quality.rate = Some(84 * 8 * 1000));
        for number in 0..3 {
            link.send(Instant::ZERO, End::Router, &[number; 60]);
        }
        let mut times = Vec::new();
        while let Some(at) = link.poll_at() {
            times.extend(link.receive(at).map(|_| at.total_micros()));
        }
        assert_eq!(times, [5000, 6000, 7000]);
    }

    #[test]
    fn loss_takes_its_share_and_follows_from_the_seed() {
        let lossy = || link(|quality| quality.loss = Probability::new(0.3).unwrap());
        let (mut first, mut second) = (lossy(), lossy());
        let arrived = arrivals(&mut first, 200);
        assert_eq!(arrived, arrivals(&mut second, 200));
        assert_eq!(first.counters().lost, 200 - arrived.len() as u64);
        assert!((40..80).contains(&first.counters().lost), "{:?}", first.counters());
    }

    #[test]
    fn jitter_keeps_the_order_and_reordering_does_not() {
        let jittery = arrivals(&mut link(|quality| quality.jitter = Duration::from_millis(50)), 200);
        assert!(jittery.is_sorted_by_key(|(_, frame)| frame[0]));
        assert!(jittery.iter().any(|(at, frame)| at - i64::from(frame[0]) * 1000 > 20_000));
        let mut link = link(|quality| quality.reorder = Probability::new(0.2).unwrap());
        let reordered = arrivals(&mut link, 200);
        assert_eq!(reordered.len(), 200);
        assert!(!reordered.is_sorted_by_key(|(_, frame)| frame[0]));
        assert!(link.counters().reordered > 20);
    }

    #[test]
    fn copies_and_corruption_are_counted() {
        let mut link = link(|quality| {
            quality.duplicate = Probability::new(0.5).unwrap();
            quality.corrupt = Probability::new(0.25).unwrap();
        });
        let arrived = arrivals(&mut link, 200);
        assert_eq!(arrived.len() as u64, 200 + link.counters().duplicated);
        let broken = arrived.iter().filter(|(_, frame)| frame.iter().any(|&byte| byte != frame[0]));
        let broken = broken.count() as u64;
        assert_eq!(broken, link.counters().corrupted);
        assert!(broken > 40);
    }

    #[test]
    fn a_cut_takes_what_is_on_its_way() {
        let mut link = link(|_| {});
        link.send(Instant::ZERO, End::Peers, &[1; 60]);
        link.set_cut(true);
        link.send(Instant::ZERO, End::Peers, &[2; 60]);
        link.set_cut(false);
        link.send(Instant::from_secs(1), End::Peers, &[3; 60]);
        assert_eq!(link.counters().lost, 2);
        let (end, frame) = link.receive(Instant::from_secs(2)).unwrap();
        assert_eq!((end, frame), (End::Router, vec![3; 60]));
        assert!(link.receive(Instant::from_secs(2)).is_none());
    }

    #[test]
    fn frames_of_a_kind_are_lost_as_often_as_asked() {
        let mut padi = vec![0xFF; 60];
        padi[12..20].copy_from_slice(&[0x88, 0x63, 0x11, 0x09, 0, 0, 0, 0]);
        let mut link = link(|_| {});
        link.losses.push(Loss { message: Message::Padi, from: Some(End::Router), remaining: 2 });
        for _ in 0..3 {
            link.send(Instant::ZERO, End::Router, &padi);
        }
        link.send(Instant::ZERO, End::Router, &[0; 60]);
        assert_eq!(link.counters().lost, 2);
    }
}
