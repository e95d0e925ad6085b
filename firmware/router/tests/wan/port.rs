//! What the port and its VLANs make of a WAN: tags, addresses, MRU.

use gatelet_hal::LinkState;
use gatelet_router::{Dropped, WanConfig, WanEvent, WanId};
use gatelet_wire::EthernetAddress;
use gatelet_wire::ethernet::VlanTag;
use gatelet_wire::pppoe::{Code, TagSet};
use smoltcp::time::Duration;

use crate::concentrator::Concentrator;
use crate::world::{MAC, PORT, WAN, Way, World, config, ipv4};

#[expect(clippy::unnecessary_wraps, reason = "it goes where a WAN may have none")]
fn vlan(id: u16) -> Option<VlanTag> {
    Some(VlanTag { id, priority: 5, drop_eligible: false })
}

/// A world with its WAN and its concentrator in VLAN 35.
fn tagged(max_frame_len: usize) -> World {
    let mut world = World::bare(max_frame_len);
    world.ac().vlan = vlan(35);
    world.add_wan(WanConfig { vlan: vlan(35), ..config() }, None);
    world.link(LinkState::Up);
    world
}

#[test]
fn every_frame_has_the_tag_and_its_priority() {
    let mut world = tagged(1518);
    world.come_up();
    world.stack_sends(WAN, &ipv4(100));
    world.settle();
    assert!(world.seen.len() > 15);
    for seen in world.seen.iter().filter(|seen| seen.way == Way::Up) {
        assert_eq!(seen.header().vlan, vlan(35), "{}", seen.words());
    }
}

#[test]
fn a_frame_of_another_vlan_is_nobodys() {
    let mut world = tagged(1518);
    world.ac().vlan = vlan(36);
    world.run_for(Duration::from_secs(1));
    let mut stray = Concentrator::new(1);
    stray.vlan = vlan(36);
    stray.send_padt(MAC, 1);
    let bytes = stray.out.remove(0);
    world.arrive(&bytes);
    assert_eq!(world.router.counters().of(Dropped::OtherVlan), 1);
}

#[test]
fn a_priority_tag_is_no_vlan() {
    let mut world = World::new();
    world.ac().vlan = None;
    world.come_up();
    let id = world.session_id().unwrap();
    let mut bytes = crate::world::session_frame(world.concentrators[0].mac, id, &[0x00, 0x21, 0x45, 1, 2, 3]);
    bytes.splice(12..12, [0x81, 0x00, 0xE0, 0x00]);
    world.arrive(&bytes);
    assert_eq!(world.to_stack.last().unwrap().1, [0x45, 1, 2, 3]);
}

#[test]
fn two_wans_on_one_port_get_what_is_theirs() {
    let mut world = World::bare(1518);
    let mut second = Concentrator::new(2);
    world.ac().vlan = vlan(10);
    second.vlan = vlan(20);
    world.concentrators.push(second);
    for id in [10, 20] {
        world.add_wan(WanConfig { vlan: vlan(id), ..config() }, None);
    }
    world.link(LinkState::Up);
    let up = world.run_until(Duration::from_secs(5), |world| {
        [WanId(0), WanId(1)].iter().all(|wan| world.router.wan(*wan).unwrap().ipv4.is_some())
    });
    assert!(up, "{}", world.transcript());
    for (index, marker) in [(0, 0xAA), (1, 0xBB)] {
        let ac = &mut world.concentrators[index];
        let id = *ac.sessions.keys().next().unwrap();
        ac.send_session(MAC, id, &[0x00, 0x21, 0x45, marker]);
        world.settle();
        world.run_for(Duration::from_millis(20));
        let wan = WanId(u8::try_from(index).unwrap());
        assert_eq!(world.to_stack.pop(), Some((wan, vec![0x45, marker])));

        let mut packet = ipv4(40);
        packet[39] = marker;
        world.stack_sends(wan, &packet);
        world.settle();
        world.run_for(Duration::from_millis(20));
        let data = &world.concentrators[index].sessions[&id].data;
        assert_eq!(data.last(), Some(&packet));
    }
    // The same session id in the other VLAN is another session.
    let id = *world.concentrators[0].sessions.keys().next().unwrap();
    let mut stray = Concentrator::new(1);
    stray.vlan = vlan(20);
    stray.send_session(MAC, id, &[0x00, 0x21, 0x45]);
    world.arrive(&stray.out.remove(0));
    assert_eq!(world.router.counters().of(Dropped::UnknownSession), 1);
}

