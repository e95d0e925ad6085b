//! The fuzzing binary of [`gatelet_fuzz::settings::text`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gatelet_fuzz::settings::text(input));
