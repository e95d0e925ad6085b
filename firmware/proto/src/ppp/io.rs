//! What the layers of a link share: the packets that wait to be sent, the events that wait to be
//! told, and the timing of the session.

use gatelet_wire::BufferTooSmall;
use heapless::Deque;
use rand_core::Rng;
use smoltcp::time::{Duration, Instant};

use super::config::Timers;
use super::event::{Counters, LinkEvent};

/// Outbox, events and timing of one link, lent to whichever layer has its turn.
#[derive(Debug)]
pub(super) struct Io {
    pub(super) outbox: Outbox,
    events: Deque<LinkEvent, MAX_EVENTS>,
    pub(super) counters: Counters,
    pub(super) timers: Timers,
    /// First Restart period of this session.
    pub(super) first_period: Duration,
    /// How long an answer takes, as far as known.
    pub(super) round_trip: Duration,
    /// What the peer can receive, octets: our rejects are cut to it.
    pub(super) peer_mru: u16,
}

impl Io {
    pub(super) fn new(timers: Timers) -> Self {
        Self {
            outbox: Outbox::new(),
            events: Deque::new(),
            counters: Counters::default(),
            timers,
            first_period: timers.restart_min,
            round_trip: ASSUMED_ROUND_TRIP,
            peer_mru: DEFAULT_MRU,
        }
    }

    /// A session begins: draws its Restart period.
    pub(super) fn begin(&mut self, timers: Timers, rng: &mut dyn Rng) {
        let spread = timers.restart_max.max(timers.restart_min) - timers.restart_min;
        let jitter = (u64::from(rng.next_u32()) * spread.total_micros()) >> 32;
        self.first_period = timers.restart_min + Duration::from_micros(jitter);
        self.timers = timers;
        self.peer_mru = DEFAULT_MRU;
    }

    /// Tells the owner; a full queue drops the newest and counts it.
    pub(super) fn tell(&mut self, event: LinkEvent) {
        if self.events.push_back(event).is_err() {
            self.counters.events_lost = self.counters.events_lost.wrapping_add(1);
        }
    }

    pub(super) fn poll_event(&mut self) -> Option<LinkEvent> {
        self.events.pop_front()
    }

    /// Queues the packet `write` makes.
    pub(super) fn send(&mut self, write: impl FnOnce(&mut [u8]) -> Result<usize, BufferTooSmall>) {
        let written = write(self.outbox.space());
        if !self.outbox.commit(written) {
            self.counters.unsent = self.counters.unsent.wrapping_add(1);
        }
    }

    /// The Restart period after `period`: twice as long, up to the ceiling.
    pub(super) fn longer(&self, period: Duration) -> Duration {
        (period * 2).min(self.timers.restart_ceiling.max(self.first_period))
    }

    /// Whether an answer to what was sent at `sent` is overdue.
    pub(super) fn is_overdue(&self, now: Instant, sent: Instant) -> bool {
        now >= sent + self.round_trip
    }
}

/// MRU of a link on which none was negotiated, octets (RFC 1661 §6.1).
pub(super) const DEFAULT_MRU: u16 = 1500;

/// Below it a second Configure-Request is not sent on a mere suspicion. pppd begins 240 ms after
/// its PADS; access lines answer within a few tens of milliseconds.
const ASSUMED_ROUND_TRIP: Duration = Duration::from_millis(100);

/// The longest round trip that is believed. A concentrator that was merely slow to send its PADS
/// must not hide that our first Configure-Request was lost; to believe too little costs one
/// superfluous packet, and no renegotiation (see [`negotiation`](super::negotiation)).
pub(super) const MAX_ROUND_TRIP: Duration = Duration::from_millis(200);

/// One packet makes at most five events: renegotiation of LCP takes down both network protocols,
/// an answer repeated and a peer's timer are told beside.
const MAX_EVENTS: usize = 8;

/// Packets that wait to be sent, oldest first, each behind its length in one buffer. It holds the
/// longest Echo-Reply of a jumbo link (RFC 4638) and a few small packets.
#[derive(Debug)]
pub(super) struct Outbox {
    buffer: [u8; OUTBOX_LEN],
    used: usize,
}

