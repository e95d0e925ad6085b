//! From settings to the router, when it is set up and when they change.

use gatelet_hal::PortId;
use gatelet_proto::redial::{Boot, Ledger};
use gatelet_router::{Command, Router, WanId};
use gatelet_settings::{Effects, Settings, Wan};
use smoltcp::time::Instant;

use super::ipv6::set_ipv6;
use crate::fmt::warning;

/// The WAN that the settings speak of.
pub const WAN: WanId = WanId(0);

/// Which port is which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sides {
    /// The port that faces the carrier.
    pub wan: PortId,
    /// The port that faces the home network.
    pub lan: PortId,
}

/// Sets a router up that has its ports ([`Router::add_port`]) and its tables ([`Router::lend_tables`]): line, LAN, rules, all that it is
/// told by settings. `ledger` is what was stored for [`WAN`].
///
/// False if the router does not take the line, or the LAN.
pub fn set_up(
    router: &mut Router<'_>,
    now: Instant,
    settings: &Settings,
    sides: Sides,
    boot: Boot,
    ledger: Option<Ledger>,
) -> bool {
    let wan = match settings.wan(sides.wan) {
        Wan::Pppoe(config) => router.add_wan(now, config, boot, ledger),
        Wan::Ethernet(config) => router.add_ethernet_wan(now, config),
    };
    if let Some(flows) = settings.host_quota() {
        router.set_host_quota(flows);
    }
    set_firewall(router, settings);
    let has_lan = router.add_lan(now, settings.lan(sides.lan));
    set_ipv6(router, now, settings, sides);
    wan == Some(WAN) && has_lan
}

/// Carries out what has changed. All of it in one go: no packet passes between the old rules and the new ones.
pub(super) fn apply(
    router: &mut Router<'_>,
    now: Instant,
    settings: &Settings,
    sides: Sides,
    effects: Effects,
) {
    if effects.live {
        set_firewall(router, settings);
    }
    if effects.lan && !router.add_lan(now, settings.lan(sides.lan)) {
        warning!("settings: the router does not take the LAN; it stays as it was");
    }
    if effects.ipv6 {
        set_ipv6(router, now, settings, sides);
    }
    if effects.redial {
        match settings.wan(sides.wan) {
            Wan::Pppoe(config) => router.handle_command(now, Command::Reconfigure { wan: WAN, config }),
            Wan::Ethernet(config) => {
                router.reconfigure_ethernet(now, WAN, config);
            }
        }
    }
}

fn set_firewall(router: &mut Router<'_>, settings: &Settings) {
    router.clear_forwards();
    router.clear_rules();
    // The router has room for as many as there are numbers, and the check has looked at each.
    for forward in settings.forwards() {
        router.add_forward(forward);
    }
    for rule in settings.rules() {
        router.add_rule(rule);
    }
    router.set_dmz(settings.dmz());
    router.set_ping(settings.ping());
    router.set_filtering(settings.filtering());
}
