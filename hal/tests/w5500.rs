//! The driver against a W5500 that behaves as the data sheet says, and against one that does not.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_time_driver::{Driver, time_driver_impl};
use embedded_hal::digital::OutputPin;
use embedded_hal::spi::SpiBus;
use embedded_hal_async::digital::Wait;
use gatelet_hal::{EthernetPort, FramePool, LinkState, PortId, Ready, W5500};
use smoltcp::wire::EthernetAddress;

const PORT: PortId = PortId(0);
const MAC: EthernetAddress = EthernetAddress([2, 0, 0x5E, 0, 0x53, 1]);

/// A clock for each test, which has a thread of its own.
struct Clock;

time_driver_impl!(static CLOCK: Clock = Clock);

thread_local! {
    static TICKS: Cell<u64> = const { Cell::new(0) };
}

impl Driver for Clock {
    fn now(&self) -> u64 {
        TICKS.get()
    }

    fn schedule_wake(&self, _: u64, _: &Waker) {
        // Everything is polled until it is ready.
    }
}

/// Until the driver looks at the carrier again.
fn half_a_second_later() {
    TICKS.set(TICKS.get() + embassy_time_driver::TICK_HZ / 2);
}

/// What the data sheet describes of the chip, as far as frames go.
struct Chip {
    selected: bool,
    /// Bytes of this SPI frame so far.
    position: usize,
    address: u16,
    control: u8,
    common: [u8; 0x40],
    socket: [u8; 0x30],
    tx: Vec<u8>,
    rx: Vec<u8>,
    /// Where the chip writes what comes, and how much the host has not taken.
    rx_write: u16,
    rx_size: u16,
    tx_read: u16,
    sent: VecDeque<Vec<u8>>,
    /// Whether a SEND is done at once.
    wire_is_fast: bool,
    dead: bool,
}

impl Chip {
    fn new() -> Self {
        let mut chip = Self {
            selected: false,
            position: 0,
            address: 0,
            control: 0,
            common: [0; 0x40],
            socket: [0; 0x30],
            tx: vec![0xA5; 16 * 1024],
            rx: vec![0xA5; 16 * 1024],
            rx_write: 0,
            rx_size: 0,
            tx_read: 0,
            sent: VecDeque::new(),
            wire_is_fast: true,
            dead: false,
        };
        chip.reset();
        chip
    }

    fn reset(&mut self) {
        (self.common, self.socket) = ([0; 0x40], [0; 0x30]);
        self.common[0x39] = 4;
        self.common[0x2E] = 0xB9;
        (self.socket[0x1E], self.socket[0x1F]) = (2, 2);
        // Pointers begin anywhere.
        (self.rx_write, self.rx_size, self.tx_read) = (0xFFF0, 0, 0xFE00);
        self.update();
    }

    fn update(&mut self) {
        self.socket[0x22..0x24].copy_from_slice(&self.tx_read.to_be_bytes());
        self.socket[0x26..0x28].copy_from_slice(&self.rx_size.to_be_bytes());
        self.socket[0x2A..0x2C].copy_from_slice(&self.rx_write.to_be_bytes());
    }

