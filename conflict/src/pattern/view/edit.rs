//! Edits of the graph, and the decisions that follow.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::mem;

use super::{CrossIdView, Edge, Node, Pattern, Rank, Slot, UNDECIDED};
use crate::InvalidValue;
use crate::pattern::citation::distinct;
use crate::pattern::value::{check_confidence, check_embedding};
use crate::pattern::vector::{Sketch, measured_cosine, squared_length};
use crate::pattern::{Conflict, ConflictKind, InvalidPattern};

impl<K: Ord + Clone> CrossIdView<K> {
    /// Inserts a pattern, or replaces the one with the same id.
    ///
    /// Compares the pattern with all others in `O(n)` steps. This takes half a millisecond at 10^4
    /// patterns of 768 dimensions, because most comparisons end after an eighth of the components.
    ///
    /// # Errors
    /// [`InvalidValue`] if the pattern is invalid; the view is unchanged.
    pub fn upsert(
        &mut self,
        id: K,
        pattern: Pattern<'_>,
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
    /// [`InvalidValue`] if a pattern is invalid; no edit is then applied.
    pub fn update<'a>(
        &mut self,
        edits: impl IntoIterator<Item = (K, Option<Pattern<'a>>)>,
    ) -> Result<(), InvalidValue<InvalidPattern>> {
        let edits: BTreeMap<K, Option<Pattern<'a>>> = edits.into_iter().collect();
        self.validate(&edits)?;
        let mut pending = BTreeSet::new();
        for (id, pattern) in edits {
            if pattern.as_ref().is_some_and(|pattern| self.holds(&id, pattern)) {
                continue;
            }
            self.take_out(&id, &mut pending);
            if let Some(pattern) = pattern {
                pending.insert(self.put_in(id, &pattern));
            }
        }
        self.settle(pending);
        Ok(())
    }

    /// Checks the new patterns. They must have the dimension of the patterns that remain unedited; if none remains, the
    /// batch may change the dimension.
    fn validate(
        &self,
        edits: &BTreeMap<K, Option<Pattern<'_>>>,
    ) -> Result<(), InvalidValue<InvalidPattern>> {
        let staying = self.slots.iter().find(|(id, _)| !edits.contains_key(*id));
        let staying = staying.map(|(_, &slot)| self.node(slot).embedding.len());
        let coming = edits.values().flatten().next().map(|pattern| pattern.embedding.len());
        let dimension = staying.or(coming).unwrap_or(0);
        edits.values().flatten().try_for_each(|pattern| {
            check_embedding(&pattern.embedding, dimension)
                .and_then(|()| check_confidence(pattern.confidence))
                .map_err(|cause| InvalidValue { digest: pattern.digest, cause })
        })
    }

    /// Whether the view already holds exactly this pattern.
    fn holds(&self, id: &K, pattern: &Pattern<'_>) -> bool {
        let Some(node) = self.slots.get(id).map(|&slot| self.node(slot)) else {
            return false;
        };
        let same_bits = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits();
        node.digest() == pattern.digest
            && same_bits((&node.confidence, &pattern.confidence))
            && node.embedding.len() == pattern.embedding.len()
            && node.embedding.iter().zip(pattern.embedding.iter()).all(same_bits)
            && node.citations.iter().map(|id| &**id).eq(distinct(pattern.citations))
    }

    /// Removes the pattern from the graph; its members become pending.
    fn take_out(&mut self, id: &K, pending: &mut BTreeSet<Rank<K>>) {
        let Some(slot) = self.slots.remove(id) else {
            return;
        };
        let node = self.nodes[slot as usize].take().expect("an id names an occupied slot");
        self.sketches[slot as usize] = Sketch::NOTHING;
        self.free.push(slot);
        self.ranking.remove(&node.rank);
        for citation in &node.citations {
            let claim = self.claims.get_mut(citation).expect("a cited episode is indexed");
            claim.retain(|&claimant| claimant != slot);
            if claim.is_empty() {
                self.claims.remove(citation);
            }
        }
        for edge in &node.edges {
            let neighbour = self.node_mut(edge.slot);
            neighbour.edges.retain(|back| back.slot != slot);
            if neighbour.representative == slot {
                neighbour.representative = UNDECIDED;
                pending.insert(neighbour.rank.clone());
            }
        }
    }

    /// Inserts a new, undecided pattern into the graph and returns its rank.
    fn put_in(&mut self, id: K, pattern: &Pattern<'_>) -> Rank<K> {
        let mut node = Node::new(id.clone(), pattern);
        for citation in &mut node.citations {
            // All patterns that cite an episode share one copy of its id.
            if let Some((known, _)) = self.claims.get_key_value(citation) {
                *citation = Arc::clone(known);
            }
        }
        let sketch = Sketch::of(node.measured());
        node.edges = self.edges_of(&node, &sketch);
        let rank = node.rank.clone();
        let slot = self.free.pop().unwrap_or_else(|| {
            self.nodes.push(None);
            self.sketches.push(Sketch::NOTHING);
            Slot::try_from(self.nodes.len() - 1).expect("2^32 patterns do not fit in memory")
        });
        for edge in &node.edges {
            self.node_mut(edge.slot).edges.push(Edge { slot, ..*edge });
        }
        for citation in &node.citations {
            self.claims.entry(Arc::clone(citation)).or_default().push(slot);
        }
        self.slots.insert(id, slot);
        self.ranking.insert(rank.clone(), slot);
        self.nodes[slot as usize] = Some(node);
        self.sketches[slot as usize] = sketch;
        rank
    }

    /// Returns the conflicts of a new pattern that are relevant to the view.
    fn edges_of(&self, node: &Node<K>, sketch: &Sketch) -> Vec<Edge> {
        let matters = |conflict: &Conflict| {
            self.rules.groups(conflict) || conflict.kind == ConflictKind::EpisodeOwnership
        };
        let shared = self.shared_episodes(node);
        let mut edges = Vec::new();
        for (slot, (&shared, other)) in shared.iter().zip(&self.sketches).enumerate() {
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
    pub(super) fn shared_episodes(&self, node: &Node<K>) -> Vec<u32> {
        let mut shared = vec![0; self.nodes.len()];
        for claimants in node.citations.iter().filter_map(|citation| self.claims.get(citation)) {
            for &slot in claimants {
                shared[slot as usize] += 1;
            }
        }
        shared
    }

    /// Decides all pending patterns, best rank first, and the patterns that depend on changed ones.
    ///
    /// A decision depends only on better ranks and makes only worse ranks pending, so each pattern is
    /// decided at most once, after everything on which it depends.
    fn settle(&mut self, mut pending: BTreeSet<Rank<K>>) {
        while let Some(rank) = pending.pop_first() {
            // A later edit of the same batch may have removed the pattern.
            let Some(&slot) = self.ranking.get(&rank) else {
                continue;
            };
            let representative = self.decide(slot);
            let was = mem::replace(&mut self.node_mut(slot).representative, representative);
            if (was == slot) != (representative == slot) {
                let node = self.node(slot);
                let neighbours = node.edges.iter().map(|edge| &self.node(edge.slot).rank);
                pending.extend(neighbours.filter(|&other| *other > node.rank).cloned());
            }
        }
    }

    /// Returns the best-ranked representative that the pattern joins, or the pattern itself.
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

impl<K> Node<K> {
    fn new(id: K, pattern: &Pattern<'_>) -> Self {
        // Adding 0.0 removes the sign of a zero: ranks compare numbers, not signs.
        let ascending = (pattern.confidence + 0.0).to_bits();
        Self {
            rank: (Reverse(ascending), Reverse(pattern.digest), id),
            confidence: pattern.confidence,
            embedding: Arc::clone(&pattern.embedding),
            squared_length: squared_length(&pattern.embedding),
            citations: distinct(pattern.citations).into_iter().map(Arc::from).collect(),
            edges: Vec::new(),
            representative: UNDECIDED,
        }
    }
}
