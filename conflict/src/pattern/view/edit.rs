//! Edits of the graph, and the decisions that follow.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::mem;

use super::{CrossIdView, Edge, Episode, Node, PART, Rank, Slot, UNDECIDED};
use crate::pattern::value::{check_confidence, check_embedding};
use crate::pattern::vector::{Sketch, measured_cosine, squared_length};
use crate::pattern::{Conflict, ConflictKind, InvalidPattern, PatternValue};
use crate::{InvalidValue, Version};

/// Patterns to decide, or to decide again, best rank first.
type Pending<K> = BTreeSet<(Rank<K>, Slot)>;

impl<K: Ord + Clone, P: PatternValue> CrossIdView<K, P> {
    /// Inserts a pattern, or replaces the one with the same id.
    ///
    /// Compares the pattern with all others in `O(n)` steps. This takes half a millisecond at 10^4
    /// patterns of 768 dimensions, because most comparisons end after an eighth of the components.
    ///
    /// # Errors
    /// [`InvalidValue`] if the embedding or the confidence is invalid; the view is unchanged.
    pub fn upsert(
        &mut self,
        id: K,
        pattern: Version<P>,
    ) -> Result<(), InvalidValue<InvalidPattern>> {
        self.update([(id, Some(pattern))])
    }

    /// Removes a pattern; an unknown id changes nothing.
    pub fn remove(&mut self, id: &K) {
        let mut pending = BTreeSet::new();
        self.take_out(id, &mut pending);
        self.settle(pending);
    }

    /// Applies many edits, then decides all affected patterns once; `None` removes a pattern. This is also the way to
    /// build a view from scratch.
    ///
    /// If an id occurs more than once, only its last edit is applied.
    ///
    /// # Errors
    /// [`InvalidValue`] if an embedding or a confidence is invalid; no edit is then applied.
    pub fn update(
        &mut self,
        edits: impl IntoIterator<Item = (K, Option<Version<P>>)>,
    ) -> Result<(), InvalidValue<InvalidPattern>> {
        let edits: BTreeMap<K, Option<Version<P>>> = edits.into_iter().collect();
        self.validate(&edits)?;
        let mut pending = BTreeSet::new();
        for (id, pattern) in edits {
            if pattern.as_ref().is_some_and(|pattern| self.holds(&id, pattern)) {
                continue;
            }
            self.take_out(&id, &mut pending);
            if let Some(pattern) = pattern {
                pending.insert(self.put_in(id, pattern));
            }
        }
        self.settle(pending);
        Ok(())
    }

    /// Checks the new patterns. They must have the dimension of the patterns that remain unedited; if none remains, the
    /// batch may change the dimension.
    fn validate(
        &self,
        edits: &BTreeMap<K, Option<Version<P>>>,
    ) -> Result<(), InvalidValue<InvalidPattern>> {
        let staying = self.slots.iter().find(|(id, _)| !edits.contains_key(*id));
        let staying = staying.map(|(_, &slot)| &self.node(slot).pattern);
        let coming = edits.values().flatten().next().map(|pattern| &pattern.value);
        let dimension = staying.or(coming).map_or(0, |pattern| pattern.embedding().len());
        edits.values().flatten().try_for_each(|Version { digest, value, .. }| {
            check_embedding(value.embedding(), dimension)
                .and_then(|()| check_confidence(value.confidence()))
                .map_err(|cause| InvalidValue { digest: *digest, cause })
        })
    }

    /// Whether the view already holds this pattern, with the same digest, confidence, embedding and episodes.
    fn holds(&self, id: &K, pattern: &Version<P>) -> bool {
        let Some(node) = self.slots.get(id).map(|&slot| self.node(slot)) else {
            return false;
        };
        let (ours, theirs) = (&node.pattern, &pattern.value);
        let same_bits = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits();
        node.digest() == pattern.digest
            && same_bits((&ours.confidence(), &theirs.confidence()))
            && ours.embedding().len() == theirs.embedding().len()
            && ours.embedding().iter().zip(theirs.embedding()).all(same_bits)
            && episodes(ours) == episodes(theirs)
    }

    /// Removes the pattern from the graph; its members become pending.
    fn take_out(&mut self, id: &K, pending: &mut Pending<K>) {
        let Some(slot) = self.slots.remove(id) else {
            return;
        };
        let node = self.nodes[slot as usize].take().expect("an id names an occupied slot");
        *self.sketch_mut(slot) = Sketch::NOTHING;
        self.free.push(slot);
        for episode in episodes(&node.pattern) {
            self.claims.remove(&(episode, slot));
        }
        for edge in &node.edges {
            let neighbour = self.node_mut(edge.slot);
            neighbour.edges.retain(|back| back.slot != slot);
            if neighbour.representative == slot {
                neighbour.representative = UNDECIDED;
                pending.insert((neighbour.rank.clone(), edge.slot));
            }
        }
    }

