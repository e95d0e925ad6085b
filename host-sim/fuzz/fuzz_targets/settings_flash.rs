//! The fuzzing binary of [`gatelet_fuzz::settings::flash`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gatelet_fuzz::settings::flash(input));
