//! The three ways to write, and the one that they are made of.

use super::Siblings;
use crate::dot::check_counter;
use crate::{Actor, Dot, SiblingsError, VectorClock};

impl<V, A: Ord + Clone> Siblings<V, A> {
    /// Writes for somebody who has read: supersedes the values that `seen` covers, and no others.
    ///
    /// `seen` is the [`context`](Self::context) under which the writer read, here or on another
    /// replica. It is merged into the context, so that what the writer saw elsewhere stays
    /// superseded when it arrives here.
    ///
    /// Returns how many values were superseded. O(s + n) for s values and n actors.
    ///
    /// # Errors
    ///
    /// [`SiblingsError::DotReused`] if the context or `seen` covers `dot`, [`SiblingsError::Clock`]
    /// if its counter cannot exist.
    pub fn write(
        &mut self,
        dot: Dot<A>,
        value: V,
        seen: &VectorClock<A>,
    ) -> Result<usize, SiblingsError> {
        check_counter(dot.counter)?;
        if seen.covers(&dot) {
            return Err(SiblingsError::DotReused { counter: dot.counter });
        }
        let superseded = self.supersede(dot, value, |older| seen.covers(older))?;
        self.context.merge(seen);
        Ok(superseded)
    }

    /// Writes for somebody who looked at every value that is live here: supersedes them all.
    ///
    /// Call it for a person or a program that really compared the values, never automatically on
    /// receipt. With a tombstone as the value this forgets the key: whatever was concurrent, and is
    /// unknown here, survives.
    ///
    /// Returns how many values were superseded. O(s + log n).
    ///
    /// # Errors
    ///
    /// Those of [`supersede`](Self::supersede).
    pub fn resolve(&mut self, dot: Dot<A>, value: V) -> Result<usize, SiblingsError> {
        self.supersede(dot, value, |_| true)
    }

    /// Writes a value that supersedes the live dots for which `superseded` is true. The other ways
    /// to write are made of this one.
    ///
    /// The context gains the new dot and nothing else. Dots that are live stay so unless they were
    /// named: never name one whose value the writer did not know, for it is lost in the whole
    /// cluster.
    ///
    /// To retire a node that will not come back, write its value (or a tombstone) under a living
    /// node's dot, and name the dots of the dead one.
    ///
    /// Returns how many values were superseded. O(s + log n) for s values and n actors.
    ///
    /// # Errors
    ///
    /// [`SiblingsError::DotReused`] if the context covers `dot`, [`SiblingsError::Clock`] if its
    /// counter cannot exist.
    pub fn supersede(
        &mut self,
        dot: Dot<A>,
        value: V,
        mut superseded: impl FnMut(&Dot<A>) -> bool,
    ) -> Result<usize, SiblingsError> {
        check_counter(dot.counter)?;
        if self.context.covers(&dot) {
            return Err(SiblingsError::DotReused { counter: dot.counter });
        }
        let before = self.live.len();
        self.live.retain(|(older, _)| !superseded(older));
        let removed = before - self.live.len();
        self.context.raise(&dot);
        let at = self.live.partition_point(|(older, _)| *older < dot);
        self.live.insert(at, (dot, value));
        Ok(removed)
    }
}

impl<V, N: Ord + Clone> Siblings<V, Actor<N>> {
    /// Writes for a node that did not look at the other nodes' values: supersedes only the values
    /// of its own node, of this incarnation or an earlier one.
    ///
    /// This is the rule for blind writers such as a scheduler that recomputes its own view. The
    /// context gains the new dot and nothing else: a writer that put its peers' dots into it, or
    /// ticked a merged clock, would declare their values superseded unseen. With a tombstone as the
    /// value this withdraws the node's own value.
    ///
    /// A blind writer that repeats itself should compare with what it *last submitted*, and stay
    /// silent if that is equal; comparing with the visible value makes nodes answer each other for
    /// ever.
    ///
    /// Returns how many values were superseded. O(s + log n).
    ///
    /// # Errors
    ///
    /// Those of [`supersede`](Self::supersede).
    pub fn submit(&mut self, dot: Dot<Actor<N>>, value: V) -> Result<usize, SiblingsError> {
        let node = dot.actor.node.clone();
        self.supersede(dot, value, |older| older.actor.node == node)
    }
}
