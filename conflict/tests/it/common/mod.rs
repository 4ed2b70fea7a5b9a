//! Helpers for the tests and benchmarks: a sample of real patterns, and a naive reference
//! implementation of the view.

pub(crate) mod naive;

use engram_conflict::Version;
use engram_conflict::pattern::OwnedPattern;

/// A version of a pattern.
pub(crate) type Sibling = Version<OwnedPattern>;

/// A real pattern of the engine.
#[derive(Clone, Debug)]
pub(crate) struct Real {
    pub(crate) id: String,
    pub(crate) version: Sibling,
}

/// Returns 76 real patterns; `tests/data/PROVENANCE.md` names their source.
pub(crate) fn excerpt() -> Vec<Real> {
    let components: Vec<f32> = include_bytes!("../../data/embeddings.f16")
        .chunks_exact(2)
        .map(|bytes| half(u16::from_le_bytes(bytes.try_into().unwrap())))
        .collect();
    include_str!("../../data/patterns.tsv")
        .lines()
        .zip(components.chunks_exact(768))
        .map(|(line, embedding)| {
            let field: Vec<&str> = line.split('\t').collect();
            let citations = field[5].split(' ').map(String::from).collect();
            let mut pattern = OwnedPattern::new(embedding.to_vec(), citations);
            pattern.strength = field[2].parse().unwrap();
            pattern.confidence = field[1].parse().unwrap();
            pattern.consolidated_at = field[3].parse().unwrap();
            let version = Version::named(pattern).confirmed(field[4].parse().unwrap());
            Real { id: field[0].to_string(), version }
        })
        .collect()
}

/// Converts a finite half-precision number (IEEE 754 binary16) to `f32`.
fn half(bits: u16) -> f32 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
    let magnitude = match exponent {
        0 => fraction * 2f32.powi(-24),
        _ => (1024.0 + fraction) * 2f32.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}
