//! When messages are repeated, and when they are held back.

use gatelet_proto::pppoe::{DiscoveryConfig, DiscoveryMessage, Event, Failure, Mode, PadtLimiter};
use gatelet_wire::pppoe::{Code, TagKind};
use smoltcp::time::{Duration, Instant};

use crate::world::{AC1, World};

fn waits(world: &World, code: Code) -> Vec<u64> {
    let times: Vec<Instant> =
        world.sent.iter().filter(|sent| sent.code == code).map(|sent| sent.at).collect();
    times.windows(2).map(|pair| (pair[1] - pair[0]).total_millis()).collect()
}

/// accel-ppp drops a PADI within a second of the one before; a user notices more than 1.25 s.
#[test]
fn the_first_wait_is_1100_to_1250_ms_and_doubles() {
    let mut first_waits = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let mut world = World::seeded(DiscoveryConfig::default(), seed);
        world.start(Mode::Dial);
        world.run_for(Duration::from_secs(30));
        let [first, second] = waits(&world, Code::Padi)[..] else { panic!("three PADIs") };
        assert!((1100..=1250).contains(&first), "{first} ms");
        assert!(second.abs_diff(2 * first) <= 2, "{first} then {second} ms");
        first_waits.insert(first);
        assert!(matches!(world.events().last(), Some(Event::Failed(Failure::NoPado))));
    }
    assert!(first_waits.len() > 50, "jittered: {first_waits:?}");
}

#[test]
fn a_padr_keeps_the_same_pace() {
    let mut world = World::new(DiscoveryConfig::default());
    world.start(Mode::Dial);
    world.pado(AC1, &[]).unwrap();
    world.run_for(Duration::from_secs(30));
    let [first, second] = waits(&world, Code::Padr)[..] else { panic!("three PADRs") };
    assert!((1100..=1250).contains(&first) && second.abs_diff(2 * first) <= 2);
    let failure = Event::Failed(Failure::PadrUnanswered { ac_mac: AC1 });
    assert_eq!(world.events().last(), Some(&failure));
}

#[test]
fn a_probe_is_one_padi_and_goes_on_if_answered() {
    let mut world = World::new(DiscoveryConfig::default());
    world.start(Mode::Probe);
    world.run_for(Duration::from_secs(3));
    assert_eq!(world.sent.len(), 1);
    world.pado(AC1, &[]).unwrap();
    world.run_for(Duration::from_secs(2));
    assert_eq!(world.sent.len(), 3, "from there on it is a dial: the PADR is repeated");

    let mut world = World::new(DiscoveryConfig::default());
    world.start(Mode::Probe);
    world.run_for(Duration::from_secs(30));
    assert_eq!(world.sent.len(), 1);
    assert!(matches!(world.events().last(), Some(Event::Failed(Failure::NoPado))));
}

#[test]
fn a_deferred_padi_waits_and_then_goes() {
    let mut world = World::new(DiscoveryConfig::default());
    world.discovery.start(world.now, &mut world.rng, Mode::Dial);
    assert_eq!(world.discovery.wants_to_send(world.now), Some(DiscoveryMessage::Padi));
    let until = world.now + Duration::from_secs(40);
    world.discovery.defer(until);
    assert_eq!(world.discovery.wants_to_send(world.now), None);
    assert_eq!(world.discovery.poll_at(), Some(until));
    world.run_for(Duration::from_secs(40));
    assert_eq!((world.sent.len(), world.last_sent().at), (1, until));
}

#[test]
fn what_was_deferred_can_go_sooner() {
    let mut world = World::new(DiscoveryConfig::default());
    world.discovery.start(world.now, &mut world.rng, Mode::Dial);
    world.discovery.defer(world.now + Duration::from_secs(40));
    world.discovery.hurry(world.now);
    world.settle();
    assert_eq!(world.sent.len(), 1);
    // A wait for an answer is not cut short.
    world.discovery.hurry(world.now);
    world.settle();
    assert_eq!(world.sent.len(), 1);
}

/// accel-ppp forgets a cookie after 5 s: the second PADR of an old offer is not worth its wait. The
/// first one has nothing to lose.
#[test]
fn a_padr_is_not_repeated_to_somebody_who_has_forgotten() {
    let deferred_by = |padrs: usize, wait: u64| {
        let mut world = World::new(DiscoveryConfig::default());
        world.start(Mode::Dial);
        let host_uniq = world.host_uniq();
        let mut buffer = [0; 64];
        let len = gatelet_wire::pppoe::Writer::new(&mut buffer, Code::Pado, 0)
            .push(TagKind::AcName, b"ac1")
            .push(TagKind::HostUniq, &host_uniq)
            .finish()
            .unwrap();
        let pado = gatelet_wire::pppoe::Packet::parse(&buffer[..len]).unwrap();
        world.discovery.handle_packet(world.now, &mut world.rng, AC1, &pado).unwrap();
        if padrs > 0 {
            world.settle();
            world.now = world.discovery.poll_at().unwrap();
            world.discovery.handle_timeout(world.now, &mut world.rng);
        }
        assert_eq!(world.discovery.wants_to_send(world.now), Some(DiscoveryMessage::Padr));
        world.discovery.defer(world.now + Duration::from_secs(wait));
        world.settle();
        world.run_for(Duration::from_secs(wait));
        (
            world.sent.len() - 1,
            world.events().contains(&Event::Failed(Failure::PadrUnanswered { ac_mac: AC1 })),
        )
    };
    assert_eq!(deferred_by(1, 3), (2, false), "it is repeated");
    assert_eq!(deferred_by(1, 50), (1, true), "it is over");
    assert_eq!(deferred_by(0, 50), (1, false), "it is sent after all");
}

#[test]
fn unknown_sessions_get_one_padt_a_second() {
    let mut limiter = PadtLimiter::default();
    let permitted = (0..10_000).filter(|ms| limiter.permit(Instant::from_millis(*ms))).count();
    assert_eq!(permitted, 10);
}
