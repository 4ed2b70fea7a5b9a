//! The derived view across ids: which patterns describe one memory, and which dispute an episode.
//!
//! Patterns are ranked: greater confidence first, then greater digest, then smaller id. In this order each pattern
//! joins the first *representative* that describes the same memory by [`Rules`], or becomes a representative itself.
//! The role of a pattern therefore depends only on the roles of its better-ranked neighbours in the graph of conflicts;
//! by induction over the ranks there is exactly one solution. An edit only has to re-decide, in order of rank, the
//! patterns whose better-ranked neighbours changed: the result equals a rebuild, regardless of history.
//!
//! Every member conflicts with its representative directly. Grouping is not transitive: on
//! real data the transitive closure would put a third of all patterns into one group.

mod edit;
mod read;
mod rules;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Reverse;

pub use read::{Group, Related, Role, Viewed};
pub use rules::{InvalidRules, Rules};

use crate::pattern::Conflict;
use crate::pattern::vector::{Measured, Sketch};

/// A visible pattern, the input of the view.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Pattern<'a> {
    /// The digest of the content.
    pub digest: [u8; 32],
    /// The embedding; shared, not copied. All patterns in a view have the same dimension.
    pub embedding: Arc<[f32]>,
    /// The cited episodes; repetitions count once.
    pub citations: &'a [String],
    /// The confidence, in `0..=1`.
    pub confidence: f32,
}

impl<'a> Pattern<'a> {
    /// Creates a pattern with this content digest, embedding, citations and confidence.
    #[must_use]
    pub const fn new(
        digest: [u8; 32],
        embedding: Arc<[f32]>,
        citations: &'a [String],
        confidence: f32,
    ) -> Self {
        Self { digest, embedding, citations, confidence }
    }
}

/// The view across ids over a set of visible patterns, updated with each edit.
///
/// Equal sets give equal views, bit for bit, regardless of the edits that led to them. Never write
/// any part of a view back into the replicated state: that would change the input of the view.
///
/// `K` is the id of a pattern. A view covers one memory space.
///
/// ```
/// use engram_conflict::pattern::{CrossIdView, Pattern, Rules, Role};
///
/// let (first, second) = (["a", "b", "c"].map(String::from), ["a", "b", "d"].map(String::from));
/// let mut view = CrossIdView::new(Rules::default())?;
/// view.upsert("p1", Pattern::new([1; 32], [0.6, 0.8].into(), &first, 0.9))?;
/// view.upsert("p2", Pattern::new([2; 32], [0.8, 0.6].into(), &second, 0.7))?;
///
/// let entry = view.get(&"p2").unwrap();
/// assert!(matches!(entry.role, Role::Member { representative: &"p1", .. }));
/// println!("{entry}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct CrossIdView<K> {
    rules: Rules,
    /// A pattern keeps its slot until it is removed; free slots are reused.
    nodes: Vec<Option<Node<K>>>,
    /// The sketch of each slot; [`Sketch::NOTHING`] for a free slot.
    sketches: Vec<Sketch>,
    free: Vec<Slot>,
    slots: BTreeMap<K, Slot>,
    ranking: BTreeMap<Rank<K>, Slot>,
    /// The inverted index: the slots that cite each episode.
    claims: BTreeMap<Arc<str>, Vec<Slot>>,
}

type Slot = u32;

/// Marks a pattern whose representative has not been decided yet.
const UNDECIDED: Slot = Slot::MAX;

/// The position of a pattern in the ranking: the bits of its confidence, its digest and its id. No confidence is
/// negative, so the bits have the same order as the numbers.
type Rank<K> = (Reverse<u32>, Reverse<[u8; 32]>, K);

#[derive(Clone, Debug)]
struct Node<K> {
    rank: Rank<K>,
    confidence: f32,
    embedding: Arc<[f32]>,
    squared_length: f64,
    /// The distinct episodes that the pattern cites.
    citations: Vec<Arc<str>>,
    /// All patterns that may influence the decision about this one, or be influenced by it.
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

impl<K: Ord + Clone> CrossIdView<K> {
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
            ranking: BTreeMap::new(),
            claims: BTreeMap::new(),
        })
    }

    fn node(&self, slot: Slot) -> &Node<K> {
        self.nodes[slot as usize].as_ref().expect("edges, ranks and ids name occupied slots")
    }

    fn node_mut(&mut self, slot: Slot) -> &mut Node<K> {
        self.nodes[slot as usize].as_mut().expect("edges, ranks and ids name occupied slots")
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

impl<K> Node<K> {
    fn measured(&self) -> Measured<'_> {
        (&self.embedding, self.squared_length)
    }
}
