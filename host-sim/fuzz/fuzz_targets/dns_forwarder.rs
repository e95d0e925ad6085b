//! The fuzzing binary of [`gatelet_fuzz::dns::forwarder`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gatelet_fuzz::dns::forwarder(input));
