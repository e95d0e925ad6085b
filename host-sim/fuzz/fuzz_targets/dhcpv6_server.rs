//! The fuzzing binary of [`gatelet_fuzz::ipv6::dhcpv6_server`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gatelet_fuzz::ipv6::dhcpv6_server(input));
