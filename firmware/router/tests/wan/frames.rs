//! No frame is free when one is due: the message waits, and the machine goes on.

use gatelet_hal::{Frame, PortId};
use gatelet_router::{Command, Dropped, WanState};
use gatelet_wire::pppoe::Code;
use smoltcp::time::Duration;

use crate::world::{WAN, World, config};

/// Every frame there is.
fn hoard(world: &World) -> Vec<Frame<'static>> {
    std::iter::from_fn(|| world.pool.take(PortId(5))).collect()
}

#[test]
fn a_padi_waits_for_a_frame() {
    let mut world = World::bare(1514);
    let hoarded = hoard(&world);
    world.add_wan(config(), None);
    world.link(gatelet_hal::LinkState::Up);
    world.run_for(Duration::from_millis(95));
    assert!(world.seen.is_empty());
    let counted = world.router.counters().of(Dropped::OutOfFrames);
    assert!((5..=12).contains(&counted), "tried again every 10 ms: {counted}");
    drop(hoarded);
    world.run_for(Duration::from_millis(10));
    assert_eq!(world.sent(Code::Padi).len(), 1);
    world.come_up();
}

/// The pool is emptied for a while at any moment of the dial: it always comes up.
#[test]
fn whatever_is_due_waits_for_a_frame() {
    for moment in 0..130 {
        let mut world = World::new();
        world.run_for(Duration::from_millis(moment));
        let hoarded = hoard(&world);
        world.run_for(Duration::from_millis(300));
        drop(hoarded);
        world.come_up();
        assert!(world.sent(Code::Padi).len() <= 2, "{moment}: {}", world.transcript());
    }
}

#[test]
fn the_farewell_waits_for_a_frame() {
    let mut world = World::new();
    world.come_up();
    let hoarded = hoard(&world);
    // One frame is kept by the router itself for such a moment; the rest of the talk needs more.
    world.command(Command::HangUp { wan: WAN });
    world.run_for(Duration::from_secs(1));
    drop(hoarded);
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.status().state, WanState::Idle);
    assert_eq!(world.sent(Code::Padt).len(), 1, "{}", world.transcript());
    assert!(world.ac().sessions.is_empty());
}

#[test]
fn frames_come_back() {
    let mut world = World::new();
    world.come_up();
    world.run_for(Duration::from_secs(300));
    assert_eq!(world.pool.counters(crate::world::PORT).in_use, 0);
    assert!(world.pool.counters(PortId::LOCAL).in_use <= 1, "the spare one");
}