    fn register(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.socket[at], self.socket[at + 1]])
    }

    /// A frame from the wire. One that does not fit is lost.
    fn arrive(&mut self, frame: &[u8]) {
        let mut bytes = (frame.len() as u16 + 2).to_be_bytes().to_vec();
        bytes.extend_from_slice(frame);
        self.arrive_raw(&bytes);
    }

    fn arrive_raw(&mut self, bytes: &[u8]) {
        if self.socket[3] != 0x42 || usize::from(self.rx_size) + bytes.len() > self.rx.len() {
            return;
        }
        for byte in bytes {
            let len = self.rx.len();
            self.rx[usize::from(self.rx_write) % len] = *byte;
            self.rx_write = self.rx_write.wrapping_add(1);
        }
        self.rx_size += bytes.len() as u16;
        self.socket[2] |= 0x04;
        self.update();
    }

    fn interrupt(&self) -> bool {
        self.common[0x18] & 1 == 1 && self.socket[2] & self.socket[0x2C] != 0
    }

    fn command(&mut self, command: u8) {
        match command {
            0x01 if self.socket[0] & 0x0F == 4 => {
                assert_eq!((self.socket[0x1E], self.socket[0x1F]), (16, 16), "all of the memory");
                self.socket[3] = 0x42;
                let (read, write) = (self.rx_write, self.tx_read);
                self.socket[0x28..0x2A].copy_from_slice(&read.to_be_bytes());
                self.socket[0x24..0x26].copy_from_slice(&write.to_be_bytes());
            }
            0x20 => {
                assert!(self.socket[2] & 0x10 == 0, "SENDOK of the frame before is still there");
                let end = self.register(0x24);
                let len = end.wrapping_sub(self.tx_read);
                let room = self.tx.len();
                let frame = (0..len).map(|n| self.tx[usize::from(self.tx_read.wrapping_add(n)) % room]);
                self.sent.push_back(frame.collect());
                self.tx_read = end;
                if self.wire_is_fast {
                    self.socket[2] |= 0x10;
                }
            }
            0x40 => {
                let taken = self.register(0x28);
                self.rx_size = self.rx_write.wrapping_sub(taken);
            }
            _ => {}
        }
        self.update();
    }

    fn byte(&mut self, out: u8) -> u8 {
        assert!(self.selected, "clocked without chip select");
        let at = self.position;
        self.position += 1;
        match at {
            0 => self.address = u16::from(out) << 8,
            1 => self.address |= u16::from(out),
            2 => self.control = out,
            _ => {
                let address = self.address.wrapping_add((at - 3) as u16);
                return if self.dead { 0xFF } else { self.access(address, out) };
            }
        }
        0
    }

    fn access(&mut self, address: u16, out: u8) -> u8 {
        let (block, writes) = (self.control >> 3, self.control & 4 != 0);
        let memory = usize::from(address) % (16 * 1024);
        match (block, writes) {
            (0, false) => self.common[usize::from(address)],
            (0, true) if address == 0 && out & 0x80 != 0 => {
                self.reset();
                0
            }
            (0, true) => {
                self.common[usize::from(address)] = out;
                0
            }
            (1, false) => self.socket[usize::from(address)],
            (1, true) => {
                match address {
                    1 => self.command(out),
                    2 => self.socket[2] &= !out,
                    _ => self.socket[usize::from(address)] = out,
                }
                0
            }
            (2, true) => {
                self.tx[memory] = out;
                0
            }
            (3, false) => self.rx[memory],
            (block, true) if block % 4 == 1 => {
                assert!(matches!(address, 0x1E | 0x1F) && out == 0, "other sockets only lose their memory");
                0
            }
            other => panic!("not to be done: {other:?} at {address:#x}"),
        }
    }
}

#[derive(Clone)]
struct Wires(Rc<RefCell<Chip>>);

impl embedded_hal::spi::ErrorType for Wires {
    type Error = Infallible;
}

impl SpiBus for Wires {
    fn read(&mut self, words: &mut [u8]) -> Result<(), Infallible> {
        for word in words {
            *word = self.0.borrow_mut().byte(0);
        }
        Ok(())
    }

    fn write(&mut self, words: &[u8]) -> Result<(), Infallible> {
        for word in words {
            self.0.borrow_mut().byte(*word);
        }
        Ok(())
    }

    fn transfer(&mut self, _: &mut [u8], _: &[u8]) -> Result<(), Infallible> {
        panic!("not used")
    }

