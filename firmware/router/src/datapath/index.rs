//! From a key to its place in a table: a keyed hash over 4-way buckets.
//!
//! ```text
//!             hash of four words, keyed anew at each boot
//!    ┌─────────────┬────────────────┐
//!    │ tag, 16 bit │      bucket    │      first choice: bucket; second: bucket ^ distance(tag)
//!    └──────┬──────┴───────┬────────┘
//!           ▼              ▼
//!    ┌───────────┬───────────┬───────────┬───────────┐
//!    │ tag place │ tag place │     0     │ tag place │   a bucket: four slots of 32 bits
//!    └───────────┴───────────┴───────────┴───────────┘
//! ```
//!
//! Two buckets of four slots are all that is ever looked at, whoever chose the keys and whatever they know of the hash's key:
//! that bounds the worst case. Where both are full, an entry that has room in its other bucket makes room by moving there. So
//! half of the slots (two keys for each place, four slots) can be used in practice always, and most keys are in their first bucket.

use rand_core::Rng;

/// Four slots of an [`Index`]. 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bucket([u32; Self::SLOTS]);

impl Bucket {
    const SLOTS: usize = 4;
    pub(crate) const EMPTY: Self = Self([0; Self::SLOTS]);
}

/// The key of the hash.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HashKey([u32; 7]);

impl HashKey {
    pub(crate) fn random(rng: &mut impl Rng) -> Self {
        Self(core::array::from_fn(|_| rng.next_u32()))
    }

    /// Multilinear hashing (Thorup, "High Speed Hashing for Integers and Strings", §3.4) of four words by halves, the last of
    /// which is to have no more than 16 bits: over all keys, no two inputs agree in the sum's upper half more often than by
    /// chance. Then stirred, for the lower bits are weak, and the consecutive ports of a scan make an arithmetic progression.
    /// Only multiplications of 32 bits, since a Cortex-M0+ has no others: NH (RFC 4418 §5.2.2), two of 32 x 32 to 64 bits,
    /// costs 70 instructions more there, and `SipHash` 400.
    #[expect(clippy::inline_always, reason = "a tenth of the fast path")]
    #[inline(always)]
    pub(crate) const fn hash(&self, words: [u32; 4]) -> u32 {
        let [a, b, c, d] = words;
        let key = &self.0;
        let mut hash = (a & 0xFFFF).wrapping_mul(key[0]).wrapping_add((a >> 16).wrapping_mul(key[1]));
        hash =
            hash.wrapping_add((b & 0xFFFF).wrapping_mul(key[2])).wrapping_add((b >> 16).wrapping_mul(key[3]));
        hash =
            hash.wrapping_add((c & 0xFFFF).wrapping_mul(key[4])).wrapping_add((c >> 16).wrapping_mul(key[5]));
        hash = hash.wrapping_add(d.wrapping_mul(key[6]));
        hash = (hash ^ hash >> 16).wrapping_mul(0x9E37_79B1);
        hash ^ hash >> 15
    }
}

/// The index of one table.
#[derive(Debug)]
pub(crate) struct Index<'a> {
    buckets: &'a mut [Bucket],
    mask: u32,
}

/// A free slot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Vacancy {
    bucket: u32,
    slot: usize,
}

/// Both buckets of a key are full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BucketsFull;

impl<'a> Index<'a> {
    /// An empty index. Of a slice whose length is no power of two the rest stays unused.
    pub(crate) fn new(buckets: &'a mut [Bucket]) -> Self {
        buckets.fill(Bucket::EMPTY);
        let used = buckets.len().checked_ilog2().map_or(0, |log| 1 << log);
        Self { mask: (used as u32).wrapping_sub(1), buckets: &mut buckets[..used] }
    }

