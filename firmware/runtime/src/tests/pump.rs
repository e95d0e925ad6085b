//! The port's pump.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::vec::Vec;

use embassy_futures::yield_now;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_time::{Duration, Timer};
use gatelet_hal::{EthernetPort, Frame, FramePool, LinkState, PortId, Ready};
use smoltcp::wire::EthernetAddress;

use super::world::World;
use crate::{Gatelet, QUEUE_DEPTH};

const WAN: PortId = PortId(0);

/// A chip behind a bus: every transfer takes a while, in the middle of which others run.
struct Chip {
    arriving: VecDeque<u8>,
    /// Never runs dry.
    flood: bool,
    sent: Vec<u8>,
    link: LinkState,
    waker: Option<Waker>,
    transfer: Duration,
}

impl Chip {
    fn new() -> RefCell<Self> {
        RefCell::new(Self {
            arriving: VecDeque::new(),
            flood: false,
            sent: Vec::new(),
            link: LinkState::Up,
            waker: None,
            transfer: Duration::from_ticks(0),
        })
    }

    fn change(chip: &RefCell<Self>, change: impl FnOnce(&mut Self)) {
        let mut chip = chip.borrow_mut();
        change(&mut chip);
        chip.waker.take().into_iter().for_each(Waker::wake);
    }
}

struct ChipPort<'c> {
    chip: &'c RefCell<Chip>,
    link: LinkState,
}

impl<'c> ChipPort<'c> {
    fn new(chip: &'c RefCell<Chip>) -> Self {
        Self { chip, link: LinkState::Down }
    }
}

