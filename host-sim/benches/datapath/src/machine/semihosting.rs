//! What both bare machines have QEMU do for them: Arm's semihosting, which the RISC-V one is the same as but for the trap.

use core::fmt::{self, Write as _};
use core::panic::PanicInfo;

use gatelet_bench::Counter;
use heapless::String;

use crate::machine::{spin, trap};

/// `SYS_WRITE0`: writes a string that ends with a NUL.
const WRITE0: usize = 0x04;
/// `SYS_GET_CMDLINE`.
const GET_CMDLINE: usize = 0x15;
/// `SYS_EXIT`.
const EXIT: usize = 0x18;
/// `ADP_Stopped_ApplicationExit`: exit code 0. QEMU makes 1 of any other reason.
const APPLICATION_EXIT: usize = 0x2_0026;

/// Runs the bench, and ends the machine.
pub(crate) fn main(counter: &mut impl Counter) -> ! {
    calibrate(counter);
    let mut buffer = [0; 128];
    crate::run(arguments(&mut buffer), counter, print);
    exit(APPLICATION_EXIT)
}

/// Panics if the machine does not count instructions: if QEMU was not told to (`-icount`), or wrongly.
fn calibrate(counter: &mut impl Counter) {
    let before = counter.read();
    spin(SPIN);
    let middle = counter.read();
    spin(2 * SPIN);
    let after = counter.read();
    let rounds = counter.between(middle, after).wrapping_sub(counter.between(before, middle));
    // The calls themselves are not alike.
    assert!(rounds.abs_diff(2 * SPIN) <= SPIN / 50, "{rounds} instructions in {SPIN} rounds of two");
}

/// For [`calibrate`].
const SPIN: u32 = 1000;

fn print(line: fmt::Arguments<'_>) {
    let mut text = String::<256>::new();
    // Longer ones are cut.
    let _ = text.write_fmt(line);
    text.truncate(254);
    let _ = text.push_str("\n\0");
    // SAFETY: the parameter of SYS_WRITE0 is a string that ends with a NUL, which it reads.
    unsafe { trap(WRITE0, text.as_ptr() as usize) };
}

/// The argument that QEMU was given.
fn arguments(buffer: &mut [u8; 128]) -> &str {
    let mut block = [buffer.as_mut_ptr() as usize, buffer.len()];
    // SAFETY: the parameter of SYS_GET_CMDLINE are a buffer's address and length; it writes within them, and the length
    // of what it wrote into the second.
    let failed = unsafe { trap(GET_CMDLINE, block.as_mut_ptr() as usize) };
    let len = if failed == 0 { block[1].min(buffer.len()) } else { 0 };
    core::str::from_utf8(&buffer[..len]).unwrap_or_default().trim()
}

fn exit(reason: usize) -> ! {
    loop {
        // SAFETY: SYS_EXIT takes its reason as it is.
        unsafe { trap(EXIT, reason) };
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    print(format_args!("{info}"));
    exit(0)
}
