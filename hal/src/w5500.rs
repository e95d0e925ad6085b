//! The W5500, an Ethernet chip behind SPI, used for raw frames only; its TCP/IP stays asleep.
//!
//! ```text
//!          ┌── opcode ──┐
//!   CS ‾‾╲_│ address 2  │ block, read or write 1 │ data ... │_╱‾‾      a frame of SPI (data sheet, section 2.2)
//!
//!   RX memory: │ length 2 │ frame ... │ length 2 │ frame ... │  ◄ RX_RD: ours │ RX_RSR: how much there is
//!   TX memory: │ frame ... │                                    ◄ TX_WR: ours │ SEND, then SENDOK
//! ```
//!
//! Registers are read and written by the processor: setting DMA up takes longer than their few bytes, and nothing that is
//! not awaited can be cancelled halfway. Frames go by the bus's asynchronous half, DMA on any chip, straight from and to the
//! buffer of the [`Frame`].
//!
//! Reading list: W5500 data sheet 1.1.0, sections 2 (SPI), 3 (memory), 4 (registers).

use embassy_futures::select::select;
use embassy_time::{Duration, Instant, Timer};
use embedded_hal::digital::OutputPin;
use embedded_hal::spi::SpiBus;
use embedded_hal_async::digital::Wait;
use smoltcp::wire::EthernetAddress;

use crate::{EthernetPort, Frame, LinkState, Ready};

/// A W5500 as a port. It has its SPI bus to itself: mode 0 or 3, up to 33 MHz (data sheet, section 5.5.4; 80 MHz on short
/// wires).
///
/// All frames come through, for whichever address: the chip's own filter drops multicast that is not IP's, and would have to
/// be told of every address that a WAN may use instead of the port's.
pub struct W5500<B, C, I> {
    bus: B,
    /// Chip select, active low.
    select: C,
    /// The chip's interrupt line, active low.
    interrupt: I,
    mac: EthernetAddress,
    link: LinkState,
    check_at: Instant,
    /// Where the next frame begins in the memory for received ones, and how many bytes are known to be there.
    read_at: u16,
    received: u16,
    write_at: u16,
    /// When the frame on its way was given to the chip.
    sending: Option<Instant>,
    restarts: u32,
}

/// There is no chip that answers as a W5500 does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoW5500;

impl core::fmt::Display for NoW5500 {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("no W5500 answers on the bus")
    }
}

impl core::error::Error for NoW5500 {}

