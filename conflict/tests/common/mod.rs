//! Shared by the tests and benchmarks: the excerpt of real patterns, and the naive twin of the view.
#![allow(dead_code, unreachable_pub, reason = "each test uses its own part")]

pub mod naive;

use std::sync::Arc;

use engram_conflict::{OwnedVersion, Pattern};

/// A real pattern, as the engine made it.
#[derive(Clone, Debug)]
pub struct Real {
    pub id: String,
    pub version: OwnedVersion,
}

/// 76 real patterns; `tests/data/PROVENANCE.md` tells where they come from.
pub fn excerpt() -> Vec<Real> {
    let components: Vec<f32> = include_bytes!("../data/embeddings.f32")
        .chunks_exact(4)
        .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
        .collect();
    include_str!("../data/patterns.tsv")
        .lines()
        .zip(components.chunks_exact(768))
        .map(|(line, embedding)| {
            let field: Vec<&str> = line.split('\t').collect();
            let version = OwnedVersion {
                digest: [0; 32],
                embedding: embedding.to_vec(),
                citations: field[5].split(' ').map(String::from).collect(),
                strength: field[2].parse().unwrap(),
                confidence: field[1].parse().unwrap(),
                consolidated_at: field[3].parse().unwrap(),
                confirmations: field[4].parse().unwrap(),
            };
            Real { id: field[0].to_string(), version: version.named() }
        })
        .collect()
}

impl Real {
    pub fn pattern(&self) -> Pattern<'_> {
        pattern(&self.version)
    }
}

pub fn pattern(version: &OwnedVersion) -> Pattern<'_> {
    Pattern {
        digest: version.digest,
        embedding: Arc::from(&*version.embedding),
        citations: &version.citations,
        confidence: version.confidence,
    }
}
