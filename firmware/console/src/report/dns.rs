//! `show dns`.

use gatelet_proto::dns::{Counters, Statistics};
use smoltcp::wire::IpAddress;

use crate::lines::Lines;

/// What there is to tell of the DNS service.
#[derive(Debug, Clone, Copy)]
pub struct Dns<'a> {
    /// The servers that are asked.
    pub upstreams: &'a [IpAddress],
    /// Answers that are kept, and the octets they take.
    pub cached: (usize, usize),
    /// How queries were answered.
    pub statistics: Statistics,
    /// What was ignored or refused.
    pub counters: &'a Counters,
}

/// The DNS service.
pub fn dns(of: &Dns<'_>, lines: &mut Lines<'_>) {
    for server in of.upstreams {
        lines.field("Asks", format_args!("{server}"));
    }
    if of.upstreams.is_empty() {
        lines.field("Asks", format_args!("nobody: the carrier has named no server"));
    }
    lines.field("Keeps", format_args!("{} answers in {} bytes", of.cached.0, of.cached.1));
    let Statistics { queries, local, hits, stale, asked_udp, asked_tcp, answers, .. } = of.statistics;
    lines.field(
        "Was asked",
        format_args!("{queries} times: {local} known here, {hits} kept, {stale} kept too long"),
    );
    lines.field("Has asked", format_args!("{asked_udp} times by UDP, {asked_tcp} by TCP: {answers} answers"));
    for (reason, count) in of.counters.iter().filter(|(_, count)| *count > 0) {
        lines.line(format_args!("{count:>10}  {}", reason.name()));
    }
}