impl<B, C, I> W5500<B, C, I>
where
    B: SpiBus + embedded_hal_async::spi::SpiBus,
    C: OutputPin,
    I: Wait,
{
    /// The longest frame: with a tag of 802.1Q. (The data sheet calls 1514 the default of `MACRAW`, and says of it that the
    /// chip does nothing with the figure.)
    pub const MAX_FRAME_LEN: usize = 1518;

    /// Resets the chip and has it pass frames.
    ///
    /// # Errors
    /// [`NoW5500`], if none answers.
    pub fn new(bus: B, select: C, interrupt: I, mac: EthernetAddress) -> Result<Self, NoW5500> {
        let mut port = Self {
            bus,
            select,
            interrupt,
            mac,
            link: LinkState::Down,
            check_at: Instant::MIN,
            read_at: 0,
            received: 0,
            write_at: 0,
            sending: None,
            restarts: 0,
        };
        port.start().map_err(|Silent| NoW5500)?;
        Ok(port)
    }

    /// How often the chip had lost what it was told, or its memory made no sense, and it was reset. Wraps around.
    pub const fn restarts(&self) -> u32 {
        self.restarts
    }

    fn start(&mut self) -> Result<(), Silent> {
        self.write(MR, &[MR_RESET])?;
        self.until(|port| Ok(port.read::<1>(MR)?[0] & MR_RESET == 0))?;
        if self.read(VERSIONR)? != [VERSION] {
            return Err(Silent);
        }
        let mac = self.mac.0;
        self.write(SHAR, &mac)?;
        // All memory for the one socket that can pass frames.
        for socket in 1..8 {
            self.write((0x1E, socket << 2 | 1), &[0, 0])?;
        }
        self.write(SN_RXBUF_SIZE, &[MEMORY_KB, MEMORY_KB])?;
        self.write(SN_MR, &[SN_MR_MACRAW])?;
        self.write(SN_IMR, &[SN_IR_RECEIVED | SN_IR_SENT])?;
        self.write(SIMR, &[1])?;
        self.command(SN_CR_OPEN)?;
        self.until(|port| Ok(port.read(SN_SR)? == [SN_SR_MACRAW]))?;
        self.read_at = self.read_u16(SN_RX_RD)?;
        self.write_at = self.read_u16(SN_TX_WR)?;
        (self.received, self.sending) = (0, None);
        Ok(())
    }

    fn restart(&mut self) {
        self.restarts = self.restarts.wrapping_add(1);
        // Silent still: the next check tries again.
        let _ = self.start();
    }

    /// Now and then: whether there is carrier, for which the chip has no interrupt, and whether it is still what it was told
    /// to be.
    fn check(&mut self) -> LinkState {
        match (self.read::<1>(SN_SR), self.read::<1>(PHYCFGR)) {
            (Ok([SN_SR_MACRAW]), Ok([phy])) if phy & PHYCFGR_LINK != 0 => LinkState::Up,
            (Ok([SN_SR_MACRAW]), Ok(_)) => LinkState::Down,
            _ => {
                self.restart();
                LinkState::Down
            }
        }
    }

    fn look(&mut self, to_transmit: bool) -> Result<Ready, Silent> {
        // First the flags, then what they are about: what comes in between raises them again.
        let [flags] = self.read(SN_IR)?;
        if flags != 0 {
            self.write(SN_IR, &[flags])?;
        }
        if flags & SN_IR_SENT != 0 {
            self.sending = None;
        }
        if self.received == 0 {
            self.received = self.read_u16(SN_RX_RSR)?;
        }
        if self.sending.is_some_and(|since| Instant::now() > since + PATIENCE) {
            self.restart();
        }
        Ok(Ready { receive: self.received > 0, transmit: to_transmit && self.sending.is_none() })
    }

    /// Reads what is next in the memory of received frames.
    async fn take(&mut self, frame: &mut Frame<'_>) -> Result<bool, Silent> {
        let header = self.read((self.read_at, RX_MEMORY))?;
        let whole = u16::from_be_bytes(header);
        // The length counts itself.
        let len = usize::from(whole).saturating_sub(2);
        if whole > self.received || !(MIN_FRAME_LEN..=MEMORY_LEN).contains(&len) {
            // Nothing there makes sense from here on.
            self.restart();
            return Ok(false);
        }
        let fits = len <= Self::MAX_FRAME_LEN;
        if fits && let Some(room) = frame.push_back(len) {
            let from = (self.read_at.wrapping_add(2), RX_MEMORY);
            self.open(from, READ)?;
            let read = embedded_hal_async::spi::SpiBus::read(&mut self.bus, room).await;
            self.close()?;
            read.map_err(|_| Silent)?;
        }
        self.read_at = self.read_at.wrapping_add(whole);
        self.received -= whole;
        self.write(SN_RX_RD, &self.read_at.to_be_bytes())?;
        self.command(SN_CR_RECV)?;
        Ok(fits)
    }

    async fn send(&mut self, frame: &[u8]) -> Result<(), Silent> {
        self.open((self.write_at, TX_MEMORY), WRITE)?;
        let written = embedded_hal_async::spi::SpiBus::write(&mut self.bus, frame).await;
        let flushed = embedded_hal_async::spi::SpiBus::flush(&mut self.bus).await;
        self.close()?;
        written.and(flushed).map_err(|_| Silent)?;
        self.write_at = self.write_at.wrapping_add(frame.len() as u16);
        self.write(SN_TX_WR, &self.write_at.to_be_bytes())?;
        self.command(SN_CR_SEND)?;
        self.sending = Some(Instant::now());
        Ok(())
    }

    /// Gives a command and waits until the chip has taken it: a microsecond.
    fn command(&mut self, command: u8) -> Result<(), Silent> {
        self.write(SN_CR, &[command])?;
        self.until(|port| Ok(port.read(SN_CR)? == [0]))
    }

    fn until(&mut self, mut done: impl FnMut(&mut Self) -> Result<bool, Silent>) -> Result<(), Silent> {
        for _ in 0..ATTEMPTS {
            if done(self)? {
                return Ok(());
            }
        }
        Err(Silent)
    }

    /// Two bytes that the chip changes while they are read: the same twice is right.
    fn read_u16(&mut self, register: Address) -> Result<u16, Silent> {
        let mut last = self.read(register)?;
        self.until(|port| {
            let next = port.read(register)?;
            Ok(core::mem::replace(&mut last, next) == next)
        })?;
        Ok(u16::from_be_bytes(last))
    }

    fn read<const N: usize>(&mut self, from: Address) -> Result<[u8; N], Silent> {
        let mut bytes = [0; N];
        self.open(from, READ)?;
        let read = SpiBus::read(&mut self.bus, &mut bytes);
        self.close()?;
        read.map(|()| bytes).map_err(|_| Silent)
    }

    fn write(&mut self, to: Address, bytes: &[u8]) -> Result<(), Silent> {
        self.open(to, WRITE)?;
        let written = SpiBus::write(&mut self.bus, bytes).and_then(|()| SpiBus::flush(&mut self.bus));
        self.close()?;
        written.map_err(|_| Silent)
    }

    fn open(&mut self, (address, block): Address, direction: u8) -> Result<(), Silent> {
        self.select.set_low().map_err(|_| Silent)?;
        let [high, low] = address.to_be_bytes();
        let begun = SpiBus::write(&mut self.bus, &[high, low, block << 3 | direction])
            .and_then(|()| SpiBus::flush(&mut self.bus));
        if begun.is_err() {
            self.close()?;
        }
        begun.map_err(|_| Silent)
    }

    fn close(&mut self) -> Result<(), Silent> {
        self.select.set_high().map_err(|_| Silent)
    }
}

