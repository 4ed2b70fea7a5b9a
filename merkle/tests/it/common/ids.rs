//! Realistic keys: real pattern ids first, then generated ones.

/// 1,000 real ids; the README in their folder names the source.
const REAL: &str = include_str!("../../data/pattern_ids.txt");

/// Returns the first `count` ids: the real ones, then generated ones of the same form. They are the same in each run.
pub(crate) fn pattern_ids(count: usize) -> Vec<String> {
    let made_up = (0..).map(|number| format!("pattern_{}", splitmix64(number)));
    REAL.lines().map(String::from).chain(made_up).take(count).collect()
}

/// The `number`-th output of the SplitMix64 generator with seed 0 (Steele, Lea and Flood, 2014).
pub(crate) fn splitmix64(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
