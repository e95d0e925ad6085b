//! The nightly reconnect: ends a session at a quiet hour, before the carrier does so at a busy one.

use super::clock::Time;
use super::policy::NightlyReconnect;
use smoltcp::time::Duration;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
/// Further ahead nothing is scheduled: the wall clock will be told again long before.
const MOST_NIGHTS: i64 = 60;

impl NightlyReconnect {
    /// When to end a session that came up at `up_since`, asked at `now`, which is `unix_seconds`.
    ///
    /// That is the last night before the session reaches the age of its forced disconnect. A session younger than an
    /// hour is left alone.
    pub(super) fn next(self, now: Time, unix_seconds: u64, up_since: Time) -> Option<Time> {
        let unix = i64::try_from(unix_seconds).ok().filter(|&unix| unix < i64::MAX / 2)?;
        let local = unix + i64::from(self.utc_offset_minutes) * 60;
        let time_of_day = local.rem_euclid(DAY);
        let age = i64::try_from(now.since(up_since).secs()).ok()?;
        let forced = i64::try_from(self.forced_disconnect.secs()).ok()?;
        let mut ahead = (i64::from(self.second_of_day).rem_euclid(DAY) - time_of_day).rem_euclid(DAY);
        for _ in 0..MOST_NIGHTS {
            let age_then = age.saturating_add(ahead);
            if ahead > 0 && age_then >= HOUR && age_then.saturating_add(DAY) >= forced {
                return Some(now.after(Duration::from_secs(u64::try_from(ahead).ok()?)));
            }
            ahead += DAY;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NIGHTLY: NightlyReconnect = NightlyReconnect::CHINA_48_HOURS;
    /// 2026-03-01 00:00 in China.
    const MIDNIGHT: u64 = 1_772_294_400;

    fn minutes_ahead(nightly: NightlyReconnect, unix: u64, age_hours: u32) -> Option<u64> {
        let up_since = Time::from_seconds(1000);
        let now = up_since.after(Duration::from_secs(u64::from(age_hours) * 3600));
        nightly.next(now, unix, up_since).map(|at| at.since(now).secs() / 60)
    }

    #[test]
    fn it_comes_at_the_local_hour() {
        assert_eq!(minutes_ahead(NIGHTLY, MIDNIGHT, 40), Some(4 * 60 + 30));
        assert_eq!(minutes_ahead(NIGHTLY, MIDNIGHT + 5 * 3600, 40), Some(23 * 60 + 30));
        let utc = NightlyReconnect { utc_offset_minutes: 0, ..NIGHTLY };
        assert_eq!(minutes_ahead(utc, MIDNIGHT, 40), Some(12 * 60 + 30));
    }

    #[test]
    fn a_night_is_slept_through_if_the_session_lives_to_the_next() {
        // Up at 18:00: 10.5 h old at 04:30, 34.5 h the night after, still short of 47.1 h.
        assert_eq!(minutes_ahead(NIGHTLY, MIDNIGHT + 18 * 3600, 0), Some(34 * 60 + 30));
        let weekly = NightlyReconnect { forced_disconnect: Duration::from_secs(7 * 86_400), ..NIGHTLY };
        assert_eq!(minutes_ahead(weekly, MIDNIGHT + 18 * 3600, 0), Some((10 + 6 * 24) * 60 + 30));
    }

    #[test]
    fn the_hour_itself_is_past() {
        assert_eq!(minutes_ahead(NIGHTLY, MIDNIGHT + 4 * 3600 + 1800, 40), Some(24 * 60));
    }

    #[test]
    fn impossible_figures_schedule_nothing() {
        assert_eq!(minutes_ahead(NIGHTLY, u64::MAX, 40), None);
        let never =
            NightlyReconnect { forced_disconnect: Duration::from_secs(u64::MAX / 2_000_000), ..NIGHTLY };
        assert_eq!(minutes_ahead(never, MIDNIGHT, 1), None);
    }
}
