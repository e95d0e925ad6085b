//! The discovery budget, seen at the wire: never exceeded, whatever happens.

use std::collections::BTreeMap;

use gatelet_hal::LinkState;
use gatelet_router::{Command, WanConfig};
use gatelet_wire::pppoe::{Code, TagSet};
use proptest::prelude::*;
use smoltcp::time::{Duration, Instant};

use crate::concentrator::Concentrator;
use crate::world::{MAC, WAN, Way, World, config};

#[derive(Debug, Clone)]
enum Step {
    Wait(u32),
    Link(bool),
    /// Whether a concentrator is there, and confirms.
    Mood(bool, bool),
    Refuse(bool),
    WrongPassword(bool),
    Kick,
    HangUp,
    Dial(bool),
    NoTraffic,
    Reboot,
    Lose(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3_000_u32).prop_map(Step::Wait),
        4 => (0..90_000_u32).prop_map(Step::Wait),
        1 => (0..900_000_u32).prop_map(Step::Wait),
        2 => any::<bool>().prop_map(Step::Link),
        3 => any::<(bool, bool)>().prop_map(|(alive, confirms)| Step::Mood(alive, confirms)),
        1 => any::<bool>().prop_map(Step::Refuse),
        1 => any::<bool>().prop_map(Step::WrongPassword),
        3 => Just(Step::Kick),
        1 => Just(Step::HangUp),
        3 => any::<bool>().prop_map(Step::Dial),
        1 => Just(Step::NoTraffic),
        1 => Just(Step::Reboot),
        1 => any::<u8>().prop_map(Step::Lose),
    ]
}

fn take(world: &mut World, step: &Step) {
    match *step {
        Step::Wait(millis) => world.run_for(Duration::from_millis(millis.into())),
        Step::Link(up) => world.link(if up { LinkState::Up } else { LinkState::Down }),
        Step::Mood(alive, confirms) => {
            (world.ac().alive, world.ac().confirms) = (alive, confirms);
            world.ac().forget_all();
        }
        Step::Refuse(refuse) => world.ac().refuses_with = refuse.then_some("busy"),
        Step::WrongPassword(wrong) => {
            let mut other = config();
            if wrong {
                other.credentials = gatelet_proto::ppp::Credentials::new("user@isp", "wrong").unwrap();
            }
            world.command(Command::Reconfigure { wan: WAN, config: other });
        }
        Step::Kick => {
            if let Some(id) = world.session_id() {
                world.ac().kick(id);
                world.settle();
            }
        }
        Step::HangUp => world.command(Command::HangUp { wan: WAN }),
        Step::Dial(force) => world.command(Command::Dial { wan: WAN, force }),
        Step::NoTraffic => world.command(Command::NoTraffic { wan: WAN }),
        Step::Reboot => reboot(world),
        Step::Lose(chance) => {
            let mut state = u32::from(chance) * 2 + 1;
            let share = u32::from(chance) % 4;
            world.lose = Box::new(move |_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) % 8 < share
            });
        }
    }
}

/// A reset: the wire, the clock and the ledger stay.
fn reboot(world: &mut World) {
    let mut router = gatelet_router::Router::new(world.pool, [world.seen.len() as u8; 32]);
    assert!(router.add_port(crate::world::PORT, MAC, 1514));
    router.add_wan(world.now, config(), gatelet_proto::redial::Boot::Warm, world.flash.clone());
    world.router = router;
    world.link(LinkState::Up);
}

/// At most `limit` of `times` within any `period`.
fn within(times: &[Instant], limit: usize, period: Duration) -> bool {
    times.windows(limit + 1).all(|window| window[limit] - window[0] >= period)
}

/// PADIs and PADRs 4 in 60 s; dials, each counted from its first PADR, 3 in 5 min.
fn check(world: &World) {
    let mut messages = Vec::new();
    let mut dials: BTreeMap<Vec<u8>, Instant> = BTreeMap::new();
    for seen in world.seen.iter().filter(|seen| seen.way == Way::Up) {
        let packet = seen.packet();
        if matches!(packet.code, Code::Padi | Code::Padr) {
            messages.push(seen.at);
        }
        if packet.code == Code::Padr {
            let host_uniq = TagSet::parse(&packet).unwrap().host_uniq.unwrap().to_vec();
            dials.entry(host_uniq).or_insert(seen.at);
        }
    }
    let mut dials: Vec<Instant> = dials.into_values().collect();
    dials.sort();
    assert!(within(&messages, 4, Duration::from_secs(60)), "{messages:?}\n{}", world.transcript());
    assert!(within(&dials, 3, Duration::from_secs(300)), "{dials:?}\n{}", world.transcript());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn is_never_exceeded(steps in proptest::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in steps {
            take(&mut world, &step);
        }
        check(&world);
    }
}

/// The worst anybody found a client do: somebody pulls the cable, and dials by force, all the time.
#[test]
fn replugging_and_forcing_stays_within() {
    let mut world = World::bare(1514);
    world.concentrators = vec![Concentrator { confirms: false, ..Concentrator::new(1) }];
    world.add_wan(WanConfig { jumbo: false, ..config() }, None);
    for _ in 0..2_000 {
        world.link(LinkState::Up);
        world.command(Command::Dial { wan: WAN, force: true });
        world.run_for(Duration::from_millis(700));
        world.link(LinkState::Down);
        world.run_for(Duration::from_millis(100));
    }
    check(&world);
    assert!(world.sent(Code::Padi).len() > 5, "it does try");
}

/// A check that cannot fail is none.
#[test]
#[should_panic(expected = "PADI")]
fn the_check_finds_a_fifth_padi() {
    let mut world = World::new();
    world.ac().alive = false;
    world.run_for(Duration::from_secs(1));
    let padi = world.seen[0].clone();
    for _ in 0..4 {
        world.seen.push(padi.clone());
    }
    check(&world);
}
