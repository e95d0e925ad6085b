//! How sessions end.

use gatelet_hal::LinkState;
use gatelet_proto::ppp::LinkEvent;
use gatelet_proto::redial::{AuthRefusal, Failure};
use gatelet_router::{Command, PadtReason, WanConfig, WanEvent, WanState};
use gatelet_wire::pppoe::{Code, TagSet};
use smoltcp::time::Duration;

use crate::concentrator::Concentrator;
use crate::world::{MAC, WAN, Way, World, config};

#[test]
fn hanging_up_terminates_then_sends_padt() {
    let mut world = World::new();
    world.come_up();
    let id = world.session_id().unwrap();
    world.run_for(Duration::from_secs(5));
    world.seen.clear();
    world.command(Command::HangUp { wan: WAN });
    world.run_for(Duration::from_secs(600));
    let transcript = world.transcript();
    let said: Vec<&str> = transcript.lines().map(|line| line.split_once(' ').unwrap().1).collect();
    let [request, ack, padt] = said[..] else { panic!("{transcript}") };
    assert!(request.starts_with("-> LCP Terminate-Request") && ack.starts_with("<- LCP Terminate-Ack"));
    assert_eq!(padt, format!("-> PADT {id:#06x}"));
    let farewell = world.sent(Code::Padt)[0];
    let tags = TagSet::parse(&farewell.packet()).unwrap();
    assert_eq!(tags.ac_cookie, Some(&b"a cookie"[..]));
    assert!(tags.host_uniq.is_some());
    assert_eq!(world.status().state, WanState::Idle);
    assert!(world.saw(|event| matches!(event, WanEvent::PadtSent { reason: PadtReason::HangUp, .. })));
}

#[test]
fn a_peer_that_does_not_acknowledge_is_left_all_the_same() {
    let mut world = World::new();
    world.come_up();
    world.ac().alive = false;
    world.command(Command::HangUp { wan: WAN });
    let idle = world.run_until(Duration::from_secs(5), |world| world.status().state == WanState::Idle);
    assert!(idle);
    assert_eq!(world.sent(Code::Padt).len(), 1);
}

#[test]
fn shutdown_is_told_once_everything_is_said_and_stored() {
    let mut world = World::new();
    world.come_up();
    world.stores = false;
    world.command(Command::Shutdown);
    world.run_for(Duration::from_secs(3));
    assert_eq!(world.sent(Code::Padt).len(), 1);
    assert!(!world.shut_down, "a record is still to be written");
    world.stores = true;
    world.settle();
    assert!(world.shut_down);
    world.run_for(Duration::from_secs(3600));
    assert_eq!(world.sent(Code::Padi).len(), 1, "it stays off line");
}

#[test]
fn shutdown_does_not_wait_for_a_dead_flash() {
    let mut world = World::new();
    world.come_up();
    world.stores = false;
    world.command(Command::Shutdown);
    assert!(world.run_until(Duration::from_secs(11), |world| world.shut_down));
}

#[test]
fn shutdown_without_a_line() {
    let mut world = World::bare(1514);
    world.add_wan(config(), None);
    world.command(Command::Shutdown);
    assert!(world.shut_down);
}

#[test]
fn the_time_of_day_is_told_on() {
    let mut world = World::new();
    world.command(Command::WallClock { unix_seconds: 1_767_268_800 });
    assert_eq!(world.told_time, Some(1_767_268_800));
}

#[test]
fn a_padt_of_the_concentrator_is_honoured_and_not_answered() {
    let mut world = World::new();
    world.come_up();
    world.run_for(Duration::from_secs(120));
    let id = world.session_id().unwrap();
    world.ac().kick(id);
    world.settle();
    world.run_for(Duration::from_millis(15));
    assert!(world.saw(|event| matches!(event, WanEvent::PadtReceived { .. })));
    assert!(world.saw(|event| matches!(
        event,
        WanEvent::Down { failure: Failure::Padt, uptime: Some(uptime) } if uptime.total_millis() > 100_000
    )));
    assert!(world.sent(Code::Padt).is_empty(), "\n{}", world.transcript());
    world.come_up();
}

#[test]
fn stale_padts_do_not_touch_the_new_dial_nor_the_new_session() {
    let mut world = World::new();
    world.concentrators.push(Concentrator { confirms: false, ..Concentrator::new(2) });
    world.come_up();
    world.run_for(Duration::from_secs(120));
    let old = world.session_id().unwrap();
    world.ac().kick(old);
    world.settle();
    // Stale PADTs with every step of the new dial: the old session, and the new one from another AC.
    let stale = |world: &mut World| {
        let new = world.session_id().unwrap_or(old + 1);
        world.ac().send_padt(MAC, old);
        world.concentrators[1].send_padt(MAC, new);
        world.concentrators[1].send_padt(MAC, old);
    };
    world.run_until(Duration::from_secs(5), |world| world.session_id().is_none());
    let mut steps = 0;
    let up = world.run_until(Duration::from_secs(60), |world| {
        if steps < 200 {
            stale(world);
            world.settle();
            steps += 1;
        }
        world.status().ipv4.is_some()
    });
    assert!(up && steps > 10, "{steps}");
    stale(&mut world);
    world.run_for(Duration::from_secs(60));
    assert_eq!(world.status().state, WanState::Up);
    let counters = world.status().counters.discovery;
    assert!(counters.of(gatelet_proto::pppoe::Dropped::PadtForOtherSession) > 10);
    assert!(counters.of(gatelet_proto::pppoe::Dropped::PadtFromOtherConcentrator) > 2);
}

