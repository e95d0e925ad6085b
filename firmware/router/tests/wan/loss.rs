//! Every message of the dial lost in turn.

use gatelet_wire::pppoe::Code;
use smoltcp::time::Duration;

use crate::concentrator::ONE_WAY;
use crate::world::{Way, World};

const ROUND_TRIP: Duration = Duration::from_millis(2 * ONE_WAY.total_millis());
const COLD: Duration = Duration::from_millis(6 * ROUND_TRIP.total_millis());

/// Dials, loses the `index`th frame of `way`, and answers what it was and how long the dial took.
fn lose_one(way: Way, index: usize) -> Option<(String, Duration)> {
    let mut world = World::bare(1514);
    let mut count = 0;
    world.lose = Box::new(move |seen| {
        let hit = seen.way == way && count == index;
        count += usize::from(seen.way == way);
        hit
    });
    world.add_wan(crate::world::config(), None);
    world.link(gatelet_hal::LinkState::Up);
    let took = world.come_up();
    let lost = world.seen.iter().find(|seen| seen.lost)?.words();
    assert_eq!(world.ac().sessions.len(), 1, "no session is left behind\n{}", world.transcript());
    Some((lost, took))
}

fn table(way: Way) -> Vec<(String, Duration)> {
    let lost: Vec<_> = (0..).map_while(|index| lose_one(way, index)).collect();
    for (message, took) in &lost {
        println!("{:>6} ms more   {message}", took.total_millis() - COLD.total_millis());
    }
    lost
}

#[test]
fn a_lost_message_of_ours_costs_at_most_a_second_and_a_quarter_and_a_round_trip() {
    println!("what a lost message of ours costs, with a round trip of {ROUND_TRIP}:");
    let lost = table(Way::Up);
    assert!(lost.len() >= 8, "{lost:?}");
    for (message, took) in lost {
        // What only the peer repeats: our answers to its requests wait for its timer, 3 s.
        let by_peer = message.contains("Configure-Ack");
        let most = Duration::from_millis(if by_peer { 3_000 } else { 1_250 });
        assert!(took <= COLD + most + ROUND_TRIP, "{message}: {took}");
    }
}

#[test]
fn a_lost_message_of_the_peer_costs_its_timer_at_most() {
    println!("what a lost message of the concentrator costs, with a round trip of {ROUND_TRIP}:");
    let lost = table(Way::Down);
    assert!(lost.len() >= 7, "{lost:?}");
    for (message, took) in lost {
        let most = Duration::from_millis(if message.contains("Configure-Request") { 3_000 } else { 1_250 });
        assert!(took <= COLD + most + ROUND_TRIP, "{message}: {took}");
    }
}

/// The confirmation is lost: the PADR is repeated, the concentrator opens a second session, and the
/// first one does not stay behind.
#[test]
fn a_lost_pads_leaves_no_session_behind() {
    let mut world = World::bare(1514);
    let mut first = true;
    world.lose = Box::new(move |seen| {
        seen.way == Way::Down && seen.packet().code == Code::Pads && core::mem::take(&mut first)
    });
    world.add_wan(crate::world::config(), None);
    world.link(gatelet_hal::LinkState::Up);
    world.come_up();
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.sent(Code::Padr).len(), 2);
    let up = world.session_id();
    assert_eq!(world.ac().sessions.keys().copied().collect::<Vec<_>>(), [up.unwrap()]);
}
