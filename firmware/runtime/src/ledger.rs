//! Where the redial engine's ledgers survive a reboot.

use core::fmt;
use core::ops::Range;

use crc::{CRC_32_ISO_HDLC, Crc, NoTable};
use embedded_storage_async::nor_flash::NorFlash;
use gatelet_proto::redial::Ledger;
use gatelet_router::WanId;

use crate::fmt::{Show, warning};

/// Keeps the ledger of each WAN.
#[expect(async_fn_in_trait, reason = "awaited by the router's task on its own executor")]
pub trait LedgerStore {
    /// The newest ledger stored for `wan`; `None` if there never was one, and [`Ledger::unreadable`] if there is one
    /// that cannot be read.
    async fn load(&mut self, wan: WanId) -> Option<Ledger>;

    /// Keeps `ledger` for `wan`, in place of the one before. After a power cut in the middle of it, one of the two
    /// is there.
    ///
    /// # Errors
    /// [`StoreError`], if it could not be kept; the one before may be lost with it.
    async fn store(&mut self, wan: WanId, ledger: &Ledger) -> Result<(), StoreError>;
}

/// A ledger could not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreError;

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the record could not be written: after a reboot the past will be unknown")
    }
}

impl core::error::Error for StoreError {}

/// Ledgers in a range of NOR flash that is theirs alone, at least two pages for each of `WANS` WANs.
///
/// ```text
///   page 0                          page 1
///  │slot 0│slot 1│ … │slot 16│░░│  │slot 17│ …                 ░: the rest of a page, unused
///            │
///            └ CRC-32 (4) │ sequence (4) │ length (2) │ 0 (2) │ the ledger (postcard) │ FF…
/// ```
///
/// Every slot is judged by itself: the one with a sound checksum and the highest sequence number counts. The next
/// record goes to the slot behind it, and a page is erased when that is its first slot: the newest record then lies in
/// another page. So whatever a power cut leaves behind, a word half written or a page half erased, the record
/// before it still counts. (`sequential-storage` 8.0 was tried first: after a half erased page its map answers with an
/// older record than the newest.)
///
/// Wear: one erase for each page full of records, 17 on the usual 4 KB; [`Ledger`] says how many are written a day and
/// how many pages make that last for years.
///
/// Flash whose driver blocks (most on-chip flash) fits through an adapter such as `embassy-embedded-hal`'s
/// `BlockingAsync`.
pub struct FlashLedger<F: NorFlash, const WANS: usize = 1> {
    flash: F,
    start: u32,
    pages_each: u32,
    newest: [Newest; WANS],
    buffer: Aligned,
}

/// What is known of a WAN's newest record.
#[derive(Clone, Copy)]
enum Newest {
    NotLookedFor,
    None {
        /// There is something in the flash, but no record.
        damaged: bool,
    },
    At {
        slot: u32,
        sequence: u32,
    },
}

/// Some flash peripherals read whole words from RAM.
#[repr(align(4))]
struct Aligned([u8; BUFFER_LEN]);

/// A slot of flash whose words are 64 bytes, wider than any known.
const BUFFER_LEN: usize = (HEADER_LEN + Ledger::MAX_ENCODED_LEN).next_multiple_of(64);
const HEADER_LEN: usize = 12;
const CRC: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);

/// The range given for the ledgers cannot hold them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadRange;

impl fmt::Display for BadRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "records need at least two whole pages of flash; ledgers, two of 1 KB or more for each WAN",
        )
    }
}

impl core::error::Error for BadRange {}

impl<F: NorFlash, const WANS: usize> FlashLedger<F, WANS> {
    const SLOT_LEN: usize = (HEADER_LEN + Ledger::MAX_ENCODED_LEN).next_multiple_of(F::WRITE_SIZE);
    const SLOTS_PER_PAGE: u32 = (F::ERASE_SIZE / Self::SLOT_LEN) as u32;

