//! `show counters`.

use gatelet_router::{MAX_WANS, Router, WanId};

use crate::lines::Lines;

/// What the WANs sent and received, and all that was dropped, by reason; reasons that never occurred are left out.
pub fn counters(router: &Router<'_>, lines: &mut Lines<'_>) {
    let mut count = |name: &dyn core::fmt::Display, count: u32| {
        if count > 0 {
            lines.line(format_args!("{count:>10}  {name}"));
        }
    };
    for id in (0..MAX_WANS as u8).map(WanId) {
        let Some(status) = router.wan(id) else { break };
        let counters = &status.counters;
        for (name, value) in [
            ("padi-sent", counters.padi_sent),
            ("padr-sent", counters.padr_sent),
            ("padt-sent", counters.padt_sent),
            ("ppp-sent", counters.ppp_sent),
            ("ppp-received", counters.ppp_received),
            ("sessions", counters.sessions),
            ("ip-sent", counters.ip_sent),
            ("ip-received", counters.ip_received),
            ("frames-held", counters.held),
        ] {
            count(&format_args!("wan{}.{name}", id.0), value);
        }
        for (reason, value) in counters.discovery.iter() {
            count(&format_args!("wan{}: {}", id.0, reason.name()), value);
        }
        for reason in gatelet_proto::ppp::Dropped::ALL {
            count(&format_args!("wan{}: {}", id.0, reason.name()), counters.link.dropped(reason));
        }
    }
    for (reason, value) in router.counters().iter() {
        count(&reason.name(), value);
    }
    if let Some(server) = router.dhcp_server() {
        for (reason, value) in server.counters().iter() {
            count(&reason.name(), value);
        }
    }
}
