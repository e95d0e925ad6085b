//! How it goes, and what is said.

use gatelet_proto::pppoe::{
    COOKIE_MAX, DiscoveryConfig, Dropped, Event, Mode, RELAY_SESSION_ID_MAX, RefusalKind,
};
use gatelet_wire::EthernetAddress;
use gatelet_wire::pppoe::{Code, TagKind};
use smoltcp::time::Duration;

use crate::world::{AC1, AC2, AC3, AC4, World};

fn dialing() -> World {
    let mut world = World::new(DiscoveryConfig::default());
    world.start(Mode::Dial);
    world
}

fn established(world: &World) -> &gatelet_proto::pppoe::Session {
    match world.events().last() {
        Some(Event::Established(session)) => session,
        other => panic!("no session but {other:?}"),
    }
}

#[test]
fn a_dial_takes_two_round_trips() {
    let mut world = dialing();
    world.pado(AC1, &[]).unwrap();
    world.pads(AC1, 7, &[]).unwrap();
    world.expect_transcript(
        "
        -> all Padi 1
        <- ac1 Pado
        -> ac1 Padr 1
        chosen: ac1
        <- ac1 Pads session 7
        session 7 with ac1
        ",
    );
    assert_eq!(world.now.total_micros(), 0, "no timer was needed");
    assert!(!world.discovery.is_active());
    assert_eq!(world.discovery.poll_at(), None);
}

#[test]
fn the_tags_a_concentrator_wants_back_come_back() {
    let mut world = World::new(DiscoveryConfig {
        service_name: "internet".try_into().unwrap(),
        max_payload: Some(1500),
        ..DiscoveryConfig::default()
    });
    world.start(Mode::Dial);
    let padi = world.last_sent().clone();
    assert_eq!((padi.to, padi.code), (EthernetAddress::BROADCAST, Code::Padi));
    assert_eq!(padi.tag(TagKind::ServiceName), Some(&b"internet"[..]));
    assert_eq!(padi.tag(TagKind::PppMaxPayload), Some(&1500_u16.to_be_bytes()[..]));
    assert_eq!(padi.tag(TagKind::AcCookie), None);

    let (cookie, relay) = ([0xC0; COOKIE_MAX], [0x5E; RELAY_SESSION_ID_MAX]);
    let tags = [
        (TagKind::ServiceName, &b"internet"[..]),
        (TagKind::AcCookie, &cookie),
        (TagKind::RelaySessionId, &relay),
    ];
    world.pado(AC1, &tags).unwrap();
    let padr = world.last_sent();
    assert_eq!((padr.to, padr.code), (AC1, Code::Padr));
    assert_eq!(padr.tag(TagKind::ServiceName), Some(&b"internet"[..]));
    assert_eq!(padr.tag(TagKind::HostUniq), padi.tag(TagKind::HostUniq));
    assert_eq!(padr.tag(TagKind::AcCookie), Some(&cookie[..]));
    assert_eq!(padr.tag(TagKind::RelaySessionId), Some(&relay[..]));
    assert_eq!(padr.tag(TagKind::PppMaxPayload), Some(&1500_u16.to_be_bytes()[..]));
}

#[test]
fn the_first_acceptable_offer_wins_and_two_others_are_kept() {
    let mut world = dialing();
    world.pado(AC1, &[]).unwrap();
    world.pado(AC2, &[]).unwrap();
    world.pado(AC3, &[]).unwrap();
    assert_eq!(world.pado(AC4, &[]), Err(Dropped::TooManyOffers));
    world.run_for(Duration::from_secs(60));
    world.expect_transcript(
        "
        -> all Padi 1
        <- ac1 Pado
        -> ac1 Padr 1
        chosen: ac1
        <- ac2 Pado
        kept: ac2
        <- ac3 Pado
        kept: ac3
        <- ac4 Pado (pado-too-many)
        -> ac1 Padr 2
        -> ac2 Padr 1
        fallback chosen: ac2
        -> ac2 Padr 2
        -> ac3 Padr 1
        fallback chosen: ac3
        -> ac3 Padr 2
        -> ac3 Padr 3
        failed: PadrUnanswered
        ",
    );
}