    /// Ledgers in `range` of `flash`, in bytes. What something else has written there is lost at the first
    /// [`store`](LedgerStore::store).
    ///
    /// # Errors
    /// [`BadRange`], if it is not of whole pages, or of fewer than two for each WAN, or if not even one record fits a
    /// page.
    pub fn new(flash: F, range: Range<u32>) -> Result<Self, BadRange> {
        let page = F::ERASE_SIZE as u32;
        let pages_each = range.end.saturating_sub(range.start) / page / WANS as u32;
        let whole = range.start.is_multiple_of(page) && range.end.is_multiple_of(page);
        if !whole || pages_each < 2 || Self::SLOTS_PER_PAGE == 0 || Self::SLOT_LEN > BUFFER_LEN {
            return Err(BadRange);
        }
        let buffer = Aligned([0; BUFFER_LEN]);
        Ok(Self { flash, start: range.start, pages_each, newest: [Newest::NotLookedFor; WANS], buffer })
    }

    /// `None` for a WAN beyond `WANS`.
    fn index(wan: WanId) -> Option<usize> {
        Some(usize::from(wan.0)).filter(|&index| index < WANS)
    }

    fn slots(&self) -> u32 {
        self.pages_each * Self::SLOTS_PER_PAGE
    }

    fn page_address(&self, wan: usize, slot: u32) -> u32 {
        let page = wan as u32 * self.pages_each + slot / Self::SLOTS_PER_PAGE;
        self.start + page * F::ERASE_SIZE as u32
    }

    fn address(&self, wan: usize, slot: u32) -> u32 {
        self.page_address(wan, slot) + slot % Self::SLOTS_PER_PAGE * Self::SLOT_LEN as u32
    }

    async fn read_slot(&mut self, wan: usize, slot: u32) -> Result<(), F::Error> {
        let address = self.address(wan, slot);
        self.flash.read(address, &mut self.buffer.0[..Self::SLOT_LEN]).await
    }

    /// Finds the newest record, once.
    async fn look_for_newest(&mut self, wan: usize) -> Result<Newest, F::Error> {
        if let Newest::NotLookedFor = self.newest[wan] {
            let mut newest = Newest::None { damaged: false };
            for slot in 0..self.slots() {
                self.read_slot(wan, slot).await?;
                newest = match (newest, sound(&self.buffer.0[..Self::SLOT_LEN])) {
                    (Newest::At { sequence: highest, .. }, Some((sequence, _))) if sequence <= highest => {
                        newest
                    }
                    (_, Some((sequence, _))) => Newest::At { slot, sequence },
                    (Newest::None { .. }, None) if !self.buffer_is_blank() => Newest::None { damaged: true },
                    (_, None) => newest,
                };
            }
            self.newest[wan] = newest;
        }
        Ok(self.newest[wan])
    }

    fn buffer_is_blank(&self) -> bool {
        self.buffer.0[..Self::SLOT_LEN].iter().all(|&byte| byte == 0xFF)
    }

    /// The newest sound record of `wan`. `Err(None)` if there is none and the flash is not blank.
    async fn read(&mut self, wan: usize) -> Result<Option<&[u8]>, Option<F::Error>> {
        match self.look_for_newest(wan).await? {
            Newest::NotLookedFor | Newest::None { damaged: true } => Err(None),
            Newest::None { damaged: false } => Ok(None),
            Newest::At { slot, .. } => {
                self.read_slot(wan, slot).await?;
                sound(&self.buffer.0[..Self::SLOT_LEN]).map(|(_, record)| Some(record)).ok_or(None)
            }
        }
    }

    /// Writes a record to the first slot behind the newest that takes it.
    async fn write(&mut self, wan: usize, record: &[u8]) -> Result<(), Option<F::Error>> {
        let (mut slot, sequence) = match self.look_for_newest(wan).await? {
            Newest::At { slot, sequence } => (slot + 1, sequence.wrapping_add(1)),
            Newest::NotLookedFor | Newest::None { .. } => (0, 1),
        };
        // Never so far as to come back to the page of the newest record, which counts until this one is whole.
        for _ in 0..self.slots() - Self::SLOTS_PER_PAGE {
            slot %= self.slots();
            if self.write_slot(wan, slot, sequence, record).await? {
                self.newest[wan] = Newest::At { slot, sequence };
                return Ok(());
            }
            slot += 1;
        }
        Err(None)
    }

