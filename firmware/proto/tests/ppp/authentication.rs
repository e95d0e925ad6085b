//! Authentication: verdicts, texts, re-authentication, impostors.

use gatelet_proto::ppp::auth::{AuthMethod, chap as md5, mschapv2 as hash};
use gatelet_proto::ppp::{Dropped, LinkEvent, LinkFailure, Phase, Text};
use gatelet_wire::ppp::{Code, Protocol, chap, mschapv2, pap};
use smoltcp::time::Duration;

use crate::script::Script;
use crate::server::{PASSWORD, Plan, USERNAME};
use crate::world::{World, config};

const ROUND_TRIP: Duration = Duration::from_millis(20);

fn text(text: &str) -> Text {
    text.try_into().unwrap()
}

/// A link of which `method` is demanded, with the request or nothing sent so far.
fn demanding(method: AuthMethod) -> Script {
    let mut script = Script::open(config());
    script.skip();
    script.acknowledge();
    let magic = gatelet_wire::ppp::lcp::ConfigOption::MagicNumber(0x1111_1111);
    let auth = gatelet_wire::ppp::lcp::ConfigOption::AuthenticationProtocol(method.option());
    script.lcp(Code::ConfigureRequest, 1, &[auth, magic]).unwrap();
    assert!(script.next().unwrap().starts_with("LCP Configure-Ack 1"));
    script.link_events();
    script
}

#[test]
fn a_refusal_tells_method_text_and_code_and_ends_the_link() {
    let refusal = "E=691 R=0 C=00000000000000000000000000000000 V=3 M=Radius User Restriction";
    let cases = [
        (AuthMethod::Pap, "userid locked", "userid locked", None),
        (AuthMethod::ChapMd5, "not match, Request Deny", "not match, Request Deny", None),
        (AuthMethod::ChapMd5, "E=691 R=0", "E=691 R=0", Some(691)),
        (AuthMethod::MsChapV2, refusal, "Radius User Restriction", Some(691)),
        (AuthMethod::MsChapV2, "E=649", "E=649", Some(649)),
        (AuthMethod::MsChapV2, "gibberish", "gibberish", None),
        (AuthMethod::Pap, "", "", None),
    ];
    for (method, said, told, code) in cases {
        let plan = Plan { auth: vec![method], refuses_with: Some(said), ..Plan::default() };
        let mut world = World::new(config(), plan, ROUND_TRIP);
        world.run_for(Duration::from_secs(10));
        let events: Vec<LinkEvent> = world.events.iter().map(|(_, event)| event.clone()).collect();
        let refused = LinkEvent::AuthRefused { method, text: text(told), code };
        assert_eq!(events[1..], [LinkEvent::AuthSent { method }, refused, LinkEvent::Closed]);
    }
}

#[test]
fn a_wrong_password_is_refused_by_every_method() {
    for method in AuthMethod::ALL {
        let mut config = config();
        config.credentials.password = "wrong".try_into().unwrap();
        let mut world = World::new(config, Plan { auth: vec![method], ..Plan::default() }, ROUND_TRIP);
        world.run_for(Duration::from_secs(10));
        assert_eq!(world.count(|event| matches!(event, LinkEvent::AuthRefused { .. })), 1);
        assert_eq!(world.count(|event| matches!(event, LinkEvent::Ipv4Up { .. })), 0);
    }
}

#[test]
fn a_challenge_while_open_is_answered_and_nothing_goes_down() {
    for method in [AuthMethod::ChapMd5, AuthMethod::MsChapV2] {
        let mut world = World::new(config(), Plan { auth: vec![method], ..Plan::default() }, ROUND_TRIP);
        world.dial();
        world.server.rechallenge(world.now);
        world.carry();
        world.run_for(Duration::from_secs(4));
        assert_eq!(world.count(|event| matches!(event, LinkEvent::Authenticated { .. })), 2);
        assert_eq!(world.count(|event| matches!(event, LinkEvent::AuthSent { .. })), 2);
        assert_eq!(world.count(|event| matches!(event, LinkEvent::Ipv4Down)), 0);
    }
}

