//! Dials against a server that answers at once: what is said, and in how many round trips.

use std::collections::BTreeSet;

use chacha20::ChaCha8Rng;
use gatelet_proto::ppp::auth::AuthMethod;
use gatelet_proto::ppp::{LastIpv4, Link, LinkEvent, Phase};
use rand_core::SeedableRng;
use smoltcp::time::{Duration, Instant};

use crate::server::{CLIENT_ADDRESS, DNS, Plan, SERVER_ADDRESS};
use crate::world::{World, config};

const ROUND_TRIP: Duration = Duration::from_millis(20);

fn remembered() -> LastIpv4 {
    LastIpv4 { address: CLIENT_ADDRESS, dns: DNS.map(Some) }
}

#[test]
fn a_cold_dial_with_pap() {
    let mut world = World::new(config(), Plan::default(), ROUND_TRIP);
    let took = world.dial();
    world.expect_transcript(
        "
        0.000 <- LCP Configure-Request 1 mru=1492 auth=pap magic
        0.010 -> LCP Configure-Request 1 mru=1492 magic
        0.010 -> LCP Configure-Ack 1 mru=1492 auth=pap magic
        0.020 <- LCP Configure-Ack 1 mru=1492 magic
        0.030 -> PAP Authenticate-Request 1 user@isp secret
        0.040 <- PAP Authenticate-Ack 1 \"welcome\"
        0.040 <- IPCP Configure-Request 1 address=10.0.0.1
        0.040 <- IPV6CP Configure-Request 1 id
        0.050 -> IPCP Configure-Request 1 address=0.0.0.0 dns1=0.0.0.0 dns2=0.0.0.0
        0.050 -> IPV6CP Configure-Request 1 id
        0.050 -> IPCP Configure-Ack 1 address=10.0.0.1
        0.050 -> IPV6CP Configure-Ack 1 id
        0.060 <- IPCP Configure-Nak 1 address=100.64.0.7 dns1=10.0.0.53 dns2=10.0.0.54
        0.060 <- IPV6CP Configure-Ack 1 id
        0.070 -> IPCP Configure-Request 2 address=100.64.0.7 dns1=10.0.0.53 dns2=10.0.0.54
        0.080 <- IPCP Configure-Ack 2 address=100.64.0.7 dns1=10.0.0.53 dns2=10.0.0.54
        ",
    );
    // LCP 1, PAP 1, IPCP 2; discovery's two come before.
    assert_eq!(took, ROUND_TRIP * 4);
    let events: Vec<&LinkEvent> = world.events.iter().map(|(_, event)| event).collect();
    let method = AuthMethod::Pap;
    let [lcp_up, sent, authenticated, ipv6_up, ipv4_up] = events[..] else { panic!("{events:#?}") };
    assert_eq!(*lcp_up, LinkEvent::LcpUp { peer_mru: 1492, mru: 1492, auth: Some(method) });
    assert_eq!(*sent, LinkEvent::AuthSent { method });
    assert_eq!(*authenticated, LinkEvent::Authenticated { method, text: "welcome".try_into().unwrap() });
    assert!(matches!(ipv6_up, LinkEvent::Ipv6Up { peer: Some(id), .. } if id == b"\0\0server"));
    assert_eq!(
        *ipv4_up,
        LinkEvent::Ipv4Up { address: CLIENT_ADDRESS, peer: Some(SERVER_ADDRESS), dns: DNS.map(Some) }
    );
    assert_eq!(world.link.phase(), Phase::Network);
}

#[test]
fn a_redial_asks_for_the_remembered_address_and_saves_a_round_trip() {
    let mut config = config();
    config.last_ipv4 = Some(remembered());
    let mut world = World::new(config, Plan::default(), ROUND_TRIP);
    assert_eq!(world.dial(), ROUND_TRIP * 3);
}

#[test]
fn a_link_remembers_by_itself_from_one_session_to_the_next() {
    let mut world = World::new(config(), Plan::default(), ROUND_TRIP);
    world.dial();
    assert_eq!(world.link.config_mut().last_ipv4, Some(remembered()));
}

#[test]
fn a_remembered_address_that_is_gone_costs_the_nak_only() {
    let mut config = config();
    config.last_ipv4 = Some(LastIpv4 { address: [100, 64, 9, 9].into(), dns: [None, None] });
    let mut world = World::new(config, Plan::default(), ROUND_TRIP);
    assert_eq!(world.dial(), ROUND_TRIP * 4);
    assert!(
        world
            .saw(|event| matches!(event, LinkEvent::Ipv4Up { address, .. } if *address == CLIENT_ADDRESS))
            .is_some()
    );
}

