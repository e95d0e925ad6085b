//! The fuzzing binary of [`gatelet_fuzz::router::operations`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gatelet_fuzz::router::operations(input));
