//! The fuzzing binary of [`gatelet_fuzz::ipv6::ra_host`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gatelet_fuzz::ipv6::ra_host(input));
