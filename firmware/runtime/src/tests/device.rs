//! The `wan` stack over its queues: two of them, talking to each other through a session.

use std::cell::RefCell;
use std::vec::Vec;

use embassy_net::StackResources;
use embassy_net::udp::{PacketMetadata, UdpSocket};
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_time::{Duration, Timer};
use gatelet_hal::{FramePool, PortId};
use gatelet_router::{Ipv4Status, Ipv6Access, Ipv6Status, Via, WanId};
use smoltcp::wire::{IpAddress, Ipv4Address, Ipv6Address};

use super::world::World;
use crate::{Gatelet, QUEUE_DEPTH, Session};

const WAN: WanId = WanId(0);
const OURS: Ipv4Address = Ipv4Address::new(100, 64, 0, 2);
const THEIRS: Ipv4Address = Ipv4Address::new(100, 64, 0, 1);
const DNS: Ipv4Address = Ipv4Address::new(119, 29, 29, 29);

fn session(ours: Ipv4Address, peer: Option<Ipv4Address>) -> Session {
    Session {
        ipv4: Some(Ipv4Status { address: ours, peer, dns: [Some(DNS), None] }),
        ipv6: Some(Ipv6Status { local: [0, 0, 0, 0, 0, 0, 0, 2], peer: Some([0, 0, 0, 0, 0, 0, 0, 1]) }),
        ipv6_access: None,
        mtu: 1492,
    }
}

fn set_session<const WANS: usize>(
    gatelet: &Gatelet<'_, NoopRawMutex, 1, WANS>,
    wan: usize,
    session: Option<Session>,
) {
    gatelet.stacks[wan].session.sender().send(session);
}

/// Carries packets between the two stacks, as two routers and a carrier would.
async fn carry(gatelet: &Gatelet<'_, NoopRawMutex, 1, 2>) {
    loop {
        for (from, to) in [(0, 1), (1, 0)] {
            while let Ok(frame) = gatelet.stacks[from].from_stack.channel.try_receive() {
                assert_eq!(frame.bytes().as_ptr().addr() % 4, 0, "an aligned IP header");
                gatelet.stacks[to].to_stack.push(frame);
            }
        }
        Timer::after(Duration::from_millis(1)).await;
    }
}

#[test]
fn datagrams_of_every_size_go_through_without_a_copy_and_without_a_leak() {
    let frames = FramePool::<NoopRawMutex, 24>::new();
    let gatelet = Gatelet::<NoopRawMutex, 1, 2>::new(frames.pool());
    let (mut one, mut two) = (StackResources::<2>::new(), StackResources::<2>::new());
    let echoed = RefCell::new(Vec::new());
    {
        let (client, client_runner) = gatelet.wan_stack(WanId(0), &mut one, 1).unwrap();
        let (server, server_runner) = gatelet.wan_stack(WanId(1), &mut two, 2).unwrap();
        set_session(&gatelet, 0, Some(session(OURS, Some(THEIRS))));
        // A concentrator that keeps its address to itself: the default route must stand all the same.
        set_session(&gatelet, 1, Some(session(THEIRS, None)));
        let mut world = World::default();
        world.spawn(client_runner.run());
        world.spawn(server_runner.run());
        world.spawn(carry(&gatelet));
        world.spawn(async {
            let (mut rx, mut tx) = ([0; 4096], [0; 4096]);
            let (mut rx_meta, mut tx_meta) = ([PacketMetadata::EMPTY; 4], [PacketMetadata::EMPTY; 4]);
            let mut socket = UdpSocket::new(server, &mut rx_meta, &mut rx, &mut tx_meta, &mut tx);
            socket.bind(7).unwrap();
            let mut buffer = [0; 1500];
            loop {
                let (len, from) = socket.recv_from(&mut buffer).await.unwrap();
                socket.send_to(&buffer[..len], from).await.unwrap();
            }
        });
        world.spawn(async {
            let (mut rx, mut tx) = ([0; 4096], [0; 4096]);
            let (mut rx_meta, mut tx_meta) = ([PacketMetadata::EMPTY; 4], [PacketMetadata::EMPTY; 4]);
            client.wait_config_up().await;
            let config = client.config_v4().unwrap();
            assert_eq!((config.address.address(), config.address.prefix_len()), (OURS, 32));
            assert_eq!((config.gateway, &config.dns_servers[..]), (Some(THEIRS), &[DNS][..]));
            let mut socket = UdpSocket::new(client, &mut rx_meta, &mut rx, &mut tx_meta, &mut tx);
            socket.bind(1234).unwrap();
            for len in [1usize, 2, 3, 100, 1463, 1464] {
                let sent: Vec<_> = (0..len).map(|n| n as u8).collect();
                let target = (IpAddress::from(THEIRS), 7);
                socket.send_to(&sent, target).await.unwrap();
                let mut buffer = [0; 1500];
                let (got, _) = socket.recv_from(&mut buffer).await.unwrap();
                assert_eq!(buffer[..got], sent);
                echoed.borrow_mut().push(got);
            }
        });
        world.run_for(1_000_000);
    }
    assert_eq!(*echoed.borrow(), [1, 2, 3, 100, 1463, 1464], "1464 + 8 + 20 = 1492, the whole MTU");
}

