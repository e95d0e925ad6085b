//! LCP echo over a link, and padded echoes.

use gatelet_proto::ppp::{Dropped, Echo, LinkConfig, LinkEvent, LinkFailure};
use gatelet_wire::ppp::{Code, Protocol};
use smoltcp::time::Duration;

use crate::script::Script;
use crate::server::Plan;
use crate::world::{World, config};

fn echo_on() -> Echo {
    Echo::On { interval: Duration::from_secs(20), max_missed: 3 }
}

fn quiet() -> LinkConfig {
    LinkConfig { ipv6: false, ..config() }
}

#[test]
fn a_line_that_answers_stays_up() {
    for echo in [Echo::default(), echo_on(), Echo::Off] {
        let plan = Plan { ipv6: false, ..Plan::default() };
        let mut world = World::new(LinkConfig { echo, ..quiet() }, plan, Duration::from_millis(20));
        world.dial();
        world.run_for(Duration::from_secs(600));
        let echoes = world.transcript.iter().filter(|said| said.contains("Echo-Request")).count();
        // Adaptive counts from the reply to the one before.
        let expected = if echo == Echo::Off { 0..=0 } else { 29..=30 };
        assert!(expected.contains(&echoes), "{echo:?}: {echoes}");
        assert_eq!(world.count(|event| matches!(event, LinkEvent::Failed(_))), 0);
    }
}

#[test]
fn traffic_keeps_adaptive_echo_silent_once_the_peer_has_answered_one() {
    let plan = Plan { ipv6: false, ..Plan::default() };
    let mut world = World::new(quiet(), plan, Duration::from_millis(20));
    world.dial();
    for _ in 0..600 {
        world.run_for(Duration::from_secs(1));
        world.link.note_traffic(world.now);
    }
    let echoes = world.transcript.iter().filter(|said| said.contains("Echo-Request")).count();
    assert_eq!(echoes, 1, "the first of a session is sent with traffic too");
}

#[test]
fn silence_is_death_after_three_and_says_whether_the_peer_ever_answered() {
    for answers in [false, true] {
        let mut script = Script::up(quiet());
        let up = script.now;
        script.wait(Duration::from_secs(20));
        script.hears("LCP Echo-Request 1 4");
        if answers {
            script.control(Protocol::Lcp, Code::EchoReply, 1, &[0x11; 4]).unwrap();
        }
        script.wait(Duration::from_secs(100));
        let failure = LinkFailure::EchoTimeout { ever_answered: answers };
        let events = script.link_events();
        assert!(events.contains(&LinkEvent::Failed(failure)), "{events:?}");
        assert!(events.contains(&LinkEvent::Ipv4Down));
        assert!(script.now - up <= Duration::from_secs(120));
    }
}

#[test]
fn a_peer_that_ignores_echo_is_recognised_while_traffic_flows_and_stays_up() {
    for echo in [Echo::default(), echo_on()] {
        let mut script = Script::up(LinkConfig { echo, ..quiet() });
        let mut told = None;
        for second in 1..=300 {
            script.wait(Duration::from_secs(1));
            script.link.note_traffic(script.now);
            for event in script.link_events() {
                assert_eq!(event, LinkEvent::PeerIgnoresEcho);
                assert_eq!(told.replace(second), None, "told once");
            }
        }
        // Echoes at 20 and 40 s, the second one judged at 60 s.
        assert_eq!(told, Some(60));
        script.skip();
        script.link.set_echo(script.now, Echo::Off);
        script.wait(Duration::from_secs(1000));
        script.hears_nothing();
        assert_eq!(script.link_events(), []);
    }
}

#[test]
fn the_peers_echoes_are_answered_with_our_magic_number_and_its_data() {
    let mut script = Script::up(quiet());
    script.control(Protocol::Lcp, Code::EchoRequest, 77, b"\x11\x11\x11\x11ping").unwrap();
    script.hears("LCP Echo-Reply 77 8");
    assert_eq!(script.last[10..], *b"ping");
    assert_ne!(script.last[6..10], [0x11; 4]);
    assert_eq!(script.control(Protocol::Lcp, Code::EchoRequest, 78, b"\0\0\0"), Err(Dropped::Malformed));
    // As long as the link carries.
    script.control(Protocol::Lcp, Code::EchoRequest, 79, &[0x11; 1488]).unwrap();
    script.hears("LCP Echo-Reply 79 1488");
}

#[test]
fn replies_to_nothing_are_dropped() {
    let mut script = Script::up(quiet());
    assert_eq!(script.control(Protocol::Lcp, Code::EchoReply, 5, &[0; 4]), Err(Dropped::Identifier));
    script.wait(Duration::from_secs(20));
    assert_eq!(script.control(Protocol::Lcp, Code::EchoReply, 2, &[0; 4]), Err(Dropped::Identifier));
    assert_eq!(script.control(Protocol::Lcp, Code::EchoReply, 1, &[0; 2]), Err(Dropped::Malformed));
    script.control(Protocol::Lcp, Code::EchoReply, 1, &[0; 4]).unwrap();
}

fn padded(carries: bool) -> (World, Vec<LinkEvent>) {
    let lose = move |_, words: &str| words.ends_with(" 1496") && !carries;
    let plan = Plan { ipv6: false, auth: vec![], mru: 1500, ..Plan::default() };
    let config = LinkConfig { mru: 1500, ..quiet() };
    let mut world = World::with_loss(config, plan, Duration::from_millis(20), Box::new(lose));
    world.dial();
    world.events.clear();
    world.link.echo_padded(world.now, 1500);
    world.carry();
    world.run_for(Duration::from_millis(3750));
    let events = world.events.iter().map(|(_, event)| event.clone()).collect();
    (world, events)
}

#[test]
fn a_padded_echo_tells_whether_the_path_carries_jumbo_packets() {
    let (world, events) = padded(true);
    assert_eq!(events, [LinkEvent::PaddedEcho { size: 1500, answered: true }]);
    assert_eq!(world.transcript.iter().filter(|said| said.contains("Echo-Request")).count(), 1);
    let (world, events) = padded(false);
    assert_eq!(events, [LinkEvent::PaddedEcho { size: 1500, answered: false }]);
    assert_eq!(world.transcript.iter().filter(|said| said.contains("Echo-Request")).count(), 3);
}

#[test]
fn a_padded_echo_beyond_what_was_negotiated_is_not_sent() {
    let mut script = Script::up(quiet());
    script.link.echo_padded(script.now, 1500);
    script.link.echo_padded(script.now, 7);
    script.hears_nothing();
    script.link.echo_padded(script.now, 1492);
    script.hears("LCP Echo-Request 1 1488");
    assert_eq!(script.last.len(), 2 + 1492);
}
