//! The ledger's place in flash: whatever lies there, whenever the power fails.

use embassy_futures::block_on;
use embedded_storage_async::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};
use gatelet_proto::redial::{Boot, Engine, Ledger, Policy};
use gatelet_router::WanId;
use gatelet_runtime::{FlashLedger, LedgerStore};
use smoltcp::time::{Duration, Instant};

use crate::input::Input;

const PAGE: usize = 1024;
const WORD: usize = 4;
const WAN: WanId = WanId(0);

/// Any content of the flash, then any sequence of stores, power cuts, reboots and rotten bits. What was
/// stored is loaded; after a power cut, that or what was there before.
pub fn ledger(input: &[u8]) {
    let mut input = Input::new(input);
    let pages = 2 + usize::from(input.u8() & 3);
    let mut nor = Nor::<PAGE> { bytes: vec![0xFF; pages * PAGE], operations_left: usize::MAX };
    nor.spoil(&mut input);
    let mut world = World { known: Known::Anything, stored: 0, nor };
    while let Some(operation) = input.operation() {
        match operation & 7 {
            0..=3 => world.store(usize::MAX),
            4..=6 => world.store(usize::from(input.u16()) % 400),
            _ => {
                world.nor.spoil(&mut input);
                world.known = Known::Anything;
            }
        }
        world.check();
    }
    world.check_limits();
}

struct World {
    nor: Nor<PAGE>,
    /// Serial number of the last ledger, in whose clock it stands.
    stored: u32,
    known: Known,
}

/// What the flash must hold.
enum Known {
    /// Nobody knows.
    Anything,
    OneOf(Vec<Option<Ledger>>),
}

impl World {
    /// Boots, and stores a new ledger. The power fails within the operation of that number.
    fn store(&mut self, operations: usize) {
        self.stored += 1;
        let ledger = ledger_at(self.stored);
        let before = self.load();
        self.nor.operations_left = operations;
        let stored = block_on(self.open().store(WAN, &ledger));
        let is_cut = self.nor.operations_left == 0;
        self.nor.operations_left = usize::MAX;
        assert!(stored.is_ok() || is_cut, "good flash takes everything");
        // An interrupted erase may leave nothing to be seen of what was unreadable before.
        self.known = if stored.is_ok() {
            Known::OneOf(vec![Some(ledger)])
        } else if before.as_ref().is_none_or(|before| *before == Ledger::unreadable()) {
            Known::OneOf(vec![Some(ledger), None, Some(Ledger::unreadable())])
        } else {
            Known::OneOf(vec![Some(ledger), before])
        };
    }

    fn check(&mut self) {
        let found = self.load();
        if let Known::OneOf(possible) = &self.known {
            assert!(possible.contains(&found), "found {found:?}, not one of {possible:?}");
        }
    }

    /// A WAN and a range that are not the store's.
    fn check_limits(&mut self) {
        let mut store = self.open();
        assert_eq!(block_on(store.load(WAN)), block_on(store.load(WAN)));
        assert_eq!(block_on(store.load(WanId(1))), None);
        assert!(block_on(store.store(WanId(1), &Ledger::unreadable())).is_err());
        let page = PAGE as u32;
        for range in [0..page, 1..2 * page + 1, 0..2 * page + 1, page..0] {
            assert!(FlashLedger::<_, 1>::new(&mut self.nor, range).is_err());
        }
        // No record fits such a page.
        let mut tiny = Nor::<128> { bytes: vec![0xFF; 1024], operations_left: usize::MAX };
        assert!(FlashLedger::<_, 1>::new(&mut tiny, 0..1024).is_err());
    }

    fn load(&mut self) -> Option<Ledger> {
        block_on(self.open().load(WAN))
    }

    fn open(&mut self) -> FlashLedger<&mut Nor<PAGE>> {
        let length = self.nor.bytes.len() as u32;
        FlashLedger::new(&mut self.nor, 0..length).expect("whole pages, two at least")
    }
}

/// A ledger like no other.
fn ledger_at(seconds: u32) -> Ledger {
    let engine = Engine::new(Policy::default(), Instant::ZERO, Boot::Cold, None);
    engine.snapshot(Instant::ZERO + Duration::from_secs(u64::from(seconds)))
}

/// NOR flash: an erase sets every bit of a page, a write only clears bits. When the operations are used up, half
/// of the last one is done and the power is gone.
pub(crate) struct Nor<const PAGE: usize> {
    pub(crate) bytes: Vec<u8>,
    pub(crate) operations_left: usize,
}

#[derive(Debug)]
pub(crate) struct PowerCut;

impl NorFlashError for PowerCut {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl<const PAGE: usize> Nor<PAGE> {
    /// Puts octets somewhere, as a bug or a rotten cell would.
    pub(crate) fn spoil(&mut self, input: &mut Input<'_>) {
        let at = usize::from(input.u16()) % self.bytes.len();
        for (byte, spoilt) in self.bytes[at..].iter_mut().zip(input.octets()) {
            *byte ^= spoilt;
        }
    }

    /// How many octets of an operation on `length` are done.
    fn operate(&mut self, length: usize) -> (usize, Result<(), PowerCut>) {
        match self.operations_left {
            0 => (0, Err(PowerCut)),
            1 => {
                self.operations_left = 0;
                (length / 2, Err(PowerCut))
            }
            _ => {
                self.operations_left -= 1;
                (length, Ok(()))
            }
        }
    }
}

impl<const PAGE: usize> ErrorType for Nor<PAGE> {
    type Error = PowerCut;
}

impl<const PAGE: usize> ReadNorFlash for Nor<PAGE> {
    const READ_SIZE: usize = WORD;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), PowerCut> {
        if self.operations_left == 0 {
            return Err(PowerCut);
        }
        bytes.copy_from_slice(&self.bytes[offset as usize..][..bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

impl<const PAGE: usize> NorFlash for Nor<PAGE> {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = PAGE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), PowerCut> {
        for page in (from as usize..to as usize).step_by(PAGE) {
            let (done, result) = self.operate(PAGE);
            self.bytes[page..][..done].fill(0xFF);
            result?;
        }
        Ok(())
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), PowerCut> {
        for (index, new) in bytes.chunks_exact(WORD).enumerate() {
            let (done, result) = self.operate(WORD);
            let old = &mut self.bytes[offset as usize + index * WORD..][..done];
            for (old, new) in old.iter_mut().zip(new) {
                *old &= new;
            }
            result?;
        }
        Ok(())
    }
}
