//! How many queries a client may send.

use gatelet_wire::IpAddress;
use smoltcp::time::{Duration, Instant};

use super::Config;

/// What a client has sent lately. Opaque; lent by the owner as [`Default`] makes it.
#[derive(Debug, Clone, Copy, Default)]
pub struct ClientRate(Option<Bucket>);

#[derive(Debug, Clone, Copy)]
struct Bucket {
    client: IpAddress,
    /// Up to here, its queries are paid for: each moves it on by one query's share of a second, and
    /// it may be ahead of now by as much as a burst makes.
    paid_until: Instant,
    seen_at: Instant,
}

/// Whether `client` may send a query now.
pub(super) fn admit(clients: &mut [ClientRate], config: &Config, now: Instant, client: IpAddress) -> bool {
    let known = clients.iter().position(|rate| rate.0.is_some_and(|bucket| bucket.client == client));
    let place = known.or_else(|| {
        let longest_ago = |(_, rate): &(usize, &ClientRate)| rate.0.map(|bucket| bucket.seen_at);
        clients.iter().enumerate().min_by_key(longest_ago).map(|(place, _)| place)
    });
    let Some(rate) = place.and_then(|place| clients.get_mut(place)) else { return true };
    let share = Duration::from_micros(1_000_000 / u64::from(config.rate_per_s.max(1)));
    let burst = share * u32::from(config.burst);
    let bucket = match &mut rate.0 {
        Some(bucket) if known.is_some() => bucket,
        other => other.insert(Bucket { client, paid_until: now, seen_at: now }),
    };
    bucket.seen_at = now;
    let paid_until = bucket.paid_until.max(now) + share;
    if paid_until > now + burst {
        return false;
    }
    bucket.paid_until = paid_until;
    true
}
