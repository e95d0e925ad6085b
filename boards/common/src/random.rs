//! Random numbers, from whatever source a board has.

use chacha20::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// So many bytes of `rng`.
pub fn random<const N: usize>(rng: &mut ChaCha8Rng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// A generator that nobody can guess, from a source whose bytes can be guessed in part: `fill` is called `rounds` times for
/// 32 of them, and all go in.
pub fn mix(rounds: u32, mut fill: impl FnMut(&mut [u8; 32])) -> ChaCha8Rng {
    let mut seed = [0; 32];
    for _ in 0..rounds {
        let mut fresh = [0; 32];
        fill(&mut fresh);
        let stirred: [u8; 32] = random(&mut ChaCha8Rng::from_seed(seed));
        for ((seed, fresh), stirred) in seed.iter_mut().zip(fresh).zip(stirred) {
            *seed = fresh ^ stirred;
        }
    }
    ChaCha8Rng::from_seed(seed)
}
