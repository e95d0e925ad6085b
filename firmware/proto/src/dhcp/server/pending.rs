//! Addresses that are promised to a client and not leased yet, addresses that nobody gets, and how
//! many newcomers may come.

use gatelet_wire::{EthernetAddress, Ipv4Address};
use smoltcp::time::{Duration, Instant};

use super::lease::ClientKey;
use super::request::Request;

/// An address that is promised to one client.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) key: ClientKey,
    pub(super) mac: EthernetAddress,
    pub(super) address: Ipv4Address,
    pub(super) stage: Stage,
}

#[derive(Debug)]
pub(super) enum Stage {
    /// Whether anybody has the address is being found out.
    Probing {
        request: Request,
        then: Then,
        /// With no answer by then, nobody has it.
        until: Instant,
        /// The owner has been asked to probe.
        is_asked: bool,
        /// Addresses found in use for this client so far.
        conflicts: u8,
    },
    /// It was offered; the client's REQUEST is awaited until then.
    Offered { until: Instant },
}

/// What follows a probe that nobody answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    Offer,
    /// The client remembers the address, we do not (INIT-REBOOT).
    Ack,
}

impl Pending {
    /// When the next step is due.
    pub(super) const fn at(&self) -> Instant {
        match self.stage {
            Stage::Probing { until, .. } | Stage::Offered { until } => until,
        }
    }
}

/// An address that somebody has who should not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quarantined {
    pub(super) address: Ipv4Address,
    pub(super) until: Instant,
}

/// A token bucket: so many at once, and so many per minute in the long run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    capacity: u8,
    per_minute: u8,
    tokens: u8,
    /// When the last token was added, or would have been if there had been room.
    refilled_at: Instant,
}

impl Bucket {
    pub(super) const fn full(capacity: u8, per_minute: u8) -> Self {
        Self { capacity, per_minute, tokens: capacity, refilled_at: Instant::ZERO }
    }

    pub(super) fn has_token(&mut self, now: Instant) -> bool {
        self.tokens(now) > 0
    }

    /// How many there are now.
    pub(super) fn tokens(&mut self, now: Instant) -> u8 {
        let missed =
            (now.max(self.refilled_at) - self.refilled_at).total_micros() / self.interval().total_micros();
        let room = self.capacity - self.tokens;
        if missed >= u64::from(room) {
            *self = Self { tokens: self.capacity, refilled_at: now, ..*self };
        } else {
            // Fewer than `room`, so they fit.
            self.tokens += missed as u8;
            self.refilled_at += self.interval() * missed as u32;
        }
        self.tokens
    }

    pub(super) const fn take(&mut self) {
        self.tokens = self.tokens.saturating_sub(1);
    }

    /// When there will be a token, if there is none.
    pub(super) fn next_at(&self) -> Option<Instant> {
        (self.tokens == 0 && self.capacity > 0).then(|| self.refilled_at + self.interval())
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(60) / u32::from(self.per_minute.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_a_minutes_worth_at_once_and_then_one_by_one() {
        let mut bucket = Bucket::full(6, 6);
        let mut newcomers = |millis: i64| {
            let mut count = 0;
            while count < 100 && bucket.has_token(Instant::from_millis(millis)) {
                bucket.take();
                count += 1;
            }
            count
        };
        assert_eq!(newcomers(5_000_000), 6);
        assert_eq!(newcomers(5_009_999), 0);
        assert_eq!(newcomers(5_010_000), 1);
        assert_eq!(newcomers(5_025_000), 1);
        assert_eq!(newcomers(5_030_000), 1, "what was left over counts");
        assert_eq!(newcomers(9_000_000), 6);
    }

    #[test]
    fn no_newcomers_may_be_wanted() {
        assert!(!Bucket::full(0, 0).has_token(Instant::from_secs(1_000_000)));
    }
}
