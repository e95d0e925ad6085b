//! The store against a NOR flash whose power fails at every single operation.

use std::vec::Vec;
use std::{format, vec};

use embassy_futures::block_on;
use embedded_storage_async::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};
use gatelet_proto::redial::Ledger;
use gatelet_router::WanId;

use super::{BadRange, FlashLedger, LedgerStore, StoreError};

const WAN: WanId = WanId(0);
const PAGE: usize = 1024;
const WORD: usize = 4;

/// NOR flash: an erase sets every bit of a page, a write only clears bits. An operation is a word written or a page
/// erased; when they are used up the power fails in the middle of the next one.
pub(crate) struct Nor {
    pub(crate) bytes: Vec<u8>,
    pub(crate) operations_left: usize,
    pub(crate) torn: Torn,
    /// How often each page was erased, or began to be.
    pub(crate) erases: Vec<u32>,
}

/// What the operation that the power cut interrupts leaves behind.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Torn {
    /// Nothing of it.
    Untouched,
    /// A word with half of its bits; a page of which the first half is erased.
    FirstHalf,
    /// The other half.
    SecondHalf,
    /// Some bits, here and there.
    Mixed,
    /// All of it: only the news of its success is lost.
    Whole,
}

pub(crate) const EVERY_KIND: [Torn; 5] =
    [Torn::Untouched, Torn::FirstHalf, Torn::SecondHalf, Torn::Mixed, Torn::Whole];

impl Torn {
    /// Which bits of byte `at` of `len` the operation has reached.
    fn reached(self, at: usize, len: usize) -> u8 {
        match self {
            Self::Untouched => 0,
            Self::FirstHalf => {
                if at < len / 2 {
                    0xFF
                } else {
                    0
                }
            }
            Self::SecondHalf => {
                if at < len / 2 {
                    0
                } else {
                    0xFF
                }
            }
            Self::Mixed => (at as u8).wrapping_mul(0x9D) ^ (at / 256) as u8 ^ 0x35,
            Self::Whole => 0xFF,
        }
    }
}

#[derive(Debug, PartialEq)]
pub(crate) struct PowerCut;

impl NorFlashError for PowerCut {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl Nor {
    pub(crate) fn new(pages: usize) -> Self {
        Self {
            bytes: vec![0xFF; pages * PAGE],
            operations_left: usize::MAX,
            torn: Torn::Whole,
            erases: vec![0; pages],
        }
    }