impl<'p> EthernetPort<'p> for ChipPort<'_> {
    fn hardware_address(&self) -> EthernetAddress {
        EthernetAddress([2, 0, 0, 0, 0, 1])
    }

    fn max_frame_len(&self) -> usize {
        1514
    }

    fn link_state(&self) -> LinkState {
        self.link
    }

    async fn wait(&mut self, to_transmit: bool) -> Ready {
        poll_fn(|cx| {
            let mut chip = self.chip.borrow_mut();
            let changed = self.link != chip.link;
            self.link = chip.link;
            let ready = Ready { receive: chip.flood || !chip.arriving.is_empty(), transmit: to_transmit };
            if changed || ready != Ready::default() {
                return Poll::Ready(ready);
            }
            chip.waker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    async fn receive(&mut self, frame: &mut Frame<'p>) -> bool {
        assert!(frame.is_empty());
        let transfer = self.chip.borrow().transfer;
        Timer::after(transfer).await;
        let mark = self.chip.borrow_mut().arriving.pop_front().unwrap_or(0xFF);
        mark != 0xEE && frame.extend(&[mark; 60])
    }

    async fn transmit(&mut self, frame: Frame<'p>) -> bool {
        let transfer = self.chip.borrow().transfer;
        Timer::after(transfer).await;
        self.chip.borrow_mut().sent.push(frame.bytes()[0]);
        true
    }
}

/// Queues a frame to be sent, as the router does.
fn send(gatelet: &Gatelet<'_, NoopRawMutex>, mark: u8) {
    let mut frame = gatelet.pool.take(PortId::LOCAL).unwrap();
    assert!(frame.extend(&[mark; 60]));
    gatelet.ports[0].egress.push(frame);
}

fn received(gatelet: &Gatelet<'_, NoopRawMutex>) -> Vec<u8> {
    core::iter::from_fn(|| gatelet.ports[0].ingress.channel.try_receive().ok())
        .map(|frame| frame.bytes()[0])
        .collect()
}

#[test]
fn frames_and_link_go_through_in_order() {
    let frames = FramePool::<NoopRawMutex, 16>::new();
    let gatelet = Gatelet::<NoopRawMutex>::new(frames.pool());
    let chip = Chip::new();
    let mut world = World::default();
    world.spawn(gatelet.run_port(WAN, ChipPort::new(&chip)));
    world.run_for(10);
    assert_eq!(gatelet.ports[0].link.try_take(), Some(LinkState::Up));

    Chip::change(&chip, |chip| chip.arriving.extend([1, 2, 0xEE, 3]));
    send(&gatelet, 11);
    send(&gatelet, 12);
    world.run_for(10);
    assert_eq!(received(&gatelet), [1, 2, 3]);
    assert_eq!(chip.borrow().sent, [11, 12]);
    assert_eq!(gatelet.port_counters(WAN).unusable, 1);
}

#[test]
fn nothing_is_lost_when_frames_are_queued_in_the_middle_of_a_transfer() {
    let frames = FramePool::<NoopRawMutex, 40>::new();
    let gatelet = Gatelet::<NoopRawMutex>::new(frames.pool());
    let chip = Chip::new();
    chip.borrow_mut().transfer = Duration::from_micros(388);
    let mut world = World::default();
    world.spawn(gatelet.run_port(WAN, ChipPort::new(&chip)));
    // At every phase of the transfers, 97 µs apart.
    world.spawn(async {
        for mark in 0..20 {
            Chip::change(&chip, |chip| chip.arriving.push_back(mark));
            Timer::after(Duration::from_micros(97)).await;
            send(&gatelet, mark);
            Timer::after(Duration::from_micros(97 * u64::from(mark % 5))).await;
        }
    });
    world.run_for(1_000_000);
    assert_eq!(chip.borrow().sent, (0..20).collect::<Vec<_>>());
    assert_eq!(received(&gatelet), (0..20).collect::<Vec<_>>());
}

#[test]
fn a_flood_stops_neither_the_other_direction_nor_other_tasks() {
    let frames = FramePool::<NoopRawMutex, 16>::new();
    let gatelet = Gatelet::<NoopRawMutex>::new(frames.pool());
    let chip = Chip::new();
    chip.borrow_mut().flood = true;
    let turns = RefCell::new(0);
    let mut world = World::default();
    world.spawn(gatelet.run_port(WAN, ChipPort::new(&chip)));
    world.spawn(async {
        for mark in 1..=100 {
            received(&gatelet);
            send(&gatelet, mark);
            while chip.borrow().sent.last() != Some(&mark) {
                yield_now().await;
                *turns.borrow_mut() += 1;
            }
        }
        chip.borrow_mut().flood = false;
    });
    world.run_for(1_000);
    assert_eq!(chip.borrow().sent.len(), 100);
    // Each transfer of this chip takes a turn of its own.
    assert!(*turns.borrow() <= 500, "a frame is sent within five turns, not {turns:?} for a hundred");
}

#[test]
fn out_of_frames_the_newest_is_dropped_and_counted_and_the_port_goes_on() {
    let frames = FramePool::<NoopRawMutex, 5>::new();
    let gatelet = Gatelet::<NoopRawMutex>::new(frames.pool());
    let chip = Chip::new();
    let mut world = World::default();
    world.spawn(gatelet.run_port(WAN, ChipPort::new(&chip)));
    Chip::change(&chip, |chip| chip.arriving.extend(1..=10));
    world.run_for(10);
    assert!(chip.borrow().arriving.is_empty(), "the chip is emptied all the same");
    assert_eq!(gatelet.port_counters(WAN).frames.out_of_frames, 6);
    assert_eq!(received(&gatelet), [1, 2, 3, 4]);
    Chip::change(&chip, |chip| chip.arriving.push_back(11));
    world.run_for(10);
    assert_eq!(received(&gatelet), [11]);
}

#[test]
fn full_queues_drop_the_newest_and_count() {
    let frames = FramePool::<NoopRawMutex, { 3 * QUEUE_DEPTH }>::new();
    let gatelet = Gatelet::<NoopRawMutex>::new(frames.pool());
    for mark in 0..40 {
        send(&gatelet, mark);
    }
    assert_eq!(gatelet.port_counters(WAN).egress_full, 40 - QUEUE_DEPTH as u32);
    let chip = Chip::new();
    Chip::change(&chip, |chip| chip.arriving.extend(0..40));
    let mut world = World::default();
    world.spawn(gatelet.run_port(WAN, ChipPort::new(&chip)));
    world.run_for(10);
    assert_eq!(gatelet.port_counters(WAN).ingress_full, 40 - QUEUE_DEPTH as u32);
    assert_eq!(received(&gatelet), (0..QUEUE_DEPTH as u8).collect::<Vec<_>>());
    drop(world);
    // All queued before the link was seen to be up: stale.
    assert_eq!(chip.borrow().sent, []);
    assert_eq!(frames.pool().counters(PortId::LOCAL).in_use, 0);
}

#[test]
fn a_cut_drops_what_was_meant_for_the_line() {
    let frames = FramePool::<NoopRawMutex, 16>::new();
    let gatelet = Gatelet::<NoopRawMutex>::new(frames.pool());
    let chip = Chip::new();
    let mut world = World::default();
    world.spawn(gatelet.run_port(WAN, ChipPort::new(&chip)));
    world.run_for(10);
    assert_eq!(gatelet.ports[0].link.try_take(), Some(LinkState::Up));
    Chip::change(&chip, |chip| chip.link = LinkState::Down);
    world.run_for(10);
    assert_eq!(gatelet.ports[0].link.try_take(), Some(LinkState::Down));
    send(&gatelet, 1);
    world.run_for(10);
    Chip::change(&chip, |chip| chip.link = LinkState::Up);
    world.run_for(10);
    send(&gatelet, 2);
    world.run_for(10);
    assert_eq!(chip.borrow().sent, [2]);
    assert_eq!(gatelet.ports[0].link.try_take(), Some(LinkState::Up));
}

#[test]
fn a_port_whose_pool_is_empty_starts_once_it_is_not() {
    let frames = FramePool::<NoopRawMutex, 1>::new();
    let gatelet = Gatelet::<NoopRawMutex>::new(frames.pool());
    let chip = Chip::new();
    let hog = frames.pool().take(PortId::LOCAL);
    let mut world = World::default();
    world.spawn(gatelet.run_port(WAN, ChipPort::new(&chip)));
    world.run_for(1_500_000);
    assert!(!gatelet.ports[0].link.signaled());
    drop(hog);
    world.run_for(1_000_000);
    assert!(gatelet.ports[0].link.signaled());
}
