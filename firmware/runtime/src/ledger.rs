//! Where the redial engine's ledgers survive a reboot.

use core::fmt;
use core::ops::Range;

use embedded_storage_async::nor_flash::NorFlash;
use gatelet_proto::redial::Ledger;
use gatelet_router::WanId;
use sequential_storage::Error;
use sequential_storage::cache::{Cache, Uncached};
use sequential_storage::map::{MapConfig, MapStorage};

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
        f.write_str("the ledger could not be written: after a reboot the past will be unknown")
    }
}

impl core::error::Error for StoreError {}

/// Ledgers in a range of NOR flash that is theirs alone: a log of records with checksums, of which each WAN's newest
/// sound one counts. A page is erased only when the log has come round to it.
///
/// Flash whose driver blocks (most on-chip flash) fits through an adapter such as `embassy-embedded-hal`'s
/// `BlockingAsync`.
pub struct FlashLedger<F: NorFlash> {
    records: MapStorage<u8, F, NoCache>,
    buffer: Aligned,
}

/// A ledger is read once, at boot, and written a few times an hour at worst: not worth RAM.
type NoCache = Cache<Uncached, Uncached, Uncached, u8>;

/// Key and record, rounded up to the widest word of any flash. Some flash peripherals read words from RAM.
#[repr(align(4))]
struct Aligned([u8; RECORD_BUFFER_LEN]);

const RECORD_BUFFER_LEN: usize = (1 + Ledger::MAX_ENCODED_LEN).next_multiple_of(32);

/// The range given for the ledgers cannot hold them: it must be of whole pages, and at least two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadRange;

impl fmt::Display for BadRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the ledgers need at least two whole pages of flash, and pages of 1 KB or more")
    }
}

impl core::error::Error for BadRange {}

impl<F: NorFlash> FlashLedger<F> {
    /// Ledgers in `range` of `flash`, in bytes. What was written there before by something else is lost at the first
    /// [`store`](LedgerStore::store).
    ///
    /// # Errors
    /// [`BadRange`], if it is not of whole pages, or of fewer than two.
    pub fn new(flash: F, range: Range<u32>) -> Result<Self, BadRange> {
        let config = MapConfig::try_new(range).map_err(|_| BadRange)?;
        let records = MapStorage::new(flash, config, Cache::new_uncached());
        Ok(Self { records, buffer: Aligned([0; RECORD_BUFFER_LEN]) })
    }
}

impl<F: NorFlash> LedgerStore for FlashLedger<F> {
    async fn load(&mut self, wan: WanId) -> Option<Ledger> {
        match self.records.fetch_item::<&[u8]>(&mut self.buffer.0, &wan.0).await {
            Ok(None) => None,
            Ok(Some(record)) => Some(decode(wan, record)),
            Err(_) => Some(unreadable(wan)),
        }
    }

    async fn store(&mut self, wan: WanId, ledger: &Ledger) -> Result<(), StoreError> {
        let mut record = [0; Ledger::MAX_ENCODED_LEN];
        let record: &[u8] = postcard::to_slice(ledger, &mut record).map_err(|_| StoreError)?;
        let result = self.records.store_item(&mut self.buffer.0, &wan.0, &record).await;
        match result {
            Ok(()) => Ok(()),
            // Not ours, or beyond repair: begin anew rather than never to remember again.
            Err(Error::Corrupted { .. } | Error::FullStorage | Error::LogicBug { .. }) => {
                self.records.erase_all().await.map_err(|_| StoreError)?;
                self.records.store_item(&mut self.buffer.0, &wan.0, &record).await.map_err(|_| StoreError)
            }
            Err(_) => Err(StoreError),
        }
    }
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
