//! A host: counts nothing, but has functions by whose names callgrind knows when to.

use std::env;
use std::fmt;
use std::hint::black_box;

use gatelet_bench::Counter;

pub(crate) fn main() {
    let filter = env::args().skip(1).collect::<Vec<_>>().join(" ");
    crate::run(&filter, &mut Callgrind, end_of_case);
}

struct Callgrind;

impl Counter for Callgrind {
    fn read(&mut self) -> u32 {
        0
    }

    fn begin(&mut self) {
        begin_of_case();
    }
}

/// Counts start here from zero.
#[inline(never)]
fn begin_of_case() {
    black_box(());
}

/// Counts are written before this.
#[inline(never)]
fn end_of_case(line: fmt::Arguments<'_>) {
    println!("{line}");
}