#[test]
fn a_refusal_leads_to_the_kept_offer_at_once() {
    let mut world = dialing();
    world.pado(AC1, &[]).unwrap();
    world.pado(AC2, &[]).unwrap();
    world.pads(AC1, 0, &[(TagKind::AcSystemError, b"no resources")]).unwrap();
    world.pads(AC2, 9, &[]).unwrap();
    world.transcript.drain(..6);
    world.expect_transcript(
        "
        <- ac1 Pads
        -> ac2 Padr 1
        refused by ac1: AcSystem \"no resources\"
        fallback chosen: ac2
        <- ac2 Pads session 9
        session 9 with ac2
        ",
    );
}

#[test]
fn each_error_tag_is_told_with_its_text() {
    let kinds = [
        (TagKind::ServiceNameError, RefusalKind::ServiceName),
        (TagKind::AcSystemError, RefusalKind::AcSystem),
        (TagKind::GenericError, RefusalKind::Generic),
    ];
    for (tag, kind) in kinds {
        let mut world = dialing();
        world.pado(AC1, &[]).unwrap();
        world.pads(AC1, 0, &[(tag, b"line\x07busy")]).unwrap();
        let [.., Event::Refused(refusal), Event::Failed(_)] = world.events() else { panic!() };
        assert_eq!((refusal.kind, refusal.text.as_str(), refusal.ac_mac), (kind, "line busy", AC1));
        assert!(!world.discovery.is_active());
    }
}

#[test]
fn a_refusal_counts_even_beside_a_session_id() {
    let mut world = dialing();
    world.pado(AC1, &[]).unwrap();
    world.pads(AC1, 5, &[(TagKind::GenericError, b"")]).unwrap();
    assert!(matches!(world.events().last(), Some(Event::Failed(_))));
}

#[test]
fn an_offer_that_refuses_is_told_and_the_wait_goes_on() {
    let mut world = dialing();
    assert_eq!(world.pado(AC1, &[(TagKind::GenericError, b"full")]), Err(Dropped::RefusingOffer));
    world.run_for(Duration::from_secs(60));
    world.expect_transcript(
        "
        -> all Padi 1
        <- ac1 Pado (pado-refusing)
        refused by ac1: Generic \"full\"
        -> all Padi 2
        -> all Padi 3
        failed: Refused
        ",
    );
}

#[test]
fn filters() {
    let mut world =
        World::new(DiscoveryConfig { ac_name: "ac2".try_into().unwrap(), ..DiscoveryConfig::default() });
    world.start(Mode::Dial);
    assert_eq!(world.pado(AC1, &[]), Err(Dropped::FilteredByAcName));
    assert_eq!(world.pado(AC2, &[]), Ok(()));

    let mut world = World::new(DiscoveryConfig { ac_mac: Some(AC2), ..DiscoveryConfig::default() });
    world.start(Mode::Dial);
    assert_eq!(world.pado(AC1, &[]), Err(Dropped::FilteredByMac));
    assert_eq!(world.pado(AC2, &[]), Ok(()));

    let service_name = "gold".try_into().unwrap();
    let mut world = World::new(DiscoveryConfig { service_name, ..DiscoveryConfig::default() });
    world.start(Mode::Dial);
    assert_eq!(world.pado(AC1, &[(TagKind::ServiceName, b"silver")]), Err(Dropped::FilteredByServiceName));
    let both = [(TagKind::ServiceName, &b"silver"[..]), (TagKind::ServiceName, b"gold")];
    assert_eq!(world.pado(AC1, &both), Ok(()));

    let mut world = dialing();
    let host_uniq = world.host_uniq();
    let nameless = world.hear(AC1, Code::Pado, 0, &[(TagKind::HostUniq, &host_uniq)]);
    assert_eq!(nameless, Err(Dropped::NoAcName));
}