    /// Inserts a new, undecided pattern into the graph and returns its rank and slot.
    fn put_in(&mut self, id: K, pattern: Version<P>) -> (Rank<K>, Slot) {
        let episodes = episodes(&pattern.value);
        let mut node = Node::new(id.clone(), pattern, episodes.len());
        let sketch = Sketch::of(node.measured());
        node.edges = self.edges_of(&node, &sketch);
        let rank = node.rank.clone();
        let slot = self.free.pop().unwrap_or_else(|| {
            self.nodes.push(None);
            if self.nodes.len() > PART * self.sketches.len() {
                self.sketches.push(Box::new([Sketch::NOTHING; PART]));
            }
            Slot::try_from(self.nodes.len() - 1).expect("2^32 patterns do not fit in memory")
        });
        for edge in &node.edges {
            self.node_mut(edge.slot).edges.push(Edge { slot, ..*edge });
        }
        self.claims.extend(episodes.into_iter().map(|episode| (episode, slot)));
        self.slots.insert(id, slot);
        self.nodes[slot as usize] = Some(Box::new(node));
        *self.sketch_mut(slot) = sketch;
        (rank, slot)
    }

    /// Returns the conflicts of a new pattern that are relevant to the view.
    fn edges_of(&self, node: &Node<K, P>, sketch: &Sketch) -> Vec<Edge> {
        let matters = |conflict: &Conflict| {
            self.rules.groups(conflict) || conflict.kind == ConflictKind::EpisodeOwnership
        };
        let shared = self.shared_episodes(node);
        let mut edges = Vec::new();
        let sketches = self.sketches.iter().flat_map(|part| part.iter());
        for (slot, (&shared, other)) in shared.iter().zip(sketches).enumerate() {
            // Patterns without a common episode can only be grouped as one concept, which requires a high cosine.
            if shared == 0 && sketch.certainly_below(other, self.rules.concept_cosine) {
                continue;
            }
            let Some(other) = &self.nodes[slot] else {
                continue;
            };
            let cosine = measured_cosine(node.measured(), other.measured());
            if self.rules.between(node, other, shared, cosine).as_ref().is_some_and(matters) {
                let slot = Slot::try_from(slot).expect("slot numbers fit into this type");
                edges.push(Edge::new(slot, shared, cosine));
            }
        }
        edges.shrink_to_fit();
        edges
    }

    /// The number of episodes that each slot has in common with `node`.
    pub(super) fn shared_episodes(&self, node: &Node<K, P>) -> Vec<u32> {
        let mut shared = vec![0; self.nodes.len()];
        for episode in episodes(&node.pattern) {
            for (_, slot) in self.claims.range((episode, 0)..=(episode, Slot::MAX)) {
                shared[*slot as usize] += 1;
            }
        }
        shared
    }

    /// Decides all pending patterns, best rank first, and the patterns that depend on changed ones.
    ///
    /// A decision depends only on better ranks and makes only worse ranks pending, so each pattern is
    /// decided at most once, after everything on which it depends.
    fn settle(&mut self, mut pending: Pending<K>) {
        while let Some((rank, slot)) = pending.pop_first() {
            // A later edit of the same batch may have removed the pattern, and reused its slot.
            if self.nodes[slot as usize].as_deref().is_none_or(|node| node.rank != rank) {
                continue;
            }
            let representative = self.decide(slot);
            let was = mem::replace(&mut self.node_mut(slot).representative, representative);
            if (was == slot) != (representative == slot) {
                let node = self.node(slot);
                let neighbours =
                    node.edges.iter().map(|edge| (&self.node(edge.slot).rank, edge.slot));
                let worse = neighbours.filter(|(other, _)| **other > node.rank);
                pending.extend(worse.map(|(other, slot)| (other.clone(), slot)));
            }
        }
    }

    /// Returns the best-ranked representative that the pattern can join, or the pattern itself if there is none.
    fn decide(&self, slot: Slot) -> Slot {
        let node = self.node(slot);
        let representatives = node.edges.iter().filter(|edge| {
            let other = self.node(edge.slot);
            other.representative == edge.slot && other.rank < node.rank
        });
        let joined = representatives.filter(|edge| {
            self.conflict(slot, edge).is_some_and(|conflict| self.rules.groups(&conflict))
        });
        joined
            .map(|edge| edge.slot)
            .min_by_key(|&representative| &self.node(representative).rank)
            .unwrap_or(slot)
    }
}

impl<K, P: PatternValue> Node<K, P> {
    fn new(id: K, pattern: Version<P>, episodes: usize) -> Self {
        let Version { digest, value: pattern, .. } = pattern;
        // Adding 0.0 removes the sign of a zero: ranks compare numbers, not signs.
        let ascending = (pattern.confidence() + 0.0).to_bits();
        Self {
            rank: (Reverse(ascending), Reverse(digest), id),
            squared_length: squared_length(pattern.embedding()),
            episodes: u32::try_from(episodes).expect("2^32 citations do not fit in memory"),
            pattern,
            edges: Vec::new(),
            representative: UNDECIDED,
        }
    }
}

/// The distinct episodes that a pattern cites, ascending.
fn episodes(pattern: &impl PatternValue) -> Vec<Episode> {
    // FNV-1a: short, and the same on every machine.
    let hash = |id: &String| {
        id.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    };
    let mut episodes: Vec<Episode> = pattern.citations().iter().map(hash).collect();
    episodes.sort_unstable();
    episodes.dedup();
    episodes
}
