//! What ends a session, and what does not.

use gatelet_proto::pppoe::{DiscoveryConfig, Dropped, Event, Mode, Session, emit_padt};
use gatelet_wire::pppoe::{Code, Packet, Tag, TagKind, TagSet};

use crate::world::{AC1, AC2, World, padt, tag_bytes};

fn session() -> (Session, Vec<u8>) {
    let mut world = World::new(DiscoveryConfig::default());
    world.start(Mode::Dial);
    world.pado(AC1, &[(TagKind::AcCookie, b"cookie"), (TagKind::RelaySessionId, b"relay")]).unwrap();
    world.pads(AC1, 7, &[]).unwrap();
    let host_uniq = world.host_uniq();
    let Some(Event::Established(session)) = world.events().last() else { panic!() };
    (session.clone(), host_uniq)
}

#[test]
fn a_padt_of_its_concentrator_ends_it() {
    let (session, _) = session();
    assert_eq!(session.handle_padt(AC1, &padt(7, &[])).as_deref(), Ok(""));
    let text = tag_bytes(Tag { kind: TagKind::GenericError, value: b"kicked by\noperator" });
    assert_eq!(session.handle_padt(AC1, &padt(7, &text)).as_deref(), Ok("kicked by operator"));
}

#[test]
fn a_padt_for_another_session_does_not_even_with_our_host_uniq() {
    let (session, host_uniq) = session();
    let uniq = tag_bytes(Tag { kind: TagKind::HostUniq, value: &host_uniq });
    for id in [0, 1, 6, 8, 0x0700, 0xFFFF] {
        assert_eq!(session.handle_padt(AC1, &padt(id, &uniq)), Err(Dropped::PadtForOtherSession));
    }
}

#[test]
fn a_padt_from_another_concentrator_does_not() {
    let (session, host_uniq) = session();
    let uniq = tag_bytes(Tag { kind: TagKind::HostUniq, value: &host_uniq });
    assert_eq!(session.handle_padt(AC2, &padt(7, &uniq)), Err(Dropped::PadtFromOtherConcentrator));
}

#[test]
fn the_host_uniq_of_a_padt_has_no_say() {
    let (session, _) = session();
    let other = tag_bytes(Tag { kind: TagKind::HostUniq, value: b"somebody else's" });
    assert!(session.handle_padt(AC1, &padt(7, &other)).is_ok());
}

/// The session is gone at the concentrator, however badly it says so.
#[test]
fn a_padt_with_unreadable_tags_ends_it_too() {
    let (session, _) = session();
    assert_eq!(session.handle_padt(AC1, &padt(7, &[0x01, 0x03, 0xFF])).as_deref(), Ok(""));
}

#[test]
fn only_a_padt_is_a_padt() {
    let (session, _) = session();
    let packet = Packet { code: Code::Pads, ..padt(7, &[]) };
    assert_eq!(session.handle_padt(AC1, &packet), Err(Dropped::UnknownCode));
}

#[test]
fn our_padt_names_the_session_and_carries_the_tags_of_the_padr() {
    let (session, host_uniq) = session();
    let mut buffer = [0xA5; 190];
    let len = session.emit_padt(&mut buffer).unwrap();
    let packet = Packet::parse(&buffer[..len]).unwrap();
    assert_eq!((packet.code, packet.session_id), (Code::Padt, 7));
    let tags = TagSet::parse(&packet).unwrap();
    assert_eq!(tags.host_uniq, Some(&host_uniq[..]));
    assert_eq!(tags.ac_cookie, Some(&b"cookie"[..]));
    assert_eq!(tags.relay_session_id, Some(&b"relay"[..]));
    assert_eq!(tags.error, None);
}

#[test]
fn a_remembered_session_is_ended_by_its_id_alone() {
    let mut buffer = [0xA5; 6];
    assert_eq!(emit_padt(&mut buffer, 0x1234), Ok(6));
    assert_eq!(buffer, [0x11, 0xA7, 0x12, 0x34, 0, 0]);
}