    fn transfer_in_place(&mut self, _: &mut [u8]) -> Result<(), Infallible> {
        panic!("not used")
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl embedded_hal_async::spi::SpiBus for Wires {
    async fn read(&mut self, words: &mut [u8]) -> Result<(), Infallible> {
        SpiBus::read(self, words)
    }

    async fn write(&mut self, words: &[u8]) -> Result<(), Infallible> {
        SpiBus::write(self, words)
    }

    async fn transfer(&mut self, _: &mut [u8], _: &[u8]) -> Result<(), Infallible> {
        panic!("not used")
    }

    async fn transfer_in_place(&mut self, _: &mut [u8]) -> Result<(), Infallible> {
        panic!("not used")
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl embedded_hal::digital::ErrorType for Wires {
    type Error = Infallible;
}

/// Chip select.
impl OutputPin for Wires {
    fn set_low(&mut self) -> Result<(), Infallible> {
        let mut chip = self.0.borrow_mut();
        assert!(!chip.selected, "a frame of SPI within a frame of SPI");
        (chip.selected, chip.position) = (true, 0);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.0.borrow_mut().selected = false;
        Ok(())
    }
}

/// The interrupt.
impl Wait for Wires {
    async fn wait_for_low(&mut self) -> Result<(), Infallible> {
        let chip = self.0.clone();
        poll_fn(move |_| if chip.borrow().interrupt() { Poll::Ready(()) } else { Poll::Pending }).await;
        Ok(())
    }

    async fn wait_for_high(&mut self) -> Result<(), Infallible> {
        panic!("not used")
    }

    async fn wait_for_rising_edge(&mut self) -> Result<(), Infallible> {
        panic!("not used")
    }

    async fn wait_for_falling_edge(&mut self) -> Result<(), Infallible> {
        panic!("not used")
    }

    async fn wait_for_any_edge(&mut self) -> Result<(), Infallible> {
        panic!("not used")
    }
}

type Port = W5500<Wires, Wires, Wires>;

fn port() -> (Port, Rc<RefCell<Chip>>) {
    let chip = Rc::new(RefCell::new(Chip::new()));
    let wires = Wires(chip.clone());
    let mut port = W5500::new(wires.clone(), wires.clone(), wires, MAC).unwrap();
    assert_eq!(chip.borrow().common[9..15], MAC.0);
    // The first look finds the carrier.
    assert_eq!(now(wait(&mut port, false)), Some(Ready::default()));
    assert_eq!(up(&port), LinkState::Up);
    (port, chip)
}

fn up(port: &Port) -> LinkState {
    EthernetPort::link_state(port)
}

fn wait(port: &mut Port, to_transmit: bool) -> impl Future<Output = Ready> {
    EthernetPort::wait(port, to_transmit)
}

/// What a future answers at once; it is polled a few times, as it may look twice before it waits.
fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    (0..4).find_map(|_| match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    })
}

fn frame(len: usize, salt: u8) -> Vec<u8> {
    (0..len).map(|n| (n as u8).wrapping_mul(7) ^ salt).collect()
}

#[test]
fn frames_of_all_lengths_arrive_whole_and_in_order() {
    let (mut port, chip) = port();
    let frames = FramePool::<NoopRawMutex, 2>::new();
    assert_eq!(now(wait(&mut port, false)), None, "nothing has come");
    // More than the memory, in turns: pointers wrap around.
    for round in 0..40u8 {
        for len in [14, 60, 1514, 1518] {
            chip.borrow_mut().arrive(&frame(len, round));
        }
        for len in [14, 60, 1514, 1518] {
            assert_eq!(now(wait(&mut port, false)), Some(Ready { receive: true, transmit: false }));
            let mut room = frames.pool().take(PORT).unwrap();
            assert_eq!(now(port.receive(&mut room)), Some(true));
            assert_eq!(room.bytes(), frame(len, round));
        }
    }
    assert_eq!(now(wait(&mut port, false)), None);
    assert_eq!((chip.borrow().rx_size, port.restarts()), (0, 0));
}

#[test]
fn a_frame_that_is_too_long_is_skipped_and_the_next_one_arrives() {
    let (mut port, chip) = port();
    let frames = FramePool::<NoopRawMutex, 1>::new();
    let mut room = frames.pool().take(PORT).unwrap();
    chip.borrow_mut().arrive(&frame(1519, 1));
    chip.borrow_mut().arrive(&frame(100, 2));
    assert_eq!(now(wait(&mut port, false)), Some(Ready { receive: true, transmit: false }));
    assert_eq!(now(port.receive(&mut room)), Some(false));
    assert_eq!(now(wait(&mut port, false)), Some(Ready { receive: true, transmit: false }));
    assert_eq!(now(port.receive(&mut room)), Some(true));
    assert_eq!((room.bytes(), port.restarts()), (&frame(100, 2)[..], 0));
}

#[test]
fn a_length_that_makes_no_sense_restarts_the_chip() {
    for wrong in [[0, 0], [0, 2], [0, 15], [0x40, 0x10], [0xFF, 0xFF]] {
        let (mut port, chip) = port();
        let frames = FramePool::<NoopRawMutex, 1>::new();
        let mut room = frames.pool().take(PORT).unwrap();
        chip.borrow_mut().arrive_raw(&[&wrong[..], &frame(100, 1)].concat());
        assert_eq!(now(wait(&mut port, false)), Some(Ready { receive: true, transmit: false }));
        assert_eq!((now(port.receive(&mut room)), port.restarts()), (Some(false), 1), "{wrong:?}");
        chip.borrow_mut().arrive(&frame(100, 2));
        assert_eq!(now(wait(&mut port, false)), Some(Ready { receive: true, transmit: false }));
        assert_eq!(now(port.receive(&mut room)), Some(true));
        assert_eq!(room.bytes(), frame(100, 2));
    }
}

#[test]
fn one_frame_after_the_other_is_sent_and_short_ones_are_padded() {
    let (mut port, chip) = port();
    let frames = FramePool::<NoopRawMutex, 1>::new();
    for (round, len) in [1518, 42, 1514].repeat(20).into_iter().enumerate() {
        assert_eq!(now(wait(&mut port, true)), Some(Ready { receive: false, transmit: true }));
        let mut outgoing = frames.pool().take(PORT).unwrap();
        assert!(outgoing.extend(&frame(len, round as u8)));
        assert_eq!(now(port.transmit(outgoing)), Some(true));
        let mut expected = frame(len, round as u8);
        expected.resize(len.max(60), 0);
        assert_eq!(chip.borrow_mut().sent.pop_front(), Some(expected));
    }
    let mut outgoing = frames.pool().take(PORT).unwrap();
    assert!(outgoing.extend(&frame(1519, 0)));
    assert_eq!(now(port.transmit(outgoing)), Some(false), "too long");
}

#[test]
fn nothing_is_sent_while_a_frame_is_on_its_way() {
    let (mut port, chip) = port();
    let frames = FramePool::<NoopRawMutex, 1>::new();
    let outgoing = || {
        let mut outgoing = frames.pool().take(PORT).unwrap();
        assert!(outgoing.extend(&frame(60, 0)));
        outgoing
    };
    chip.borrow_mut().wire_is_fast = false;
    assert_eq!(now(port.transmit(outgoing())), Some(true));
    assert_eq!(now(wait(&mut port, true)), None);
    assert_eq!(now(port.transmit(outgoing())), Some(false));
    chip.borrow_mut().socket[2] |= 0x10;
    assert_eq!(now(wait(&mut port, true)), Some(Ready { receive: false, transmit: true }));
    // One that never ends: the chip is restarted, and the next one is sent.
    assert_eq!(now(port.transmit(outgoing())), Some(true));
    half_a_second_later();
    now(wait(&mut port, true));
    assert_eq!(port.restarts(), 1);
    assert_eq!(now(wait(&mut port, true)), Some(Ready { receive: false, transmit: true }));
}

#[test]
fn the_carrier_and_a_chip_that_was_reset_are_noticed() {
    let (mut port, chip) = port();
    chip.borrow_mut().common[0x2E] &= !1;
    half_a_second_later();
    assert_eq!(now(wait(&mut port, false)), Some(Ready::default()));
    assert_eq!(up(&port), LinkState::Down);
    chip.borrow_mut().common[0x2E] |= 1;
    half_a_second_later();
    assert_eq!(now(wait(&mut port, false)), Some(Ready::default()));
    assert_eq!(up(&port), LinkState::Up);
    // A dip of its supply.
    chip.borrow_mut().reset();
    half_a_second_later();
    assert_eq!(now(wait(&mut port, false)), Some(Ready::default()), "down");
    half_a_second_later();
    assert_eq!(now(wait(&mut port, false)), Some(Ready::default()), "up");
    assert_eq!((port.restarts(), chip.borrow().socket[3]), (1, 0x42));
}

#[test]
fn a_silent_chip_is_no_port_and_no_endless_loop() {
    let (mut port, chip) = port();
    chip.borrow_mut().dead = true;
    half_a_second_later();
    now(wait(&mut port, true));
    assert_eq!(up(&port), LinkState::Down);
    let wires = Wires(chip);
    assert!(W5500::new(wires.clone(), wires.clone(), wires, MAC).is_err());
}
