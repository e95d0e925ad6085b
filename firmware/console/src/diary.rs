//! What there is to tell of today: dials, and how much of the time the line was up.

use gatelet_router::{MAX_WANS, WanEvent, WanId};
use smoltcp::time::{Duration, Instant};

use crate::time::Clock;

/// The first WAN's day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Day {
    /// Whether it began at midnight; else with the last start, since nobody has told the time, or the start was today.
    pub from_midnight: bool,
    /// How much of it is over.
    pub passed: Duration,
    /// For how long of it the line was up.
    pub up: Duration,
    /// Dials begun; single PADIs that ask whether anybody is there do not count.
    pub dials: u32,
    /// Dials and sessions that failed.
    pub failures: u32,
}

impl Day {
    /// How much of the time the line was up, in tenths of a percent; `None` before a second has passed.
    pub fn uptime_permille(&self) -> Option<u32> {
        let passed = self.passed.total_millis();
        (passed >= 1000).then(|| (self.up.total_millis() * 1000 / passed).min(1000) as u32)
    }
}

/// The diary, written from a WAN's events. What was before midnight is forgotten at midnight.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Diary {
    since: Instant,
    from_midnight: bool,
    up: Duration,
    up_since: Option<Instant>,
    dials: u32,
    failures: u32,
}

impl Diary {
    pub(crate) const fn new(now: Instant) -> Self {
        Self { since: now, from_midnight: false, up: Duration::ZERO, up_since: None, dials: 0, failures: 0 }
    }

    pub(crate) fn handle_event(&mut self, now: Instant, clock: Clock, event: &WanEvent) {
        self.turn_page(now, clock);
        match event {
            WanEvent::DialBegun { probe: false } => self.dials = self.dials.saturating_add(1),
            WanEvent::Up { .. } | WanEvent::Ipv6Up { .. } => self.up_since = self.up_since.or(Some(now)),
            WanEvent::Down { .. } => {
                self.failures = self.failures.saturating_add(1);
                self.up += self.up_since.take().map_or(Duration::ZERO, |since| now - since);
            }
            WanEvent::LeaseLost(_) => {
                self.up += self.up_since.take().map_or(Duration::ZERO, |since| now - since);
            }
            _ => {}
        }
    }

    pub(crate) fn day(&mut self, now: Instant, clock: Clock) -> Day {
        self.turn_page(now, clock);
        let running = self.up_since.map_or(Duration::ZERO, |since| now - since);
        Day {
            from_midnight: self.from_midnight,
            passed: now - self.since,
            up: self.up + running,
            dials: self.dials,
            failures: self.failures,
        }
    }

    fn turn_page(&mut self, now: Instant, clock: Clock) {
        let Some(since_midnight) = clock.since_midnight(now) else { return };
        let midnight = now - since_midnight;
        if midnight > self.since {
            let up_since = self.up_since.map(|since| since.max(midnight));
            *self = Self { from_midnight: true, up_since, ..Self::new(midnight) };
        }
    }
}

/// One for each WAN.
pub(crate) type Diaries = [Diary; MAX_WANS];

/// The diary of a WAN.
pub(crate) fn of(diaries: &mut Diaries, wan: WanId) -> Option<&mut Diary> {
    diaries.get_mut(usize::from(wan.0))
}

#[cfg(test)]
mod tests {
    use gatelet_proto::redial::Failure;
    use gatelet_router::Ipv4Status;
    use smoltcp::wire::Ipv4Address;

    use super::*;

    #[test]
    fn a_day_ends_at_midnight() {
        let address = Ipv4Address::new(192, 0, 2, 1);
        let up = WanEvent::Up {
            ipv4: Ipv4Status { address, peer: None, dns: [None; 2] },
            mtu: 1492,
            since_dial: Duration::ZERO,
        };
        let down = WanEvent::Down { failure: Failure::Padt, uptime: None };
        let at = Instant::from_secs;
        let mut diary = Diary::new(at(0));
        let unknown = Clock::default();
        diary.handle_event(at(10), unknown, &WanEvent::DialBegun { probe: false });
        diary.handle_event(at(20), unknown, &up);
        diary.handle_event(at(70), unknown, &down);
        let day = diary.day(at(100), unknown);
        assert_eq!((day.dials, day.failures, day.uptime_permille()), (1, 1, Some(500)));
        assert!(!day.from_midnight);
        // The start was 1000 s before midnight.
        let clock = Clock { unix_seconds_at_zero: Some(86_400 * 20_000 - 1000), utc_offset_minutes: 0 };
        diary.handle_event(at(900), clock, &up);
        assert_eq!(diary.day(at(999), clock).dials, 1);
        let day = diary.day(at(1100), clock);
        assert_eq!((day.dials, day.passed, day.up), (0, Duration::from_secs(100), Duration::from_secs(100)));
        assert!(day.from_midnight);
    }
}
