//! Two states: their join, their order, and what every member has seen.

use super::Siblings;
use crate::{Causality, Dot, VectorClock};

impl<V, A: Ord + Clone> Siblings<V, A> {
    /// Takes in another replica's state: the least upper bound of both. Returns whether anything
    /// changed.
    ///
    /// A value stays if both states hold it, or if one holds it and the other has not seen its dot.
    /// Contexts take the greater counter for each actor. Commutative, associative, idempotent;
    /// nothing is allocated when there is no news. O((s + t) log n) for s and t values and n
    /// actors.
    ///
    /// A dot is presumed to name one value; [`disputed`](Self::disputed) tells where that does not
    /// hold. Before you join a stranger's state, check its context with
    /// [`merge_within`](VectorClock::merge_within) on a clock of all that this node has seen.
    pub fn join(&mut self, other: &Self) -> bool
    where
        V: Clone,
    {
        let before = self.live.len();
        let mut theirs = other.live.iter().peekable();
        self.live.retain(|(dot, _)| {
            while theirs.next_if(|(their, _)| their < dot).is_some() {}
            theirs.peek().is_some_and(|(their, _)| their == dot) || !other.context.covers(dot)
        });
        let kept = self.live.len();
        // A dot that is live here is covered here, so what is not covered cannot be a repetition,
        // and is news to the context too.
        self.live.extend(other.live.iter().filter(|(dot, _)| !self.context.covers(dot)).cloned());
        if self.live.len() > kept {
            self.live.sort_by(|(a, _), (b, _)| a.cmp(b));
        }
        self.context.merge(&other.context) || kept < before
    }

    /// How this state relates to `other` in the order of the lattice: `Before` or `Equal` means
    /// that `other` would gain nothing from this state by a join.
    ///
    /// O((s + t) log n) for s and t values and n actors.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Causality {
        let contexts = self.context.compare(&other.context);
        let left_lacks = matches!(contexts, Causality::Before | Causality::Concurrent)
            || self.misses_removal(other);
        let right_lacks = matches!(contexts, Causality::After | Causality::Concurrent)
            || other.misses_removal(self);
        Causality::from_news(left_lacks, right_lacks)
    }

    /// Whether `other` has superseded a value that is still live here.
    fn misses_removal(&self, other: &Self) -> bool {
        let mut theirs = other.live.iter().peekable();
        self.live.iter().any(|(dot, _)| {
            while theirs.next_if(|(their, _)| their < dot).is_some() {}
            theirs.peek().is_none_or(|(their, _)| their != dot) && other.context.covers(dot)
        })
    }

    /// The first dot under which both states hold a value, but not the same one.
    ///
    /// There is none as long as every dot is used once. If there is one, its actor used a counter
    /// twice (a copied data directory, a backup that was started as if nothing had happened) or
    /// somebody forged it. A join keeps the receiver's value; the replicas would then differ for
    /// ever, so refuse the state and raise an alarm.
    #[must_use]
    pub fn disputed(&self, other: &Self) -> Option<&Dot<A>>
    where
        V: PartialEq,
    {
        let mut theirs = other.live.iter().peekable();
        let disputed = self.live.iter().find(|(dot, value)| {
            while theirs.next_if(|(their, _)| their < dot).is_some() {}
            theirs.peek().is_some_and(|(their, their_value)| their == dot && their_value != value)
        });
        disputed.map(|(dot, _)| dot)
    }

    /// Forgets the actors of which no value is live, once every member of the roster has this whole
    /// state.
    ///
    /// `roster` yields, for each *other* member, a context of this key that this very member has
    /// acknowledged, and nothing is removed unless each of them is equal to or after the own
    /// context. Merge what a member acknowledges over time, since one that has pruned shows less
    /// than it has seen. Returns how many entries were removed. Without this, every restart that
    /// begins a new incarnation would leave an entry for ever.
    ///
    /// # When this is safe
    ///
    /// Everyone who could still send a state of this key must be in `roster`, and must send none
    /// that is older than what it acknowledged. So:
    ///
    /// - take a member's own word only, never one member's word about another;
    /// - an exchange that began before the acknowledgement must end before;
    /// - a node that returns from a backup, or was away from the roster, joins empty and under a
    ///   new incarnation.
    ///
    /// A late copy from outside these rules brings superseded values back to life. Nothing else can
    /// be lost: live values and the entries of their actors stay. Never prune by age.
    ///
    /// Members prune at different times; until all have, contexts of equal values differ, and a
    /// join brings the entries back. Prune again after it, and compare digests of pruned states
    /// only.
    pub fn prune<'a>(&mut self, roster: impl IntoIterator<Item = &'a VectorClock<A>>) -> usize
    where
        A: 'a,
    {
        let behind = |theirs: &VectorClock<A>| {
            matches!(self.context.compare(theirs), Causality::After | Causality::Concurrent)
        };
        if roster.into_iter().any(behind) {
            return 0;
        }
        let before = self.context.len();
        let live = &self.live;
        self.context
            .retain(|entry| live.binary_search_by(|(dot, _)| dot.actor.cmp(&entry.actor)).is_ok());
        before - self.context.len()
    }
}
