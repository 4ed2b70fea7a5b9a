//! The derived view across ids: which patterns are one memory, and which dispute an episode.
//!
//! Patterns are ranked: greater confidence first, then greater digest, then smaller id. In this
//! order each pattern joins the first *representative* that it is in conflict with, or becomes a representative. So
//! the role of a pattern is a function of the roles of its better-ranked neighbours, and of
//! nothing else; by induction over the ranks there is exactly one solution. An edit therefore
//! only has to re-decide, in order of rank, those patterns whose better-ranked neighbours
//! changed: the result is the one from scratch, whatever the history was.
//!
//! Every member conflicts with its representative itself. Nothing is passed on from member to member: on
//! real data the transitive closure swallows a third of all patterns into one group.

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

/// A visible pattern as the view takes it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Pattern<'a> {
    /// Names the content.
    pub digest: [u8; 32],
    /// The embedding; shared, not copied. All patterns of a view have one dimension.
    pub embedding: Arc<[f32]>,
    /// The episodes it cites; repetitions count once.
    pub citations: &'a [String],
    /// Its confidence, in `0..=1`.
    pub confidence: f32,
}

impl<'a> Pattern<'a> {
    /// A pattern whose content has this digest.
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

/// The view across ids over a set of visible patterns, kept up to date edit by edit.
///
/// Equal sets give equal views, bit for bit, whatever edits led there. Nothing of a view may be
/// written back into the replicated state: it would change what the view is computed from.
///
/// `K` is the id of a pattern. One view is for one memory space.
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
    /// A pattern keeps its slot for as long as it is there; free slots are used again.
    nodes: Vec<Option<Node<K>>>,
    /// Of each slot; of a free one, a sketch of nothing.
    sketches: Vec<Sketch>,
    free: Vec<Slot>,
    slots: BTreeMap<K, Slot>,
    ranking: BTreeMap<Rank<K>, Slot>,
    /// The inverted index: who cites an episode.
    claims: BTreeMap<Arc<str>, Vec<Slot>>,
}

type Slot = u32;

/// No representative yet: the pattern is new and has not been decided.
const UNDECIDED: Slot = Slot::MAX;

/// Confidences are not negative, so their bits ascend with them.
type Rank<K> = (Reverse<u32>, Reverse<[u8; 32]>, K);

#[derive(Clone, Debug)]
struct Node<K> {
    rank: Rank<K>,
    confidence: f32,
    embedding: Arc<[f32]>,
    squared_length: f64,
    /// Distinct episodes.
    citations: Vec<Arc<str>>,
    /// Every other pattern that decides about this one, or about which this one decides.
    edges: Vec<Edge>,
    /// The slot of the representative it belongs to: its own if it is a representative.
    representative: Slot,
}

/// A neighbour and the measurements; the kind of conflict follows from them.
#[derive(Clone, Copy, Debug)]
struct Edge {
    slot: Slot,
    shared: u32,
    cosine: Option<f32>,
}

impl<K: Ord + Clone> CrossIdView<K> {
    /// A view of nothing.
    ///
    /// # Errors
    /// [`InvalidRules`] names the number that is out of its range.
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

    /// The conflict that an edge stands for, seen from the node at `slot`.
    fn conflict(&self, slot: Slot, edge: &Edge) -> Option<Conflict> {
        self.rules.between(self.node(slot), self.node(edge.slot), edge.shared, edge.cosine)
    }
}

impl<K> Node<K> {
    fn measured(&self) -> Measured<'_> {
        (&self.embedding, self.squared_length)
    }
}
