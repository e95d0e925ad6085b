//! The fuzzing binary of [`gatelet_fuzz::wire::dns`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gatelet_fuzz::wire::dns(input));
