//! What other clients believe, and what an attacker would like one to believe.

use gatelet_proto::pppoe::{COOKIE_MAX, DiscoveryConfig, Dropped, Event, Mode, RELAY_SESSION_ID_MAX};
use gatelet_wire::EthernetAddress;
use gatelet_wire::pppoe::{Code, Packet, TagKind};

use crate::world::{AC1, AC2, World};

fn dialing() -> World {
    let mut world = World::new(DiscoveryConfig::default());
    world.start(Mode::Dial);
    world
}

/// After the PADR to AC1.
fn requesting() -> World {
    let mut world = dialing();
    world.pado(AC1, &[]).unwrap();
    world
}

fn has_session(world: &World) -> bool {
    world.events().iter().any(|event| matches!(event, Event::Established(_)))
}

#[test]
fn a_pads_before_any_pado_is_not_believed() {
    let mut world = dialing();
    assert_eq!(world.pads(AC1, 7, &[]), Err(Dropped::NotAwaited));
    assert!(!has_session(&world));
}

#[test]
fn a_pads_before_the_padr_is_not_believed() {
    let mut world = dialing();
    let host_uniq = world.host_uniq();
    let tags = [(TagKind::AcName, &b"ac1"[..]), (TagKind::HostUniq, &host_uniq)];
    // The PADO is there, the PADR is due, and the budget holds it back.
    let mut buffer = [0; 100];
    let mut writer = gatelet_wire::pppoe::Writer::new(&mut buffer, Code::Pado, 0);
    for (kind, value) in tags {
        writer.push(kind, value);
    }
    let len = writer.finish().unwrap();
    let pado = Packet { code: Code::Pado, session_id: 0, payload: &buffer[6..len] };
    world.discovery.handle_packet(world.now, &mut world.rng, AC1, &pado).unwrap();
    let pads = Packet { code: Code::Pads, session_id: 7, ..pado };
    let result = world.discovery.handle_packet(world.now, &mut world.rng, AC1, &pads);
    assert_eq!(result, Err(Dropped::NotAwaited));
    assert!(!world.discovery.may_hold(AC1));
    // With the PADR it is.
    world.settle();
    assert_eq!(world.pads(AC1, 7, &[]), Ok(()));
}

#[test]
fn a_pads_from_another_mac_is_not_believed() {
    let mut world = requesting();
    assert_eq!(world.pads(AC2, 7, &[]), Err(Dropped::WrongConcentrator));
    assert!(!has_session(&world));
    assert_eq!(world.pads(AC1, 7, &[]), Ok(()), "the right one still is");
}

#[test]
fn a_refusal_from_another_mac_is_not_believed_either() {
    let mut world = requesting();
    assert_eq!(world.pads(AC2, 0, &[(TagKind::GenericError, b"go away")]), Err(Dropped::WrongConcentrator));
    assert!(world.discovery.is_active());
}

#[test]
fn session_0_and_65535_are_none() {
    let mut world = requesting();
    assert_eq!(world.pads(AC1, 0, &[]), Err(Dropped::NoSessionId));
    assert_eq!(world.pads(AC1, 0xFFFF, &[]), Err(Dropped::NoSessionId));
    assert!(world.discovery.is_active(), "the PADR is repeated");
}

#[test]
fn an_offer_of_a_session_is_none() {
    let mut world = dialing();
    let host_uniq = world.host_uniq();
    let tags = [(TagKind::AcName, &b"ac1"[..]), (TagKind::HostUniq, &host_uniq)];
    assert_eq!(world.hear(AC1, Code::Pado, 7, &tags), Err(Dropped::OfferWithSession));
}

#[test]
fn without_our_host_uniq_nothing_is_believed() {
    let mut world = dialing();
    let offer = |uniq: &'static [u8]| [(TagKind::AcName, &b"ac1"[..]), (TagKind::HostUniq, uniq)];
    assert_eq!(world.hear(AC1, Code::Pado, 0, &offer(b"guess")), Err(Dropped::HostUniq));
    assert_eq!(world.hear(AC1, Code::Pado, 0, &offer(b"")), Err(Dropped::HostUniq));
    assert_eq!(world.hear(AC1, Code::Pado, 0, &[(TagKind::AcName, b"ac1")]), Err(Dropped::HostUniq));
    world.pado(AC1, &[]).unwrap();
    assert_eq!(world.hear(AC1, Code::Pads, 7, &[(TagKind::HostUniq, b"guess")]), Err(Dropped::HostUniq));
}