    /// False, if the slot is not blank (a power cut has left something in it) or did not keep what was written.
    async fn write_slot(
        &mut self,
        wan: usize,
        slot: u32,
        sequence: u32,
        record: &[u8],
    ) -> Result<bool, F::Error> {
        if slot.is_multiple_of(Self::SLOTS_PER_PAGE) {
            let page = self.page_address(wan, slot);
            self.flash.erase(page, page + F::ERASE_SIZE as u32).await?;
        }
        self.read_slot(wan, slot).await?;
        if !self.buffer_is_blank() {
            return Ok(false);
        }
        let len = compose(&mut self.buffer.0, sequence, record);
        let address = self.address(wan, slot);
        self.flash.write(address, &self.buffer.0[..len.next_multiple_of(F::WRITE_SIZE)]).await?;
        self.read_slot(wan, slot).await?;
        Ok(sound(&self.buffer.0[..Self::SLOT_LEN]) == Some((sequence, record)))
    }
}

impl<F: NorFlash, const WANS: usize> LedgerStore for FlashLedger<F, WANS> {
    async fn load(&mut self, wan: WanId) -> Option<Ledger> {
        match self.read(Self::index(wan)?).await {
            Ok(None) => None,
            Ok(Some(record)) => Some(decode(wan, record)),
            Err(_) => Some(unreadable(wan)),
        }
    }

    async fn store(&mut self, wan: WanId, ledger: &Ledger) -> Result<(), StoreError> {
        let mut record = [0; Ledger::MAX_ENCODED_LEN];
        let record = postcard::to_slice(ledger, &mut record).map_err(|_| StoreError)?;
        self.write(Self::index(wan).ok_or(StoreError)?, record).await.map_err(|_| StoreError)
    }
}

/// Sequence number and content of a slot, if its checksum is right.
fn sound(slot: &[u8]) -> Option<(u32, &[u8])> {
    let (header, content) = slot.split_first_chunk::<HEADER_LEN>()?;
    let [c0, c1, c2, c3, s0, s1, s2, s3, l0, l1, 0, 0] = *header else { return None };
    let record = content.get(..usize::from(u16::from_le_bytes([l0, l1])))?;
    (CRC.checksum(&slot[4..HEADER_LEN + record.len()]) == u32::from_le_bytes([c0, c1, c2, c3]))
        .then(|| (u32::from_le_bytes([s0, s1, s2, s3]), record))
}

/// The slot of a record, in a buffer that is blank. Answers its length.
fn compose(buffer: &mut [u8; BUFFER_LEN], sequence: u32, record: &[u8]) -> usize {
    let len = HEADER_LEN + record.len();
    buffer[4..8].copy_from_slice(&sequence.to_le_bytes());
    buffer[8..12].copy_from_slice(&(record.len() as u32).to_le_bytes());
    buffer[HEADER_LEN..len].copy_from_slice(record);
    let checksum = CRC.checksum(&buffer[4..len]);
    buffer[..4].copy_from_slice(&checksum.to_le_bytes());
    len
}

/// The ledger in a record of `wan`: [`Ledger::unreadable`], with a note in the log, if this firmware cannot read it.
///
/// For stores of other kinds than flash: a record is the ledger in postcard's format.
pub fn decode(wan: WanId, record: &[u8]) -> Ledger {
    postcard::from_bytes(record).unwrap_or_else(|_| unreadable(wan))
}

fn unreadable(wan: WanId) -> Ledger {
    warning!("wan {}: the stored ledger cannot be read: the past is unknown", Show(wan.0));
    Ledger::unreadable()
}

#[cfg(test)]
pub(crate) mod tests;