#[test]
fn every_method_takes_one_round_trip_on_every_line() {
    for method in AuthMethod::ALL {
        for round_trip in [2, 20, 60, 200, 600].map(Duration::from_millis) {
            let mut world = World::new(config(), Plan { auth: vec![method], ..Plan::default() }, round_trip);
            assert_eq!(world.dial(), round_trip * 4, "{}", method.name());
            assert_eq!(world.count(|event| matches!(event, LinkEvent::Repeated { .. })), 0);
        }
    }
}

#[test]
fn a_server_that_demands_no_authentication() {
    let mut world = World::new(config(), Plan { auth: vec![], ..Plan::default() }, ROUND_TRIP);
    assert_eq!(world.dial(), ROUND_TRIP * 3);
    assert_eq!(world.count(|event| matches!(event, LinkEvent::AuthSent { .. })), 0);
}

#[test]
fn a_server_without_ipv6() {
    let mut world = World::new(config(), Plan { ipv6: false, ..Plan::default() }, ROUND_TRIP);
    world.dial();
    world.run_for(Duration::from_secs(60));
    assert_eq!(world.count(|event| matches!(event, LinkEvent::NcpUnavailable { .. })), 1);
    assert_eq!(world.link.phase(), Phase::Network, "IPv4 goes on");
}

/// pppd begins 240 ms after its PADS. Our first Configure-Request is lost on it, and is repeated as
/// soon as it speaks, without waiting for our timer.
#[test]
fn a_server_that_starts_late_costs_no_timer() {
    let plan = Plan { starts_after: Duration::from_millis(240), ipv6: false, ..Plan::default() };
    let mut world = World::new(config(), plan, ROUND_TRIP);
    let took = world.dial();
    world.transcript.truncate(5);
    world.expect_transcript(
        "
        0.010 -> LCP Configure-Request 1 mru=1492 magic
        0.240 <- LCP Configure-Request 1 mru=1492 auth=pap magic
        0.250 -> LCP Configure-Request 1 mru=1492 magic
        0.250 -> LCP Configure-Ack 1 mru=1492 auth=pap magic
        0.260 <- LCP Configure-Ack 1 mru=1492 magic
        ",
    );
    assert_eq!(took, Duration::from_millis(240) + ROUND_TRIP * 4);
}

/// The repetition is not needed when the answer is merely under way, and does no harm when it is
/// sent to a server that had our request and was slow.
#[test]
fn starting_at_any_moment_is_fine_on_any_line() {
    for round_trip in [2, 10, 50, 100, 200, 400, 800].map(Duration::from_millis) {
        for starts_after in (0..1000).step_by(37).map(Duration::from_millis) {
            let plan = Plan { starts_after, ..Plan::default() };
            let mut world = World::new(config(), plan, round_trip);
            let took = world.dial();
            let downs = world.count(|event| matches!(event, LinkEvent::Ipv4Down | LinkEvent::Ipv6Down));
            let ups = world.count(|event| matches!(event, LinkEvent::LcpUp { .. }));
            assert_eq!((ups, downs), (1, 0), "{round_trip} {starts_after}");
            let start = starts_after.max(round_trip / 2) - round_trip / 2;
            assert!(took <= start + round_trip * 5, "{round_trip} {starts_after}: {took}");
        }
    }
}

/// Its PADS took half a second, and then it began as late as pppd does.
#[test]
fn a_server_that_is_slow_in_discovery_does_not_hide_that_it_starts_late() {
    let plan = Plan { starts_after: Duration::from_millis(240), ..Plan::default() };
    let mut world = World::new(config(), plan, ROUND_TRIP);
    world.link.set_round_trip(Duration::from_millis(500));
    assert_eq!(world.dial(), Duration::from_millis(240) + ROUND_TRIP * 4);
}

#[test]
fn the_first_restart_period_is_drawn_for_each_session() {
    let mut periods = BTreeSet::new();
    let mut rng = ChaCha8Rng::seed_from_u64(2516);
    for _ in 0..500 {
        let mut link = Link::new(config());
        link.open(Instant::ZERO, &mut rng);
        periods.insert(link.poll_at().unwrap().total_millis());
    }
    assert!(*periods.first().unwrap() >= 1100 && *periods.last().unwrap() <= 1250, "{periods:?}");
    assert!(periods.len() > 100, "{periods:?}");
}
