//! What is written before what.

use gatelet_hal::LinkState;
use gatelet_proto::redial::{Boot, Note};
use gatelet_router::{WanEvent, WanState};
use gatelet_wire::pppoe::Code;
use smoltcp::time::Duration;

use crate::world::{WAN, Way, World, config};

#[test]
fn no_padi_before_its_record_is_stored() {
    let mut world = World::bare(1514);
    world.stores = false;
    world.add_wan(config(), None);
    world.link(LinkState::Up);
    world.run_for(Duration::from_secs(5));
    assert!(world.seen.is_empty(), "{}", world.transcript());
    assert!(world.store(true), "a record is wanted");
    world.settle();
    assert_eq!(world.sent(Code::Padi).len(), 1, "and then at once");
}

#[test]
fn a_flash_that_fails_is_told_and_does_not_keep_us_off_line() {
    let mut world = World::bare(1514);
    world.stores = false;
    world.add_wan(config(), None);
    world.link(LinkState::Up);
    assert!(world.store(false), "a record is wanted");
    world.settle();
    assert!(world.saw(|event| matches!(event, WanEvent::Note(Note::LedgerNotStored))));
    world.come_up();
}

/// The power fails in a session. What flash holds is enough to clear it.
#[test]
fn a_session_of_before_the_power_cut_is_cleared_before_the_first_padi() {
    let mut world = World::new();
    world.come_up();
    world.run_for(Duration::from_secs(700));
    let stale = world.session_id().unwrap();
    let ledger = world.flash.clone();
    assert!(ledger.is_some());

    let mut rebooted = World::bare(1514);
    rebooted.concentrators = world.concentrators;
    rebooted.router.add_wan(rebooted.now, config(), Boot::Cold, ledger).unwrap();
    rebooted.link(LinkState::Up);
    rebooted.come_up();
    let up: Vec<_> = rebooted.seen.iter().filter(|seen| seen.way == Way::Up).collect();
    assert_eq!((up[0].packet().code, up[0].packet().session_id), (Code::Padt, stale));
    assert_eq!(up[0].header().destination, rebooted.concentrators[0].mac);
    assert_eq!(up[1].packet().code, Code::Padi);
    assert!(rebooted.saw(|event| matches!(event, WanEvent::StaleSessionCleared(last) if last.id == stale)));
    assert_eq!(rebooted.ac().sessions.len(), 1, "one session is left: ours");
    // The address of before is asked for again.
    assert!(rebooted.transcript().contains("address=100.64.0.7 dns1=0.0.0.0"), "{}", rebooted.transcript());
}

#[test]
fn a_snapshot_is_as_good_as_the_flash() {
    let mut world = World::new();
    world.come_up();
    world.run_for(Duration::from_secs(700));
    let snapshot = world.router.snapshot(world.now, WAN).unwrap();
    assert_eq!(snapshot.last_session().map(|session| session.id), world.session_id());
    assert!(world.router.snapshot(world.now, gatelet_router::WanId(5)).is_none());
    assert_eq!(world.status().state, WanState::Up);
}
