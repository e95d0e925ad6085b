//! IPv6 in a report: what every scenario expects of it, and what is counted.

use crate::peers::broker::Broker;
use crate::peers::edge::Edge;
use crate::peers::far::Far;
use crate::peers::internet::Internet;
use crate::scenario::Check;
use crate::world::Network;

/// Of what another home's router drops, what a report tells.
const HOME_DROPPED: [(&str, &str); 2] =
    [("router.tunnel-peer", "home-tunnel-peer"), ("router.tunnel-source", "home-tunnel-source")];

/// What every scenario expects, where no link has damaged anything.
pub(super) fn checks(network: &Network<'_>, internet: &Internet<'_>) -> Vec<Check> {
    let leaked = internet.traffic().leaked;
    let on_ethernet = network.edge.as_ref().map_or(0, |edge| edge.counters().malformed);
    let in_session = network.concentrator.counters().malformed + network.concentrator.dhcpv6().malformed;
    let malformed = on_ethernet + in_session;
    let mut checks = vec![
        Check {
            name: "nothing leaves over IPv6 that belongs to a link or to nobody".into(),
            passed: leaked == 0,
            detail: format!("{leaked} packets"),
        },
        Check {
            name: "what the router itself says over IPv6 is in order".into(),
            passed: malformed == 0,
            detail: format!("{malformed} messages are not"),
        },
    ];
    if let Some(broker) = internet.broker.as_ref().map(Broker::counters) {
        let wrong = broker.spoofed + broker.malformed;
        checks.push(Check {
            name: "what goes into the tunnel is in order and the client's own".into(),
            passed: wrong == 0,
            detail: format!("{wrong} of {} packets are not", broker.from_clients),
        });
    }
    if let Some((received, _, malformed)) = internet.far.as_ref().map(Far::counted) {
        checks.push(Check {
            name: "what comes out of the tunnel that the router serves is in order".into(),
            passed: malformed == 0,
            detail: format!("{malformed} of {received} packets are not"),
        });
    }
    checks
}

/// What is counted.
pub(super) fn counters(network: &Network<'_>) -> Vec<(&'static str, u64)> {
    let mut named = Vec::new();
    let (Some(lan), Some(internet)) = (&network.lan, &network.internet) else { return named };
    let traffic = internet.traffic();
    named.extend([
        ("hosts-with-ipv6", lan.with_ipv6() as u64),
        ("internet-ipv6-packets", traffic.ipv6),
        ("internet-too-long", traffic.too_long),
    ]);
    if let Some(far) = &internet.far {
        let (received, strangers, malformed) = far.counted();
        let tally = far.machine().tally();
        named.extend([
            ("far-received", received),
            ("far-strangers", strangers),
            ("far-malformed", malformed),
            ("far-pages-fetched", tally.fetched),
            ("far-pages-not-fetched", tally.fetch_failed),
            ("far-pings-answered", tally.pings),
        ]);
    }
    if let Some(home) = &internet.home {
        named.extend(home.dropped().filter_map(|(name, count)| {
            HOME_DROPPED.iter().find(|(reason, _)| *reason == name).map(|(_, ours)| (*ours, count))
        }));
    }
    if let Some(broker) = internet.broker.as_ref().map(Broker::counters) {
        named.extend([
            ("tunnel-packets-sent", broker.from_clients),
            ("tunnel-packets-received", broker.to_clients),
            ("tunnel-strangers", broker.strangers),
            ("tunnel-too-long", broker.too_long),
            ("tunnel-pings-answered", broker.pings_answered),
            ("endpoint-updates", broker.updates),
            ("endpoint-updates-refused", broker.updates_refused),
        ]);
    }
    let on_ethernet = network.edge.as_ref().and_then(Edge::dhcpv6).copied();
    let in_session = network.concentrator.moods.ipv6_access.as_ref().map(|_| network.concentrator.dhcpv6());
    if let Some(dhcpv6) = on_ethernet.or(in_session) {
        named.extend([
            ("dhcpv6-solicits", dhcpv6.solicits),
            ("dhcpv6-requests", dhcpv6.requests),
            ("dhcpv6-renews", dhcpv6.renews),
            ("dhcpv6-rebinds", dhcpv6.rebinds),
            ("dhcpv6-releases", dhcpv6.releases),
            ("dhcpv6-unanswered", dhcpv6.unanswered),
            ("prefixes-delegated", dhcpv6.bound),
        ]);
    }
    named
}
