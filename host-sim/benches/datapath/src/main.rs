//! The bench's program, for a host under callgrind and for bare machines under QEMU. It prints a line per case:
//!
//! ```text
//! gatelet|up, 1 flow, UDP 64|packets|instructions|most for one packet
//! ```
//!
//! Its arguments, if there are any, are what the names of the cases to be run contain, put together by spaces.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::fmt;

use gatelet_bench::case::{self, Case, Figure};
use gatelet_bench::{Counter, bound, bound6, gatelet};

#[cfg_attr(not(target_os = "none"), path = "machine/host.rs")]
#[cfg_attr(target_arch = "riscv32", path = "machine/riscv32.rs")]
#[cfg_attr(target_arch = "arm", path = "machine/cortex_m.rs")]
mod machine;
#[cfg(target_os = "none")]
#[path = "machine/semihosting.rs"]
mod semihosting;

/// Measures all that is wanted.
fn run(filter: &str, counter: &mut impl Counter, mut report: impl FnMut(fmt::Arguments<'_>)) {
    let mut line = |who: &str, case: &Case, figure: Figure| {
        let Figure { packets, instructions, worst } = figure;
        report(format_args!("{who}|{case}|{packets}|{instructions}|{worst}"));
    };
    let wanted = |case: &Case| heapless::format!(64; "{case}").is_ok_and(|name| name.contains(filter));
    for case in case::usual().iter().filter(|case| wanted(case)) {
        line("bound", case, bound::measure(*case, counter));
    }
    for case in case::tunnelled().iter().filter(|case| wanted(case)) {
        line("bound", case, bound6::measure(*case, counter));
    }
    for case in case::cases().filter(|case| wanted(case)) {
        line("gatelet", &case, gatelet::measure(case, counter));
    }
}

#[cfg(not(target_os = "none"))]
fn main() {
    machine::main();
}
