//! Each message of a dial lost in turn: what it costs, and whom.

use gatelet_proto::ppp::auth::AuthMethod;
use gatelet_proto::ppp::{LinkConfig, LinkEvent, PeerMessage, RepeatCause};
use gatelet_wire::ppp::{Code, Protocol, lcp};
use smoltcp::time::Duration;

use crate::script::Script;
use crate::server::Plan;
use crate::world::{From, World, config};

/// Our first Restart period is at most this.
const OURS: Duration = Duration::from_millis(1250);
/// The server's, which is pppd's.
const THEIRS: Duration = Duration::from_secs(3);

struct Loss {
    who: From,
    words: String,
    extra: Duration,
    world: World,
}

/// Dials once without loss and once for each message said.
fn sweep(method: AuthMethod, round_trip: Duration) -> Vec<Loss> {
    let config = || LinkConfig { ipv6: false, ..config() };
    let plan = || Plan { auth: vec![method], ipv6: false, ..Plan::default() };
    let mut world = World::new(config(), plan(), round_trip);
    let faultless = world.dial();
    let mut losses = Vec::new();
    for index in 0..world.transcript.len() {
        let mut said = 0;
        let this_one = move |_, _: &str| {
            said += 1;
            said == index + 1
        };
        let mut world = World::with_loss(config(), plan(), round_trip, Box::new(this_one));
        let extra = world.dial() - faultless;
        // What comes up here may still be waited for there.
        world.run_for(THEIRS + round_trip * 2);
        let lost = world.transcript[index].clone();
        let (_, said) = lost.split_once(' ').unwrap();
        let (arrow, words) = said.split_once(' ').unwrap();
        let who = if arrow == "-x" { From::Client } else { From::Server };
        losses.push(Loss { who, words: words.into(), extra, world });
    }
    losses
}

#[test]
fn a_lost_message_costs_one_timer_and_the_right_one_is_named() {
    println!("method     round trip  lost                                             extra     repaired by");
    for method in AuthMethod::ALL {
        for round_trip in [4, 20, 100, 300].map(Duration::from_millis) {
            for Loss { who, words, extra, world } in sweep(method, round_trip) {
                let ours = world.count(|event| matches!(event, LinkEvent::Repeated { .. })) > 0;
                let theirs = world.count(|event| matches!(event, LinkEvent::PeerTimer { .. })) > 0;
                let arrow = if who == From::Client { "->" } else { "<-" };
                let shown: String = words.chars().take(45).collect();
                let repaired = match (ours, theirs) {
                    (true, false) => "us",
                    (false, true) => "the peer's timer",
                    (true, true) => "both",
                    (false, false) => "nobody",
                };
                println!(
                    "{:<10} {:>7} ms  {arrow} {shown:<45} {:>5} ms  {repaired}",
                    method.name(),
                    round_trip.total_millis(),
                    extra.total_millis()
                );
                let is_request =
                    words.contains("Configure-Request") || words.contains("Authenticate-Request");
                match who {
                    From::Client if is_request => {
                        assert!(extra <= OURS + round_trip, "{words}: {extra}");
                        assert!(ours && !theirs, "{words}: repaired by {repaired}");
                    }
                    // Answers to our requests: as if the request had been lost.
                    From::Server if !is_request && !words.contains("CHAP Challenge") => {
                        assert!(extra <= OURS + round_trip * 2, "{words}: {extra}");
                        assert!(ours, "{words}: {repaired}");
                    }
                    // Our answers, and the server's requests: nobody but the server can repeat.
                    _ => {
                        assert!(extra <= THEIRS + round_trip * 2, "{words}: {extra}");
                        assert!(theirs, "{words}: repaired by {repaired}");
                    }
                }
            }
        }
    }
}