#[test]
fn a_refused_password_is_told_with_the_servers_words() {
    let mut world = World::bare(1514);
    world.ac().auth = vec![gatelet_proto::ppp::auth::AuthMethod::Pap];
    let wrong = gatelet_proto::ppp::Credentials::new("user@isp", "wrong").unwrap();
    world.add_wan(WanConfig { credentials: wrong, ..config() }, None);
    world.link(LinkState::Up);
    world.run_for(Duration::from_secs(30));
    assert!(world.saw(|event| matches!(event, WanEvent::Ppp(LinkEvent::AuthRefused { .. }))));
    let failure = Failure::AuthRefused(AuthRefusal::WrongPassword);
    assert!(
        world.saw(|event| matches!(event, WanEvent::Down { failure: told, .. } if *told == failure)),
        "{:#?}",
        world.events
    );
    assert_eq!(world.status().last_failure, Some(failure));
    assert!(world.saw(|event| matches!(event, WanEvent::PadtSent { reason: PadtReason::LinkEnded, .. })));
    assert!(world.ac().sessions.is_empty());
}

#[test]
fn a_peer_that_terminates_gets_its_acknowledgement_and_a_padt() {
    let mut world = World::new();
    world.come_up();
    world.run_for(Duration::from_secs(120));
    world.seen.clear();
    let (now, id) = (world.now, world.session_id().unwrap());
    world.ac().sessions.get_mut(&id).unwrap().server.close(now);
    world.ac().handle_timeout(now);
    world.settle();
    world.run_until(Duration::from_secs(5), |world| !world.sent(Code::Padt).is_empty());
    let transcript = world.transcript();
    let up: Vec<&str> =
        transcript.lines().filter_map(|line| line.split_once("-> ").map(|(_, w)| w)).collect();
    assert!(up[0].starts_with("LCP Terminate-Ack") && up[1].starts_with("PADT"), "{transcript}");
    assert!(world.saw(|event| matches!(event, WanEvent::Down { failure: Failure::TerminateRequest, .. })));
    world.come_up();
}

/// The concentrator is gone without a word: echo notices, and the session is given up with a PADT.
#[test]
fn a_dead_line_is_noticed() {
    let mut world = World::new();
    world.come_up();
    world.run_for(Duration::from_secs(100));
    world.ac().alive = false;
    let noticed = world.run_until(Duration::from_secs(90), |world| world.session_id().is_none());
    assert!(noticed);
    assert!(world.saw(|event| matches!(event, WanEvent::Down { failure: Failure::EchoTimeout, .. })));
    world.ac().alive = true;
    world.ac().forget_all();
    world.come_up();
}

#[test]
fn a_pulled_cable_ends_it_and_the_session_is_cleared_when_it_is_back() {
    let mut world = World::new();
    world.come_up();
    world.run_for(Duration::from_secs(120));
    let id = world.session_id().unwrap();
    world.link(LinkState::Down);
    assert_eq!(world.status().state, WanState::Idle);
    assert!(world.saw(|event| matches!(event, WanEvent::Down { failure: Failure::LinkDown, .. })));
    world.run_for(Duration::from_secs(30));
    world.seen.clear();
    world.link(LinkState::Up);
    world.come_up();
    let up: Vec<_> = world.seen.iter().filter(|seen| seen.way == Way::Up).take(2).collect();
    assert_eq!((up[0].packet().code, up[0].packet().session_id), (Code::Padt, id));
    assert_eq!(up[1].packet().code, Code::Padi);
}

#[test]
fn other_credentials_are_used_after_a_proper_farewell() {
    let mut world = World::new();
    world.come_up();
    world.run_for(Duration::from_secs(120));
    world.seen.clear();
    let mut other = config();
    other.mac = Some(gatelet_wire::EthernetAddress([2, 0xC1, 0, 0, 0, 1]));
    world.command(Command::Reconfigure { wan: WAN, config: other });
    world.run_until(Duration::from_secs(10), |world| world.session_id().is_none());
    assert_eq!(world.sent(Code::Padt).len(), 1, "{}", world.transcript());
    world.come_up();
    let padi = world.sent(Code::Padi)[0].header();
    assert_eq!(padi.source, gatelet_wire::EthernetAddress([2, 0xC1, 0, 0, 0, 1]));
}
