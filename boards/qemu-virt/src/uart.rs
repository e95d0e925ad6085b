//! The UART, a 16550 (National Semiconductor's data sheet), as `embedded-io-async`.
//!
//! What is typed goes through a pipe that the interrupt fills: a kilobyte, beyond which it is lost, as in any UART's FIFO.

use core::convert::Infallible;
use core::future::poll_fn;
use core::ptr;
use core::task::Poll;

use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::pipe::Pipe;
use embassy_sync::waitqueue::AtomicWaker;
use embedded_io_async::{ErrorType, Read, Write};

/// What is typed.
pub(crate) struct Keyboard(());
/// What is shown.
pub(crate) struct Screen(());

/// Both ends of the console's line. To be opened once.
pub(crate) fn open() -> (Keyboard, Screen) {
    // SAFETY: nobody else writes these: FIFOs on, interrupts for what is received.
    unsafe {
        write(FCR, 0x07);
        write(IER, IER_RECEIVED);
    }
    (Keyboard(()), Screen(()))
}

impl ErrorType for Keyboard {
    type Error = Infallible;
}

impl Read for Keyboard {
    async fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Infallible> {
        Ok(TYPED.read(bytes).await)
    }
}

impl ErrorType for Screen {
    type Error = Infallible;
}

impl Write for Screen {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        let Some(&first) = bytes.first() else { return Ok(0) };
        poll_fn(|cx| {
            ROOM.register(cx.waker());
            if has_room() {
                return Poll::Ready(());
            }
            // SAFETY: the interrupt asks for itself to be turned off again.
            unsafe { write(IER, IER_RECEIVED | IER_ROOM) };
            Poll::Pending
        })
        .await;
        // SAFETY: there is room for one.
        unsafe { write(DATA, first) };
        Ok(1)
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Writes without interrupts, for the last words before a reset.
pub(crate) struct Emergency;

impl core::fmt::Write for Emergency {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        for byte in text.bytes() {
            while !has_room() {
                core::hint::spin_loop();
            }
            // SAFETY: there is room for one.
            unsafe { write(DATA, byte) };
        }
        Ok(())
    }
}

/// The UART's line of the interrupt controller.
pub(crate) fn interrupt() {
    // SAFETY: reading takes a byte off the FIFO, which is this handler's right alone.
    while unsafe { read(LSR) } & LSR_RECEIVED != 0 {
        let byte = unsafe { read(DATA) };
        // Full: lost.
        let _ = TYPED.try_write(&[byte]);
    }
    if has_room() {
        // SAFETY: whoever waits turns it on again.
        unsafe { write(IER, IER_RECEIVED) };
        ROOM.wake();
    }
}

fn has_room() -> bool {
    // SAFETY: reading the status has no effect on it that anybody relies on.
    unsafe { read(LSR) & LSR_ROOM != 0 }
}

/// # Safety
/// What reading the register does is meant.
unsafe fn read(register: usize) -> u8 {
    // SAFETY: a register of the UART's.
    unsafe { ptr::with_exposed_provenance::<u8>(UART + register).read_volatile() }
}

/// # Safety
/// What writing the register does is meant.
unsafe fn write(register: usize, value: u8) {
    // SAFETY: a register of the UART's.
    unsafe { ptr::with_exposed_provenance_mut::<u8>(UART + register).write_volatile(value) }
}

static TYPED: Pipe<CriticalSectionRawMutex, 1024> = Pipe::new();
static ROOM: AtomicWaker = AtomicWaker::new();

const UART: usize = 0x1000_0000;
const DATA: usize = 0;
const IER: usize = 1;
const IER_RECEIVED: u8 = 1;
const IER_ROOM: u8 = 2;
const FCR: usize = 2;
const LSR: usize = 5;
const LSR_RECEIVED: u8 = 1;
const LSR_ROOM: u8 = 0x20;
