//! The fuzzing binary of [`gatelet_fuzz::connectivity::engine`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gatelet_fuzz::connectivity::engine(input));
