//! How single probes fare: one that fails while others succeed is left alone for hours, since an address can vanish at
//! any moment and nobody tells.

use smoltcp::time::{Duration, Instant};

/// Failures in a row, each while two other operators were good, after which a probe is demoted.
const FAILURES: u8 = 2;
/// How long it is left alone then; each further failure doubles it.
const FIRST_REST: Duration = Duration::from_secs(3_600);
/// The longest.
const LONGEST_REST: Duration = Duration::from_secs(24 * 3_600);

/// What is remembered of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Health {
    failures: u8,
    /// Smoothed time to the answer, 0 if none came yet.
    answer_ms: u16,
    /// Seconds on the owner's clock; 0 if it is not demoted.
    rests_until: u32,
    /// Seconds on the owner's clock, of the last attempt.
    tried: u32,
}

impl Health {
    pub(super) const NEW: Self = Self { failures: 0, answer_ms: 0, rests_until: 0, tried: 0 };

    /// Whether it is demoted and not to be tried again yet.
    pub(super) fn is_resting(&self, now: Instant) -> bool {
        seconds(now) < self.rests_until
    }

    pub(super) const fn is_demoted(&self) -> bool {
        self.failures >= FAILURES
    }

    pub(super) const fn tried(&self) -> u32 {
        self.tried
    }

    /// The smoothed time to an answer.
    pub(super) const fn answer_ms(&self) -> Option<u16> {
        if self.answer_ms == 0 { None } else { Some(self.answer_ms) }
    }

    /// It gave its answer. Answers whether it was demoted until now.
    pub(super) fn succeeded(&mut self, now: Instant, took: Duration) -> bool {
        let took = u16::try_from(took.total_millis()).unwrap_or(u16::MAX).max(1);
        self.answer_ms = match self.answer_ms {
            0 => took,
            before => before - before / 4 + took / 4,
        };
        self.tried = seconds(now);
        self.rests_until = 0;
        core::mem::take(&mut self.failures) >= FAILURES
    }

    /// It failed while others did not. Answers whether it is demoted from now on.
    pub(super) fn failed_alone(&mut self, now: Instant) -> bool {
        self.failures = self.failures.saturating_add(1);
        self.tried = seconds(now);
        if let Some(doublings) = self.failures.checked_sub(FAILURES) {
            let rest = (FIRST_REST * (1 << doublings.min(8))).min(LONGEST_REST);
            self.rests_until = seconds(now + rest);
        }
        self.failures == FAILURES
    }
}

fn seconds(instant: Instant) -> u32 {
    u32::try_from(instant.secs()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_failures_demote_and_the_rest_grows_to_a_day() {
        let mut health = Health::NEW;
        let mut now = Instant::from_secs(100);
        assert!(!health.failed_alone(now) && !health.is_demoted());
        assert!(health.failed_alone(now) && health.is_resting(now));
        for hours in [1, 2, 4, 8, 16, 24, 24] {
            now += Duration::from_secs(3_600 * hours - 1);
            assert!(health.is_resting(now), "{hours} h");
            now += Duration::from_secs(1);
            assert!(!health.is_resting(now), "{hours} h");
            assert!(!health.failed_alone(now), "told once");
        }
        assert!(health.succeeded(now, Duration::from_millis(80)), "restored");
        assert!(!health.is_demoted() && !health.is_resting(now));
        assert_eq!(health.answer_ms(), Some(80));
    }

    #[test]
    fn the_time_to_an_answer_is_smoothed_and_never_overflows() {
        let mut health = Health::NEW;
        assert_eq!(health.answer_ms(), None);
        for took in [0, 1_000_000, 1_000_000, 1_000_000] {
            health.succeeded(Instant::from_secs(1), Duration::from_millis(took));
        }
        assert!(health.answer_ms().is_some_and(|millis| millis > 30_000));
    }
}
