//! QEMU's `mps2-an385`. Its core is a Cortex-M3, which runs what was built for a Cortex-M0+ (Armv6-M) instruction by
//! instruction. `SysTick` runs at 25 MHz, so at `-icount shift=7`, 128 ns for an instruction, each takes 3.2 ticks: enough
//! to tell them apart.

use core::arch::{asm, global_asm};
use core::ptr;

use gatelet_bench::Counter;

use crate::semihosting;

// The vector table's first two words; nothing interrupts, and a fault ends in a lockup, which QEMU tells.
global_asm!(".section .vectors, \"a\"", ".word _stack_top", ".word _start");

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    // SAFETY: SysTick's registers; nobody else uses them.
    unsafe {
        ptr::write_volatile(SYST_RVR, SYSTICK_MAX);
        ptr::write_volatile(SYST_CVR, 0);
        // Enabled, clocked by the processor.
        ptr::write_volatile(SYST_CSR, 0b101);
    }
    semihosting::main(&mut SysTick)
}

const SYST_CSR: *mut u32 = 0xE000_E010 as *mut u32;
const SYST_RVR: *mut u32 = 0xE000_E014 as *mut u32;
const SYST_CVR: *mut u32 = 0xE000_E018 as *mut u32;
/// It has 24 bits.
const SYSTICK_MAX: u32 = 0x00FF_FFFF;

struct SysTick;

impl Counter for SysTick {
    #[inline]
    fn read(&mut self) -> u32 {
        // SAFETY: reads a register that counts down.
        unsafe { ptr::read_volatile(SYST_CVR) }
    }

    fn between(&self, before: u32, after: u32) -> u32 {
        let ticks = before.wrapping_sub(after) & SYSTICK_MAX;
        (ticks * 10 + 16) / 32
    }
}

/// `rounds` rounds of two instructions.
#[inline(never)]
pub(crate) fn spin(rounds: u32) {
    // SAFETY: counts a register down.
    unsafe { asm!("2:", "subs {0}, #1", "bne 2b", inlateout(reg) rounds => _, options(nostack)) };
}

/// # Safety
/// `parameter` is what `operation` of the semihosting specification asks for.
pub(crate) unsafe fn trap(operation: usize, parameter: usize) -> usize {
    let result;
    // SAFETY: this is the trap of M-profile cores; what it does with memory is the caller's to answer for.
    unsafe {
        asm!("bkpt 0xAB", inlateout("r0") operation => result, in("r1") parameter, options(nostack));
    }
    result
}
