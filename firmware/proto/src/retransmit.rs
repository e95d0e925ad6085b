//! A message that is repeated until it is answered, as DHCPv6 and Router Solicitations are.
//!
//! Reading list: RFC 8415 §15 (the algorithm); RFC 7559 §2 (the same for Router Solicitations).
//!
//! ```text
//!   first wait   IRT + RAND * IRT
//!   then         2 * last + RAND * last,  MRT + RAND * MRT once it is above MRT      RAND: -0.1 to 0.1
//! ```

use rand_core::Rng;
use smoltcp::time::{Duration, Instant};

/// How the waits grow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// IRT: the first wait.
    pub(crate) initial: Duration,
    /// MRT: the longest wait; zero: no bound.
    pub(crate) most: Duration,
    /// The first wait is no shorter than IRT, so that whoever answers within it is heard (RFC 8415 §18.2.1).
    pub(crate) is_first_full: bool,
}

/// A message under way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exchange {
    /// When the next copy is due.
    pub(crate) at: Instant,
    /// When the first copy left.
    pub(crate) first_sent_at: Option<Instant>,
    /// Copies so far.
    pub(crate) sent: u8,
    wait: Duration,
    random: u32,
}

impl Exchange {
    /// A message whose first copy is due at `at`.
    pub(crate) fn new(at: Instant, rng: &mut dyn Rng) -> Self {
        Self { at, first_sent_at: None, sent: 0, wait: Duration::ZERO, random: rng.next_u32() }
    }

    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.at <= now
    }

    /// A copy left. Answers which it was, from 1.
    pub(crate) fn note_sent(&mut self, now: Instant, pace: Pace) -> u8 {
        // The generator of Numerical Recipes: good enough to keep a street from speaking in chorus.
        self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let is_first = self.sent == 0;
        let (base, longer) = if is_first { (pace.initial, Duration::ZERO) } else { (self.wait, self.wait) };
        let wait = self.spread(base, is_first && pace.is_first_full) + longer;
        let is_bounded = pace.most > Duration::ZERO && wait > pace.most;
        self.wait = if is_bounded { self.spread(pace.most, false) } else { wait };
        self.at = now + self.wait;
        self.first_sent_at.get_or_insert(now);
        self.sent = self.sent.saturating_add(1);
        self.sent
    }

    /// How long it has been under way, in hundredths of a second (RFC 8415 §21.9).
    pub(crate) fn hundredths(&self, now: Instant) -> u16 {
        let elapsed = self.first_sent_at.map_or(Duration::ZERO, |first| now.max(first) - first);
        u16::try_from(elapsed.total_millis() / 10).unwrap_or(u16::MAX)
    }

    /// A tenth shorter to a tenth longer, or at least as long.
    fn spread(&self, wait: Duration, is_longer: bool) -> Duration {
        let (micros, random) = (wait.total_micros(), u64::from(self.random >> 16));
        let tenth = micros / 10;
        let least = if is_longer { micros } else { micros - tenth };
        let width = if is_longer { tenth } else { 2 * tenth };
        Duration::from_micros(least + ((width * random) >> 16))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chacha20::ChaCha8Rng;
    use rand_core::SeedableRng;

    #[test]
    fn waits_double_to_their_bound() {
        for seed in 0..50 {
            let mut rng = ChaCha8Rng::from_seed([seed; 32]);
            let mut now = Instant::from_secs(5);
            let mut exchange = Exchange::new(now, &mut rng);
            let pace =
                Pace { initial: Duration::from_secs(1), most: Duration::from_secs(30), is_first_full: true };
            let mut last = 1_000;
            for copy in 1..12 {
                assert_eq!(exchange.note_sent(now, pace), copy);
                let wait = (exchange.at - now).total_millis();
                let range = match copy {
                    1 => 1_000..=1_100,
                    // About where it reaches its bound, and behind it.
                    _ if last > 14_000 => 26_000..=33_000,
                    _ => last * 189 / 100..=last * 211 / 100,
                };
                assert!(range.contains(&wait), "copy {copy}: {wait} after {last}");
                (last, now) = (wait, exchange.at);
            }
            assert_eq!(exchange.hundredths(Instant::from_secs(7)), 200);
            assert_eq!(exchange.hundredths(Instant::from_secs(9999)), u16::MAX);
        }
    }
}
