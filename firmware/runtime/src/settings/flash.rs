//! Settings in NOR flash: two banks, and in each a map of `sequential-storage` with one whole generation.
//!
//! ```text
//!   bank 0                                     bank 1
//!  │ key → value │ key → value │ … │ seal │   │ key → value │ … │ seal │
//!                                    │
//!                                    └ format, generation, how many, CRC-32 of all of them
//! ```
//!
//! A commit erases the bank that does not count, writes every record into it, and the seal last. A bank counts if its seal is there
//! and fits what is before it; of two that count, the one of the later generation. So whatever a power cut leaves in the bank that
//! is written, a word half programmed or a page half erased, the other one still counts; and the next commit begins by
//! erasing the bank anew. (A single map would be in danger: see docs/decisions, on the ledger.)
//!
//! Looking never writes: `sequential-storage` repairs what it finds damaged, which here would only risk what is whole.

use core::ops::Range;

use crc::{CRC_32_ISO_HDLC, Crc, Digest, NoTable};
use embedded_storage_async::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};
use gatelet_settings::{Record, Settings};
use sequential_storage::cache::{Cache, Uncached};
use sequential_storage::map::{MapConfig, MapStorage};

use super::SettingsStore;
use crate::StoreError;
use crate::ledger::BadRange;

/// A [`SettingsStore`] in a range of NOR flash that is its own: four pages at least, half of them for each bank. A bank has room
/// for as many bytes as it has pages but one: eight pages of 4 KiB hold whatever settings there can be.
///
/// Wear: a commit erases the pages of one bank once, and a commit that changes nothing erases none. docs/settings.md has the
/// figures.
pub struct FlashSettings<F: NorFlash> {
    flash: F,
    banks: [Range<u32>; 2],
    newest: Newest,
}

/// What is known of the bank that counts.
#[derive(Clone, Copy)]
enum Newest {
    NotLookedFor,
    /// No bank is whole.
    None,
    At {
        bank: usize,
        generation: u32,
    },
}

/// What stands behind the last record of a generation.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seal {
    generation: u32,
    count: u16,
    crc: u32,
}

/// Format 1: a record's key is its id and its entry (`id << 8 | entry`), its value a string in postcard's format; the seal is four
/// numbers in postcard's format. A later format that this firmware cannot read does not count; the generation before it does.
const FORMAT: u16 = 1;
/// No id is so high.
const SEAL_KEY: u32 = u32::MAX;
const CRC: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);
/// Records are read one behind the other, and each once.
type NoCache = Cache<Uncached, Uncached, Uncached, u32>;
type Map<F> = MapStorage<u32, F, NoCache>;

/// A key, a string of 255 bytes with its length, rounded up to the widest word.
#[repr(align(4))]
struct Buffer([u8; 320]);

impl Buffer {
    const fn new() -> Self {
        Self([0; 320])
    }
}

impl<F: NorFlash> FlashSettings<F> {
    /// The store in `range` of `flash`, in bytes. What something else has written there is lost at the first
    /// [`store`](SettingsStore::store).
    ///
    /// # Errors
    /// [`BadRange`], if it is not four whole pages at least.
    pub fn new(flash: F, range: Range<u32>) -> Result<Self, BadRange> {
        let page = F::ERASE_SIZE as u32;
        let pages_each = range.end.saturating_sub(range.start) / page / 2;
        let middle = range.start + pages_each * page;
        let banks = [range.start..middle, middle..middle + pages_each * page];
        let is_whole = range.start.is_multiple_of(page) && range.end.is_multiple_of(page);
        let fits = |bank: &Range<u32>| MapConfig::<F>::try_new(bank.clone()).is_ok();
        if !is_whole || pages_each < 2 || !banks.iter().all(fits) {
            return Err(BadRange);
        }
        Ok(Self { flash, banks, newest: Newest::NotLookedFor })
    }

    /// Gives the flash back.
    pub fn into_flash(self) -> F {
        self.flash
    }

