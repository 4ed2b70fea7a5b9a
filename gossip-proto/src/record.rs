//! What travels: the record of one pattern id, and the contents that it names.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

/// Who writes: a node and its incarnation.
///
/// A node that cannot prove that its durable state is intact starts a new incarnation, so that a
/// counter is never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Actor {
    /// The node: SHA-256 of its certificate's public key.
    pub node: [u8; 32],
    /// Which life of the node.
    pub incarnation: u64,
}

/// One write in the whole cluster, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dot {
    /// Who wrote.
    pub actor: Actor,
    /// The actor's count of writes, over all its patterns, from 1 to 2^48 - 1.
    pub counter: u64,
}

/// What one write left: a content, named by its digest, or a tombstone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// The digest of the content that was written.
    Content([u8; 32]),
    /// A deletion, with the digests of the contents it buried in ascending order.
    Tombstone {
        /// What was deleted; the same contents, found again by a restarted engine, stay deleted.
        buried: Vec<[u8; 32]>,
    },
}

/// The replicated state of one pattern id: its siblings and its causal context.
///
/// Canonical: siblings ascend by dot, the context ascends by actor, neither names anything twice,
/// and every dot is covered by the context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The pattern id, 1 to 128 bytes, unique within its space.
    pub id: String,
    /// The live siblings.
    pub siblings: Vec<(Dot, Body)>,
    /// What this record has seen, per actor the highest counter.
    pub context: Vec<(Actor, u64)>,
}

impl Record {
    /// The digests of the live contents, in the order of the siblings, repeats kept.
    pub(crate) fn mentions(&self) -> impl Iterator<Item = &[u8; 32]> {
        self.siblings.iter().filter_map(|(_, body)| match body {
            Body::Content(digest) => Some(digest),
            Body::Tombstone { .. } => None,
        })
    }

    /// The digests of the live contents, ascending, each once.
    pub(crate) fn contents(&self) -> impl Iterator<Item = &[u8; 32]> {
        self.mentions().collect::<BTreeSet<_>>().into_iter()
    }

    /// Whether `context` covers all that this record has seen, and more.
    ///
    /// Equal contexts do not count: they mean equal records, so that a difference must be looked at.
    pub(crate) fn is_older_than(&self, context: &[(Actor, u64)]) -> bool {
        let covered = |(actor, counter): &(Actor, u64)| {
            let at = context.binary_search_by(|(other, _)| other.cmp(actor));
            at.is_ok_and(|at| *counter <= context[at].1)
        };
        self.context != context && self.context.iter().all(covered)
    }

    /// The digests that tombstones bury.
    pub(crate) fn buried(&self) -> impl Iterator<Item = &[u8; 32]> {
        self.siblings.iter().flat_map(|(_, body)| match body {
            Body::Content(_) => &[],
            Body::Tombstone { buried } => buried.as_slice(),
        })
    }
}

/// One immutable content: the pattern as one node consolidated it.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    /// The pattern id it was written under.
    pub id: String,
    /// The embedding, in the cluster's dimension (768 for Engram).
    pub embedding: alloc::sync::Arc<[f32]>,
    /// The cited episodes, ascending, repeats kept.
    pub source_episodes: Vec<String>,
    /// Coherence, at least 0; the engine emits values slightly above 1.
    pub strength: f32,
    /// Confidence, 0..=1.
    pub schema_confidence: f32,
    /// Nanoseconds since the Unix epoch.
    pub last_consolidated: i64,
}
