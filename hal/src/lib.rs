//! What a board must offer: Ethernet ports, frames and their pool, link state.
#![no_std]
