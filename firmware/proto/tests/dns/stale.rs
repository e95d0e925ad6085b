//! What has expired is better than nothing (RFC 8767).

use gatelet_proto::dns::{Config, Dropped};
use gatelet_wire::dns::{Flags, Opt, Rcode, Type};
use smoltcp::time::Duration;

use crate::world::{Sizes, USUAL, World, a, show, udp};

const NAME: &str = "www.example.org";
const STALE: &str = "NOERROR www.example.org A : A 30 203.0.113.7";

/// A world in which the name was known once.
fn expired() -> World {
    let mut world = World::new();
    world.resolve(1, NAME, 7, 60);
    world.run_for(Duration::from_secs(100));
    (world.asked, world.told) = (Vec::new(), Vec::new());
    world.transcript.clear();
    world
}

#[test]
fn without_a_line_it_is_answered_at_once() {
    let mut world = expired();
    world.forwarder.set_wan_up(world.now, false);
    let edns = Opt { udp_payload_size: 1232, extended_rcode: 0, version: 0, flags: 0, options: &[] };
    world.ask_with(udp(1), NAME, Type::A, Flags::RECURSION_DESIRED, Some(edns)).unwrap();
    world.expect_transcript(
        "h1 -> www.example.org A edns 1232
         h1 <- NOERROR www.example.org A : A 30 203.0.113.7 edns 1232 ede 3",
    );
    assert_eq!(world.forwarder.statistics().stale, 1);
}

#[test]
fn a_line_that_is_lost_meanwhile_does_not_keep_anybody_waiting() {
    let mut world = expired();
    world.ask(1, NAME, Type::A).unwrap();
    assert!(world.told.is_empty());
    world.forwarder.set_wan_up(world.now, false);
    world.settle();
    assert_eq!(show(&world.last_told().bytes), STALE);
}

#[test]
fn a_client_gets_it_in_time_while_the_servers_are_still_asked() {
    let mut world = expired();
    let start = world.now;
    world.ask(1, NAME, Type::A).unwrap();
    world.run_for(Duration::from_millis(1799));
    assert!(world.told.is_empty());
    world.run_for(Duration::from_millis(1));
    assert_eq!(show(&world.last_told().bytes), STALE);
    // Whoever asks now does not wait either,
    world.ask(2, NAME, Type::A).unwrap();
    assert_eq!(world.told.len(), 2);
    // and what comes late is kept.
    world.answer(Rcode::NOERROR, a(8, 300)).unwrap();
    assert_eq!(world.told.len(), 2, "nobody waits for it any more");
    world.ask(1, NAME, Type::A).unwrap();
    assert_eq!(show(&world.last_told().bytes), "NOERROR www.example.org A : A 300 203.0.113.8");
    assert_eq!((world.now - start).total_millis(), 1800);
}

#[test]
fn after_all_have_failed_nobody_is_asked_for_half_a_minute() {
    let mut world = expired();
    world.ask(1, NAME, Type::A).unwrap();
    world.answer(Rcode::SERVFAIL, |_| ()).unwrap();
    world.answer(Rcode::SERVFAIL, |_| ()).unwrap();
    assert_eq!(show(&world.last_told().bytes), STALE);
    world.run_for(Duration::from_millis(29_999));
    world.ask(1, NAME, Type::A).unwrap();
    assert_eq!((world.asked.len(), world.told.len()), (2, 2));
    world.run_for(Duration::from_millis(1));
    world.ask(1, NAME, Type::A).unwrap();
    assert_eq!((world.asked.len(), world.told.len()), (3, 2));
}

#[test]
fn it_is_good_for_a_day() {
    for (wait, expected) in [(86_399, Ok(())), (86_400, Err(Dropped::NoUpstream))] {
        let mut world = World::new();
        world.resolve(1, NAME, 7, 60);
        world.forwarder.set_wan_up(world.now, false);
        world.run_for(Duration::from_secs(60 + wait));
        assert_eq!(world.ask(1, NAME, Type::A), expected);
    }
    let mut world = World::with(Config { stale_max_s: 0, ..Config::default() }, &USUAL);
    world.resolve(1, NAME, 7, 60);
    world.forwarder.set_wan_up(world.now, false);
    world.run_for(Duration::from_secs(60));
    assert_eq!(world.ask(1, NAME, Type::A), Err(Dropped::NoUpstream));
}

#[test]
fn it_needs_no_place() {
    let mut world = expired();
    for host in 2..10 {
        world.ask(host, &format!("www{host}.example.org"), Type::A).unwrap();
    }
    assert_eq!(world.ask(1, "mail.example.org", Type::A), Err(Dropped::TableFull));
    assert_eq!(world.ask(1, NAME, Type::A), Ok(()));
    assert_eq!(show(&world.last_told().bytes), STALE);
}

#[test]
fn what_made_room_before_it_was_told_is_waited_for() {
    let mut world = World::with(Config::default(), &Sizes { entries: 1, ..USUAL });
    world.resolve(1, NAME, 7, 60);
    world.run_for(Duration::from_secs(100));
    world.ask(1, NAME, Type::A).unwrap();
    let first = world.last_asked();
    world.ask(2, "mail.example.org", Type::A).unwrap();
    let second = world.last_asked();
    world.told.clear();
    // The owner takes another answer in before it has fetched what is due.
    world.now += Duration::from_millis(1800);
    world.forwarder.handle_timeout(world.now, &mut world.rng);
    world.answer_to(&second, Rcode::NOERROR, a(9, 300)).unwrap();
    assert_eq!(world.told.len(), 1, "only the other");
    world.answer_to(&first, Rcode::NOERROR, a(8, 300)).unwrap();
    assert_eq!(show(&world.last_told().bytes), "NOERROR www.example.org A : A 300 203.0.113.8");
    world.expect_count(Dropped::BufferTooSmall, 0);
}

#[test]
fn a_fresh_answer_is_preferred_whenever_there_is_one() {
    let mut world = expired();
    world.resolve(1, NAME, 8, 60);
    assert_eq!(show(&world.last_told().bytes), "NOERROR www.example.org A : A 60 203.0.113.8");
    assert_eq!(world.forwarder.cache_usage().0, 1, "in the place of the old one");
}

#[test]
fn that_a_name_is_gone_is_an_answer_too() {
    let mut world = expired();
    world.ask(1, NAME, Type::A).unwrap();
    world.answer(Rcode::NXDOMAIN, |_| ()).unwrap();
    assert_eq!(show(&world.last_told().bytes), "NXDOMAIN www.example.org A");
}
