//! Queries of the view: roles, groups, confidences, and the reasons for them.

use alloc::vec::Vec;
use core::fmt;

use super::{CrossIdView, Node, Slot};
use crate::pattern::vector::measured_cosine;
use crate::pattern::{Conflict, ConflictKind, PatternValue};

/// A pattern in the view, with the reasons for its role and confidence. `Display` prints a few lines.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Viewed<'v, K> {
    /// The id of the pattern.
    pub id: &'v K,
    /// The digest of the content.
    pub digest: [u8; 32],
    /// The stored confidence of the pattern.
    pub confidence: f32,
    /// The confidence that the view shows: at most [`confidence`](Self::confidence).
    pub shown: f32,
    /// The factor by which the distance to the representative lowers the confidence: 1 for no loss.
    pub ambiguity: f64,
    /// The factor by which a disputed episode lowers the confidence: 1 for no loss.
    pub rivalry: f64,
    /// The role of the pattern.
    pub role: Role<'v, K>,
    /// The pattern with the greatest overlap among those that dispute an episode with this one.
    pub rival: Option<Related<'v, K>>,
}

/// The role of a pattern in the view.
#[derive(Clone, Debug, PartialEq)]
pub enum Role<'v, K> {
    /// The pattern represents a memory, often without members.
    Representative {
        /// The number of its members.
        members: usize,
    },
    /// The pattern belongs to the group of a better-ranked pattern.
    Member {
        /// The id of the representative.
        representative: &'v K,
        /// The conflict that groups them, seen from the member.
        conflict: Conflict,
    },
}

/// A pattern in conflict with another.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Related<'v, K> {
    /// The id of the pattern.
    pub id: &'v K,
    /// The conflict, seen from the queried pattern.
    pub conflict: Conflict,
}

/// A representative with its members, best rank first.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Group<'v, K> {
    /// The representative.
    pub representative: &'v K,
    /// The members. Each is in conflict with the representative directly.
    pub members: Vec<&'v K>,
}