#[test]
fn a_refused_reauthentication_ends_the_link() {
    let mut script = demanding(AuthMethod::ChapMd5);
    let challenge = chap::Packet::Challenge { identifier: 1, value: b"one", name: b"ac" };
    script.chap(&challenge).unwrap();
    script.chap(&chap::Packet::Success { identifier: 1, message: b"" }).unwrap();
    assert_eq!(script.link.phase(), Phase::Network);
    let challenge = chap::Packet::Challenge { identifier: 2, value: b"two", name: b"ac" };
    script.chap(&challenge).unwrap();
    script.chap(&chap::Packet::Failure { identifier: 2, message: b"session limit" }).unwrap();
    assert_eq!(script.link.phase(), Phase::Terminate);
    let refused =
        LinkEvent::AuthRefused { method: AuthMethod::ChapMd5, text: text("session limit"), code: None };
    assert_eq!(script.link_events().last(), Some(&refused));
}

#[test]
fn the_same_challenge_gets_the_same_response() {
    for method in [AuthMethod::ChapMd5, AuthMethod::MsChapV2] {
        let mut script = demanding(method);
        let challenge =
            |identifier, value| chap::Packet::Challenge { identifier, value, name: b"concentrator" };
        script.chap(&challenge(7, b"0123456789abcdef")).unwrap();
        script.hears("CHAP Response 7 user@isp");
        let first = script.last.clone();
        script.wait(Duration::from_secs(3));
        script.chap(&challenge(7, b"0123456789abcdef")).unwrap();
        script.hears("CHAP Response 7 user@isp");
        assert_eq!(script.last, first);
        // Another challenge, even under the same identifier, gets another.
        script.chap(&challenge(7, b"fedcba9876543210")).unwrap();
        script.hears("CHAP Response 7 user@isp");
        assert_ne!(script.last, first);
    }
}

#[test]
fn chap_responses_are_those_the_peer_expects() {
    let mut script = demanding(AuthMethod::ChapMd5);
    let challenge = chap::Packet::Challenge { identifier: 9, value: b"x", name: b"" };
    script.chap(&challenge).unwrap();
    script.hears("CHAP Response 9 user@isp");
    let Ok(chap::Packet::Response { value, name, .. }) = chap::Packet::parse(&script.last[2..]) else {
        panic!("a response")
    };
    assert_eq!(name, USERNAME.as_bytes());
    assert!(md5::verify(9, PASSWORD.as_bytes(), b"x", value));
}

#[test]
fn a_server_that_cannot_prove_the_password_is_left() {
    let genuine = |script: &Script, challenge: &[u8; 16]| {
        let Ok(chap::Packet::Response { value, .. }) = chap::Packet::parse(&script.last[2..]) else {
            panic!("a response")
        };
        let response = mschapv2::Response::parse(value).unwrap();
        hash::authenticator_response(
            challenge,
            &response.peer_challenge,
            &response.nt_response,
            USERNAME,
            PASSWORD,
        )
    };
    let challenge = b"0123456789abcdef";
    for (message, is_genuine) in [
        (Some("S=0000000000000000000000000000000000000000 M=welcome"), false),
        (Some("welcome"), false),
        (Some(""), false),
        (None, true),
    ] {
        let mut script = demanding(AuthMethod::MsChapV2);
        script.chap(&chap::Packet::Challenge { identifier: 1, value: challenge, name: b"ac" }).unwrap();
        script.skip();
        let mut buffer = [0; 64];
        let proof = mschapv2::Success { authenticator_response: genuine(&script, challenge), message: b"" };
        let length = proof.emit(&mut buffer).unwrap();
        let message = message.map_or(&buffer[..length], str::as_bytes);
        script.chap(&chap::Packet::Success { identifier: 1, message }).unwrap();
        let failed = script.link_events().contains(&LinkEvent::Failed(LinkFailure::PeerNotGenuine));
        assert_eq!(failed, !is_genuine);
        assert_eq!(script.link.phase() == Phase::Network, is_genuine);
    }
}

