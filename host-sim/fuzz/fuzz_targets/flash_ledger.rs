//! The fuzzing binary of [`gatelet_fuzz::flash::ledger`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gatelet_fuzz::flash::ledger(input));
