//! The flash's last 64 KB, beyond any image (memory.x), for what survives a reboot.
//!
//! The chip executes from the same flash. While a sector is erased or a page written, the driver keeps interrupts off and the
//! other core paused, and runs from RAM: 45 ms for an erased sector as a rule, 400 ms at worst (W25Q16JV data sheet,
//! section 9.6), in which the ports' own buffers take what arrives.

use core::ops::Range;

use embassy_embedded_hal::flash::partition::Partition;
use embassy_rp::flash::{Async, ERASE_SIZE, Flash};
use embassy_rp::peripherals::FLASH;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::mutex::Mutex;

/// The whole flash, for one at a time.
pub(crate) type Shared = Mutex<NoopRawMutex, Flash<'static, FLASH, Async, LEN>>;
/// A part of it.
pub(crate) type Part = Partition<'static, NoopRawMutex, Flash<'static, FLASH, Async, LEN>>;

/// 2 MB, as on the W5500-EVB-Pico and the Raspberry Pi Pico.
pub(crate) const LEN: usize = 2 << 20;
const SECTOR: u32 = ERASE_SIZE as u32;
const END: u32 = LEN as u32;

/// Eight sectors for the redial engine's ledger: 19 years of the worst line known (`gatelet_proto::redial::Ledger`).
pub(crate) const LEDGER: Range<u32> = END - 16 * SECTOR..END - 8 * SECTOR;
/// Two for the leases.
pub(crate) const LEASES: Range<u32> = END - 8 * SECTOR..END - 6 * SECTOR;
/// Six for the settings, in two banks.
pub(crate) const SETTINGS: Range<u32> = END - 6 * SECTOR..END;

/// A part by its range.
pub(crate) fn part(flash: &'static Shared, range: &Range<u32>) -> Part {
    Partition::new(flash, range.start, range.end - range.start)
}
