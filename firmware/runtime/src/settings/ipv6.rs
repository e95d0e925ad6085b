//! From settings to the router's IPv6: the line's, the LAN's, and tunnels.

use embassy_sync::blocking_mutex::raw::RawMutex;
use gatelet_proto::dhcpv6::duid_ll;
use gatelet_router::{Router, TunnelId};
use gatelet_settings::{Settings, TUNNELS};
use smoltcp::time::Instant;

use super::apply::{Sides, WAN};
use crate::Gatelet;
use crate::fmt::{Show, warning};
use crate::tunnel_update::{PORT as UPDATE_PORT, TunnelUpdate};

/// Carries out what is set of IPv6. What is as it was stays as it is, with all that is known of it. Without tables there is none
/// of it.
pub(super) fn set_ipv6(router: &mut Router<'_>, now: Instant, settings: &Settings, sides: Sides) {
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
        if !router.set_up_tunnel(now, id, WAN, settings.tunnel(n).as_ref()) {
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

impl<M: RawMutex, const PORTS: usize, const WANS: usize> Gatelet<'_, M, PORTS, WANS> {
    /// Has the ends of tunnels tell and hear where they are, as the settings say.
    pub fn follow_tunnel_settings(&self, settings: &Settings) {
        for n in 1..=TUNNELS {
            let told = settings.tunnel_update(n).map(TunnelUpdate::Tell);
            let heard = || settings.tunnel_update_entry(n).map(TunnelUpdate::Hear);
            self.set_tunnel_update(TunnelId(n - 1), told.or_else(heard));
        }
        self.set_tunnel_update_port(settings.tunnel_update_port().unwrap_or(UPDATE_PORT));
    }
}