#[test]
fn an_answer_to_the_attempt_before_is_not_believed() {
    let mut world = dialing();
    let before = world.host_uniq();
    world.discovery.stop();
    world.start(Mode::Dial);
    let tags = [(TagKind::AcName, &b"ac1"[..]), (TagKind::HostUniq, &before)];
    assert_eq!(world.hear(AC1, Code::Pado, 0, &tags), Err(Dropped::HostUniq));
}

#[test]
fn host_uniq_is_another_one_each_time() {
    let mut seen = std::collections::HashSet::new();
    for seed in 0..100 {
        let mut world = World::seeded(DiscoveryConfig::default(), seed);
        for _ in 0..10 {
            world.start(Mode::Dial);
            assert!(seen.insert(world.host_uniq()));
        }
    }
}

#[test]
fn a_tag_that_runs_over_spoils_the_packet() {
    for code in [Code::Pado, Code::Pads] {
        let mut world = if code == Code::Pado { dialing() } else { requesting() };
        let host_uniq = world.host_uniq();
        let mut payload = vec![0x01, 0x03, 0x00, u8::try_from(host_uniq.len()).unwrap()];
        payload.extend(&host_uniq);
        payload.extend([0x01, 0x02, 0x00, 0x03]);
        payload.extend(b"ac1");
        // AC-Cookie of 64 bytes, two of which are there.
        payload.extend([0x01, 0x04, 0x00, 0x40, 0xC0, 0xC0]);
        let session_id = if code == Code::Pads { 7 } else { 0 };
        let packet = Packet { code, session_id, payload: &payload };
        assert_eq!(world.hear_packet(AC1, &packet), Err(Dropped::Malformed));
        assert!(world.discovery.is_active() && !has_session(&world));
    }
}

#[test]
fn a_cookie_too_long_to_echo_is_no_offer() {
    let mut world = dialing();
    assert_eq!(world.pado(AC1, &[(TagKind::AcCookie, &[0; COOKIE_MAX + 1])]), Err(Dropped::OversizeTag));
    let relay = [0; RELAY_SESSION_ID_MAX + 1];
    assert_eq!(world.pado(AC1, &[(TagKind::RelaySessionId, &relay)]), Err(Dropped::OversizeTag));
    assert_eq!(world.sent.len(), 1, "nobody was asked");
}

#[test]
fn what_clients_send_is_not_for_clients() {
    let mut world = requesting();
    assert_eq!(world.hear(AC2, Code::Padi, 0, &[]), Err(Dropped::NotForClients));
    assert_eq!(world.hear(AC2, Code::Padr, 0, &[]), Err(Dropped::NotForClients));
    assert_eq!(world.hear(AC2, Code::Unknown(0x42), 0, &[]), Err(Dropped::UnknownCode));
    assert_eq!(world.hear(AC2, Code::Session, 1, &[]), Err(Dropped::UnknownCode));
}

#[test]
fn a_group_is_nobody() {
    let mut world = dialing();
    for source in [EthernetAddress::BROADCAST, EthernetAddress([1, 0, 0, 0, 0, 1])] {
        assert_eq!(world.pado(source, &[]), Err(Dropped::SourceNotUnicast));
    }
}

#[test]
fn at_rest_nothing_is_awaited() {
    let mut world = dialing();
    world.discovery.stop();
    assert_eq!(world.pado(AC1, &[]), Err(Dropped::NotAwaited));
    assert_eq!(world.pads(AC1, 7, &[]), Err(Dropped::NotAwaited));
}

/// A PADT from the very concentrator, for a session of before, with our Host-Uniq of now.
#[test]
fn a_padt_does_not_touch_a_dial() {
    let mut world = requesting();
    let host_uniq = world.host_uniq();
    let result = world.hear(AC1, Code::Padt, 7, &[(TagKind::HostUniq, &host_uniq)]);
    assert_eq!(result, Err(Dropped::PadtForOtherSession));
    assert_eq!(world.pads(AC1, 8, &[]), Ok(()));
}
