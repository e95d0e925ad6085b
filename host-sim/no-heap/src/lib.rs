//! All firmware crates in one final product without an allocator: where one of them, or anything it
//! depends on, needs std or a heap, this does not build for the boards' targets (`cargo xtask firmware`).
#![cfg_attr(target_os = "none", no_std)]

pub use {
    gatelet_console, gatelet_hal, gatelet_proto, gatelet_router, gatelet_runtime, gatelet_settings,
    gatelet_wire,
};

#[cfg(target_os = "none")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
