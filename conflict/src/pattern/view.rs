//! The derived view across ids: which patterns describe one memory, and which dispute an episode.
//!
//! Patterns are ranked: greater confidence first, then greater digest, then smaller id. In this order each pattern
//! joins the first *representative* that describes the same memory by [`Rules`], or becomes a representative itself.
//! The role of a pattern therefore depends only on the roles of its better-ranked neighbours in the graph of conflicts;
//! by induction over the ranks there is exactly one solution. An edit only has to re-decide, in order of rank, the
//! patterns whose better-ranked neighbours changed: the result equals that of a rebuild, regardless of history.
//!
//! Every member conflicts with its representative directly. Grouping is not transitive: on
//! real data the transitive closure would put a third of all patterns into one group.

mod edit;
mod read;
mod rules;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::cmp::Reverse;

pub use read::{Group, Related, Role, Viewed};
pub use rules::{InvalidRules, Rules};

use crate::pattern::vector::{Measured, Sketch};
use crate::pattern::{Conflict, PatternValue};

/// The view across ids over a set of visible patterns, updated with each edit.
///
/// Equal sets and rules give equal views, bit for bit, regardless of the edits that led to the sets. Never write
/// any part of a view back into the replicated state: that would change the input of the view.
///
/// `K` is the type of the ids, and `P` that of the patterns: use an `Arc` as `P` to share patterns instead of copying
/// them. A view covers one memory space.
///
/// ```
/// use engram_conflict::Version;
/// use engram_conflict::pattern::{CrossIdView, OwnedPattern, Role, Rules};
///
/// let pattern = |embedding: [f32; 2], citations: [&str; 3], confidence| {
///     let mut pattern = OwnedPattern::new(embedding.to_vec(), citations.map(String::from).to_vec());
///     pattern.confidence = confidence;
///     Version::named(pattern)
/// };
/// let mut view = CrossIdView::new(Rules::default())?;
/// view.upsert("p1", pattern([0.6, 0.8], ["a", "b", "c"], 0.9))?;
/// view.upsert("p2", pattern([0.8, 0.6], ["a", "b", "d"], 0.7))?;
///
/// let entry = view.get(&"p2").unwrap();
/// assert!(matches!(entry.role, Role::Member { representative: &"p1", .. }));
/// println!("{entry}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct CrossIdView<K, P> {
    rules: Rules,
    /// A pattern keeps its slot until it is removed; free slots are reused.
    nodes: Vec<Option<Box<Node<K, P>>>>,
    /// The sketch of each slot; [`Sketch::NOTHING`] for a free slot. The sketches are stored in parts, because a
    /// growing vector leaves freed memory behind, about as much as it occupies.
    sketches: Vec<Box<[Sketch; PART]>>,
    free: Vec<Slot>,
    slots: BTreeMap<K, Slot>,
    /// The inverted index: each episode with each slot that cites it.
    claims: BTreeSet<(Episode, Slot)>,
}

type Slot = u32;

/// The number of sketches in a part.
const PART: usize = 32;

/// The hash of an episode's id: an index of hashes takes much less memory than an index of ids.
///
/// Two episodes with equal hashes count as one. Among a million ids, the probability that any two have equal hashes is
/// 3e-8. A writer who crafts an id with the hash of another id gains nothing, because that writer could also cite the
/// other id.
type Episode = u64;

/// Marks a pattern whose representative has not been decided yet.
const UNDECIDED: Slot = Slot::MAX;

/// The position of a pattern in the ranking: the bits of its confidence, its digest and its id. No confidence is
/// negative, so the bits have the same order as the numbers.
type Rank<K> = (Reverse<u32>, Reverse<[u8; 32]>, K);

#[derive(Clone, Debug)]
struct Node<K, P> {
    rank: Rank<K>,
    pattern: P,
    squared_length: f64,
    /// The number of distinct episodes that the pattern cites.
    episodes: u32,
    /// All patterns with which this one can be grouped, or with which it disputes an episode.
    edges: Vec<Edge>,
    /// The slot of the representative, or the pattern's own slot if it is a representative.
    representative: Slot,
}

/// A neighbour and the measurements that determine the kind of conflict.
#[derive(Clone, Copy, Debug)]
struct Edge {
    slot: Slot,
    shared: u32,
    /// The cosine; NaN if the angle is undefined.
    cosine: f32,
}

impl<K: Ord + Clone, P: PatternValue> CrossIdView<K, P> {
    /// Creates an empty view.
    ///
    /// # Errors
    /// [`InvalidRules`] names the field that is out of range.
    pub fn new(rules: Rules) -> Result<Self, InvalidRules> {
        rules.validate()?;
        Ok(Self {
            rules,
            nodes: Vec::new(),
            sketches: Vec::new(),
            free: Vec::new(),
            slots: BTreeMap::new(),
            claims: BTreeSet::new(),
        })
    }

    fn node(&self, slot: Slot) -> &Node<K, P> {
        self.nodes[slot as usize].as_deref().expect("edges, ranks and ids name occupied slots")
    }

    fn node_mut(&mut self, slot: Slot) -> &mut Node<K, P> {
        self.nodes[slot as usize].as_deref_mut().expect("edges, ranks and ids name occupied slots")
    }

    fn sketch_mut(&mut self, slot: Slot) -> &mut Sketch {
        &mut self.sketches[slot as usize / PART][slot as usize % PART]
    }

    /// The conflict of an edge, seen from the node at `slot`.
    fn conflict(&self, slot: Slot, edge: &Edge) -> Option<Conflict> {
        self.rules.between(self.node(slot), self.node(edge.slot), edge.shared, edge.cosine())
    }
}

impl Edge {
    fn new(slot: Slot, shared: u32, cosine: Option<f32>) -> Self {
        Self { slot, shared, cosine: cosine.unwrap_or(f32::NAN) }
    }

    fn cosine(&self) -> Option<f32> {
        (!self.cosine.is_nan()).then_some(self.cosine)
    }
}

impl<K, P: PatternValue> Node<K, P> {
    fn measured(&self) -> Measured<'_> {
        (self.pattern.embedding(), self.squared_length)
    }
}
