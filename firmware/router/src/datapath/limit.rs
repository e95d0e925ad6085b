//! A token bucket: so many at once, then one per interval.

use smoltcp::time::{Duration, Instant};

#[derive(Debug, Clone, Copy)]
pub(crate) struct Limiter {
    burst: u32,
    interval: Duration,
    /// The moment from which on the bucket has been full.
    full_at: Instant,
}

impl Limiter {
    pub(crate) const fn new(burst: u32, interval: Duration) -> Self {
        Self { burst, interval, full_at: Instant::ZERO }
    }

    /// Takes a token. False if there is none.
    pub(crate) fn permit(&mut self, now: Instant) -> bool {
        let from = self.full_at.max(now);
        let permitted = from <= now + self.interval * (self.burst - 1);
        if permitted {
            self.full_at = from + self.interval;
        }
        permitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_one_per_interval() {
        let mut limiter = Limiter::new(3, Duration::from_millis(100));
        let at = |millis| Instant::from_millis(1_000 + millis);
        assert_eq!((0..5).filter(|_| limiter.permit(at(0))).count(), 3);
        assert!(!limiter.permit(at(99)));
        assert_eq!((0..5).filter(|_| limiter.permit(at(200))).count(), 2);
        assert_eq!((0..5).filter(|_| limiter.permit(at(10_000))).count(), 3);
    }
}
