use alloc::string::String;
use alloc::vec::Vec;

use crate::{Outcome, Resolution, Version, Versions, Visible};

/// A version that owns what it holds: for tests, generators and examples.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnedVersion {
    /// Names the content.
    pub digest: [u8; 32],
    /// The embedding.
    pub embedding: Vec<f32>,
    /// The cited episodes, a multiset.
    pub citations: Vec<String>,
    /// The strength.
    pub strength: f32,
    /// The confidence.
    pub confidence: f32,
    /// Nanoseconds since 1970-01-01 UTC.
    pub consolidated_at: i64,
    /// How many independent writes hold it.
    pub confirmations: u32,
}

impl OwnedVersion {
    /// The version, borrowed.
    pub fn as_version(&self) -> Version<'_> {
        Version {
            digest: self.digest,
            embedding: &self.embedding,
            citations: &self.citations,
            strength: self.strength,
            confidence: self.confidence,
            consolidated_at: self.consolidated_at,
            confirmations: self.confirmations,
        }
    }

    /// The version with a digest of its content, so that equal contents have equal digests.
    ///
    /// The digest is good enough to tell test data apart. It is no cryptographic hash.
    #[must_use]
    pub fn named(mut self) -> Self {
        let mut state = FINGERPRINT;
        fingerprint(&mut state, self.as_version().into());
        for (i, eight) in self.digest.chunks_mut(8).enumerate() {
            absorb(&mut state, &[i as u8]);
            eight.copy_from_slice(&state.to_be_bytes());
        }
        self
    }
}

impl Resolution {
    /// Everything that is visible, as 64 bits of FNV-1a: equal values have equal fingerprints.
    pub(super) fn fingerprint(&self, versions: &Versions<'_>) -> u64 {
        let mut state = FINGERPRINT;
        match &self.outcome {
            Outcome::Kept(indices) => {
                indices.iter().for_each(|&i| fingerprint(&mut state, versions[i].into()));
            }
            _ => fingerprint(&mut state, self.visible(versions)),
        }
        state
    }
}

/// The offset basis of FNV-1a with 64 bits (RFC 9923).
pub(super) const FINGERPRINT: u64 = 0xcbf2_9ce4_8422_2325;

pub(super) fn absorb(state: &mut u64, bytes: &[u8]) {
    for &byte in bytes {
        *state = (*state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
}

fn fingerprint(state: &mut u64, visible: Visible<'_>) {
    let Visible { embedding, citations, strength, confidence, consolidated_at } = visible;
    for number in [strength, confidence].iter().chain(embedding) {
        absorb(state, &number.to_bits().to_be_bytes());
    }
    absorb(state, &consolidated_at.to_be_bytes());
    for citation in citations {
        absorb(state, &(citation.len() as u64).to_be_bytes());
        absorb(state, citation.as_bytes());
    }
}
