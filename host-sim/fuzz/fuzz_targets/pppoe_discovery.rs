//! The fuzzing binary of [`gatelet_fuzz::pppoe::discovery`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gatelet_fuzz::pppoe::discovery(input));
