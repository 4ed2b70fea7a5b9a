//! The operations that write, and the general operation on which they are built.

use alloc::vec::Vec;

use super::{MAX_NODE_DOTS, Siblings};
use crate::{Dot, SiblingsError, VectorClock};

impl<V: Ord, N: Ord + Clone> Siblings<V, N> {
    /// Writes a value for a node that did not read the other nodes' values. Supersedes only the live values of that
    /// node.
    ///
    /// This is the operation for a blind writer, such as a scheduler that recomputes its own view. A blind writer that
    /// also superseded its peers' values would delete values that it has not read.
    ///
    /// A blind writer that repeats itself should compare with the value that it *submitted last*, and write nothing if
    /// the two are equal. If each node compared with the visible values, the nodes would answer each other endlessly.
    ///
    /// Returns the number of superseded values. The cost is that of [`supersede`](Self::supersede).
    ///
    /// # Errors
    ///
    /// [`SiblingsError::NotAbove`], see [`supersede`](Self::supersede).
    pub fn submit(&mut self, dot: Dot<N>, value: V) -> Result<usize, SiblingsError> {
        let node = dot.node.clone();
        self.supersede(dot, Some(value), |older| older.node == node)
    }

    /// Withdraws the node's own values: [`submit`](Self::submit) without a value.
    ///
    /// # Errors
    ///
    /// [`SiblingsError::NotAbove`], see [`supersede`](Self::supersede).
    pub fn withdraw(&mut self, dot: Dot<N>) -> Result<usize, SiblingsError> {
        let node = dot.node.clone();
        self.supersede(dot, None, |older| older.node == node)
    }

    /// Writes a value for a reader of every live value of this state. Supersedes all of them.
    ///
    /// Call it on behalf of a person or a program that compared the values, never automatically when a state arrives. A
    /// concurrent value that this state does not contain survives.
    ///
    /// Returns the number of superseded values. The cost is that of [`supersede`](Self::supersede).
    ///
    /// # Errors
    ///
    /// [`SiblingsError::NotAbove`], see [`supersede`](Self::supersede).
    pub fn resolve(&mut self, dot: Dot<N>, value: V) -> Result<usize, SiblingsError> {
        self.supersede(dot, Some(value), |_| true)
    }

    /// Removes every live value of this state: [`resolve`](Self::resolve) without a value.
    ///
    /// A node that submits a removed value again makes it live again. To prevent that, suppress the
    /// values with [`Suppression`](crate::Suppression).
    ///
    /// # Errors
    ///
    /// [`SiblingsError::NotAbove`], see [`supersede`](Self::supersede).
    pub fn remove(&mut self, dot: Dot<N>) -> Result<usize, SiblingsError> {
        self.supersede(dot, None, |_| true)
    }

    /// Writes a value for a client that has read the key. Supersedes only the values that `seen`
    /// covers.
    ///
    /// `seen` is the [`context`](Self::context) under which the client read, on this or another
    /// replica. It is merged into the context of this state, so a value that the client read
    /// elsewhere is superseded when it arrives.
    ///
    /// `seen` does not cover a first attempt, so a retry under the same `seen` adds a sibling. A client that does not
    /// know whether its write arrived must read again and then decide.
    ///
    /// Returns the number of superseded values. Takes O(s log m + n + m) steps for s values, n nodes in the context
    /// and m nodes in `seen`.
    ///
    /// # Errors
    ///
    /// [`SiblingsError::NotAbove`] if the context or `seen` covers `dot`,
    /// [`SiblingsError::TooManyValues`], see [`supersede`](Self::supersede).
    pub fn write(
        &mut self,
        dot: Dot<N>,
        value: V,
        seen: &VectorClock<N>,
    ) -> Result<usize, SiblingsError> {
        if seen.covers(&dot) {
            let known = seen.get(&dot.node).max(self.context.get(&dot.node));
            return Err(SiblingsError::NotAbove { known });
        }
        let superseded = self.supersede(dot, Some(value), |older| seen.covers(older))?;
        self.context.merge(seen);
        Ok(superseded)
    }

    /// Supersedes the live values whose dots satisfy `superseded`, and writes `value` under `dot`; with
    /// `None`, writes no value. The other operations are built on this one.
    ///
    /// In the context, only the entry of `dot`'s node changes. Never supersede a value that the
    /// writer does not know, because all replicas delete it.
    ///
    /// To retire a node permanently, supersede its dots under a dot of another node.
    ///
    /// Returns the number of superseded values. Calls `superseded` once for each live value. Takes
    /// O(s + log n) steps for s values and n nodes, or O(s + n) if the node is new.
    ///
    /// # Errors
    ///
    /// [`SiblingsError::NotAbove`] if the version is not above the node's entry in the context,
    /// [`SiblingsError::TooManyValues`] if more than [`MAX_NODE_DOTS`] values of the node would be
    /// live.
    pub fn supersede(
        &mut self,
        dot: Dot<N>,
        value: Option<V>,
        mut superseded: impl FnMut(&Dot<N>) -> bool,
    ) -> Result<usize, SiblingsError> {
        let known = self.context.get(&dot.node);
        if dot.version <= known {
            return Err(SiblingsError::NotAbove { known });
        }
        let kept: Vec<bool> = self.live.iter().map(|(older, _)| !superseded(older)).collect();
        let is_own = |(older, _): &(Dot<N>, V)| older.node == dot.node;
        let own = self.live.iter().zip(&kept).filter(|(pair, kept)| **kept && is_own(pair)).count();
        if value.is_some() && own == MAX_NODE_DOTS {
            return Err(SiblingsError::TooManyValues);
        }
        let before = self.live.len();
        let mut kept = kept.into_iter();
        self.live.retain(|_| kept.next().is_none_or(|kept| kept));
        let removed = before - self.live.len();
        self.context.observe(&dot);
        if let Some(value) = value {
            let at = self.live.partition_point(|(older, _)| *older < dot);
            self.live.insert(at, (dot, value));
        }
        Ok(removed)
    }
}
