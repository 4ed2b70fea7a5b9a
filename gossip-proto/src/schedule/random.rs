//! The random number generator of schedulers and simulations.

use core::time::Duration;

/// A small seeded generator (SplitMix64, Steele et al. 2014).
///
/// It is part of this crate because a seed in a bug report must always give the same run,
/// regardless of changes to other generators.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Creates the stream of `seed`. Equal seeds give equal streams; adjacent seeds give unrelated
    /// streams.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Splits off an independent generator, so that more draws in one place do not change the
    /// numbers in another.
    pub fn fork(&mut self) -> Self {
        Self(self.bits())
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a random number in `0..bound`, or 0 if `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        // The high half of a 128-bit product: uniform to within bound / 2^64.
        ((u128::from(self.bits()) * bound as u128) >> 64) as usize
    }

    /// Returns a random fraction in `0.0..1.0`, with 53 random bits.
    pub fn fraction(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Returns true with this probability: never at 0, always at 1.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.fraction() < probability
    }

    /// Returns a random duration below `bound`, or zero if `bound` is zero.
    pub fn duration(&mut self, bound: Duration) -> Duration {
        // The product may be rounded up to the bound.
        bound.mul_f64(self.fraction()).min(bound.saturating_sub(Duration::from_nanos(1)))
    }

    /// Puts `items` into a random order (Fisher-Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seed_matches_the_reference_numbers() {
        let mut random = Random::new(1_234_567);
        // The first numbers of the published reference implementation for this seed.
        assert_eq!(random.bits(), 6_457_827_717_110_365_317);
        assert_eq!(random.bits(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn numbers_keep_their_bounds() {
        let mut random = Random::new(7);
        let mut seen = [0; 5];
        for _ in 0..1_000 {
            seen[random.below(5)] += 1;
            assert!((0.0..1.0).contains(&random.fraction()));
            assert!(random.duration(Duration::from_secs(3)) < Duration::from_secs(3));
        }
        assert!(seen.iter().all(|&n| n > 150), "{seen:?}");
        for bound in [1, 2, 3].map(Duration::from_nanos).into_iter().chain([Duration::MAX]) {
            assert!((0..1_000).all(|_| random.duration(bound) < bound), "{bound:?}");
        }
        assert!(random.duration(Duration::ZERO).is_zero());
        assert_eq!(random.below(0), 0);
        assert!(random.chance(1.0) && !random.chance(0.0));
    }

    #[test]
    fn a_shuffle_loses_nothing() {
        let mut items: Vec<_> = (0..50).collect();
        Random::new(3).shuffle(&mut items);
        assert_ne!(items, (0..50).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
    }
}
