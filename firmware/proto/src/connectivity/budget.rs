//! How many octets a day the checks may cost while all is well.

use smoltcp::time::{Duration, Instant};

const HOURS: usize = 24;
const HOUR: Duration = Duration::from_secs(3_600);

/// A sliding window of a day, in steps of an hour.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    octets: [u32; HOURS],
    /// The hour the newest count is of.
    hour: i64,
    most: u32,
}

impl Budget {
    pub(super) const fn new(most: u32) -> Self {
        Self { octets: [0; HOURS], hour: 0, most }
    }

    /// Counts what was sent and received.
    pub(super) fn spend(&mut self, now: Instant, octets: u32) {
        self.advance(now);
        let hour = usize::try_from(self.hour).unwrap_or(0) % HOURS;
        if let Some(count) = self.octets.get_mut(hour) {
            *count = count.saturating_add(octets);
        }
    }

    /// What was spent within the last day.
    pub(super) fn spent(&mut self, now: Instant) -> u32 {
        self.advance(now);
        self.octets.iter().fold(0, |sum, octets| sum.saturating_add(*octets))
    }

    /// Whether `octets` more may be spent; if not, when to ask again: an hour later is the first moment that can make
    /// a difference.
    pub(super) fn allows(&mut self, now: Instant, octets: u32) -> Result<(), Instant> {
        if self.spent(now).saturating_add(octets) <= self.most { Ok(()) } else { Err(now + HOUR) }
    }

    fn advance(&mut self, now: Instant) {
        let hour = now.secs().div_euclid(3_600).max(self.hour);
        for passed in (self.hour + 1..=hour).take(HOURS) {
            let place = usize::try_from(passed).unwrap_or(0) % HOURS;
            if let Some(count) = self.octets.get_mut(place) {
                *count = 0;
            }
        }
        self.hour = hour;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_all_that_is_remembered() {
        let mut budget = Budget::new(1_000);
        let hour = |hour: i64| Instant::from_secs(hour * 3_600);
        for passed in 0..10 {
            budget.spend(hour(passed), 100);
        }
        assert_eq!(budget.allows(hour(9), 0), Ok(()));
        assert_eq!(budget.allows(hour(9), 1), Err(hour(10)));
        assert_eq!(budget.spent(hour(23)), 1_000);
        assert_eq!(budget.spent(hour(24)), 900);
        assert_eq!(budget.spent(hour(33)), 0);
        budget.spend(hour(33), u32::MAX);
        budget.spend(hour(33), 5);
        assert_eq!(budget.spent(hour(40)), u32::MAX);
        assert_eq!(budget.spent(hour(10_000)), 0);
    }
}
