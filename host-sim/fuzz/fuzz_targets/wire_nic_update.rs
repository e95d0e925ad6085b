//! The fuzzing binary of [`gatelet_fuzz::wire::nic_update`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gatelet_fuzz::wire::nic_update(input));
