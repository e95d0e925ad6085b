//! How long a dial takes, and what it says.

use gatelet_hal::LinkState;
use gatelet_proto::ppp::LinkEvent;
use gatelet_proto::redial::Doing;
use gatelet_router::{WanEvent, WanState};
use gatelet_wire::pppoe::Code;
use smoltcp::time::Duration;

use crate::server::CLIENT_ADDRESS;
use crate::world::{WAN, World, config};

#[test]
fn a_dial_on_the_wire() {
    let mut world = World::new();
    world.come_up();
    let transcript = world.transcript();
    let said: Vec<&str> = transcript.lines().filter(|line| !line.contains("IPV6CP")).collect();
    assert_eq!(
        said,
        [
            "0.000 -> PADI",
            "0.010 <- PADO",
            "0.020 -> PADR",
            "0.030 <- PADS",
            "0.030 <- LCP Configure-Request 1 mru=1492 auth=pap magic",
            "0.040 -> LCP Configure-Request 1 mru=1492 magic",
            "0.040 -> LCP Configure-Ack 1 mru=1492 auth=pap magic",
            "0.050 <- LCP Configure-Ack 1 mru=1492 magic",
            "0.060 -> PAP Authenticate-Request 1 user@isp secret",
            "0.070 <- PAP Authenticate-Ack 1 \"welcome\"",
            "0.070 <- IPCP Configure-Request 1 address=10.0.0.1",
            "0.080 -> IPCP Configure-Request 1 address=0.0.0.0 dns1=0.0.0.0 dns2=0.0.0.0",
            "0.080 -> IPCP Configure-Ack 1 address=10.0.0.1",
            "0.090 <- IPCP Configure-Nak 1 address=100.64.0.7 dns1=10.0.0.53 dns2=10.0.0.54",
            "0.100 -> IPCP Configure-Request 2 address=100.64.0.7 dns1=10.0.0.53 dns2=10.0.0.54",
            "0.110 <- IPCP Configure-Ack 2 address=100.64.0.7 dns1=10.0.0.53 dns2=10.0.0.54",
        ],
        "\n{transcript}"
    );
}

/// Each step with who and why.
#[test]
fn a_dial_as_it_is_told() {
    let mut world = World::new();
    world.come_up();
    let told: Vec<String> = world
        .events
        .iter()
        .map(|(_, wan, event)| {
            assert_eq!(*wan, WAN);
            let words = match event {
                WanEvent::Ppp(LinkEvent::Authenticated { text, .. }) => return format!("welcomed: {text}"),
                WanEvent::Ppp(event) => format!("{event:?}"),
                event => format!("{event:?}"),
            };
            words.split([' ', '(', '{']).next().unwrap_or_default().to_owned()
        })
        .filter(|told| told != "Advice" && told != "Ipv6Up")
        .collect();
    assert_eq!(
        told,
        [
            "LinkUp",
            "DialBegun",
            "PadiSent",
            "PadoReceived",
            "PadrSent",
            "PadsReceived",
            "LcpUp",
            "AuthSent",
            "welcomed: welcome",
            "Up"
        ]
    );
    // Told when it happens, not when something else happens next.
    let sent = world.seen.iter().find(|seen| seen.words().starts_with("PAP")).map(|seen| seen.at);
    let auth_sent = |event: &WanEvent| matches!(event, WanEvent::Ppp(LinkEvent::AuthSent { .. }));
    let told = world.events.iter().find(|(_, _, event)| auth_sent(event)).map(|(at, ..)| *at);
    assert_eq!(told, sent);
    let status = world.status();
    assert_eq!(status.state, WanState::Up);
    assert_eq!(status.ipv4.map(|ipv4| ipv4.address), Some(CLIENT_ADDRESS));
    assert_eq!((status.mtu, status.advice.doing), (1492, Doing::Up));
    assert_eq!((status.counters.padi_sent, status.counters.padr_sent, status.counters.sessions), (1, 1, 1));
}

/// Cold 6 round trips, redial 5: measured on the wire for every line there is.
#[test]
fn round_trips() {
    println!("  RTT      cold dial        redial");
    for round_trip in [2_u64, 10, 20, 50, 100, 200, 500] {
        let mut world = World::bare(1514);
        world.one_way = Duration::from_millis(round_trip) / 2;
        let round_trip = Duration::from_millis(round_trip);
        world.add_wan(config(), None);
        world.link(LinkState::Up);
        let cold = world.come_up();
        world.run_for(Duration::from_secs(120));

        // The carrier ends it, as it does every other day.
        let id = world.session_id().expect("up");
        world.ac().kick(id);
        world.settle();
        world.run_until(Duration::from_secs(10), |world| world.sent(Code::Padi).len() > 1);
        assert_eq!(world.status().ipv4, None);
        let redial = world.come_up();
        println!(
            "{:>5} {:>8} = {} RTT {:>8} = {} RTT",
            format!("{} ms", round_trip.total_millis()),
            format!("{} ms", cold.total_millis()),
            cold.total_micros() / round_trip.total_micros(),
            format!("{} ms", redial.total_millis()),
            redial.total_micros() / round_trip.total_micros(),
        );
        assert_eq!(cold, round_trip * 6);
        assert_eq!(redial, round_trip * 5);
    }
}

/// Cisco sends its first Configure-Request with the PADS, and a switch may reorder the two.
#[test]
fn ppp_that_overtakes_the_pads_is_held_and_used() {
    let mut world = World::new();
    world.ac().hasty = true;
    let took = world.come_up();
    assert_eq!(took, world.one_way * 12);
    assert_eq!(world.status().counters.held, 1);
    let acks = world.seen.iter().filter(|seen| seen.words().contains("Configure-Ack 1 mru=1492 auth"));
    assert_eq!(acks.count(), 1, "the held request was answered, not a repeated one:\n{}", world.transcript());
}

#[test]
fn the_confirmation_and_the_first_packet_at_once() {
    let mut world = World::new();
    world.run_until(Duration::from_secs(1), |world| world.session_id().is_some());
    assert!(world.session_id().is_some());
    // Everything of the peer's first flight is answered in the instant it arrives.
    let transcript = world.transcript();
    world.run_for(Duration::ZERO);
    assert!(world.transcript().contains("0.040 -> LCP Configure-Request"), "{transcript}");
}

#[test]
fn two_concentrators_the_first_wins_and_the_other_helps_out() {
    let mut world = World::new();
    world.ac().confirms = false;
    world.concentrators.push(crate::concentrator::Concentrator::new(2));
    world.come_up();
    assert_eq!(world.status().session.map(|session| session.ac_name.as_str().to_owned()), Some("ac2".into()));
    assert!(world.saw(|event| matches!(event, WanEvent::PadoKept { .. })));
    assert!(world.saw(|event| matches!(event, WanEvent::PadoReceived { fallback: true, .. })));
    assert_eq!(world.sent(Code::Padi).len(), 1);
}
