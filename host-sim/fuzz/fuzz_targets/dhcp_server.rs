//! The fuzzing binary of [`gatelet_fuzz::dhcp::server`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gatelet_fuzz::dhcp::server(input));
