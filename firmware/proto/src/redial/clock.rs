//! The ledger clock: time as it can be remembered across a power cut.
//!
//! [`Instant`]s of one boot mean nothing to the next, so everything the engine counts is counted on a clock that
//! goes on where the ledger left it. It stops while the power is off. That errs on the safe side: what was sent
//! before a power cut looks more recent than it is.

use rand_core::Rng;
use smoltcp::time::{Duration, Instant};

/// Microseconds of the ledger clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Time(u64);

const MICROS_PER_SECOND: u64 = 1_000_000;

impl Time {
    #[cfg(test)]
    pub(super) const MAX: Self = Self(u64::MAX);

    pub(super) const fn from_seconds(seconds: u32) -> Self {
        Self(seconds as u64 * MICROS_PER_SECOND)
    }

    /// Whole seconds, for a reading of the clock: it must not run ahead.
    pub(super) fn seconds_passed(self) -> u32 {
        u32::try_from(self.0 / MICROS_PER_SECOND).unwrap_or(u32::MAX)
    }

    /// Seconds begun, for what is waited for or must not look older than it is.
    pub(super) fn seconds_begun(self) -> u32 {
        u32::try_from(self.0.div_ceil(MICROS_PER_SECOND)).unwrap_or(u32::MAX)
    }

    pub(super) const fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.total_micros()))
    }

    pub(super) const fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration.total_micros()))
    }

    /// Zero if `earlier` is later.
    pub(super) const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// Translates between the [`Instant`]s of this boot and [`Time`].
#[derive(Debug, Clone)]
pub(super) struct Clock {
    start: Instant,
    base: Time,
    now: Time,
}

impl Clock {
    pub(super) const fn new(start: Instant, base: Time) -> Self {
        Self { start, base, now: base }
    }

    /// The time at `now`. Never goes back, even if the owner's clock does.
    pub(super) fn advance(&mut self, now: Instant) -> Time {
        self.now = self.now.max(self.reading(now));
        self.now
    }

    /// The latest time seen.
    pub(super) const fn now(&self) -> Time {
        self.now
    }

    /// What [`Clock::advance`] would say, without moving.
    pub(super) fn reading(&self, now: Instant) -> Time {
        let passed = now.total_micros().saturating_sub(self.start.total_micros());
        Time(self.base.0.saturating_add(u64::try_from(passed).unwrap_or(0))).max(self.now)
    }

    /// The instant of this boot at which the clock will say `time`.
    pub(super) fn instant(&self, time: Time) -> Instant {
        let ahead = i64::try_from(time.0.saturating_sub(self.base.0)).unwrap_or(i64::MAX);
        Instant::from_micros(self.start.total_micros().saturating_add(ahead))
    }
}

/// A duration drawn evenly from `least..most`.
pub(super) fn draw(rng: &mut dyn Rng, least: Duration, most: Duration) -> Duration {
    let spread = most.total_micros().saturating_sub(least.total_micros());
    // 64-bit products only, for small processors: beyond 71 minutes in milliseconds, never more than 49 days.
    let (spread, step) = match u32::try_from(spread) {
        Ok(micros) => (u64::from(micros), 1),
        Err(_) => ((spread / 1000).min(u64::from(u32::MAX)), 1000),
    };
    let share = (spread * u64::from(rng.next_u32())) >> 32;
    Duration::from_micros(least.total_micros().saturating_add(share * step))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Constant(u32);

    impl rand_core::TryRng for Constant {
        type Error = core::convert::Infallible;

        fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
            Ok(self.0)
        }

        fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
            Ok(u64::from(self.0))
        }

        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
            bytes.fill(0);
            Ok(())
        }
    }

    #[test]
    fn what_is_drawn_lies_between_the_bounds_and_comes_close_to_them() {
        for (least, most) in [(0, 0), (310, 360), (360, 310), (3000, 3300), (1, 4_000_000)] {
            let (least, most) = (Duration::from_secs(least), Duration::from_secs(most));
            let drawn = |number| draw(&mut Constant(number), least, most);
            assert_eq!(drawn(0), least);
            assert!(drawn(u32::MAX) >= least && drawn(u32::MAX) <= most.max(least));
            assert!(drawn(u32::MAX) + Duration::from_millis(2) >= most);
        }
        let huge = Duration::from_micros(u64::MAX);
        assert!(draw(&mut Constant(u32::MAX), Duration::ZERO, huge) > Duration::from_secs(49 * 86_400));
        assert_eq!(draw(&mut Constant(u32::MAX), huge, huge), huge);
    }
}