    /// The place for which `is_it` holds, among those whose hash may be `hash`.
    #[expect(clippy::inline_always, reason = "a tenth of the fast path")]
    #[inline(always)]
    pub(crate) fn find(&self, hash: u32, mut is_it: impl FnMut(u16) -> bool) -> Option<u16> {
        let tag = hash & TAG;
        let mut bucket = hash & self.mask;
        let mut second = false;
        loop {
            for &slot in &self.buckets.get(bucket as usize)?.0 {
                if (slot ^ tag) < (1 << 16) && slot & !TAG != 0 {
                    let place = (slot as u16).wrapping_sub(1);
                    if is_it(place) {
                        return Some(place);
                    }
                }
            }
            if second {
                return None;
            }
            second = true;
            bucket = self.second_choice(hash);
        }
    }

    /// The place for which `is_it` holds, as [`find`](Self::find) does; else a free slot for [`fill`](Self::fill).
    #[inline]
    pub(crate) fn find_or_vacancy(
        &self,
        hash: u32,
        mut is_it: impl FnMut(u16) -> bool,
    ) -> Result<u16, Option<Vacancy>> {
        let mut vacancy = None;
        let choices = [hash & self.mask, self.second_choice(hash)];
        for bucket in choices {
            let Bucket([a, b, c, d]) = self.buckets.get(bucket as usize).ok_or(None)?;
            if like(*a, hash) | like(*b, hash) | like(*c, hash) | like(*d, hash) != 0 {
                for slot in [*a, *b, *c, *d] {
                    if like(slot, hash) != 0 && slot & !TAG != 0 && is_it((slot as u16).wrapping_sub(1)) {
                        return Ok((slot as u16).wrapping_sub(1));
                    }
                }
            }
            if vacancy.is_none() {
                let slot = if *a == 0 {
                    0
                } else if *b == 0 {
                    1
                } else if *c == 0 {
                    2
                } else if *d == 0 {
                    3
                } else {
                    4
                };
                vacancy = (slot < Bucket::SLOTS).then_some(Vacancy { bucket, slot });
            }
        }
        Err(vacancy)
    }

    /// Adds a place, which must be below 65,535, for which [`find_or_vacancy`](Self::find_or_vacancy) has found this slot, or
    /// none.
    #[inline]
    pub(crate) fn fill(
        &mut self,
        vacancy: Option<Vacancy>,
        hash: u32,
        place: u16,
    ) -> Result<(), BucketsFull> {
        let slot = vacancy
            .and_then(|Vacancy { bucket, slot }| self.buckets.get_mut(bucket as usize)?.0.get_mut(slot));
        match slot.filter(|slot| **slot == 0) {
            Some(slot) => {
                *slot = hash & TAG | (u32::from(place) + 1);
                Ok(())
            }
            // Something else was put there meanwhile, or both buckets are full.
            None => self.insert(hash, place),
        }
    }

    /// Adds a place, which must be below 65,535.
    pub(crate) fn insert(&mut self, hash: u32, place: u16) -> Result<(), BucketsFull> {
        let entry = hash & TAG | (u32::from(place) + 1);
        let choices = [hash & self.mask, self.second_choice(hash)];
        if choices.into_iter().any(|bucket| self.put(bucket, entry)) {
            return Ok(());
        }
        // One that is there may have room in its other bucket.
        for bucket in choices {
            let Some(Bucket(slots)) = self.buckets.get(bucket as usize).copied() else { break };
            for (n, moved) in slots.into_iter().enumerate() {
                if self.put(bucket ^ self.distance(moved), moved) {
                    self.buckets[bucket as usize].0[n] = entry;
                    return Ok(());
                }
            }
        }
        Err(BucketsFull)
    }

    fn put(&mut self, bucket: u32, entry: u32) -> bool {
        let Some(bucket) = self.buckets.get_mut(bucket as usize) else { return false };
        let Some(slot) = bucket.0.iter_mut().find(|slot| **slot == 0) else { return false };
        *slot = entry;
        true
    }

    /// Forgets a place. False if it was not there.
    pub(crate) fn remove(&mut self, hash: u32, place: u16) -> bool {
        let entry = hash & TAG | (u32::from(place) + 1);
        for bucket in [hash & self.mask, self.second_choice(hash)] {
            let Some(bucket) = self.buckets.get_mut(bucket as usize) else { break };
            if let Some(slot) = bucket.0.iter_mut().find(|slot| **slot == entry) {
                *slot = 0;
                return true;
            }
        }
        false
    }

