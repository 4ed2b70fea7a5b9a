use alloc::vec::{self, Vec};
use core::{fmt, iter, slice};

use crate::{ClockError, Dot};

/// A vector clock: for each node, the greatest version seen. An entry covers every version of its
/// node at or below it.
///
/// The storage is canonical: entries ascend by node, no node occurs twice, and no version is 0.
/// Equal clocks are stored as equal bytes, and a merge or a comparison takes linear time, because
/// both sides are sorted.
///
/// Fidge (1988) and Mattern (1989) introduced vector clocks. Here, a clock describes the writes
/// that a *state* has seen; the literature calls this a version vector (Parker et al., 1983).
///
/// ```
/// use engram_vclock::{Causality, Dot, VectorClock};
///
/// let (mut a, mut b) = (VectorClock::new(), VectorClock::new());
/// a.observe(&Dot::new("a", 1));
/// b.observe(&Dot::new("b", 1));
/// assert_eq!(a.compare(&b), Causality::Concurrent);
///
/// a.merge(&b);
/// assert_eq!(a.compare(&b), Causality::After);
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct VectorClock<N = [u8; 32]> {
    /// Strictly ascending by node; versions are at least 1.
    entries: Vec<Dot<N>>,
}

impl<N> VectorClock<N> {
    /// Returns the empty clock, which has seen nothing. Allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// Frees the memory that the clock does not use.
    pub fn shrink_to_fit(&mut self) {
        self.entries.shrink_to_fit();
    }

    /// Returns the number of nodes with an entry.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether the clock has seen nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Iterates over the nodes in ascending order, each with its greatest version.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&N, u64)> + DoubleEndedIterator + Clone {
        self.entries.iter().map(|entry| (&entry.node, entry.version))
    }

    /// The entries as dots: for each node, the greatest dot seen.
    pub(crate) fn entries(&self) -> &[Dot<N>] {
        &self.entries
    }

    /// Removes the entries for which `keep` returns false. The order does not change.
    pub(crate) fn retain(&mut self, keep: impl FnMut(&Dot<N>) -> bool) {
        self.entries.retain(keep);
    }
}

impl<N: Ord + Clone> VectorClock<N> {
    /// Returns the greatest version seen of `node`, or 0 if there is none. Takes O(log n) steps for
    /// n nodes.
    #[must_use]
    pub fn get(&self, node: &N) -> u64 {
        self.position(node).map_or(0, |at| self.entries[at].version)
    }

    /// Returns whether the clock has seen the write `dot`. Takes O(log n) steps.
    #[must_use]
    pub fn covers(&self, dot: &Dot<N>) -> bool {
        dot.version <= self.get(&dot.node)
    }

    /// Makes the clock cover `dot` and all lower versions of its node. Returns whether the clock
    /// changed; version 0 changes nothing. Takes O(log n) steps, or O(n) if the node is new.
    pub fn observe(&mut self, dot: &Dot<N>) -> bool {
        match self.position(&dot.node) {
            Ok(at) => self.entries[at].raise(dot.version),
            Err(_) if dot.version == 0 => false,
            Err(at) => {
                self.entries.insert(at, dot.clone());
                true
            }
        }
    }

    /// Merges `other` into this clock, which keeps the greater version for each node. Returns
    /// whether the clock changed.
    ///
    /// The merge is in place and allocates nothing, unless `other` names a node that this clock
    /// lacks. Takes O(n + m) steps for n and m nodes.
    pub fn merge(&mut self, other: &Self) -> bool {
        let (mut at, mut changed) = (0, false);
        // Replicas usually know the same nodes, so there is no search while the entries are
        // aligned.
        for (mine, theirs) in self.entries.iter_mut().zip(&other.entries) {
            if mine.node != theirs.node {
                break;
            }
            changed |= mine.raise(theirs.version);
            at += 1;
        }
        let rest = &other.entries[at..];
        let mut missing = 0;
        for theirs in rest {
            while self.entries.get(at).is_some_and(|mine| mine.node < theirs.node) {
                at += 1;
            }
            match self.entries.get_mut(at) {
                Some(mine) if mine.node == theirs.node => changed |= mine.raise(theirs.version),
                _ => missing += 1,
            }
        }
        if missing > 0 {
            self.insert_missing(rest, missing);
        }
        changed || missing > 0
    }

    /// Builds a clock from entries that are already canonical. Takes O(n) steps.
    ///
    /// # Errors
    ///
    /// [`ClockError::ZeroVersion`] if a version is 0, [`ClockError::OutOfOrder`] if the nodes do not
    /// strictly ascend.
    pub fn from_sorted(entries: impl IntoIterator<Item = (N, u64)>) -> Result<Self, ClockError> {
        let entries: Vec<Dot<N>> =
            entries.into_iter().map(|(node, version)| Dot { node, version }).collect();
        if let Some(index) = entries.iter().position(|entry| entry.version == 0) {
            return Err(ClockError::ZeroVersion { index });
        }
        match entries.windows(2).position(|pair| pair[0].node >= pair[1].node) {
            Some(before) => Err(ClockError::OutOfOrder { index: before + 1 }),
            None => Ok(Self { entries }),
        }
    }

    fn position(&self, node: &N) -> Result<usize, usize> {
        self.entries.binary_search_by(|entry| entry.node.cmp(node))
    }

    /// Inserts the `missing` entries of `theirs` whose nodes this clock lacks. The other entries
    /// have already been merged.
    #[cold]
    fn insert_missing(&mut self, theirs: &[Dot<N>], missing: usize) {
        let mut merged = Vec::with_capacity(self.entries.len() + missing);
        let mut mine = core::mem::take(&mut self.entries).into_iter().peekable();
        for their in theirs {
            while let Some(entry) = mine.next_if(|entry| entry.node <= their.node) {
                merged.push(entry);
            }
            if merged.last().is_none_or(|last| last.node != their.node) {
                merged.push(their.clone());
            }
        }
        merged.extend(mine);
        self.entries = merged;
    }
}

/// Builds a clock from entries in any order: keeps the greatest version of each node, and skips
/// version 0. Takes O(n log n) steps.
impl<N: Ord> FromIterator<(N, u64)> for VectorClock<N> {
    fn from_iter<I: IntoIterator<Item = (N, u64)>>(entries: I) -> Self {
        let entries = entries.into_iter().filter(|(_, version)| *version != 0);
        let mut entries: Vec<Dot<N>> =
            entries.map(|(node, version)| Dot { node, version }).collect();
        // Sorts in descending order, so that the first of several entries of one node is the
        // greatest.
        entries.sort_unstable_by(|a, b| b.cmp(a));
        entries.dedup_by(|next, kept| next.node == kept.node);
        entries.reverse();
        Self { entries }
    }
}

impl<'a, N> IntoIterator for &'a VectorClock<N> {
    type Item = (&'a N, u64);
    type IntoIter = iter::Map<slice::Iter<'a, Dot<N>>, fn(&'a Dot<N>) -> Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.iter().map(|entry| (&entry.node, entry.version))
    }
}

impl<N> IntoIterator for VectorClock<N> {
    type Item = (N, u64);
    type IntoIter = iter::Map<vec::IntoIter<Dot<N>>, fn(Dot<N>) -> Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter().map(|entry| (entry.node, entry.version))
    }
}

impl<N> Default for VectorClock<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<N: fmt::Debug> fmt::Debug for VectorClock<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<N: fmt::Display> fmt::Display for VectorClock<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, entry) in self.entries.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{entry}")?;
        }
        f.write_str("}")
    }
}
