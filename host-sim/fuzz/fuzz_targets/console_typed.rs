//! The fuzzing binary of [`gatelet_fuzz::console::typed`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gatelet_fuzz::console::typed(input));
