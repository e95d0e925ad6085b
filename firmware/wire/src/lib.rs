//! Bytes to values and back, for the formats `smoltcp::wire` lacks: Ethernet with an 802.1Q tag,
//! `PPPoE` (RFC 2516), PPP control packets and their options (RFC 1661, 1332, 1877, 5072) and the
//! authentication packets (RFC 1334, 1994, 2759).
//!
//! No state, no time, no heap; no input makes it panic.
#![no_std]
#![forbid(unsafe_code)]