/// Two sessions with one concentrator: what is for the one is not held for the other, which dials.
#[test]
fn two_wans_in_one_vlan_are_told_apart_by_session() {
    let mut world = World::bare(1514);
    world.add_wan(config(), None);
    world.add_wan(config(), None);
    world.link(LinkState::Up);
    let session =
        |world: &World, wan| world.router.wan(WanId(wan)).unwrap().session.map(|session| session.id);
    let up = world.run_until(Duration::from_secs(5), |world| {
        [0, 1].iter().all(|wan| world.router.wan(WanId(*wan)).unwrap().ipv4.is_some())
    });
    assert!(up, "{}", world.transcript());
    world.run_for(Duration::from_secs(120));
    let (first, second) = (session(&world, 0).unwrap(), session(&world, 1).unwrap());
    assert_ne!(first, second);
    world.ac().confirms = false;
    world.ac().kick(first);
    world.settle();
    world.run_until(Duration::from_secs(5), |world| world.sent(Code::Padr).len() == 3);
    assert_eq!((session(&world, 0), session(&world, 1)), (None, Some(second)));
    let ac = world.concentrators[0].mac;
    for _ in 0..5 {
        world.arrive(&crate::world::session_frame(ac, second, &[0x00, 0x21, 0x45, 7]));
        assert_eq!(world.to_stack.pop(), Some((WanId(1), vec![0x45, 7])));
    }
}

#[test]
fn a_cloned_mac_is_the_only_one_used() {
    let clone = EthernetAddress([2, 0xC1, 0, 0, 0, 1]);
    let mut world = World::bare(1514);
    world.add_wan(WanConfig { mac: Some(clone), ..config() }, None);
    world.link(LinkState::Up);
    world.come_up();
    assert!(world.seen.iter().filter(|seen| seen.way == Way::Up).all(|seen| seen.header().source == clone));
    // What is sent to the port's own address is for somebody else.
    let id = world.session_id().unwrap();
    let stray = crate::world::session_frame(world.concentrators[0].mac, id, &[0x00, 0x21, 0x45]);
    world.arrive(&stray);
    assert_eq!(world.router.counters().of(Dropped::NotForUs), 1);
}

/// MRU by port: (longest frame, tagged, RFC 4638 at the concentrator) and what comes of it.
#[test]
fn the_mru_follows_from_the_port() {
    for (max_frame_len, is_tagged, expected_request, expected_mtu) in [
        (1514, false, None, 1492),
        (1518, true, None, 1492),
        (1514, true, None, 1488),
        (1518, false, Some(1496), 1496),
        (1522, false, Some(1500), 1500),
        (1526, true, Some(1500), 1500),
        (9018, false, Some(1500), 1500),
    ] {
        let mut world = World::bare(max_frame_len);
        let vlan = if is_tagged { vlan(35) } else { None };
        (world.ac().vlan, world.ac().jumbo) = (vlan, true);
        world.add_wan(WanConfig { vlan, ..config() }, None);
        world.link(LinkState::Up);
        world.come_up();
        let requested = TagSet::parse(&world.sent(Code::Padi)[0].packet()).unwrap().max_payload;
        assert_eq!(requested, expected_request, "{max_frame_len} tagged {is_tagged}");
        world.run_for(Duration::from_secs(10));
        assert_eq!(world.status().mtu, expected_mtu, "{max_frame_len} tagged {is_tagged}");
        let longest = world.seen.iter().map(|seen| seen.bytes.len()).max().unwrap();
        assert!(longest <= max_frame_len, "a frame of {longest} on a port of {max_frame_len}");
    }
}

#[test]
fn rfc_4638_can_be_declined_by_either_side() {
    let mut world = World::with(1526, WanConfig { jumbo: false, ..config() });
    world.ac().jumbo = true;
    world.come_up();
    assert_eq!(world.status().mtu, 1492);
    assert_eq!(TagSet::parse(&world.sent(Code::Padi)[0].packet()).unwrap().max_payload, None);

    let mut world = World::with(1526, config());
    world.come_up();
    assert_eq!(world.status().mtu, 1492, "asked for, not echoed");
}

/// A switch on the way drops what is longer than plain Ethernet.
#[test]
fn a_black_hole_is_found_and_remembered() {
    let mut world = World::with(1526, config());
    (world.ac().jumbo, world.ac().max_frame_len) = (true, 1514);
    world.come_up();
    assert_eq!(world.status().mtu, 1500);
    let found = world.run_until(Duration::from_secs(10), |world| world.status().mtu == 1492);
    assert!(found);
    assert!(world.saw(|event| matches!(event, WanEvent::BlackHole { size: 1500 })));
    world.run_for(Duration::from_secs(120));
    let id = world.session_id().unwrap();
    world.ac().kick(id);
    world.settle();
    world.run_for(Duration::from_millis(15));
    world.come_up();
    let second = TagSet::parse(&world.sent(Code::Padi)[1].packet()).unwrap().max_payload;
    assert_eq!((second, world.status().mtu), (None, 1492));
}

#[test]
fn a_port_nobody_added() {
    let mut world = World::new();
    let frame = world.frame(&[0; 60]).unwrap();
    assert!(world.router.handle_frame(world.now, gatelet_hal::PortId(3), frame).is_none());
    assert_eq!(world.router.counters().of(Dropped::UnknownPort), 1);
    assert_ne!(gatelet_hal::PortId(3), PORT);
}
