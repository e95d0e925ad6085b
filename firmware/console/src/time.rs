//! Moments and times, as people read them.

use core::fmt;

use gatelet_proto::redial::Language;
use smoltcp::time::{Duration, Instant};

use crate::diary::Day;

/// The time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Clock {
    /// Unix time in seconds at the owner's instant 0; `None` while nobody has told the time.
    pub unix_seconds_at_zero: Option<u64>,
    /// Minutes that the time here is ahead of UTC.
    pub utc_offset_minutes: i16,
}

impl Clock {
    /// Seconds since 1970, as a clock on the wall here would count them.
    pub fn local_seconds(&self, at: Instant) -> Option<u64> {
        let utc = self.unix_seconds_at_zero?.saturating_add_signed(at.secs());
        Some(utc.saturating_add_signed(i64::from(self.utc_offset_minutes) * 60))
    }

    /// Microseconds since 1970, or since the owner's instant 0 while nobody has told the time.
    pub fn unix_micros(&self, at: Instant) -> u64 {
        let zero = self.unix_seconds_at_zero.unwrap_or(0).saturating_mul(1_000_000);
        zero.saturating_add_signed(at.total_micros())
    }

    /// How long ago this day began.
    pub fn since_midnight(&self, at: Instant) -> Option<Duration> {
        self.local_seconds(at).map(|seconds| Duration::from_secs(seconds % DAY))
    }
}

/// What every report is told: when it is, for whom it is, and how wide.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    /// The moment.
    pub now: Instant,
    /// The time of day.
    pub clock: Clock,
    /// The language of the sentences.
    pub language: Language,
    /// Columns of the terminal.
    pub columns: u16,
    /// What there is to tell of today.
    pub day: Day,
}

impl Context {
    pub(crate) const fn pick(&self, english: &'static str, chinese: &'static str) -> &'static str {
        match self.language {
            Language::English => english,
            Language::Chinese => chinese,
        }
    }

    /// A moment that is past: `14:03:20, 5 min ago`.
    pub(crate) fn since(&self, at: Instant) -> Moment {
        Moment { at, context: *self }
    }
}

/// A moment, as of another one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    at: Instant,
    context: Context,
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Context { now, clock, .. } = self.context;
        if let Some(local) = clock.local_seconds(self.at) {
            let today = clock.local_seconds(now).map(|now| now / DAY);
            if today != Some(local / DAY) {
                let (_, month, day) = date(local / DAY);
                write!(f, "{month:02}-{day:02} ")?;
            }
            write!(f, "{}, ", TimeOfDay(local % DAY))?;
        }
        let is_past = self.at <= now;
        let distance = Span(if is_past { now - self.at } else { self.at - now }, self.context.language);
        match (self.context.language, is_past) {
            (Language::English, true) => write!(f, "{distance} ago"),
            (Language::English, false) => write!(f, "in {distance}"),
            (Language::Chinese, true) => write!(f, "{distance}前"),
            (Language::Chinese, false) => write!(f, "{distance}后"),
        }
    }
}

/// Seconds since midnight, as `14:03:20`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimeOfDay(pub(crate) u64);

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 % DAY;
        write!(f, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
    }
}

/// A moment as a log wants it: the time of day, or as long as nobody knows it the seconds since the start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp(pub(crate) Clock, pub(crate) Instant);

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.local_seconds(self.1) {
            Some(local) => TimeOfDay(local % DAY).fmt(f),
            None => write!(f, "{:>6}.{}", self.1.secs(), self.1.millis() / 100),
        }
    }
}

/// A time in its two largest units: `2 d 3 h`, `4 min 10 s`, `0.4 s`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span(pub(crate) Duration, pub(crate) Language);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.secs();
        let [days, hours, minutes, second] = match self.1 {
            Language::English => [" d", " h", " min", " s"],
            Language::Chinese => [" 天", " 小时", " 分", " 秒"],
        };
        let (large, unit, small, sub_unit) = match seconds {
            0..10 => {
                let tenths = self.0.total_millis() / 100;
                return if tenths.is_multiple_of(10) {
                    write!(f, "{}{second}", tenths / 10)
                } else {
                    write!(f, "{}.{}{second}", tenths / 10, tenths % 10)
                };
            }
            10..60 => (seconds, second, 0, ""),
            60..3600 => (seconds / 60, minutes, seconds % 60, second),
            3600..DAY => (seconds / 3600, hours, seconds / 60 % 60, minutes),
            _ => (seconds / DAY, days, seconds / 3600 % 24, hours),
        };
        write!(f, "{large}{unit}")?;
        if small > 0 { write!(f, " {small}{sub_unit}") } else { Ok(()) }
    }
}

/// Year, month and day of a day since 1970-01-01, in the Gregorian calendar.
pub(crate) const fn date(day: u64) -> (u64, u64, u64) {
    // Years that begin on the first of March have their leap day last; 400 of them are 146,097 days.
    let day = day + 719_468;
    let (era, of_era) = (day / 146_097, day % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + (month <= 2) as u64, month, of_month)
}

/// Seconds.
pub(crate) const DAY: u64 = 86_400;

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn spans() {
        let span = |millis| Span(Duration::from_millis(millis), Language::English).to_string();
        for (millis, text) in [
            (0, "0 s"),
            (450, "0.4 s"),
            (2000, "2 s"),
            (59_999, "59 s"),
            (60_000, "1 min"),
            (250_000, "4 min 10 s"),
            (3_600_000, "1 h"),
            (180_000_000, "2 d 2 h"),
        ] {
            assert_eq!(span(millis), text);
        }
        assert_eq!(Span(Duration::from_secs(250), Language::Chinese).to_string(), "4 分 10 秒");
    }

    #[test]
    fn dates() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(11_016), (2000, 2, 29));
        assert_eq!(date(19_782), (2024, 2, 29));
        assert_eq!(date(20_783), (2026, 11, 26));
    }

    #[test]
    fn moments_with_and_without_a_clock() {
        let context = |unix_seconds_at_zero| Context {
            now: Instant::from_secs(1000),
            clock: Clock { unix_seconds_at_zero, utc_offset_minutes: 480 },
            language: Language::English,
            columns: 80,
            day: Day::default(),
        };
        let known = context(Some(1_700_000_000));
        assert_eq!(context(None).since(Instant::from_secs(700)).to_string(), "5 min ago");
        assert_eq!(context(None).since(Instant::from_secs(1090)).to_string(), "in 1 min 30 s");
        // 2023-11-15 06:13:20 here at instant 0.
        assert_eq!(known.since(Instant::from_secs(700)).to_string(), "06:25:00, 5 min ago");
        assert_eq!(known.since(Instant::from_secs(100_000)).to_string(), "11-16 10:00:00, in 1 d 3 h");
        assert_eq!(known.clock.since_midnight(Instant::ZERO), Some(Duration::from_secs(22_400)));
    }
}
