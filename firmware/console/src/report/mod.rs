//! What `show` prints. Each function makes a text from what its owner lends, and writes the line of it that is asked for.
//!
//! Texts of a screen are gone through with [`Lines`] for each of their lines. Tables are found by place: `at` is 0
//! for the heading and one more than the place of the row to begin at, and what is answered is where to go on.

mod connectivity;
mod counters;
mod dns;
mod ipv6;
mod lan;
mod memory;
mod tables;
mod tunnel;
mod wan;

pub use connectivity::connectivity;
pub use counters::counters;
pub use dns::{Dns, dns};
pub use ipv6::Line6;
pub use lan::lan;
pub use memory::memory;
pub use tables::{flows, leases, mappings};
pub use tunnel::{tunnel, tunnels};
pub use wan::wan;

use gatelet_router::Router;

use crate::lines::Lines;
use crate::request::{Report, Text};
use crate::time::Context;

/// A line of a report that the router alone can give, and where the next one is. `None` at the end, and for reports of others.
pub fn router(
    router: &Router<'_>,
    report: Report,
    at: u32,
    context: &Context,
    out: &mut Text,
) -> Option<u32> {
    let mut lines = Lines::new(out, at, context);
    match report {
        Report::Wan(id) => match router.wan(id) {
            Some(status) => wan(id, &status, &Line6::of(router, id), context, &mut lines),
            None => lines.line(format_args!("there is no WAN {}", id.0)),
        },
        Report::Lan => lan(router, context, &mut lines),
        Report::Counters => counters(router, &mut lines),
        Report::Memory => memory(router, &mut lines),
        Report::Leases => return leases(router, at, context, out),
        Report::Flows => return flows(router, at, context, out),
        Report::Nat => return mappings(router, at, out),
        Report::Tunnel => tunnels(router, context, &mut lines),
        Report::Connectivity | Report::Dns => return None,
    }
    lines.is_found().then(|| at + 1)
}
