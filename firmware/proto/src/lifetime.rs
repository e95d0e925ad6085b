//! How long something is good: what Router Advertisements and DHCPv6 say in seconds.

use smoltcp::time::{Duration, Instant};

/// The end of a lifetime. The later one is the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lifetime {
    /// Good until then.
    Until(Instant),
    /// Good for ever: 0xFFFFFFFF seconds (RFC 4861 §4.6.2, RFC 8415 §7.7).
    Forever,
}

impl Lifetime {
    /// `seconds` from now.
    pub fn of(now: Instant, seconds: u32) -> Self {
        match seconds {
            u32::MAX => Self::Forever,
            _ => Self::Until(now + Duration::from_secs(u64::from(seconds))),
        }
    }

    /// Whether it has ended.
    pub fn is_over(self, now: Instant) -> bool {
        self <= Self::Until(now)
    }

    /// When it ends, if it does.
    pub const fn until(self) -> Option<Instant> {
        match self {
            Self::Until(at) => Some(at),
            Self::Forever => None,
        }
    }

    /// What is left of it, in whole seconds; as it is said on the wire.
    pub fn seconds(self, now: Instant) -> u32 {
        match self {
            Self::Until(at) => u32::try_from((at.max(now) - now).secs()).unwrap_or(u32::MAX - 1),
            Self::Forever => u32::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_said_as_they_were_heard() {
        let now = Instant::from_secs(1000);
        for seconds in [0, 1, 7200, u32::MAX - 1, u32::MAX] {
            assert_eq!(Lifetime::of(now, seconds).seconds(now), seconds);
        }
        let hour = Lifetime::of(now, 3600);
        assert_eq!(hour.seconds(Instant::from_secs(1001)), 3599);
        assert_eq!(hour.seconds(Instant::from_secs(9999)), 0);
        assert!(hour < Lifetime::Forever && Lifetime::of(now, 1) < hour);
        assert!(!hour.is_over(Instant::from_secs(4599)) && hour.is_over(Instant::from_secs(4600)));
    }
}