impl<K: Ord + Clone, P: PatternValue> CrossIdView<K, P> {
    /// The number of patterns.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether the view has no patterns.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Returns the pattern with this id. Visits each of its neighbours in the graph.
    pub fn get(&self, id: &K) -> Option<Viewed<'_, K>> {
        self.slots.get(id).map(|&slot| self.viewed(slot))
    }

    /// Iterates over all patterns, best rank first: greater confidence, then greater digest, then
    /// smaller id. Sorts them in `O(n log n)` steps.
    pub fn iter(&self) -> impl Iterator<Item = Viewed<'_, K>> {
        self.ranking().into_iter().map(|slot| self.viewed(slot))
    }

    /// All slots, best rank first.
    fn ranking(&self) -> Vec<Slot> {
        let mut slots: Vec<Slot> = self.slots.values().copied().collect();
        slots.sort_unstable_by_key(|&slot| &self.node(slot).rank);
        slots
    }

    /// Iterates over all groups, best representative first. A representative without members is a
    /// separate group.
    pub fn groups(&self) -> impl Iterator<Item = Group<'_, K>> {
        let mut ranking = self.ranking();
        ranking.retain(|&slot| self.node(slot).representative == slot);
        ranking.into_iter().map(|slot| Group {
            representative: self.node(slot).id(),
            members: self.members(slot).into_iter().map(Node::id).collect(),
        })
    }

    /// Finds every conflict of the pattern with this id, best rank first. Returns no conflicts for
    /// an unknown id.
    ///
    /// Compares the pattern with all others. The result contains every conflict that the thresholds
    /// define; the view uses far fewer of them to form groups.
    pub fn scan_conflicts(&self, id: &K) -> Vec<Related<'_, K>> {
        let Some(&slot) = self.slots.get(id) else {
            return Vec::new();
        };
        let node = self.node(slot);
        let shared = self.shared_episodes(node);
        let others = self.ranking().into_iter().filter(|&other| other != slot);
        others
            .filter_map(|other| {
                let shared = shared[other as usize];
                let other = self.node(other);
                let cosine = measured_cosine(node.measured(), other.measured());
                let conflict = self.rules.between(node, other, shared, cosine)?;
                Some(Related { id: other.id(), conflict })
            })
            .collect()
    }

    fn members(&self, representative: Slot) -> Vec<&Node<K, P>> {
        let neighbours = self.node(representative).edges.iter().map(|edge| self.node(edge.slot));
        let mut members: Vec<&Node<K, P>> =
            neighbours.filter(|node| node.representative == representative).collect();
        members.sort_unstable_by_key(|node| &node.rank);
        members
    }

    fn viewed(&self, slot: Slot) -> Viewed<'_, K> {
        let node = self.node(slot);
        let (role, ambiguity) = match self.joined(slot) {
            None => (Role::Representative { members: self.members(slot).len() }, 1.0),
            Some(Related { id: representative, conflict }) => {
                (Role::Member { representative, conflict }, self.rules.ambiguity_factor(&conflict))
            }
        };
        let rival = self.rival(slot);
        let rivalry =
            rival.as_ref().map_or(1.0, |rival| self.rules.rivalry_factor(&rival.conflict));
        Viewed {
            id: node.id(),
            digest: node.digest(),
            confidence: node.pattern.confidence(),
            shown: self.rules.lowered(node.pattern.confidence(), ambiguity * rivalry),
            ambiguity,
            rivalry,
            role,
            rival,
        }
    }

    /// The representative of a member; `None` for a representative.
    fn joined(&self, slot: Slot) -> Option<Related<'_, K>> {
        let representative = self.node(slot).representative;
        let edge = self.node(slot).edges.iter().find(|edge| edge.slot == representative)?;
        let conflict = self.conflict(slot, edge)?;
        Some(Related { id: self.node(representative).id(), conflict })
    }

    /// The pattern with the greatest overlap among those that dispute an episode; ties go to the best rank.
    fn rival(&self, slot: Slot) -> Option<Related<'_, K>> {
        let conflicts = self.node(slot).edges.iter().filter_map(|edge| {
            let conflict = self.conflict(slot, edge)?;
            let disputes = conflict.kind == ConflictKind::EpisodeOwnership;
            disputes.then(|| (self.node(edge.slot), conflict))
        });
        let strongest = conflicts.max_by(|(left, a), (right, b)| {
            let by_overlap = a.overlap.jaccard().total_cmp(&b.overlap.jaccard());
            by_overlap.then_with(|| right.rank.cmp(&left.rank))
        });
        strongest.map(|(node, conflict)| Related { id: node.id(), conflict })
    }
}

impl<K, P> Node<K, P> {
    pub(super) fn id(&self) -> &K {
        &self.rank.2
    }

    pub(super) fn digest(&self) -> [u8; 32] {
        self.rank.1.0
    }
}

impl<K: fmt::Display> fmt::Display for Viewed<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: confidence {}", self.id, self.confidence)?;
        if self.shown != self.confidence {
            write!(f, ", shown as {}", self.shown)?;
        }
        match &self.role {
            Role::Representative { members: 0 } => f.write_str("\n  a separate memory")?,
            Role::Representative { members: 1 } => f.write_str("\n  represents 1 other pattern")?,
            Role::Representative { members } => {
                write!(f, "\n  represents {members} other patterns")?
            }
            Role::Member { representative, conflict } => {
                write!(
                    f,
                    "\n  same memory as {representative}: {conflict}; keeps {:.4}",
                    self.ambiguity
                )?;
            }
        }
        match &self.rival {
            None => Ok(()),
            Some(Related { id, conflict }) => {
                write!(f, "\n  disputed by {id}: {conflict}; keeps {:.4}", self.rivalry)
            }
        }
    }
}
