//! QEMU's `virt` (hw/riscv/virt.c): where its devices are, who is told of their interrupts, how it ends.

use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};

use embassy_sync::waitqueue::AtomicWaker;
use riscv::interrupt::Interrupt;
use riscv::register::{mie, mstatus};

use crate::uart;

/// The virtio-mmio slots in use; QEMU's `bus=virtio-mmio-bus.N`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    /// The carrier's side.
    Wan = 0,
    /// The home's side.
    Lan = 1,
    /// Random numbers.
    Entropy = 2,
}

/// Where a slot's registers begin, and how many bytes there are.
pub(crate) const fn virtio(slot: Slot) -> (usize, usize) {
    (VIRTIO + slot as usize * VIRTIO_LEN, VIRTIO_LEN)
}

/// Woken by each interrupt of the slot.
pub(crate) fn virtio_waker(slot: Slot) -> &'static AtomicWaker {
    &WAKERS[slot as usize]
}

/// Opens the machine's interrupts. To be called once, before anything waits for one.
pub(crate) fn start() {
    let lines = [UART_LINE, VIRTIO_LINE + Slot::Wan as u32, VIRTIO_LINE + Slot::Lan as u32];
    let enable = lines.iter().fold(0, |bits, line| bits | 1 << line);
    // SAFETY: the PLIC's registers, of which nobody else knows; the handlers below touch devices by registers alone, so
    // that interrupts may come from now on.
    unsafe {
        for line in lines {
            write(PLIC + 4 * line as usize, 1);
        }
        write(PLIC_ENABLE, enable);
        write(PLIC_THRESHOLD, 0);
        mie::set_mext();
        mie::set_mtimer();
        mstatus::set_mie();
    }
}

/// Ends QEMU with status 1.
pub(crate) fn fail() -> ! {
    finish(FINISHER_FAIL_1)
}

/// Starts the machine over, or ends QEMU with status 0 if it was told `-no-reboot`. RAM keeps what the loader does not fill.
pub(crate) fn reset() -> ! {
    finish(FINISHER_RESET)
}

fn finish(command: u32) -> ! {
    // SAFETY: the test finisher's only register.
    unsafe { write(FINISHER, command) };
    loop {
        core::hint::spin_loop();
    }
}

#[riscv_rt::core_interrupt(Interrupt::MachineExternal)]
fn external() {
    loop {
        // SAFETY: claiming and completing is the handler's own affair.
        let line = unsafe { read(PLIC_CLAIM) };
        match line {
            0 => return,
            UART_LINE => uart::interrupt(),
            _ => {
                let index = (line - VIRTIO_LINE) as usize;
                if let Some(waker) = WAKERS.get(index) {
                    let base = VIRTIO + index * VIRTIO_LEN;
                    // SAFETY: virtio 1.2, section 4.2.2: InterruptStatus and InterruptACK, which the driver leaves to us.
                    unsafe { write(base + 0x64, read(base + 0x60)) };
                    waker.wake();
                }
            }
        }
        // SAFETY: as above.
        unsafe { write(PLIC_CLAIM, line) };
    }
}

/// The machine's own devices may be taken once.
pub(crate) fn first_time(taken: &AtomicBool) -> bool {
    !taken.swap(true, Ordering::Relaxed)
}

/// # Safety
/// `address` is that of a 32-bit register.
pub(crate) unsafe fn read(address: usize) -> u32 {
    // SAFETY: the caller's promise.
    unsafe { ptr::with_exposed_provenance::<u32>(address).read_volatile() }
}

/// # Safety
/// `address` is that of a 32-bit register, and `value` may be written to it now.
pub(crate) unsafe fn write(address: usize, value: u32) {
    // SAFETY: the caller's promise.
    unsafe { ptr::with_exposed_provenance_mut::<u32>(address).write_volatile(value) }
}

static WAKERS: [AtomicWaker; 3] = [const { AtomicWaker::new() }; 3];

const FINISHER: usize = 0x0010_0000;
const FINISHER_FAIL_1: u32 = 0x0001_3333;
const FINISHER_RESET: u32 = 0x7777;

const PLIC: usize = 0x0C00_0000;
/// Of context 0: machine mode on hart 0.
const PLIC_ENABLE: usize = PLIC + 0x2000;
const PLIC_THRESHOLD: usize = PLIC + 0x20_0000;
const PLIC_CLAIM: usize = PLIC + 0x20_0004;

const VIRTIO: usize = 0x1000_1000;
const VIRTIO_LEN: usize = 0x1000;
const VIRTIO_LINE: u32 = 1;
const UART_LINE: u32 = 10;