    /// Whether there is power for one operation more; how far it gets, and what the driver hears of it.
    fn operate(&mut self) -> (Torn, Result<(), PowerCut>) {
        if self.operations_left == 0 {
            return (Torn::Untouched, Err(PowerCut));
        }
        self.operations_left -= 1;
        if self.operations_left > 0 { (Torn::Whole, Ok(())) } else { (self.torn, Err(PowerCut)) }
    }
}

impl ErrorType for Nor {
    type Error = PowerCut;
}

impl ReadNorFlash for Nor {
    const READ_SIZE: usize = WORD;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), PowerCut> {
        if self.operations_left == 0 {
            return Err(PowerCut);
        }
        let offset = offset as usize;
        bytes.copy_from_slice(&self.bytes[offset..offset + bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

impl NorFlash for Nor {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = PAGE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), PowerCut> {
        assert!((from as usize).is_multiple_of(PAGE) && (to as usize).is_multiple_of(PAGE));
        for page in (from as usize..to as usize).step_by(PAGE) {
            let (torn, result) = self.operate();
            self.erases[page / PAGE] += 1;
            for (at, byte) in self.bytes[page..page + PAGE].iter_mut().enumerate() {
                *byte |= torn.reached(at, PAGE);
            }
            result?;
        }
        Ok(())
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), PowerCut> {
        assert!((offset as usize).is_multiple_of(WORD) && bytes.len().is_multiple_of(WORD));
        for (word, new) in self.bytes[offset as usize..].chunks_exact(WORD).zip(bytes.chunks_exact(WORD)) {
            assert!(
                word.iter().all(|&byte| byte == 0xFF) || new.iter().all(|&byte| byte == 0),
                "written twice"
            );
        }
        for (at, new) in (offset as usize..).step_by(WORD).zip(bytes.chunks_exact(WORD)) {
            let (torn, result) = self.operate();
            for (n, (old, new)) in self.bytes[at..at + WORD].iter_mut().zip(new).enumerate() {
                *old &= new | !torn.reached(n, WORD);
            }
            result?;
        }
        Ok(())
    }
}

fn open(flash: &mut Nor) -> FlashLedger<&mut Nor> {
    let end = flash.bytes.len() as u32;
    FlashLedger::new(flash, 0..end).unwrap()
}

/// What a reboot finds.
fn newest(flash: &mut Nor) -> Result<Option<Vec<u8>>, Option<PowerCut>> {
    block_on(open(flash).read(0)).map(|record| record.map(<[u8]>::to_vec))
}

/// The `n`th record: its length varies as a ledger's does.
fn record(n: usize) -> Vec<u8> {
    vec![n as u8; 40 + n * 7 % (Ledger::MAX_ENCODED_LEN - 40)]
}

/// Stores records 0, 1, 2… until the power fails or `records` are stored; answers how many were.
fn store_until_cut(flash: &mut Nor, records: usize) -> usize {
    let mut store = open(flash);
    for n in 0..records {
        if block_on(store.write(0, &record(n))).is_err() {
            return n;
        }
    }
    records
}

#[test]
fn a_power_cut_at_any_operation_leaves_the_old_record_or_the_new_one() {
    const RECORDS: usize = 20; // three times round the two pages of three slots
    let mut whole = Nor::new(2);
    whole.operations_left = 1_000_000;
    assert_eq!(store_until_cut(&mut whole, RECORDS), RECORDS);
    let operations = 1_000_000 - whole.operations_left;
    assert!(operations > 500, "{operations}");

    for torn in EVERY_KIND {
        for cut in 1..=operations {
            let mut flash = Nor { operations_left: cut, torn, ..Nor::new(2) };
            let stored = store_until_cut(&mut flash, RECORDS);
            flash.operations_left = usize::MAX;
            let at = format!("cut in operation {cut}, {torn:?}, after {stored} records");

            let found = match newest(&mut flash) {
                // The very first record torn: there was none before, and the flash is not blank any more.
                Err(None) if stored == 0 => None,
                found => found.unwrap_or_else(|error| panic!("{at}: {error:?}")),
            };
            let old = stored.checked_sub(1).map(record);
            assert!(found == old || found == Some(record(stored)), "{at}: found {found:?}");

            // And it goes on from there.
            for n in 100..110 {
                block_on(open(&mut flash).write(0, &record(n)))
                    .unwrap_or_else(|error| panic!("{at}: {error:?}"));
                assert_eq!(newest(&mut flash).unwrap(), Some(record(n)), "{at}");
            }
        }
    }
}

#[test]
fn each_wan_has_its_own() {
    let mut flash = Nor::new(4);
    let mut store = FlashLedger::<_, 2>::new(&mut flash, 0..4 * PAGE as u32).unwrap();
    for n in 0..60 {
        block_on(store.write(n % 2, &record(n))).unwrap();
    }
    let mut reopened = FlashLedger::<_, 2>::new(&mut flash, 0..4 * PAGE as u32).unwrap();
    assert_eq!(block_on(reopened.read(0)).unwrap(), Some(&record(58)[..]));
    assert_eq!(block_on(reopened.read(1)).unwrap(), Some(&record(59)[..]));
    assert_eq!(block_on(reopened.load(WanId(2))), None);
    assert_eq!(block_on(reopened.store(WanId(2), &Ledger::unreadable())), Err(StoreError));
}

#[test]
fn a_ledger_comes_back() {
    let mut flash = Nor::new(2);
    assert_eq!(block_on(open(&mut flash).load(WAN)), None, "never stored");
    let ledger = Ledger::unreadable();
    block_on(open(&mut flash).store(WAN, &ledger)).unwrap();
    assert_eq!(block_on(open(&mut flash).load(WAN)), Some(ledger));
}

#[test]
fn a_record_of_another_firmware_is_unreadable_and_replaced() {
    let mut flash = Nor::new(2);
    for record in [&[0xFF; 3][..], &[0xFF; Ledger::MAX_ENCODED_LEN], &[]] {
        block_on(open(&mut flash).write(0, record)).unwrap();
        assert_eq!(block_on(open(&mut flash).load(WAN)), Some(Ledger::unreadable()), "{record:?}");
    }
    block_on(open(&mut flash).store(WAN, &Ledger::unreadable())).unwrap();
}

#[test]
fn flash_full_of_something_else_is_taken_over() {
    for filling in [0x00, 0x5A] {
        let mut flash = Nor::new(2);
        flash.bytes.fill(filling);
        assert_eq!(block_on(open(&mut flash).load(WAN)), Some(Ledger::unreadable()), "assume the worst");
        block_on(open(&mut flash).write(0, &record(1))).unwrap();
        assert_eq!(newest(&mut flash).unwrap(), Some(record(1)));
    }
}

#[test]
fn any_damage_is_survived() {
    // A sound log, and every byte of its first records damaged in turn.
    let mut sound = Nor::new(2);
    assert_eq!(store_until_cut(&mut sound, 8), 8);
    for at in 0..2 * PAGE {
        let mut flash = Nor { bytes: sound.bytes.clone(), ..Nor::new(2) };
        flash.bytes[at] ^= 0x10;
        let found = newest(&mut flash).ok().flatten();
        let known = found.is_none_or(|found| (0..8).any(|n| found == record(n)));
        assert!(known, "byte {at}: a record that was never stored");
        assert_eq!(block_on(open(&mut flash).write(0, &record(9))), Ok(()), "byte {at}");
        assert_eq!(newest(&mut flash).unwrap(), Some(record(9)), "byte {at}");
    }
}

#[test]
fn what_cannot_work_is_said() {
    let mut flash = Nor::new(4);
    for (start, end) in [(0, PAGE), (0, 3000), (4, 4 + 2 * PAGE), (2 * PAGE, PAGE)] {
        let refused = FlashLedger::<_, 1>::new(&mut flash, start as u32..end as u32).err();
        assert_eq!(refused, Some(BadRange), "{start}..{end}");
    }
    assert!(FlashLedger::<_, 3>::new(&mut flash, 0..4 * PAGE as u32).is_err(), "two pages each");
    flash.operations_left = 0;
    assert_eq!(block_on(open(&mut flash).store(WAN, &Ledger::unreadable())), Err(StoreError));
    assert_eq!(
        block_on(open(&mut flash).load(WAN)),
        Some(Ledger::unreadable()),
        "cannot be read: assume the worst"
    );
}