    /// A bank, to be looked at.
    fn look(&mut self, bank: usize) -> Option<Map<Looking<'_, F>>> {
        let config = MapConfig::try_new(self.banks.get(bank)?.clone()).ok()?;
        Some(MapStorage::new(Looking(&mut self.flash), config, NoCache::new_uncached()))
    }

    /// Goes through the records of a bank, and answers its seal if all is as it says. `None` too if the bank cannot be read.
    async fn read(&mut self, bank: usize, take: &mut dyn FnMut(Record<'_>)) -> Option<Seal> {
        let mut map = self.look(bank)?;
        let mut buffer = Buffer::new();
        let mut items = map.fetch_all_items(&mut buffer.0).await.ok()?;
        let (mut digest, mut count) = (CRC.digest(), 0_u16);
        while let Some((key, value)) = items.next::<&[u8]>(&mut buffer.0).await.ok()? {
            if key == SEAL_KEY {
                let (format, generation, sealed, crc): (u16, u32, u16, u32) =
                    postcard::from_bytes(value).ok()?;
                let seal = Seal { generation, count, crc: finish(digest, format, generation, count) };
                let is_right = format == FORMAT && sealed == count && crc == seal.crc;
                // Nothing follows a seal.
                let is_last = items.next::<&[u8]>(&mut buffer.0).await.ok()?.is_none();
                return (is_right && is_last).then_some(seal);
            }
            let record = decode(key, value)?;
            add(&mut digest, &record);
            count = count.checked_add(1)?;
            take(record);
        }
        None
    }

    /// Finds the bank that counts, once.
    async fn look_for_newest(&mut self) -> Newest {
        if let Newest::NotLookedFor = self.newest {
            self.newest = Newest::None;
            for bank in 0..self.banks.len() {
                let Some(Seal { generation, .. }) = self.read(bank, &mut |_| {}).await else { continue };
                let is_newer = match self.newest {
                    // Serial numbers (RFC 1982): the two are neighbours.
                    Newest::At { generation: other, .. } => generation.wrapping_sub(other) < 1 << 31,
                    _ => true,
                };
                if is_newer {
                    self.newest = Newest::At { bank, generation };
                }
            }
        }
        self.newest
    }

    /// Whether a bank holds these settings, as this generation.
    async fn holds(&mut self, bank: usize, generation: u32, settings: &Settings) -> bool {
        let mut expected = settings.records();
        let mut same = true;
        let seal = self.read(bank, &mut |record| same &= expected.next() == Some(record)).await;
        seal.is_some_and(|seal| seal.generation == generation) && same && expected.next().is_none()
    }

    /// Writes a generation into a bank.
    async fn write(&mut self, bank: usize, generation: u32, settings: &Settings) -> Result<(), StoreError> {
        let range = self.banks.get(bank).cloned().ok_or(StoreError)?;
        self.flash.erase(range.start, range.end).await.map_err(|_| StoreError)?;
        let config = MapConfig::try_new(range).map_err(|_| StoreError)?;
        let mut map = Map::new(&mut self.flash, config, NoCache::new_uncached());
        let mut buffer = Buffer::new();
        let (mut digest, mut count) = (CRC.digest(), 0_u16);
        for record in settings.records() {
            let mut value = [0; ENCODED_MAX];
            let value: &[u8] = postcard::to_slice(record.text, &mut value).map_err(|_| StoreError)?;
            map.store_item(&mut buffer.0, &key(&record), &value).await.map_err(|_| StoreError)?;
            add(&mut digest, &record);
            count = count.checked_add(1).ok_or(StoreError)?;
        }
        let crc = finish(digest, FORMAT, generation, count);
        let mut value = [0; ENCODED_MAX];
        let seal = (FORMAT, generation, count, crc);
        let value: &[u8] = postcard::to_slice(&seal, &mut value).map_err(|_| StoreError)?;
        map.store_item(&mut buffer.0, &SEAL_KEY, &value).await.map_err(|_| StoreError)
    }
}