const LENGTH_LEN: usize = 2;
const OUTBOX_LEN: usize = LENGTH_LEN + 2 + DEFAULT_MRU as usize + 96;

impl Outbox {
    const fn new() -> Self {
        Self { buffer: [0; OUTBOX_LEN], used: 0 }
    }

    pub(super) fn clear(&mut self) {
        self.used = 0;
    }

    /// Where the next packet is to be written.
    fn space(&mut self) -> &mut [u8] {
        let start = (self.used + LENGTH_LEN).min(OUTBOX_LEN);
        &mut self.buffer[start..]
    }

    /// Takes in what was written to [`space`](Self::space); false if it did not fit.
    fn commit(&mut self, written: Result<usize, BufferTooSmall>) -> bool {
        let Ok(length) = written else { return false };
        if self.used + LENGTH_LEN + length > OUTBOX_LEN {
            return false;
        }
        self.buffer[self.used..][..LENGTH_LEN].copy_from_slice(&(length as u16).to_be_bytes());
        self.used += LENGTH_LEN + length;
        true
    }

    /// Moves the oldest packet into `buffer`; one that does not fit is lost, `Some(Err)`.
    pub(super) fn pop(&mut self, buffer: &mut [u8]) -> Option<Result<usize, BufferTooSmall>> {
        if self.used == 0 {
            return None;
        }
        let length = usize::from(u16::from_be_bytes([self.buffer[0], self.buffer[1]]));
        let packet = &self.buffer[LENGTH_LEN..][..length];
        let copied = match buffer.get_mut(..length) {
            Some(target) => {
                target.copy_from_slice(packet);
                Ok(length)
            }
            None => Err(BufferTooSmall),
        };
        self.buffer.copy_within(LENGTH_LEN + length..self.used, 0);
        self.used -= LENGTH_LEN + length;
        Some(copied)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn io() -> Io {
        Io::new(Timers::default())
    }

    fn put(byte: u8, length: usize) -> impl FnOnce(&mut [u8]) -> Result<usize, BufferTooSmall> {
        move |buffer| {
            buffer.get_mut(..length).ok_or(BufferTooSmall)?.fill(byte);
            Ok(length)
        }
    }

    #[test]
    fn packets_leave_in_the_order_they_came() {
        let mut io = io();
        io.send(put(1, 10));
        io.send(put(2, 1502));
        io.send(put(3, 20));
        let mut buffer = [0; 1502];
        assert_eq!(io.outbox.pop(&mut buffer), Some(Ok(10)));
        assert_eq!(buffer[..10], [1; 10]);
        assert_eq!(io.outbox.pop(&mut buffer), Some(Ok(1502)));
        assert_eq!(buffer, [2; 1502]);
        assert_eq!(io.outbox.pop(&mut buffer), Some(Ok(20)));
        assert_eq!(io.outbox.pop(&mut buffer), None);
        assert_eq!(io.counters.unsent, 0);
    }

    #[test]
    fn what_does_not_fit_is_counted_and_hurts_nothing_else() {
        let mut io = io();
        io.send(put(1, 1500));
        io.send(put(2, 200));
        assert_eq!(io.counters.unsent, 1);
        for _ in 0..30 {
            io.send(put(3, 1));
        }
        let mut small = [0; 1000];
        assert_eq!(io.outbox.pop(&mut small), Some(Err(BufferTooSmall)));
        assert_eq!(io.outbox.pop(&mut small), Some(Ok(1)));
        assert_eq!(small[0], 3);
    }

    #[test]
    fn the_restart_period_doubles_up_to_the_ceiling() {
        let io = io();
        let mut period = Duration::from_millis(1200);
        let mut total = period;
        for expected in [2400, 3000, 3000] {
            period = io.longer(period);
            assert_eq!(period.total_millis(), expected);
            total += period;
        }
        // Ten transmissions: two doublings, then the ceiling.
        total += Duration::from_secs(3) * 6;
        assert!(total < Duration::from_secs(30));
    }
}
