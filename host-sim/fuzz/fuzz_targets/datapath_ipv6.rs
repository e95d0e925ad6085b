//! The fuzzing binary of [`gatelet_fuzz::datapath6::ingress`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gatelet_fuzz::datapath6::ingress(input));