    /// The places in both buckets of `hash`, one of which has to go where neither has a free slot.
    pub(crate) fn rivals(&self, hash: u32) -> impl Iterator<Item = u16> {
        let buckets = [hash & self.mask, self.second_choice(hash)];
        let slots = buckets.map(|bucket| self.buckets.get(bucket as usize).copied().unwrap_or(Bucket::EMPTY));
        slots.into_iter().flat_map(|bucket| bucket.0).filter(|slot| *slot != 0).map(|slot| slot as u16 - 1)
    }

    /// How many places are in it; for tests and soaks.
    pub(crate) fn len(&self) -> usize {
        self.buckets.iter().flat_map(|bucket| bucket.0).filter(|slot| *slot != 0).count()
    }

    #[inline]
    const fn second_choice(&self, hash: u32) -> u32 {
        (hash & self.mask) ^ self.distance(hash)
    }

    /// From an entry's one bucket to its other. The tag decides: an odd constant spreads its bits (the golden ratio's, as in
    /// Knuth's multiplicative hashing).
    #[inline]
    const fn distance(&self, entry: u32) -> u32 {
        ((entry >> 16) + 1).wrapping_mul(0x9E37_79B1) & self.mask
    }
}

/// 1 if a slot has the tag of `hash`, or 0. Four of them at once cost less than a loop, which is not unrolled where size counts.
#[inline]
const fn like(slot: u32, hash: u32) -> u32 {
    ((slot ^ hash) < 1 << 16) as u32
}

/// The tag's bits in a slot; below it stands the place + 1.
const TAG: u32 = 0xFFFF_0000;

#[cfg(test)]
mod tests {
    use chacha20::ChaCha8Rng;
    use rand_core::SeedableRng;

    use super::*;

    #[test]
    fn what_was_inserted_is_found_until_it_is_removed() {
        let mut buckets = [Bucket::EMPTY; 64];
        let mut index = Index::new(&mut buckets);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let key = HashKey::random(&mut rng);
        let hashes: [u32; 100] = core::array::from_fn(|n| key.hash([n as u32, 7, 0, 0]));
        for (place, hash) in (0..).zip(hashes) {
            assert_eq!(index.insert(hash, place), Ok(()));
        }
        for (place, hash) in (0..).zip(hashes) {
            assert_eq!(index.find(hash, |found| found == place), Some(place));
            assert!(index.remove(hash, place));
            assert!(!index.remove(hash, place));
            assert_eq!(index.find(hash, |found| found == place), None);
        }
        assert_eq!(index.len(), 0);
    }

    /// Half of the slots in use, as the tables are laid out: all 2,048 find room, with any key, for keys such as a scan has.
    #[test]
    fn half_full_no_bucket_overflows() {
        for seed in 0..50 {
            let mut buckets = [Bucket::EMPTY; 1024];
            let mut index = Index::new(&mut buckets);
            let key = HashKey::random(&mut ChaCha8Rng::seed_from_u64(seed));
            for port in 0..2048_u32 {
                let ports = (port << 16) | u32::from(443_u16.to_be());
                let hash = key.hash([0xC0A8_0102, 0xC000_0250, ports, 6]);
                assert_eq!(index.insert(hash, port as u16), Ok(()), "seed {seed}, port {port}");
            }
        }
    }

    #[test]
    fn with_every_slot_taken_it_refuses_and_names_the_rivals() {
        let mut buckets = [Bucket::EMPTY; 1];
        let mut index = Index::new(&mut buckets);
        assert!((0..4).all(|place| index.insert(0x1234_0000, place).is_ok()));
        assert_eq!(index.insert(0x1234_0000, 4), Err(BucketsFull));
        assert!(index.rivals(0x1234_0000).eq([0, 1, 2, 3, 0, 1, 2, 3]));
    }

    #[test]
    fn without_buckets_nothing_is_found() {
        let mut index = Index::new(&mut []);
        assert_eq!(index.insert(5, 0), Err(BucketsFull));
        assert_eq!(index.find(5, |_| true), None);
    }
}
