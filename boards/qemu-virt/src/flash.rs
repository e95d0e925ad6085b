//! The machine's second flash bank as `NorFlash`: 32 MB with Intel's command set (CFI 0001), two 16-bit chips side by side,
//! erased in sectors of 256 KB.
//!
//! ```text
//!   read array ──40h, data──► programs ──FFh──► read array      a word of 32 bits, 16 to each chip
//!        └──────20h, D0h────► erases ────FFh────────┘           reads answer the status meanwhile
//! ```

use core::ops::Range;
use core::ptr;
use core::sync::atomic::AtomicBool;

use embedded_storage_async::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};

use crate::machine;

/// Where everything is, in bytes from the bank's beginning.
mod map {
    use super::{Range, SECTOR};

    /// The redial engine's ledger.
    pub(crate) const LEDGER: Range<u32> = 0..2 * SECTOR;
    /// The DHCP server's leases.
    pub(crate) const LEASES: Range<u32> = 2 * SECTOR..4 * SECTOR;
    /// The settings, in two banks.
    pub(crate) const SETTINGS: Range<u32> = 4 * SECTOR..8 * SECTOR;
}

/// A part of the bank. Operations never wait for one another: each is done when the call returns, so that several who own
/// parts may work at the same time, on one executor.
pub(crate) struct Part(Range<u32>);

/// The parts, once: two of each, one for who keeps something there and one for who erases it.
pub(crate) fn take() -> Option<[[Part; 2]; 3]> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let both = |range: Range<u32>| [Part(range.clone()), Part(range)];
    machine::first_time(&TAKEN).then(|| [map::LEDGER, map::LEASES, map::SETTINGS].map(both))
}

/// The chip said that it failed, or the range was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failed(NorFlashErrorKind);

impl NorFlashError for Failed {
    fn kind(&self) -> NorFlashErrorKind {
        self.0
    }
}

impl ErrorType for Part {
    type Error = Failed;
}

impl ReadNorFlash for Part {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, at: u32, bytes: &mut [u8]) -> Result<(), Failed> {
        let at = self.check(at, bytes.len(), 1)?;
        for (address, byte) in (BANK + at as usize..).zip(bytes) {
            // SAFETY: inside the bank, which is in the state to be read.
            *byte = unsafe { ptr::with_exposed_provenance::<u8>(address).read_volatile() };
        }
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.0.len()
    }
}

impl NorFlash for Part {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = SECTOR as usize;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), Failed> {
        let len = to.saturating_sub(from);
        let from = self.check(from, len as usize, SECTOR)?;
        for sector in (from..from + len).step_by(SECTOR as usize) {
            command(sector, &[ERASE, CONFIRM])?;
        }
        Ok(())
    }

    async fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Failed> {
        let at = self.check(at, bytes.len(), 4)?;
        for (address, word) in (at..).step_by(4).zip(bytes.as_chunks().0) {
            command(address, &[PROGRAM, u32::from_le_bytes(*word)])?;
        }
        Ok(())
    }
}

impl Part {
    /// Where a range of the part, of whole `unit`s, begins in the bank.
    fn check(&self, at: u32, len: usize, unit: u32) -> Result<u32, Failed> {
        if (at as usize).checked_add(len).is_none_or(|end| end > self.0.len()) {
            return Err(Failed(NorFlashErrorKind::OutOfBounds));
        }
        if !at.is_multiple_of(unit) || !len.is_multiple_of(unit as usize) {
            return Err(Failed(NorFlashErrorKind::NotAligned));
        }
        Ok(self.0.start + at)
    }
}

/// Gives the chips these words, waits until they are done, and makes them readable again.
fn command(at: u32, words: &[u32]) -> Result<(), Failed> {
    let address = BANK + at as usize;
    // SAFETY: the cycles of one command, all of them before anybody else's turn, on an address inside the bank.
    let status = unsafe {
        for word in words {
            machine::write(address, *word);
        }
        let status = loop {
            let status = machine::read(address);
            if status & READY == READY {
                break status;
            }
        };
        machine::write(address, CLEAR_STATUS);
        machine::write(address, READ_ARRAY);
        status
    };
    if status & FAILED == 0 { Ok(()) } else { Err(Failed(NorFlashErrorKind::Other)) }
}

/// The one that QEMU does not boot from.
const BANK: usize = 0x2200_0000;
const SECTOR: u32 = 256 << 10;

// Intel's command set, once for each chip.
const ERASE: u32 = 0x0020_0020;
const CONFIRM: u32 = 0x00D0_00D0;
const PROGRAM: u32 = 0x0040_0040;
const CLEAR_STATUS: u32 = 0x0050_0050;
const READ_ARRAY: u32 = 0x00FF_00FF;
const READY: u32 = 0x0080_0080;
const FAILED: u32 = 0x003A_003A;
