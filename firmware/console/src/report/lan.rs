//! `show lan`.

use gatelet_router::Router;

use crate::lines::Lines;
use crate::time::{Context, Span};

/// The home network.
pub fn lan(router: &Router<'_>, context: &Context, lines: &mut Lines<'_>) {
    let Some(address) = router.lan() else {
        lines.line(format_args!("there is no LAN"));
        return;
    };
    lines.field("Address", format_args!("{address}"));
    if let Some(server) = router.dhcp_server() {
        let config = server.config();
        let (first, last) = (config.first, config.last);
        lines.field(
            "DHCP",
            format_args!("{first} to {last}, for {}", Span(config.lease_time, context.language)),
        );
        let bound = server.leases().filter(|lease| lease.expires_at().is_some()).count();
        lines.field("Leases", format_args!("{bound}"));
        lines.field("Domain", format_args!("{}", config.domain_name));
    }
    super::ipv6::lan6(router, context, lines);
    if let Some(tables) = router.table_use() {
        lines.field("Hosts", format_args!("{}", tables.neighbours));
    }
}
