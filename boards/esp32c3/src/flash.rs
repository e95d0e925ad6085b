//! The partition `gatelet` (partitions.csv), for what survives a reboot and another firmware.
//!
//! The chip executes from the same flash: while a sector is erased or written, nothing else runs.

use core::ops::Range;

use embassy_embedded_hal::adapter::BlockingAsync;
use embassy_embedded_hal::flash::partition::Partition;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::mutex::Mutex;
use esp_storage::FlashStorage;

type Whole = BlockingAsync<FlashStorage<'static>>;
/// The whole flash, for one at a time.
pub(crate) type Shared = Mutex<NoopRawMutex, Whole>;
/// A part of it.
pub(crate) type Part = Partition<'static, NoopRawMutex, Whole>;

const SECTOR: u32 = FlashStorage::SECTOR_SIZE;
/// Where the partition begins.
const START: u32 = 0x20_0000;

/// Eight sectors for the redial engine's ledger: 19 years of the worst line known (`gatelet_proto::redial::Ledger`).
pub(crate) const LEDGER: Range<u32> = START..START + 8 * SECTOR;
/// Two for the leases.
pub(crate) const LEASES: Range<u32> = LEDGER.end..LEDGER.end + 2 * SECTOR;
/// Two for the password of the wireless network.
pub(crate) const WIFI: Range<u32> = LEASES.end..LEASES.end + 2 * SECTOR;

/// Six for the settings, in two banks.
pub(crate) const SETTINGS: Range<u32> = WIFI.end..WIFI.end + 6 * SECTOR;

/// A part by its range.
pub(crate) fn part(flash: &'static Shared, range: &Range<u32>) -> Part {
    Partition::new(flash, range.start, range.end - range.start)
}
