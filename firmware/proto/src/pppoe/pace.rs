//! When a message of Discovery is repeated.

use rand_core::Rng;
use smoltcp::time::{Duration, Instant};

/// One message's transmissions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Transmissions so far.
    pub(super) sent: u8,
    pub(super) timer: Timer,
    /// The wait after the first transmission, jittered; each further one doubles it.
    first_wait: Duration,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Timer {
    /// The message is to be sent at this time.
    Send(Instant),
    /// It was sent; if there is no answer by then, the next step is taken.
    Answer(Instant),
}

impl Pace {
    pub(super) fn starting(now: Instant, rng: &mut dyn Rng) -> Self {
        Self { sent: 0, timer: Timer::Send(now), first_wait: first_wait(rng) }
    }

    pub(super) fn due(&self, now: Instant) -> bool {
        matches!(self.timer, Timer::Send(at) if at <= now)
    }

    pub(super) fn expired(&self, now: Instant) -> bool {
        matches!(self.timer, Timer::Answer(by) if by <= now)
    }

    /// Answers which transmission this was, from 1.
    pub(super) fn note_sent(&mut self, now: Instant, wait: Option<Duration>) -> u8 {
        let backoff = self.first_wait * (1 << self.sent.min(4));
        self.timer = Timer::Answer(now + wait.unwrap_or(backoff));
        self.sent = self.sent.saturating_add(1);
        self.sent
    }

    pub(super) const fn at(&self) -> Instant {
        match self.timer {
            Timer::Send(at) | Timer::Answer(at) => at,
        }
    }
}

/// 1.1 to 1.25 s: beyond the second within which some concentrators (accel-ppp, by MAC) ignore a
/// repeated PADI, and no longer than a user notices.
fn first_wait(rng: &mut dyn Rng) -> Duration {
    Duration::from_micros(1_100_000 + u64::from(rng.next_u32() % 150_000))
}
