//! Generators for your own property tests with `proptest`.
//!
//! ```
//! use engram_conflict::Versions;
//! use engram_conflict::pattern::generate;
//! use proptest::prelude::*;
//!
//! proptest!(|(versions in generate::versions(1..=8, 16))| {
//!     let number = versions.len();
//!     prop_assert!(Versions::new(versions)?.len() <= number);
//! });
//! ```

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::Version;
use crate::pattern::OwnedPattern;

/// Generates valid patterns, all of the same dimension.
pub fn pattern(dimension: usize) -> impl Strategy<Value = OwnedPattern> {
    let parts = (
        vec(component(), dimension),
        citations(),
        prop_oneof![Just(0.0f32), 0.0f32..=1.0, Just(1.000_000_1), Just(f32::MAX)],
        confidence(),
        prop_oneof![0i64..5, any::<i64>()],
    );
    parts.prop_map(|(embedding, citations, strength, confidence, consolidated_at)| OwnedPattern {
        embedding,
        citations,
        strength,
        confidence,
        consolidated_at,
    })
}

/// Generates valid versions, all of the same dimension. Equal patterns have equal digests.
pub fn version(dimension: usize) -> impl Strategy<Value = Version<OwnedPattern>> {
    let parts = (pattern(dimension), 1u32..4);
    parts.prop_map(|(pattern, confirmations)| Version::named(pattern).confirmed(confirmations))
}

/// Generates sets of valid versions, all of the same dimension; some of the versions may be equal.
pub fn versions(
    number: RangeInclusive<usize>,
    dimension: usize,
) -> impl Strategy<Value = Vec<Version<OwnedPattern>>> {
    vec(version(dimension), number)
}

/// Generates confidences, with ties and both zeros.
pub fn confidence() -> impl Strategy<Value = f32> {
    prop_oneof![0.0f32..=1.0, prop::sample::select(&[0.0f32, -0.0, 1e-45, 0.5, 0.9, 1.0][..])]
}

/// Generates sorted multisets of few different episodes, so that they overlap.
pub fn citations() -> impl Strategy<Value = Vec<String>> {
    vec(0u8..12, 0..6).prop_map(|mut numbers| {
        numbers.sort_unstable();
        numbers.into_iter().map(|number| format!("episode-{number:02}")).collect()
    })
}

/// Generates finite components: most are ordinary, and some are zero, subnormal or huge.
fn component() -> impl Strategy<Value = f32> {
    prop_oneof![
        8 => -1.0f32..=1.0,
        1 => prop::sample::select(&[0.0f32, -0.0, 1e-45, -1e-45, f32::MAX, f32::MIN][..]),
    ]
}