impl<'p, B, C, I> EthernetPort<'p> for W5500<B, C, I>
where
    B: SpiBus + embedded_hal_async::spi::SpiBus,
    C: OutputPin,
    I: Wait,
{
    fn hardware_address(&self) -> EthernetAddress {
        self.mac
    }

    fn max_frame_len(&self) -> usize {
        Self::MAX_FRAME_LEN
    }

    fn link_state(&self) -> LinkState {
        self.link
    }

    async fn wait(&mut self, to_transmit: bool) -> Ready {
        // Whether the interrupt's line was the reason to look.
        let mut idle = false;
        loop {
            let mut changed = false;
            if Instant::now() >= self.check_at {
                self.check_at = Instant::now() + CHECK_EVERY;
                let link = self.check();
                changed = core::mem::replace(&mut self.link, link) != link;
            }
            let looked = self.look(to_transmit);
            let ready = looked.unwrap_or_default();
            if ready.receive || ready.transmit || changed {
                return ready;
            }
            // Between frames nothing happens on the bus: a caller that stops waiting here interrupts nothing.
            if idle || looked.is_err() {
                // The line was low for no reason, a short circuit perhaps: it is not to keep everybody else from working.
                Timer::after(LINE_IS_STUCK).await;
                idle = false;
            } else {
                idle = select(self.interrupt.wait_for_low(), Timer::at(self.check_at)).await.is_first();
            }
        }
    }

    async fn receive(&mut self, frame: &mut Frame<'p>) -> bool {
        self.take(frame).await.unwrap_or(false)
    }

    async fn transmit(&mut self, mut frame: Frame<'p>) -> bool {
        let missing = MIN_WIRE_LEN.saturating_sub(frame.len());
        if let Some(padding) = frame.push_back(missing) {
            padding.fill(0);
        }
        frame.len() <= Self::MAX_FRAME_LEN && self.sending.is_none() && self.send(frame.bytes()).await.is_ok()
    }
}

/// The bus reported an error, or the chip did not do in time what it was told.
#[derive(Clone, Copy)]
struct Silent;

/// The offset in a block, and the block: 0 the chip's registers, 1 those of the socket, 2 and 3 its memory.
type Address = (u16, u8);

const READ: u8 = 0;
const WRITE: u8 = 1 << 2;

const MR: Address = (0x00, 0);
const MR_RESET: u8 = 0x80;
const SHAR: Address = (0x09, 0);
const SIMR: Address = (0x18, 0);
const PHYCFGR: Address = (0x2E, 0);
const PHYCFGR_LINK: u8 = 1;
const VERSIONR: Address = (0x39, 0);
const VERSION: u8 = 4;

const SN_MR: Address = (0x00, 1);
const SN_MR_MACRAW: u8 = 4;
const SN_CR: Address = (0x01, 1);
const SN_CR_OPEN: u8 = 0x01;
const SN_CR_SEND: u8 = 0x20;
const SN_CR_RECV: u8 = 0x40;
const SN_IR: Address = (0x02, 1);
const SN_IR_SENT: u8 = 0x10;
const SN_IR_RECEIVED: u8 = 0x04;
const SN_SR: Address = (0x03, 1);
const SN_SR_MACRAW: u8 = 0x42;
/// Followed by the same for what is sent.
const SN_RXBUF_SIZE: Address = (0x1E, 1);
const SN_TX_WR: Address = (0x24, 1);
const SN_RX_RSR: Address = (0x26, 1);
const SN_RX_RD: Address = (0x28, 1);
const SN_IMR: Address = (0x2C, 1);
const TX_MEMORY: u8 = 2;
const RX_MEMORY: u8 = 3;

const MEMORY_KB: u8 = 16;
const MEMORY_LEN: usize = 16 * 1024;
/// An Ethernet header.
const MIN_FRAME_LEN: usize = 14;
/// IEEE 802.3, section 4.4.2, without the FCS.
const MIN_WIRE_LEN: usize = 60;
/// Reads of a register before the chip counts as silent: some 10 ms at 8 MHz.
const ATTEMPTS: u32 = 2000;
/// How long a frame may be on its way: at 10 Mbit/s the longest takes 1.2 ms.
const PATIENCE: Duration = Duration::from_millis(100);
/// How often to look while the interrupt's line tells nothing.
const LINE_IS_STUCK: Duration = Duration::from_millis(1);
/// How often the carrier is looked at.
const CHECK_EVERY: Duration = Duration::from_millis(250);