impl<F: NorFlash> SettingsStore for FlashSettings<F> {
    async fn load(&mut self, take: &mut dyn FnMut(Record<'_>)) -> bool {
        match self.look_for_newest().await {
            Newest::At { bank, .. } => self.read(bank, take).await.is_some(),
            Newest::None | Newest::NotLookedFor => {
                // A store that was never used is blank from its first word on.
                let mut buffer = Buffer::new();
                let Some(words) = buffer.0.get_mut(..F::READ_SIZE.max(F::WRITE_SIZE)) else { return false };
                let start = self.banks[0].start;
                self.flash.read(start, words).await.is_ok() && words.iter().all(|byte| *byte == 0xFF)
            }
        }
    }

    async fn store(&mut self, settings: &Settings) -> Result<(), StoreError> {
        let (bank, generation) = match self.look_for_newest().await {
            // Flash wears: what is there already is not written again.
            Newest::At { bank, generation } if self.holds(bank, generation, settings).await => return Ok(()),
            Newest::At { bank, generation } => (1 - bank, generation.wrapping_add(1)),
            Newest::None | Newest::NotLookedFor => (0, 1),
        };
        self.write(bank, generation, settings).await?;
        if !self.holds(bank, generation, settings).await {
            return Err(StoreError);
        }
        self.newest = Newest::At { bank, generation };
        Ok(())
    }
}

/// A string of 255 bytes, and its length in postcard's format.
const ENCODED_MAX: usize = 2 + 255;

fn key(record: &Record<'_>) -> u32 {
    u32::from(record.id) << 8 | u32::from(record.number)
}

/// A record as it stands in flash; `None` if it is none.
fn decode(key: u32, value: &[u8]) -> Option<Record<'_>> {
    let id = u16::try_from(key >> 8).ok()?;
    let text: &str = postcard::from_bytes(value).ok()?;
    (text.len() <= 255).then_some(Record { id, number: key as u8, text })
}

fn add(digest: &mut Digest<'_, u32, NoTable>, record: &Record<'_>) {
    digest.update(&key(record).to_le_bytes());
    digest.update(&[record.text.len() as u8]);
    digest.update(record.text.as_bytes());
}

fn finish(mut digest: Digest<'_, u32, NoTable>, format: u16, generation: u32, count: u16) -> u32 {
    digest.update(&format.to_le_bytes());
    digest.update(&generation.to_le_bytes());
    digest.update(&count.to_le_bytes());
    digest.finalize()
}

/// Flash that can be read only.
struct Looking<'f, F>(&'f mut F);

/// Why it could not.
#[derive(Debug)]
enum LookingError<E> {
    Flash(E),
    /// `sequential-storage` wanted to repair something.
    WouldWrite,
}

impl<E: NorFlashError> NorFlashError for LookingError<E> {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::Flash(error) => error.kind(),
            Self::WouldWrite => NorFlashErrorKind::Other,
        }
    }
}

impl<F: ErrorType> ErrorType for Looking<'_, F> {
    type Error = LookingError<F::Error>;
}

impl<F: ReadNorFlash> ReadNorFlash for Looking<'_, F> {
    const READ_SIZE: usize = F::READ_SIZE;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        self.0.read(offset, bytes).await.map_err(LookingError::Flash)
    }

    fn capacity(&self) -> usize {
        self.0.capacity()
    }
}

impl<F: NorFlash> NorFlash for Looking<'_, F> {
    const WRITE_SIZE: usize = F::WRITE_SIZE;
    const ERASE_SIZE: usize = F::ERASE_SIZE;

    async fn erase(&mut self, _: u32, _: u32) -> Result<(), Self::Error> {
        Err(LookingError::WouldWrite)
    }

    async fn write(&mut self, _: u32, _: &[u8]) -> Result<(), Self::Error> {
        Err(LookingError::WouldWrite)
    }
}
