//! From settings to the router's IPv6: the line's, the LAN's, and tunnels.

use gatelet_proto::dhcpv6::duid_ll;
use gatelet_router::{Router, TunnelId};
use gatelet_settings::{Settings, TUNNELS};
use smoltcp::time::Instant;

use super::apply::{Sides, WAN};
use crate::fmt::{Show, warning};

/// Carries out what is set of IPv6. Tunnels stay as they are, with all that is known of their far ends, unless they are among
/// `changed` (the lowest bit is number 1), or are not wanted any more. Without tables there is none of it.
pub(super) fn set_ipv6(
    router: &mut Router<'_>,
    now: Instant,
    settings: &Settings,
    sides: Sides,
    changed: u8,
) {
    let ipv6 = settings.ipv6();
    if !router.set_ipv6_policy(ipv6.policy) {
        return;
    }
    // The port's own address, which it has for as long as there is this router; what the carrier is shown may change.
    let mac = router.hardware_address(sides.wan);
    router.acquire_ipv6(now, WAN, mac.and_then(|mac| settings.ipv6_client(duid_ll(mac))));
    router.share_ipv6_prefix(now, WAN, ipv6.shares_prefix);
    router.set_local_ipv6_prefix(now, ipv6.local_prefix);
    for n in 1..=TUNNELS {
        let id = TunnelId(n - 1);
        let tunnel = settings.tunnel(n);
        let is_changed = changed & 1 << id.0 != 0 || tunnel.is_some() != router.tunnel(id).is_some();
        if is_changed && !router.set_up_tunnel(now, id, WAN, tunnel.as_ref()) {
            warning!("settings: the router does not take tunnel {}", Show(n));
        }
        router.watch_tunnel(now, id, settings.tunnel_is_watched(n));
        router.proxy_tunnel(now, id, settings.tunnel_is_proxied(n));
    }
    if ipv6.is_advertised {
        router.advertise_ipv6(now, &settings.ipv6_dns());
    } else {
        router.stop_advertising_ipv6(now);
    }
}
