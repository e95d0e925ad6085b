//! The fuzzing binary of [`gatelet_fuzz::ppp::link`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gatelet_fuzz::ppp::link(input));
