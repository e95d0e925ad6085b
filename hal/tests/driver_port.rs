//! The adapter over a driver that gives frames up with their tokens, as some do.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState as DriverLink, RxToken, TxToken};
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use gatelet_hal::{
    DriverPort, EthernetPort, FramePool, LinkState, MAX_FRAME_LEN, PortId, Ready, UnusableDriver,
};

const WAN: PortId = PortId(0);

#[derive(Default)]
struct Mock {
    arriving: VecDeque<Vec<u8>>,
    sent: Vec<Vec<u8>>,
    room: usize,
    up: bool,
    longest: usize,
    ip: bool,
}

struct Arrived(Vec<u8>);
struct Room<'a>(&'a mut Mock);

impl RxToken for Arrived {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, f: F) -> R {
        f(&mut self.0)
    }
}

impl TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        assert!(self.0.room > 0);
        self.0.room -= 1;
        let mut bytes = vec![0; len];
        let result = f(&mut bytes);
        self.0.sent.push(bytes);
        result
    }
}

impl Driver for Mock {
    type RxToken<'a> = Arrived;
    type TxToken<'a> = Room<'a>;

    fn receive(&mut self, _: &mut Context<'_>) -> Option<(Arrived, Room<'_>)> {
        let bytes = self.arriving.pop_front()?;
        Some((Arrived(bytes), Room(self)))
    }

    fn transmit(&mut self, _: &mut Context<'_>) -> Option<Room<'_>> {
        (self.room > 0).then_some(Room(self))
    }

    fn link_state(&mut self, _: &mut Context<'_>) -> DriverLink {
        if self.up { DriverLink::Up } else { DriverLink::Down }
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = self.longest;
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        if self.ip { HardwareAddress::Ip } else { HardwareAddress::Ethernet([2, 0, 0, 0, 0, 1]) }
    }
}

/// Polls once: what a pump does before another branch of its select wins.
fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

fn mock() -> Mock {
    Mock { longest: 1514, ..Mock::default() }
}

#[test]
fn a_frame_that_wait_saw_survives_until_it_is_received() {
    let frames = FramePool::<NoopRawMutex, 2>::new();
    let mut driver = mock();
    {
        let mut port = DriverPort::new(&mut driver, frames.pool(), WAN).unwrap();
        assert_eq!(poll_once(port.wait(false)), None, "nothing there: pending, and dropped");
    }
    driver.arriving.extend([vec![1; 60], vec![2; 1514]]);
    let mut port = DriverPort::new(&mut driver, frames.pool(), WAN).unwrap();
    let mut frame = frames.pool().take(WAN).unwrap();
    let receive = Ready { receive: true, transmit: false };
    assert_eq!(poll_once(port.wait(false)), Some(receive));
    assert_eq!(poll_once(port.wait(false)), Some(receive), "still the first one");
    assert_eq!(poll_once(port.receive(&mut frame)), Some(true));
    assert_eq!(frame.bytes(), [1; 60]);
    assert_eq!(poll_once(port.wait(false)), Some(receive));
    assert_eq!(poll_once(port.receive(&mut frame)), Some(true));
    assert_eq!(frame.bytes(), [2; 1514]);
    assert_eq!(poll_once(port.wait(false)), None);
    assert_eq!(poll_once(port.receive(&mut frame)), Some(false));
    assert!(frame.is_empty());
}

#[test]
fn a_frame_too_long_for_the_port_is_unusable() {
    let frames = FramePool::<NoopRawMutex, 2>::new();
    for (longest, expected) in [(1514, 1514), (9014, MAX_FRAME_LEN)] {
        let mut driver = mock();
        driver.longest = longest;
        driver.arriving.push_back(vec![1; expected + 1]);
        driver.room = 1;
        let mut port = DriverPort::new(&mut driver, frames.pool(), WAN).unwrap();
        assert_eq!(port.max_frame_len(), expected);
        let mut frame = frames.pool().take(WAN).unwrap();
        assert_eq!(poll_once(port.wait(false)), Some(Ready { receive: true, transmit: false }));
        assert_eq!(poll_once(port.receive(&mut frame)), Some(false));
        assert!(frame.push_back(expected + 1).is_some());
        assert_eq!(poll_once(port.transmit(frame)), Some(false));
        drop(port);
        assert!(driver.sent.is_empty());
    }
}

#[test]
fn transmit_never_waits() {
    let frames = FramePool::<NoopRawMutex, 3>::new();
    let mut driver = mock();
    driver.room = 1;
    let mut port = DriverPort::new(&mut driver, frames.pool(), WAN).unwrap();
    assert_eq!(poll_once(port.wait(false)), None, "room alone is no reason to wake");
    assert_eq!(poll_once(port.wait(true)), Some(Ready { receive: false, transmit: true }));
    for expected in [true, false] {
        let mut frame = frames.pool().take(WAN).unwrap();
        assert!(frame.extend(&[9; 60]));
        assert_eq!(poll_once(port.transmit(frame)), Some(expected));
    }
    assert_eq!(poll_once(port.wait(true)), None);
    drop(port);
    assert_eq!(driver.sent, [vec![9; 60]]);
    assert_eq!(frames.pool().counters(WAN).in_use, 0);
}

#[test]
fn wait_returns_for_a_link_change_alone() {
    let frames = FramePool::<NoopRawMutex, 1>::new();
    let mut driver = mock();
    driver.up = true;
    let mut port = DriverPort::new(&mut driver, frames.pool(), WAN).unwrap();
    assert_eq!(port.link_state(), LinkState::Down);
    assert_eq!(poll_once(port.wait(false)), Some(Ready::default()));
    assert_eq!(port.link_state(), LinkState::Up);
    assert_eq!(poll_once(port.wait(false)), None);
}

#[test]
fn a_driver_that_cannot_be_a_port_is_refused() {
    let frames = FramePool::<NoopRawMutex, 1>::new();
    let ip = Mock { ip: true, ..mock() };
    assert_eq!(DriverPort::new(ip, frames.pool(), WAN).err(), Some(UnusableDriver::NotEthernet));
    let _taken = frames.pool().take(WAN);
    assert_eq!(DriverPort::new(mock(), frames.pool(), WAN).err(), Some(UnusableDriver::OutOfFrames));
}
