//! QEMU's `virt` with a 32-bit RISC-V hart. Under `-icount`, `minstret` counts exactly.

use core::arch::{asm, global_asm};

use gatelet_bench::Counter;

use crate::semihosting;

// The stack is all that Rust needs: memory was filled by the loader.
global_asm!(
    ".section .text.start, \"ax\"",
    ".globl _start",
    "_start:",
    "la sp, _stack_top",
    "call {start}",
    start = sym start
);

extern "C" fn start() -> ! {
    semihosting::main(&mut Minstret)
}

struct Minstret;

impl Counter for Minstret {
    #[inline]
    fn read(&mut self) -> u32 {
        let count;
        // SAFETY: reads a counter. It is ordered with memory accesses, so that the counted call stays between two reads.
        unsafe { asm!("csrr {}, minstret", out(reg) count, options(nostack)) };
        count
    }
}

/// `rounds` rounds of two instructions.
#[inline(never)]
pub(crate) fn spin(rounds: u32) {
    // SAFETY: counts a register down.
    unsafe { asm!("2:", "addi {0}, {0}, -1", "bnez {0}, 2b", inlateout(reg) rounds => _, options(nostack)) };
}

/// # Safety
/// `parameter` is what `operation` of the semihosting specification asks for.
pub(crate) unsafe fn trap(operation: usize, parameter: usize) -> usize {
    let result;
    // SAFETY: these three, uncompressed and on one page, are the trap (RISC-V semihosting §2); what it does with memory
    // is the caller's to answer for.
    unsafe {
        asm!(
            ".balign 16",
            ".option push",
            ".option norvc",
            "slli x0, x0, 0x1f",
            "ebreak",
            "srai x0, x0, 7",
            ".option pop",
            inlateout("a0") operation => result,
            in("a1") parameter,
            options(nostack)
        );
    }
    result
}
