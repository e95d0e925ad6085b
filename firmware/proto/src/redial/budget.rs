//! Sliding windows: how often something happened lately, and when it may happen again.

use super::clock::Time;
use super::policy::Window;
use heapless::Vec;
use smoltcp::time::Duration;

/// How many events a history remembers, and so the largest limit a [`Window`] can have.
pub(super) const CAPACITY: usize = 8;

/// The latest events of one kind, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct History(Vec<Time, CAPACITY>);

impl History {
    pub(super) fn restore(seconds: &[u32]) -> Self {
        let mut history = Self::default();
        for &second in seconds {
            history.count(Time::from_seconds(second));
        }
        history
    }

    /// For the ledger: no event looks older than it is.
    pub(super) fn seconds(&self) -> Vec<u32, CAPACITY> {
        self.0.iter().map(|time| time.seconds_begun()).collect()
    }

    pub(super) fn count(&mut self, at: Time) {
        // A restored event lies up to a second ahead of the clock, its second having been rounded up.
        let at = self.last().map_or(at, |last| at.max(last));
        if self.0.is_full() {
            self.0.remove(0);
        }
        let pushed = self.0.push(at);
        debug_assert!(pushed.is_ok(), "a place was made");
    }

    pub(super) fn last(&self) -> Option<Time> {
        self.0.last().copied()
    }

    /// How many happened at `start` or later.
    pub(super) fn since(&self, start: Time) -> usize {
        self.0.iter().filter(|&&time| time >= start).count()
    }

    /// The earliest time, not before `now`, at which `wanted` more events fit into `window`: no interval as long as
    /// its period, ends included, then holds more than its limit.
    pub(super) fn room_at(&self, window: Window, now: Time, wanted: usize) -> Time {
        let limit = window.effective_limit();
        let must_leave = (self.0.len() + wanted.min(limit)).saturating_sub(limit);
        match must_leave.checked_sub(1).and_then(|last_to_leave| self.0.get(last_to_leave)) {
            Some(&event) => now.max(event.after(window.period).after(Duration::from_micros(1))),
            None => now,
        }
    }
}

impl Window {
    pub(super) fn effective_limit(self) -> usize {
        usize::from(self.limit).clamp(1, CAPACITY)
    }
}

/// The three budgets of a WAN.
#[derive(Debug, Clone, Default)]
pub(super) struct Budget {
    /// PADIs and PADRs.
    pub(super) discovery: History,
    /// Dials, each at its first PADR.
    pub(super) dials: History,
    pub(super) authentications: History,
}

impl Budget {
    /// When there is room for a PADI and for the PADR that its PADO will call for.
    pub(super) fn room_for_padi(&self, window: Window, now: Time) -> Time {
        self.discovery.room_at(window, now, 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window { limit: 3, period: Duration::from_secs(300) };

    fn second(second: u32) -> Time {
        Time::from_seconds(second)
    }

    #[test]
    fn an_event_leaves_the_window_just_after_its_period() {
        let history = History::restore(&[10, 20, 30]);
        let micro = Duration::from_micros(1);
        assert_eq!(history.room_at(WINDOW, second(40), 1), second(310).after(micro));
        assert_eq!(history.room_at(WINDOW, second(40), 2), second(320).after(micro));
        assert_eq!(history.room_at(WINDOW, second(40), 3), second(330).after(micro));
        assert_eq!(history.room_at(WINDOW, second(311), 1), second(311));
    }

    #[test]
    fn room_for_more_than_the_limit_is_room_for_the_limit() {
        assert_eq!(History::default().room_at(WINDOW, second(40), 9), second(40));
    }

    #[test]
    fn a_limit_of_none_would_never_dial_and_a_large_one_never_be_kept() {
        assert_eq!(Window { limit: 0, ..WINDOW }.effective_limit(), 1);
        assert_eq!(Window { limit: 255, ..WINDOW }.effective_limit(), CAPACITY);
    }

    #[test]
    fn a_full_history_forgets_its_oldest() {
        let history = History::restore(&[1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(history.seconds(), [2, 3, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn times_do_not_go_back() {
        assert_eq!(History::restore(&[5, 3]).seconds(), [5, 5]);
    }

    #[test]
    fn the_end_of_time_does_not_overflow() {
        let mut history = History::default();
        for _ in 0..3 {
            history.count(Time::MAX);
        }
        assert_eq!(history.room_at(WINDOW, Time::MAX, 1), Time::MAX);
    }
}