#[test]
fn max_payload_is_what_both_agreed_to() {
    let session_of = |asked: Option<u16>, answered: Option<u16>| {
        let mut world = World::new(DiscoveryConfig { max_payload: asked, ..DiscoveryConfig::default() });
        world.start(Mode::Dial);
        world.pado(AC1, &[]).unwrap();
        let value = answered.unwrap_or_default().to_be_bytes();
        let tag = [(TagKind::PppMaxPayload, &value[..])];
        world.pads(AC1, 1, if answered.is_some() { &tag } else { &[] }).unwrap();
        established(&world).max_payload
    };
    assert_eq!(session_of(Some(1500), Some(1500)), Some(1500));
    assert_eq!(session_of(Some(1500), None), None, "not echoed: 1492");
    assert_eq!(session_of(Some(1500), Some(9000)), Some(1500), "more than asked for");
    assert_eq!(session_of(Some(1500), Some(1496)), Some(1496));
    assert_eq!(session_of(Some(1500), Some(576)), None, "below 1492 it means nothing");
    assert_eq!(session_of(None, Some(1500)), None, "not asked for");
}

/// The answer to a repeated PADI may carry another cookie: the concentrator was restarted.
#[test]
fn the_newest_cookie_of_a_concentrator_is_used() {
    let mut world = dialing();
    world.pado(AC1, &[(TagKind::AcCookie, b"old")]).unwrap();
    world.pado(AC1, &[(TagKind::AcCookie, b"new")]).unwrap();
    world.run_for(Duration::from_secs(2));
    assert_eq!((world.last_sent().code, world.sent.len()), (Code::Padr, 3));
    assert_eq!(world.last_sent().tag(TagKind::AcCookie), Some(&b"new"[..]));
}

#[test]
fn a_repeated_padr_that_opens_two_sessions_leaves_one() {
    let mut world = dialing();
    world.pado(AC1, &[]).unwrap();
    world.run_for(Duration::from_secs(2));
    world.pads(AC1, 7, &[]).unwrap();
    assert_eq!(world.pads(AC1, 7, &[]), Err(Dropped::DuplicatePads));
    world.pads(AC1, 8, &[]).unwrap();
    world.expect_transcript(
        "
        -> all Padi 1
        <- ac1 Pado
        -> ac1 Padr 1
        chosen: ac1
        -> ac1 Padr 2
        <- ac1 Pads session 7
        session 7 with ac1
        <- ac1 Pads session 7 (pads-duplicate)
        <- ac1 Pads session 8
        surplus 8 of ac1
        ",
    );
}

#[test]
fn a_late_confirmation_of_the_first_choice_is_surplus() {
    let mut world = dialing();
    world.pado(AC1, &[]).unwrap();
    world.pado(AC2, &[]).unwrap();
    world.run_for(Duration::from_secs(4));
    assert_eq!(world.last_sent().to, AC2);
    world.pads(AC1, 7, &[]).unwrap();
    world.pads(AC2, 8, &[]).unwrap();
    let [.., Event::SurplusPads { ac_mac: AC1, session_id: 7 }, Event::Established(session)] = world.events()
    else {
        panic!("{:?}", world.events());
    };
    assert_eq!((session.ac_mac, session.id), (AC2, 8));
}

#[test]
fn a_confirmation_after_giving_up_is_surplus() {
    let mut world = dialing();
    world.pado(AC1, &[]).unwrap();
    world.discovery.stop();
    world.pads(AC1, 7, &[]).unwrap();
    assert!(matches!(world.events().last(), Some(Event::SurplusPads { session_id: 7, .. })));
}

#[test]
fn aborted_after_an_offer_the_next_dial_is_broadcast_again() {
    let mut world = dialing();
    let before = world.host_uniq();
    world.pado(AC1, &[]).unwrap();
    world.discovery.stop();
    world.start(Mode::Dial);
    assert_eq!((world.last_sent().to, world.last_sent().code), (EthernetAddress::BROADCAST, Code::Padi));
    assert_ne!(world.host_uniq(), before, "each attempt has its own");
}

/// Frames of the chosen concentrator may overtake its PADS.
#[test]
fn frames_are_held_for_the_concentrator_that_was_asked() {
    let mut world = dialing();
    assert!(!world.discovery.may_hold(AC1), "nobody was asked");
    world.pado(AC1, &[]).unwrap();
    assert!(world.discovery.may_hold(AC1));
    assert!(!world.discovery.may_hold(AC2));
    world.pads(AC1, 7, &[]).unwrap();
    assert!(!world.discovery.may_hold(AC1), "now there is a session");
}
