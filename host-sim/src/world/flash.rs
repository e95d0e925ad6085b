//! NOR flash of the router: what survives a power cut, and what a power cut in the middle of a write leaves.
//!
//! Writing takes its time: the first half of a write is there at once, the rest when it is done; an erase
//! leaves neither the old content nor ones until it is done. Whoever drops the future has cut the power.

use std::cell::RefCell;
use std::rc::Rc;

use embassy_time::Timer;
use embedded_storage_async::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};

/// Two sectors for the ledger, the least that `FlashLedger` takes, and two for the leases.
pub const LEDGER: core::ops::Range<u32> = 0..2 * SECTOR as u32;
/// As many as `FlashLeases` takes at least.
pub const LEASES: core::ops::Range<u32> = LEDGER.end..LEDGER.end + 2 * SECTOR as u32;
/// Two banks, each with room for whatever settings there can be.
pub const SETTINGS: core::ops::Range<u32> = LEASES.end..LEASES.end + 16 * SECTOR as u32;
const CAPACITY: usize = SETTINGS.end as usize;
/// A sector of the serial flash on RP2040 and ESP32-C3 boards (W25Q series data sheet).
const SECTOR: usize = 4096;
const WORD: usize = 4;
/// W25Q16JV data sheet: page program 0.4 ms typically, 3 ms at most.
const WRITE_MICROS: u64 = 1_000;
/// W25Q16JV data sheet: sector erase 45 ms typically, 400 ms at most.
const ERASE_MICROS: u64 = 45_000;

/// A flash chip; clones are the same chip.
#[derive(Clone)]
pub struct Flash(Rc<RefCell<Chip>>);

struct Chip {
    bytes: Vec<u8>,
    wear: Wear,
}

/// How often the chip was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wear {
    /// Write operations.
    pub writes: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Sectors erased.
    pub erases: u64,
}

/// What the driver did wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlashError {
    /// Beyond the chip, or not aligned.
    Range,
    /// A word was written that was not erased.
    NotErased,
}

impl NorFlashError for FlashError {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::Range => NorFlashErrorKind::OutOfBounds,
            Self::NotErased => NorFlashErrorKind::Other,
        }
    }
}

impl Flash {
    /// A new chip, erased.
    pub fn new() -> Self {
        Self(Rc::new(RefCell::new(Chip { bytes: vec![0xFF; CAPACITY], wear: Wear::default() })))
    }

    /// All of it is erased, at once: the box is not running.
    pub fn forget(&self) {
        let mut chip = self.0.borrow_mut();
        chip.wear.erases += (CAPACITY / SECTOR) as u64;
        chip.bytes.fill(0xFF);
    }

    /// How often it was written so far.
    pub fn wear(&self) -> Wear {
        self.0.borrow().wear
    }
}

impl Default for Flash {
    fn default() -> Self {
        Self::new()
    }
}

fn range(from: u32, len: usize, unit: usize) -> Result<core::ops::Range<usize>, FlashError> {
    let from = from as usize;
    let fits = from.is_multiple_of(unit) && len.is_multiple_of(unit) && from + len <= CAPACITY;
    fits.then_some(from..from + len).ok_or(FlashError::Range)
}

impl ErrorType for Flash {
    type Error = FlashError;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
        bytes.copy_from_slice(&self.0.borrow().bytes[range(offset, bytes.len(), 1)?]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        CAPACITY
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = SECTOR;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashError> {
        let range = range(from, to.saturating_sub(from) as usize, SECTOR)?;
        {
            let mut chip = self.0.borrow_mut();
            chip.wear.erases += (range.len() / SECTOR) as u64;
            chip.bytes[range.clone()].iter_mut().for_each(|byte| *byte |= 0x55);
        }
        Timer::after_micros(ERASE_MICROS).await;
        self.0.borrow_mut().bytes[range].fill(0xFF);
        Ok(())
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        let range = range(offset, bytes.len(), WORD)?;
        let (first, second) = bytes.split_at(bytes.len() / 2);
        {
            let mut chip = self.0.borrow_mut();
            if chip.bytes[range.clone()].iter().any(|&byte| byte != 0xFF) {
                return Err(FlashError::NotErased);
            }
            chip.wear.writes += 1;
            chip.wear.bytes += bytes.len() as u64;
            chip.bytes[range.start..range.start + first.len()].copy_from_slice(first);
        }
        Timer::after_micros(WRITE_MICROS).await;
        self.0.borrow_mut().bytes[range.end - second.len()..range.end].copy_from_slice(second);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use embassy_futures::select::select;

    use super::*;
    use crate::executor::{Executor, Mode};

    #[test]
    fn a_power_cut_tears_a_write_and_a_word_is_written_once() {
        let flash = Flash::new();
        let mut driver = flash.clone();
        let main = async {
            let cut = Timer::after_micros(WRITE_MICROS / 2);
            select(driver.write(8, &[0x11; 8]), cut).await;
            let mut read = [0; 8];
            driver.read(8, &mut read).await.unwrap();
            assert_eq!(read, [0x11, 0x11, 0x11, 0x11, 0xFF, 0xFF, 0xFF, 0xFF]);
            assert_eq!(driver.write(8, &[0; 4]).await, Err(FlashError::NotErased));
            assert_eq!(driver.write(6, &[0; 4]).await, Err(FlashError::Range));
            driver.erase(0, SECTOR as u32).await.unwrap();
            driver.write(8, &[0x22; 8]).await.unwrap();
            driver.read(8, &mut read).await.unwrap();
            assert_eq!(read, [0x22; 8]);
        };
        assert_eq!(Executor::new(Mode::Virtual).run_until(main), Ok(()));
        assert_eq!(flash.wear(), Wear { writes: 2, bytes: 16, erases: 1 });
    }
}
