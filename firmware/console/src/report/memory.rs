//! `show memory`.

use gatelet_hal::{MAX_PORTS, PoolCounters, PortId};
use gatelet_router::Router;

use crate::lines::Lines;

/// How full the tables are, and who holds the frames.
pub fn memory(router: &Router<'_>, lines: &mut Lines<'_>) {
    if let Some(tables) = router.table_use() {
        lines.field("Flows", format_args!("{} of {}", tables.flows, tables.flows_most));
        lines.field("IPv6 flows", format_args!("{}", tables.flows6));
        lines.field("NAT mappings", format_args!("{}", tables.mappings));
        lines.field("Neighbours", format_args!("{}", tables.neighbours));
        lines.field("Frames waiting", format_args!("{} for a neighbour's address", tables.waiting));
    }
    lines.line(format_args!("Frames            held  peak  reserved  refused"));
    let pool = router.pool();
    for port in (0..MAX_PORTS as u8).map(PortId) {
        let PoolCounters { reserved, in_use, peak, out_of_frames } = pool.counters(port);
        if peak > 0 || reserved > 0 {
            let name = if port == PortId::LOCAL { "itself" } else { "port" };
            lines.line(format_args!(
                "  {name:<7}{:<7}{in_use:>6}{peak:>6}{reserved:>10}{out_of_frames:>9}",
                port.0
            ));
        }
    }
}
