//! Memory that a reset leaves alone.

use core::cell::Cell;
use core::mem::MaybeUninit;

use embassy_sync::blocking_mutex::Mutex;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;

/// Up to `4 * WORDS` bytes that outlive a reset of the processor, though not of the power: the last words of a panic, the
/// redial engine's ledger. It is to lie in a section that nobody fills at start (`.uninit` of cortex-m-rt and riscv-rt):
///
/// ```
/// # use gatelet_hal::Kept;
/// #[cfg_attr(target_os = "none", unsafe(link_section = ".uninit.last_words"))]
/// static LAST_WORDS: Kept<64> = Kept::new();
/// ```
///
/// What is there after a power cut is noise, and is told from what was put there by a checksum.
pub struct Kept<const WORDS: usize>(Mutex<CriticalSectionRawMutex, Cell<MaybeUninit<Memory<WORDS>>>>);

#[derive(Clone, Copy)]
struct Memory<const WORDS: usize> {
    len: u32,
    checksum: u32,
    words: [u32; WORDS],
}

impl<const WORDS: usize> Kept<WORDS> {
    /// Nothing that could be read: in its section this is never written.
    #[expect(clippy::new_without_default, reason = "const, for statics, is the only use")]
    pub const fn new() -> Self {
        Self(Mutex::new(Cell::new(MaybeUninit::uninit())))
    }

    /// Keeps `bytes` in place of what was kept before, as many as there is room for.
    pub fn put(&self, bytes: &[u8]) {
        let len = bytes.len().min(4 * WORDS);
        let mut words = [0; WORDS];
        for (word, chunk) in words.iter_mut().zip(bytes[..len].chunks(4)) {
            let mut octets = [0; 4];
            octets[..chunk.len()].copy_from_slice(chunk);
            *word = u32::from_le_bytes(octets);
        }
        let memory = Memory { len: len as u32, checksum: checksum(len as u32, &words), words };
        self.0.lock(|cell| cell.set(MaybeUninit::new(memory)));
    }

    /// Copies what is kept to `bytes`, as much as there is room for, and forgets it. `None`, if nothing is.
    pub fn take<'b>(&self, bytes: &'b mut [u8]) -> Option<&'b [u8]> {
        let memory = self.0.lock(|cell| {
            let memory = cell.get();
            cell.set(MaybeUninit::zeroed());
            memory
        });
        // SAFETY: these are words of RAM, written by an earlier run, by `put`, or by the chance of a power-on: whatever it
        // is, the section keeps it from being undefined to the compiler, and any bits are a `u32`.
        let memory = unsafe { memory.assume_init() };
        let len = usize::try_from(memory.len).ok().filter(|len| *len <= 4 * WORDS && *len > 0)?;
        if checksum(memory.len, &memory.words) != memory.checksum {
            return None;
        }
        let len = len.min(bytes.len());
        let room = &mut bytes[..len];
        for (chunk, word) in room.chunks_mut(4).zip(memory.words) {
            chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
        }
        Some(room)
    }
}

/// FNV-1a, by words: against noise, not against anybody.
fn checksum(len: u32, words: &[u32]) -> u32 {
    words.iter().fold(0x811C_9DC5 ^ len, |hash, word| (hash ^ word).wrapping_mul(0x0100_0193).rotate_left(5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_comes_back_once() {
        static KEPT: Kept<8> = Kept::new();
        for text in [&b"a"[..], b"four", b"fifteen letters", &[7; 32]] {
            KEPT.put(text);
            let mut room = [0; 40];
            assert_eq!(KEPT.take(&mut room), Some(text));
            assert_eq!(KEPT.take(&mut room), None);
        }
        KEPT.put(&[9; 40]);
        assert_eq!(KEPT.take(&mut [0; 40]), Some(&[9; 32][..]), "as much as it holds");
        KEPT.put(b"longer than the room");
        assert_eq!(KEPT.take(&mut [0; 6]), Some(&b"longer"[..]));
    }

    #[test]
    fn noise_is_nothing() {
        let noise = |len, salt: u32| {
            let kept = Kept::<8>::new();
            let words = core::array::from_fn(|n| (n as u32 + salt).wrapping_mul(0x9E37_79B9));
            kept.0.lock(|cell| cell.set(MaybeUninit::new(Memory { len, checksum: salt, words })));
            kept.take(&mut [0; 32]).is_some()
        };
        assert!((0..2000).all(|salt| !noise(salt % 40, salt)));
        assert!(!noise(u32::MAX, 1));
    }
}