#[test]
fn the_link_and_the_addresses_follow_the_session() {
    let frames = FramePool::<NoopRawMutex, 8>::new();
    let gatelet = Gatelet::<NoopRawMutex>::new(frames.pool());
    let mut resources = StackResources::<1>::new();
    let (stack, runner) = gatelet.wan_stack(WAN, &mut resources, 1).unwrap();
    let mut world = World::default();
    world.spawn(runner.run());
    world.run_for(10);
    assert!(!stack.is_link_up() && !stack.is_config_up());

    set_session(&gatelet, 0, Some(session(OURS, Some(THEIRS))));
    world.run_for(10);
    assert!(stack.is_link_up());
    let v6 = stack.config_v6().unwrap();
    assert_eq!(v6.address.address(), Ipv6Address::new(0xFE80, 0, 0, 0, 0, 0, 0, 2));
    assert_eq!(v6.gateway, Some(Ipv6Address::new(0xFE80, 0, 0, 0, 0, 0, 0, 1)));

    let address = Ipv6Address::new(0x2001, 0xDB8, 0, 0, 0, 0, 0, 2);
    let server = Ipv6Address::new(0x2001, 0xDB8, 0, 0, 0, 0, 0, 0x53);
    let access = Ipv6Access { address, via: Via::Wan(WAN), mtu: 1492, dns: [Some(server), None, None] };
    set_session(&gatelet, 0, Some(Session { ipv6_access: Some(access), ..session(OURS, Some(THEIRS)) }));
    world.run_for(10);
    let v6 = stack.config_v6().unwrap();
    assert_eq!((v6.address.address(), v6.address.prefix_len()), (address, 128));
    assert_eq!(v6.gateway.map(|_| &v6.dns_servers[..]), Some(&[server][..]));

    // A packet of the session that just ended is not delivered into the next.
    set_session(&gatelet, 0, None);
    let mut stale = frames.pool().take(PortId::LOCAL).unwrap();
    assert!(stale.extend(&[0x45; 20]));
    gatelet.stacks[0].to_stack.push(stale);
    world.run_for(10);
    assert!(!stack.is_link_up() && !stack.is_config_up());
    assert!(gatelet.stacks[0].to_stack.channel.is_empty());

    let renewed = Ipv4Address::new(100, 64, 0, 99);
    set_session(&gatelet, 0, Some(session(renewed, None)));
    world.run_for(10);
    assert_eq!(stack.config_v4().unwrap().address.address(), renewed);
    assert!(stack.is_link_up());
}

#[test]
fn a_stack_out_of_frames_drops_and_goes_on() {
    let frames = FramePool::<NoopRawMutex, 3>::new();
    let gatelet = Gatelet::<NoopRawMutex>::new(frames.pool());
    let mut resources = StackResources::<2>::new();
    let (stack, runner) = gatelet.wan_stack(WAN, &mut resources, 1).unwrap();
    set_session(&gatelet, 0, Some(session(OURS, Some(THEIRS))));
    let mut world = World::default();
    world.spawn(runner.run());
    world.spawn(async {
        let (mut rx, mut tx) = ([0; 64], [0; 4096]);
        let (mut rx_meta, mut tx_meta) = ([PacketMetadata::EMPTY; 1], [PacketMetadata::EMPTY; 8]);
        let mut socket = UdpSocket::new(stack, &mut rx_meta, &mut rx, &mut tx_meta, &mut tx);
        socket.bind(1234).unwrap();
        for _ in 0..2 {
            for _ in 0..5 {
                socket.send_to(&[1; 100], (THEIRS, 7)).await.unwrap();
            }
            Timer::after(Duration::from_secs(1)).await;
            let queued =
                core::iter::from_fn(|| gatelet.stacks[0].from_stack.channel.try_receive().ok()).count();
            assert_eq!(queued, 2, "all the pool has beside the frame at hand");
        }
        assert_eq!(frames.pool().counters(PortId::LOCAL).out_of_frames, 6);
    });
    world.run_for(3_000_000);
    drop(world);
    assert_eq!(frames.pool().counters(PortId::LOCAL).out_of_frames, 6, "the task came to its end");
}

#[test]
fn a_stack_that_cannot_answer_leaves_packets_queued_and_the_surplus_is_counted() {
    let frames = FramePool::<NoopRawMutex, { 3 * QUEUE_DEPTH }>::new();
    let gatelet = Gatelet::<NoopRawMutex>::new(frames.pool());
    let mut resources = StackResources::<1>::new();
    let (_stack, runner) = gatelet.wan_stack(WAN, &mut resources, 1).unwrap();
    set_session(&gatelet, 0, Some(session(OURS, Some(THEIRS))));
    let (_, to_send) = gatelet.stack_queue(WAN);
    while to_send.try_send(frames.pool().take(PortId::LOCAL).unwrap()).is_ok() {}
    let mut world = World::default();
    world.spawn(runner.run());
    world.run_for(10);
    for _ in 0..QUEUE_DEPTH + 3 {
        gatelet.stacks[0].to_stack.push(frames.pool().take(PortId(0)).unwrap());
    }
    world.run_for(10);
    assert_eq!(
        gatelet.stacks[0].to_stack.channel.len(),
        QUEUE_DEPTH,
        "kept while there is no room for a reply"
    );
    assert_eq!(gatelet.stack_full(WAN), 3);
    gatelet.stacks[0].from_stack.drain();
    world.run_for(10);
    assert!(gatelet.stacks[0].to_stack.channel.is_empty(), "woken by the room");
}

#[test]
fn plain_queues_reach_the_session_too() {
    let frames = FramePool::<NoopRawMutex, 4>::new();
    let gatelet = Gatelet::<NoopRawMutex>::new(frames.pool());
    let (received, to_send) = gatelet.stack_queue(WAN);
    gatelet.stacks[0].to_stack.push(frames.pool().take(PortId(0)).unwrap());
    assert!(received.try_receive().is_ok());
    assert!(to_send.try_send(frames.pool().take(PortId::LOCAL).unwrap()).is_ok());
    assert!(gatelet.stacks[0].from_stack.channel.try_receive().is_ok());
}
