//! The fuzzing binary of [`gatelet_fuzz::wire::chap`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gatelet_fuzz::wire::chap(input));
