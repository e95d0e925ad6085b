//! What the counters between LAN and WAN say of the Internet, without a packet being sent for it.

use embassy_time::Duration;
use gatelet_proto::connectivity::Activity;
use gatelet_router::Forwarded;
use smoltcp::time::{self, Instant};

/// How often the counters are looked at. A page that is fetched takes about as long; the engine wants to hear of a LAN host
/// about once a second.
pub(super) const INTERVAL: Duration = Duration::from_secs(2);
/// Octets that come back within an interval and are more than a portal's redirects, or somebody's knocking at ports.
const RETURNS_LEAST: u64 = 4_096;
/// LAN hosts send, and nothing comes back, for as long: longer than a server thinks, shorter than a person waits.
const STALLED_AFTER: time::Duration = time::Duration::from_secs(6);

/// Compares the counters with what they were.
#[derive(Debug)]
pub(super) struct Watch {
    last: Option<Forwarded>,
    /// Since when LAN hosts have sent something, and nothing has come back.
    unanswered_since: Option<Instant>,
}

impl Watch {
    pub(super) const NEW: Self = Self { last: None, unanswered_since: None };

    /// What has happened since the last call.
    pub(super) fn see(&mut self, now: Instant, seen: Forwarded) -> [Option<Activity>; 2] {
        let Some(last) = self.last.replace(seen) else { return [None; 2] };
        // What has grown at both ends has passed.
        let packets = |now: u32, before: u32| now.wrapping_sub(before).cast_signed().max(0);
        let octets = |now: u64, before: u64| now.wrapping_sub(before).cast_signed().max(0).cast_unsigned();
        let sent = packets(seen.from_lan, last.from_lan).min(packets(seen.to_wan, last.to_wan));
        let back = octets(seen.from_wan_bytes, last.from_wan_bytes)
            .min(octets(seen.to_lan_bytes, last.to_lan_bytes));
        if back > 0 {
            self.unanswered_since = None;
        } else if sent > 0 {
            self.unanswered_since.get_or_insert(now);
        }
        let is_stalled = sent > 0 && self.unanswered_since.is_some_and(|since| now >= since + STALLED_AFTER);
        let answer = match () {
            () if back >= RETURNS_LEAST => Some(Activity::TrafficReturns),
            () if is_stalled => Some(Activity::TrafficStalled),
            () => None,
        };
        [(sent > 0).then_some(Activity::LanActive), answer]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds the growth of `(sent, back)` every two seconds: packets at both ends, octets at both ends.
    fn seen(growth: &[(u32, u64)]) -> std::vec::Vec<[Option<Activity>; 2]> {
        let mut watch = Watch::NEW;
        let mut counters = Forwarded { from_lan: u32::MAX - 3, to_wan: 7, ..Forwarded::default() };
        let mut now = Instant::from_secs(100);
        assert_eq!(watch.see(now, counters), [None; 2], "nothing to compare with");
        let step = |(sent, back): &(u32, u64)| {
            counters.from_lan = counters.from_lan.wrapping_add(*sent);
            counters.to_wan = counters.to_wan.wrapping_add(*sent);
            counters.from_wan_bytes += back;
            counters.to_lan_bytes += back;
            now += time::Duration::from_secs(2);
            watch.see(now, counters)
        };
        growth.iter().map(step).collect()
    }

    #[test]
    fn a_page_that_is_fetched_is_traffic_that_returns() {
        let expected = [Some(Activity::LanActive), Some(Activity::TrafficReturns)];
        assert_eq!(seen(&[(20, 30_000), (0, 0)]), [expected, [None; 2]]);
    }

    #[test]
    fn a_redirect_is_no_traffic_that_returns() {
        assert_eq!(seen(&[(5, 600)]), [[Some(Activity::LanActive), None]]);
    }

    #[test]
    fn hosts_that_send_in_vain_for_six_seconds_are_stalled() {
        let active = [Some(Activity::LanActive), None];
        let stalled = [Some(Activity::LanActive), Some(Activity::TrafficStalled)];
        let growth = [(1, 0), (1, 0), (1, 0), (1, 0), (0, 0), (1, 60), (1, 0)];
        assert_eq!(seen(&growth), [active, active, active, stalled, [None; 2], active, active]);
    }

    /// Knocking at ports comes by the WAN and goes nowhere; another WAN's traffic reaches the LAN and did not come by this one.
    #[test]
    fn what_grows_at_one_end_has_not_passed() {
        let mut watch = Watch::NEW;
        let mut counters = Forwarded::default();
        for second in 0..20 {
            assert_eq!(watch.see(Instant::from_secs(second), counters), [None; 2]);
            counters.from_wan_bytes += 100_000;
            counters.from_lan += 10;
        }
        let mut watch = Watch::NEW;
        for second in 0..20 {
            assert_eq!(watch.see(Instant::from_secs(second), counters), [None; 2]);
            counters.to_lan_bytes += 100_000;
            counters.to_wan += 1;
            // A packet that is on its way is counted at one end already.
            counters.from_lan = counters.from_lan.wrapping_sub(1);
        }
    }
}
