//! The fuzzing binary of [`gatelet_fuzz::dhcp::client`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gatelet_fuzz::dhcp::client(input));
