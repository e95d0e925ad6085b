//! The fuzzing binary of [`gatelet_fuzz::ipv6::dhcpv6_client`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gatelet_fuzz::ipv6::dhcpv6_client(input));
