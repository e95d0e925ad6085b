//! IP packets through a session.

use gatelet_hal::Frame;
use gatelet_router::{Command, Dropped};
use smoltcp::time::Duration;

use crate::world::{MAC, WAN, Way, World, ipv4, session_frame};

fn up() -> World {
    let mut world = World::new();
    world.come_up();
    world.run_for(Duration::from_secs(1));
    world
}

#[test]
fn headers_are_pushed_and_pulled_in_place() {
    let mut world = up();
    let id = world.session_id().unwrap();

    // Up: the IP packet stays where it is in memory, on a multiple of four.
    let mut frame = world.pool.take(gatelet_hal::PortId::LOCAL).unwrap();
    frame.clear(Frame::IP_HEADROOM);
    assert!(frame.extend(&ipv4(100)));
    let address = frame.bytes().as_ptr() as usize;
    assert_eq!(address % 4, 0);
    let (_, sent) = world.router.handle_stack_packet(world.now, WAN, frame).unwrap();
    assert_eq!(sent.bytes().as_ptr() as usize + 22, address);
    let mut expected = Vec::new();
    expected.extend(world.concentrators[0].mac.0);
    expected.extend(MAC.0);
    expected.extend([0x88, 0x64, 0x11, 0x00]);
    expected.extend(id.to_be_bytes());
    expected.extend(102_u16.to_be_bytes());
    expected.extend([0x00, 0x21]);
    expected.extend(ipv4(100));
    assert_eq!(sent.bytes(), expected);
    drop(sent);

    // Down: so does what was received, and padding is cut off.
    let mut bytes = session_frame(world.concentrators[0].mac, id, &[&[0x00, 0x21][..], &ipv4(28)].concat());
    bytes.resize(60, 0xEE);
    let frame = world.frame(&bytes).unwrap();
    let address = frame.bytes().as_ptr() as usize + 22;
    let (egress, packet) = world.router.handle_frame(world.now, crate::world::PORT, frame).unwrap();
    assert_eq!(egress, gatelet_router::Egress::Stack(WAN));
    assert_eq!(packet.bytes().as_ptr() as usize, address);
    assert_eq!(address % 4, 0);
    assert_eq!(packet.bytes(), ipv4(28));
    let counters = world.status().counters;
    assert_eq!((counters.ip_sent, counters.ip_sent_bytes), (1, 100));
    assert_eq!((counters.ip_received, counters.ip_received_bytes), (1, 28));
}

#[test]
fn ipv6_goes_the_same_way() {
    let mut world = up();
    let (id, mac) = (world.session_id().unwrap(), world.concentrators[0].mac);
    assert!(world.status().ipv6.is_some());
    let mut packet = ipv4(60);
    packet[0] = 0x60;
    world.stack_sends(WAN, &packet);
    world.settle();
    world.run_for(Duration::from_millis(20));
    assert_eq!(world.ac().sessions[&id].data.last(), Some(&packet));
    assert_eq!(world.seen.last().unwrap().packet().payload[..2], [0x00, 0x57]);
    world.arrive(&session_frame(mac, id, &[&[0x00, 0x57][..], &packet].concat()));
    assert_eq!(world.to_stack.last().unwrap().1, packet);
}

#[test]
fn the_longest_packet_and_one_byte_more() {
    let mut world = up();
    let mut sends = |len| {
        let frame = world.frame(&ipv4(len)).unwrap();
        world.router.handle_stack_packet(world.now, WAN, frame).map(|(_, frame)| frame.len())
    };
    assert_eq!(sends(1492), Some(1514));
    assert_eq!(sends(1493), None);
    assert_eq!(world.router.counters().of(Dropped::TooLong), 1);
}

#[test]
fn what_is_not_ip_is_not_carried() {
    let mut world = up();
    let (id, mac) = (world.session_id().unwrap(), world.concentrators[0].mac);
    for packet in [&[0x15_u8, 0, 0][..], &[0x75, 0], &[]] {
        world.stack_sends(WAN, packet);
    }
    assert_eq!(world.router.counters().of(Dropped::NotIp), 3);
    // IPv6 under the protocol number of IPv4, and nothing at all.
    world.arrive(&session_frame(mac, id, &[0x00, 0x21, 0x60]));
    world.arrive(&session_frame(mac, id, &[0x00, 0x21]));
    assert_eq!(world.router.counters().of(Dropped::NotIp), 5);
    assert!(world.to_stack.is_empty());
}

#[test]
fn nothing_flows_before_its_protocol_is_up_nor_after() {
    let mut world = World::new();
    world.run_until(Duration::from_secs(1), |world| world.session_id().is_some());
    let (id, mac) = (world.session_id().unwrap(), world.concentrators[0].mac);
    let packet = session_frame(mac, id, &[&[0x00, 0x21][..], &ipv4(40)].concat());
    world.arrive(&packet);
    world.stack_sends(WAN, &ipv4(40));
    assert_eq!(world.router.counters().of(Dropped::NetworkDown), 2);
    world.come_up();
    world.arrive(&packet);
    assert_eq!(world.to_stack.len(), 1);
    world.command(Command::HangUp { wan: WAN });
    world.stack_sends(WAN, &ipv4(40));
    assert_eq!(world.router.counters().of(Dropped::NetworkDown), 3);
    world.run_for(Duration::from_secs(5));
    world.stack_sends(WAN, &ipv4(40));
    assert_eq!(world.router.counters().of(Dropped::NetworkDown), 4);
    world.stack_sends(gatelet_router::WanId(9), &ipv4(40));
    assert_eq!(world.router.counters().of(Dropped::NetworkDown), 5);
}

/// Adaptive echo: a line that carries traffic is not asked whether it is alive.
#[test]
fn traffic_is_proof_of_life() {
    let mut world = up();
    let (id, mac) = (world.session_id().unwrap(), world.concentrators[0].mac);
    // Its ability to answer is asked once.
    world.run_for(Duration::from_secs(60));
    world.seen.clear();
    for _ in 0..300 {
        world.arrive(&session_frame(mac, id, &[0x00, 0x21, 0x45]));
        world.run_for(Duration::from_secs(1));
    }
    let echoes = |world: &World| {
        let up = world.seen.iter().filter(|seen| seen.way == Way::Up);
        up.filter(|seen| seen.words().contains("Echo-Request")).count()
    };
    assert_eq!(echoes(&world), 0);
    world.run_for(Duration::from_secs(100));
    assert!(echoes(&world) >= 3, "silence is asked about");
}
