//! Sets of versions from a seed.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::OwnedVersion;

/// SplitMix64 (Steele, Lea, Flood 2014): all that is asked of it is to be the same everywhere.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.draw() % bound as u64) as usize
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// A number of 0 to 1 with all 24 bits of a mantissa.
    fn unit(&mut self) -> f32 {
        (self.draw() >> 40) as f32 / (1u32 << 24) as f32
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end + 1));
        }
    }

    pub(super) fn digest(&mut self) -> [u8; 32] {
        let mut digest = [0; 32];
        digest.chunks_mut(8).for_each(|eight| eight.copy_from_slice(&self.draw().to_be_bytes()));
        digest
    }

    /// A set with ties and extremes: the versions of one case.
    pub(super) fn versions(&mut self) -> Vec<OwnedVersion> {
        let (number, dimension) = self.shape();
        let extreme = self.below(4) == 0;
        (0..number).map(|_| self.version(dimension, extreme).named()).collect()
    }

    /// A set in which no two versions are equal by any measure.
    pub(super) fn versions_without_ties(&mut self) -> Vec<OwnedVersion> {
        let (number, dimension) = self.shape();
        let versions = (0..number).map(|i| {
            // Every scalar is its place plus less than one place, so all are distinct.
            let place = |fraction: f32| (i as f32 + fraction * 0.5) / number as f32;
            let mut version = self.version(dimension, false);
            version.confidence = place(self.unit());
            version.strength = place(self.unit()) + 0.25;
            version.consolidated_at = i as i64 * 1_000_003 + self.below(1000) as i64;
            version.confirmations = i as u32 * 10 + 1 + self.below(5) as u32;
            let first = self.below(4);
            version.citations = (first..first + i).map(episode).collect();
            version
        });
        let mut versions: Vec<OwnedVersion> = versions.collect();
        self.rename(&mut versions);
        versions
    }

    /// Gives every version another digest.
    pub(super) fn rename(&mut self, versions: &mut [OwnedVersion]) {
        versions.iter_mut().for_each(|version| version.digest = self.digest());
    }

    fn shape(&mut self) -> (usize, usize) {
        (self.pick(&[1, 2, 2, 2, 3, 3, 3, 4, 4, 5, 8, 64]), self.pick(&[0, 1, 2, 31, 32, 33, 70]))
    }

    fn version(&mut self, dimension: usize, extreme: bool) -> OwnedVersion {
        // Few episodes and few confidences: overlaps, repetitions and ties are the rule.
        let mut citations: Vec<String> =
            (0..self.below(6)).map(|_| episode(self.below(8))).collect();
        citations.sort();
        let confidence = match self.below(3) {
            0 => self.unit(),
            _ => self.pick(&[0.0, -0.0, f32::MIN_POSITIVE / 2.0, 0.5, 0.5, 0.9, 1.0]),
        };
        OwnedVersion {
            digest: [0; 32],
            embedding: (0..dimension).map(|_| self.component(extreme)).collect(),
            citations,
            strength: self.pick(&[0.0, 0.5, confidence, 1.0, 1.000_000_1, f32::MAX]),
            confidence,
            consolidated_at: self.time(),
            confirmations: self.pick(&[1, 1, 2, 3, 1 << 20]),
        }
    }

    fn component(&mut self, extreme: bool) -> f32 {
        const EXTREMES: [f32; 8] =
            [0.0, -0.0, 1e-45, -1e-45, f32::MIN_POSITIVE, f32::MAX, f32::MIN, 1e-20];
        match extreme {
            true => self.pick(&EXTREMES),
            false => self.unit() - 0.5,
        }
    }

    /// Long ago, so that a clock inside a strategy is seen; sometimes the ends of time.
    fn time(&mut self) -> i64 {
        match self.below(40) {
            0 => self.pick(&[i64::MIN, i64::MAX]),
            _ => 1_000_000_000_000_000_000 + self.pick(&[0, 0, 1, 1_000_000_007]),
        }
    }
}

fn episode(number: usize) -> String {
    format!("episode-{number:03}")
}
