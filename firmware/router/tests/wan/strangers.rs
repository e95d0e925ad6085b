//! What others on the line may send, and what comes of it: nothing.

use gatelet_proto::pppoe::Dropped as DiscoveryDropped;
use gatelet_router::{Dropped, WanEvent, WanState};
use gatelet_wire::EthernetAddress;
use gatelet_wire::pppoe::Code;
use smoltcp::time::Duration;

use crate::concentrator::Concentrator;
use crate::world::{MAC, World, ipv4, session_frame};

fn up() -> World {
    let mut world = World::new();
    world.come_up();
    world.run_for(Duration::from_secs(1));
    world
}

#[test]
fn a_storm_of_padts_ends_nothing_and_is_not_answered() {
    let mut world = up();
    let id = world.session_id().unwrap();
    let mut spoofer = Concentrator::new(3);
    let before = world.seen.len();
    for round in 0..20_000_u32 {
        let other = (round % 0x1_0000) as u16;
        // The true concentrator for other sessions, a spoofer for ours.
        let sender = if other == id { &mut spoofer } else { &mut world.concentrators[0] };
        sender.send_padt(MAC, other);
        let bytes = sender.out.remove(0);
        world.arrive(&bytes);
    }
    assert_eq!((world.status().state, world.session_id()), (WanState::Up, Some(id)));
    assert_eq!(world.seen.len(), before, "\n{}", world.transcript());
    let counters = world.status().counters.discovery;
    let counted = [DiscoveryDropped::PadtForOtherSession, DiscoveryDropped::PadtFromOtherConcentrator];
    // Session 0xFFFF does not even parse.
    let malformed = world.router.counters().of(Dropped::Malformed);
    assert_eq!(counted.iter().map(|reason| counters.of(*reason)).sum::<u32>() + malformed, 20_000);
    world.run_for(Duration::from_secs(300));
    assert_eq!(world.session_id(), Some(id));
}

#[test]
fn data_from_another_mac_is_not_ours_even_with_our_session_id() {
    let mut world = up();
    let id = world.session_id().unwrap();
    let stranger = EthernetAddress([2, 0, 0, 0, 0, 0x66]);
    world.arrive(&session_frame(stranger, id, &[&[0x00, 0x21][..], &ipv4(40)].concat()));
    // A Terminate-Request would end it.
    world.arrive(&session_frame(stranger, id, &[0xC0, 0x21, 5, 1, 0, 4]));
    world.run_for(Duration::from_secs(5));
    assert!(world.to_stack.is_empty());
    assert_eq!(world.status().state, WanState::Up);
    assert_eq!(world.router.counters().of(Dropped::UnknownSession), 2);
}

#[test]
fn data_of_an_unknown_session_is_answered_by_one_padt_a_second() {
    let mut world = up();
    let ac = world.concentrators[0].mac;
    let before = world.sent(Code::Padt).len();
    for millisecond in 0..5_000 {
        world.arrive(&session_frame(ac, 0x7777, &[&[0x00, 0x21][..], &ipv4(40)].concat()));
        if millisecond % 10 == 0 {
            world.run_for(Duration::from_millis(10));
        }
    }
    let padts = world.sent(Code::Padt);
    assert!(padts.len() - before >= 5);
    assert!(padts.windows(2).all(|pair| pair[1].at - pair[0].at >= Duration::from_secs(1)));
    assert!(padts.iter().all(|padt| padt.packet().session_id == 0x7777 && padt.header().destination == ac));
    assert_eq!(world.router.counters().of(Dropped::UnknownSession), 5_000);
    assert_eq!(world.status().state, WanState::Up);
}

#[test]
fn a_group_gets_no_padt() {
    let mut world = up();
    for source in [EthernetAddress::BROADCAST, EthernetAddress([1, 0, 0x5E, 0, 0, 1])] {
        world.arrive(&session_frame(source, 0x7777, &[0x00, 0x21, 0x45]));
    }
    assert!(world.sent(Code::Padt).is_empty());
}

#[test]
fn frames_for_others_and_of_others_are_counted_by_name() {
    let mut world = up();
    let (id, ac) = (world.session_id().unwrap(), world.concentrators[0].mac);
    let good = session_frame(ac, id, &[0x00, 0x21, 0x45]);
    let expect = |world: &mut World, bytes: &[u8], reason: Dropped| {
        let before = world.router.counters().of(reason);
        world.arrive(bytes);
        assert_eq!(world.router.counters().of(reason), before + 1, "{}", reason.name());
    };
    expect(&mut world, &good[..13], Dropped::Malformed);
    expect(&mut world, &good[..17], Dropped::Malformed);
    expect(&mut world, &good[..good.len() - 1], Dropped::Malformed);
    let mut other = good.clone();
    other[5] ^= 1;
    expect(&mut world, &other, Dropped::NotForUs);
    other = good.clone();
    other[..6].copy_from_slice(&[0xFF; 6]);
    expect(&mut world, &other, Dropped::NotForUs);
    other = good.clone();
    other[12..14].copy_from_slice(&[0x08, 0x06]);
    expect(&mut world, &other, Dropped::OtherEtherType);
    other = good.clone();
    other[13] = 0x63;
    expect(&mut world, &other, Dropped::WrongStage);
    other = good.clone();
    other[15] = 0xA7;
    expect(&mut world, &other, Dropped::WrongStage);
    other = good.clone();
    other[16..18].copy_from_slice(&[0, 0]);
    expect(&mut world, &other, Dropped::Malformed);
    assert!(world.to_stack.is_empty());
    world.arrive(&good);
    assert_eq!(world.to_stack.len(), 1);
}

#[test]
fn at_most_two_frames_are_held_before_the_pads() {
    let mut world = World::new();
    world.ac().confirms = false;
    world.run_until(Duration::from_secs(1), |world| !world.sent(Code::Padr).is_empty());
    let ac = world.concentrators[0].mac;
    for _ in 0..5 {
        world.arrive(&session_frame(ac, 0x101, &[0xC0, 0x21, 1, 1, 0, 4]));
    }
    assert_eq!(world.status().counters.held, 2);
    assert_eq!(world.router.counters().of(Dropped::TooEarly), 3);
    // From another station none is.
    world.arrive(&session_frame(EthernetAddress([2, 0, 0, 0, 0, 9]), 0x101, &[0xC0, 0x21, 1, 1, 0, 4]));
    assert_eq!(world.router.counters().of(Dropped::UnknownSession), 1);
    // They do not outlive the attempt.
    let in_use = world.pool.counters(crate::world::PORT).in_use;
    assert_eq!(in_use, 2);
    world.run_until(Duration::from_secs(60), |world| {
        world.saw(|event| matches!(event, WanEvent::Down { .. }))
    });
    assert_eq!(world.pool.counters(crate::world::PORT).in_use, 0);
}

/// What was held for another session than the one PADS names is nobody's.
#[test]
fn held_frames_of_another_session_are_dropped() {
    let mut world = World::new();
    world.run_until(Duration::from_secs(1), |world| !world.sent(Code::Padr).is_empty());
    let ac = world.concentrators[0].mac;
    // A Terminate-Request of the session before.
    world.arrive(&session_frame(ac, 0x0042, &[0xC0, 0x21, 5, 1, 0, 4]));
    world.come_up();
    assert_eq!(world.status().state, WanState::Up);
}
