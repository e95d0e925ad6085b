//! The fuzzing binary of [`gatelet_fuzz::wire::icmpv6`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gatelet_fuzz::wire::icmpv6(input));