#[test]
fn which_message_of_the_peers_was_waited_for() {
    let losses = sweep(AuthMethod::ChapMd5, Duration::from_millis(20));
    let waited = |who: From, words: &str| {
        let loss = losses.iter().find(|loss| loss.who == who && loss.words.starts_with(words)).unwrap();
        let timer = loss.world.events.iter().find_map(|(_, event)| match event {
            LinkEvent::PeerTimer { message, waited, .. } => Some((*message, waited.total_millis())),
            _ => None,
        });
        timer.unwrap_or_else(|| panic!("{words}: {:#?}", loss.world.events))
    };
    assert_eq!(waited(From::Client, "LCP Configure-Ack"), (PeerMessage::ConfigureRequestAgain, 3000));
    assert_eq!(waited(From::Server, "LCP Configure-Request"), (PeerMessage::ConfigureRequest, 2980));
    assert_eq!(waited(From::Server, "CHAP Challenge"), (PeerMessage::Challenge, 3000));
    assert_eq!(waited(From::Client, "CHAP Response"), (PeerMessage::ChallengeAgain, 3000));
}

/// The server repeats its IPCP request after 3 s; our response goes out again at the first sign
/// that it accepted the one before.
#[test]
fn a_lost_verdict_is_asked_for_again_when_the_peer_goes_on() {
    for method in AuthMethod::ALL {
        let mut verdicts = 0;
        let the_first = move |_, words: &str| {
            let is_verdict = words.starts_with("CHAP Success") || words.starts_with("PAP Authenticate-Ack");
            verdicts += usize::from(is_verdict);
            is_verdict && verdicts == 1
        };
        let round_trip = Duration::from_millis(20);
        let plan = Plan { auth: vec![method], ..Plan::default() };
        let mut world = World::with_loss(config(), plan, round_trip, Box::new(the_first));
        assert_eq!(world.dial(), round_trip * 5, "{}", method.name());
        let again = |event: &LinkEvent| {
            matches!(event, LinkEvent::Repeated { cause: RepeatCause::VerdictLost, attempt: 2, .. })
        };
        assert_eq!(world.count(again), 1);
    }
}

/// A quarter of everything lost: it still comes up, or says why not.
#[test]
fn a_very_bad_line_comes_up_or_gives_a_reason() {
    let mut up = 0;
    for seed in 0..200u64 {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let lose = move |_, _: &str| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 62 == 0
        };
        let method = AuthMethod::ALL[(seed % 3) as usize];
        let plan = Plan { auth: vec![method], ..Plan::default() };
        let mut world = World::with_loss(config(), plan, Duration::from_millis(20), Box::new(lose));
        let ended = world.run(world.now + Duration::from_secs(100), |world| {
            world.saw(|event| matches!(event, LinkEvent::Ipv4Up { .. })).is_some()
                || world.saw(|event| matches!(event, LinkEvent::Failed(_))).is_some()
        });
        assert!(ended, "seed {seed}:\n{}", world.transcript.join("\n"));
        up += usize::from(world.saw(|event| matches!(event, LinkEvent::Ipv4Up { .. })).is_some());
    }
    println!("a quarter of everything lost: {up} of 200 dials came up");
    assert!(up > 180);
}

/// Some concentrators change the identifier with each transmission.
#[test]
fn a_request_that_comes_again_under_another_identifier_is_known_again() {
    let mut script = Script::open(config());
    script.skip();
    let magic = lcp::ConfigOption::MagicNumber(0x1111_1111);
    script.lcp(Code::ConfigureRequest, 1, &[magic]).unwrap();
    script.wait(Duration::from_millis(900));
    script.lcp(Code::ConfigureRequest, 2, &[magic]).unwrap();
    assert_eq!(script.link_events(), [], "too soon for a timer: copied on the way");
    script.wait(Duration::from_secs(3));
    script.lcp(Code::ConfigureRequest, 3, &[magic]).unwrap();
    let message = PeerMessage::ConfigureRequestAgain;
    let told = LinkEvent::PeerTimer { protocol: Protocol::Lcp, message, waited: Duration::from_secs(3) };
    assert!(script.link_events().contains(&told));
}
