//! The end of a session: by us, by the peer, by what is below.

use gatelet_proto::ppp::auth::AuthMethod;
use gatelet_proto::ppp::{Dropped, LinkConfig, LinkEvent, Phase};
use gatelet_wire::ppp::{Code, Protocol};
use smoltcp::time::Duration;

use crate::script::Script;
use crate::server::Plan;
use crate::world::{World, config};

const ROUND_TRIP: Duration = Duration::from_millis(20);

fn quiet() -> LinkConfig {
    LinkConfig { ipv6: false, ..config() }
}

#[test]
fn hanging_up_takes_one_round_trip() {
    let mut world = World::new(quiet(), Plan { ipv6: false, ..Plan::default() }, ROUND_TRIP);
    world.dial();
    world.events.clear();
    world.transcript.clear();
    let now = world.now;
    world.link.close(now);
    world.carry();
    world.run_for(Duration::from_secs(10));
    world.expect_transcript(
        "
        0.090 -> LCP Terminate-Request 2
        0.100 <- LCP Terminate-Ack 2
        ",
    );
    let events: Vec<_> = world.events.iter().map(|(at, event)| ((*at - now).total_millis(), event)).collect();
    assert_eq!(events, [(0, &LinkEvent::Ipv4Down), (20, &LinkEvent::Closed)]);
    assert_eq!(world.link.poll_at(), None);
}

#[test]
fn hanging_up_on_a_dead_line_takes_two_requests_and_four_seconds_at_most() {
    let mut script = Script::up(quiet());
    let began = script.now;
    script.link.close(script.now);
    script.link.close(script.now);
    let mut requests = 0;
    while let Some(at) = script.link.poll_at() {
        while let Some(words) = script.next() {
            requests += usize::from(words.starts_with("LCP Terminate-Request 2"));
        }
        script.wait(at - script.now);
    }
    assert_eq!(requests, 2);
    assert!(script.now - began < Duration::from_secs(4));
    assert_eq!(script.link_events().iter().filter(|event| **event == LinkEvent::Closed).count(), 1);
}

#[test]
fn closing_without_a_session_is_told_at_once() {
    let mut link = gatelet_proto::ppp::Link::new(config());
    link.close(smoltcp::time::Instant::ZERO);
    assert_eq!(link.poll_event(), Some(LinkEvent::Closed));
    assert_eq!(link.phase(), Phase::Dead);
}

#[test]
fn a_terminate_request_is_acknowledged_and_its_text_told() {
    let mut script = Script::up(quiet());
    script.control(Protocol::Lcp, Code::TerminateRequest, 40, b"Session-Timeout\n").unwrap();
    script.hears("LCP Terminate-Ack 40");
    let text = "Session-Timeout ".try_into().unwrap();
    assert_eq!(script.link_events(), [LinkEvent::Ipv4Down, LinkEvent::TerminatedByPeer { text }]);
    // Again, since our answer was lost.
    script.control(Protocol::Lcp, Code::TerminateRequest, 41, b"").unwrap();
    script.hears("LCP Terminate-Ack 41");
    script.wait(Duration::from_secs(4));
    assert_eq!(script.link_events(), [LinkEvent::Closed]);
    script.hears_nothing();
    // Nothing comes up any more.
    script.lcp(Code::ConfigureRequest, 42, &[]).unwrap();
    script.hears("LCP Terminate-Ack 42");
    assert_eq!(script.link_events(), []);
}

#[test]
fn a_terminate_request_during_negotiation_ends_it_too() {
    let mut script = Script::open(config());
    script.skip();
    script.control(Protocol::Lcp, Code::TerminateRequest, 1, b"no licence").unwrap();
    script.hears("LCP Terminate-Ack 1");
    script.hears("LCP Terminate-Request 2");
    let text = "no licence".try_into().unwrap();
    assert_eq!(script.link_events(), [LinkEvent::TerminatedByPeer { text }]);
    assert_eq!(script.control(Protocol::Lcp, Code::TerminateAck, 1, b""), Err(Dropped::Identifier));
    script.control(Protocol::Lcp, Code::TerminateAck, 2, b"").unwrap();
    assert_eq!(script.link_events(), [LinkEvent::Closed]);
}

#[test]
fn a_server_that_hangs_up_is_told_apart_from_us() {
    let mut world = World::new(quiet(), Plan { ipv6: false, ..Plan::default() }, ROUND_TRIP);
    world.dial();
    world.server.close(world.now);
    world.carry();
    world.run_for(Duration::from_secs(10));
    assert_eq!(
        world.count(|event| matches!(event, LinkEvent::TerminatedByPeer { text } if text == "bye")),
        1
    );
    assert_eq!(world.count(|event| matches!(event, LinkEvent::Closed)), 1);
}

#[test]
fn when_the_lower_layer_goes_everything_is_gone_and_the_next_session_is_new() {
    let mut script = Script::up(quiet());
    script.control(Protocol::Lcp, Code::EchoRequest, 1, &[9; 8]).unwrap();
    script.link.lower_down(script.now);
    script.hears_nothing();
    assert_eq!(script.link_events(), [LinkEvent::Ipv4Down]);
    assert_eq!((script.link.phase(), script.link.poll_at()), (Phase::Dead, None));
    script.link.open(script.now, &mut script.rng);
    script.hears("LCP Configure-Request 1 mru=1492 magic");
    assert_eq!(script.link.phase(), Phase::Establish);
}

#[test]
fn a_peer_that_renegotiates_lcp_takes_everything_down_and_up_again() {
    let mut script = Script::up(quiet());
    script.lcp(Code::ConfigureRequest, 9, &[]).unwrap();
    script.hears("LCP Configure-Request 2 mru=1492 magic");
    script.acknowledge();
    script.hears("LCP Configure-Ack 9");
    script.hears("IPCP Configure-Request 3 address=100.64.0.7 dns1=0.0.0.0 dns2=0.0.0.0");
    script.acknowledge();
    script.ipcp(Code::ConfigureRequest, 2, &[]).unwrap();
    let events = script.link_events();
    assert!(
        matches!(events[..], [LinkEvent::Ipv4Down, LinkEvent::LcpUp { .. }, LinkEvent::Ipv4Up { .. }]),
        "{events:?}"
    );
}

/// It demanded nothing before; now it does, and nothing is open until it is satisfied.
#[test]
fn authentication_demanded_in_a_renegotiation_is_not_skipped() {
    let mut script = Script::up(quiet());
    let auth = gatelet_wire::ppp::lcp::ConfigOption::AuthenticationProtocol(AuthMethod::ChapMd5.option());
    script.lcp(Code::ConfigureRequest, 9, &[auth]).unwrap();
    script.hears("LCP Configure-Request 2 mru=1492 magic");
    script.acknowledge();
    assert_eq!(script.link.phase(), Phase::Authenticate);
    script.skip();
    script.ipcp(Code::ConfigureRequest, 2, &[]).unwrap();
    script.hears_nothing();
}

#[test]
fn ipcp_ended_by_the_peer_ends_the_link() {
    let mut script = Script::up(quiet());
    script.control(Protocol::Ipcp, Code::TerminateRequest, 5, b"").unwrap();
    script.hears("IPCP Terminate-Ack 5");
    script.hears("LCP Terminate-Request 2");
    let events = script.link_events();
    assert!(
        matches!(events[..], [LinkEvent::Ipv4Down, LinkEvent::NcpUnavailable { .. }, LinkEvent::Failed(_)]),
        "{events:?}"
    );
}
