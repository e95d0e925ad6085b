//! When a message is sent again.

use rand_core::Rng;
use smoltcp::time::{Duration, Instant};

/// A message that is repeated until it is answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exchange {
    pub(super) xid: u32,
    /// When the client began: what `secs` counts from.
    pub(super) began_at: Instant,
    /// When the first copy left.
    pub(super) first_sent_at: Option<Instant>,
    /// When the last copy left.
    pub(super) last_sent_at: Option<Instant>,
    /// Copies so far.
    pub(super) sent: u8,
    /// When the next copy is due.
    pub(super) at: Instant,
    random: u32,
}

/// How the waits between copies grow.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pace {
    /// 4 s, doubling to 64 s, each up to 1 s shorter or longer (RFC 2131 §4.1).
    Exponential,
    /// Half of what is left until then, 60 s at least (RFC 2131 §4.4.5).
    HalfwayTo(Instant),
}

impl Exchange {
    pub(super) fn new(now: Instant, rng: &mut dyn Rng) -> Self {
        let (xid, random) = (rng.next_u32(), rng.next_u32());
        Self { xid, began_at: now, first_sent_at: None, last_sent_at: None, sent: 0, at: now, random }
    }

    /// The same exchange with its next message.
    pub(super) const fn continued(self, now: Instant) -> Self {
        Self { first_sent_at: None, last_sent_at: None, sent: 0, at: now, ..self }
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.at <= now
    }

    /// Answers which copy this was, from 1.
    pub(super) fn note_sent(&mut self, now: Instant, pace: Pace) -> u8 {
        let wait = match pace {
            Pace::Exponential => {
                // The generator of Numerical Recipes: good enough to keep a street from speaking in chorus.
                self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let jitter = u64::from(self.random >> 12) % 2_000_001;
                let seconds = 4_u64 << self.sent.min(4);
                Duration::from_micros(seconds * 1_000_000 - 1_000_000 + jitter)
            }
            Pace::HalfwayTo(end) => ((end.max(now) - now) / 2).max(Duration::from_secs(60)),
        };
        self.at = now + wait;
        self.first_sent_at.get_or_insert(now);
        self.last_sent_at = Some(now);
        self.sent = self.sent.saturating_add(1);
        self.sent
    }

    /// The `secs` field at `now`.
    pub(super) fn seconds(&self, now: Instant) -> u16 {
        u16::try_from((now.max(self.began_at) - self.began_at).secs()).unwrap_or(u16::MAX)
    }
}