#[test]
fn verdicts_nobody_waits_for_are_dropped() {
    let mut script = demanding(AuthMethod::ChapMd5);
    let success = |identifier| chap::Packet::Success { identifier, message: b"" };
    assert_eq!(script.chap(&success(1)), Err(Dropped::Identifier), "before any challenge");
    script.chap(&chap::Packet::Challenge { identifier: 1, value: b"x", name: b"" }).unwrap();
    assert_eq!(script.chap(&success(2)), Err(Dropped::Identifier));
    let response = chap::Packet::Response { identifier: 1, value: b"x", name: b"" };
    assert_eq!(script.chap(&response), Err(Dropped::WrongRole));
    let ack = pap::Packet::AuthenticateAck { identifier: 1, message: b"" };
    assert_eq!(script.pap(&ack), Err(Dropped::WrongPhase), "another method");
    script.chap(&success(1)).unwrap();
    assert_eq!(script.chap(&success(1)), Err(Dropped::Identifier), "twice");
    let failure = chap::Packet::Failure { identifier: 1, message: b"" };
    assert_eq!(script.chap(&failure), Err(Dropped::Identifier), "a verdict is final");

    let mut script = demanding(AuthMethod::Pap);
    script.hears("PAP Authenticate-Request 1 user@isp secret");
    assert_eq!(
        script.pap(&pap::Packet::AuthenticateAck { identifier: 2, message: b"" }),
        Err(Dropped::Identifier)
    );
    assert_eq!(
        script.pap(&pap::Packet::AuthenticateNak { identifier: 0, message: b"" }),
        Err(Dropped::Identifier)
    );
    let request = pap::Packet::AuthenticateRequest { identifier: 1, peer_id: b"", password: b"" };
    assert_eq!(script.pap(&request), Err(Dropped::WrongRole));
    script.wait(Duration::from_secs(2));
    script.hears("PAP Authenticate-Request 2 user@isp secret");
    // A late answer to the first transmission counts.
    script.pap(&ack).unwrap();
    assert_eq!(script.link.phase(), Phase::Network);
    assert_eq!(script.pap(&ack), Err(Dropped::Identifier), "twice");
}

#[test]
fn a_challenge_of_wrong_size_for_mschapv2_is_dropped() {
    let mut script = demanding(AuthMethod::MsChapV2);
    let challenge = chap::Packet::Challenge { identifier: 1, value: b"short", name: b"" };
    assert_eq!(script.chap(&challenge), Err(Dropped::Challenge));
    script.hears_nothing();
}

#[test]
fn pap_without_an_answer_is_given_up_within_30_seconds() {
    let mut script = demanding(AuthMethod::Pap);
    let began = script.now;
    for identifier in 1..=10 {
        script.hears(&format!("PAP Authenticate-Request {identifier} user@isp secret"));
        let at = script.link.poll_at().unwrap();
        script.wait(at - script.now);
    }
    let failure = LinkFailure::AuthTimeout { method: AuthMethod::Pap, sent: true };
    assert!(script.link_events().contains(&LinkEvent::Failed(failure)));
    assert!(script.now - began <= Duration::from_secs(30));
}

#[test]
fn chap_without_a_challenge_or_a_verdict_is_given_up_and_told_apart() {
    for sent in [false, true] {
        let mut script = demanding(AuthMethod::ChapMd5);
        if sent {
            script.chap(&chap::Packet::Challenge { identifier: 1, value: b"x", name: b"" }).unwrap();
        }
        script.wait(Duration::from_secs(30));
        let failure = LinkFailure::AuthTimeout { method: AuthMethod::ChapMd5, sent };
        assert!(script.link_events().contains(&LinkEvent::Failed(failure)));
    }
}

#[test]
fn nothing_is_shown_before_the_owner_permits() {
    for method in AuthMethod::ALL {
        let config = gatelet_proto::ppp::LinkConfig { ask_before_authenticating: true, ..config() };
        let mut world = World::new(config, Plan { auth: vec![method], ..Plan::default() }, ROUND_TRIP);
        world.run_for(Duration::from_secs(5));
        assert!(world.link.wants_to_authenticate());
        assert_eq!(world.count(|event| matches!(event, LinkEvent::AuthSent { .. })), 0);
        let said = world.transcript.join("\n");
        assert!(!said.contains("Authenticate-Request") && !said.contains("CHAP Response"), "{said}");
        let now = world.now;
        world.link.authenticate(now);
        assert!(!world.link.wants_to_authenticate());
        world.carry();
        world.dial();
        assert_eq!(world.count(|event| matches!(event, LinkEvent::AuthSent { .. })), 1);
    }
}

/// A peer whose network protocols begin before our authentication is known to have succeeded.
#[test]
fn a_request_that_came_early_is_answered_as_soon_as_it_may_be() {
    let mut script = demanding(AuthMethod::Pap);
    script.hears("PAP Authenticate-Request 1 user@isp secret");
    let request = [3, 6, 10, 0, 0, 1];
    script.control(Protocol::Ipcp, Code::ConfigureRequest, 3, &request).unwrap();
    script.hears_nothing();
    script.pap(&pap::Packet::AuthenticateAck { identifier: 1, message: b"" }).unwrap();
    script.hears("IPCP Configure-Request 1 address=0.0.0.0 dns1=0.0.0.0 dns2=0.0.0.0");
    script.hears("IPV6CP Configure-Request 1 id");
    script.hears("IPCP Configure-Ack 3 address=10.0.0.1");
    script.hears_nothing();
}
