mod join;
mod own;
mod parts;
mod write;

use alloc::vec::{self, Vec};
use core::{fmt, iter, slice};

pub use join::Joined;
pub use own::{LastWrite, OwnJoin};
pub use parts::Part;

use crate::{Dot, SiblingsError, VectorClock};

/// The maximum number of live values of one node under a key: 16.
///
/// A node that only submits has at most one live value. A node has several after concurrent writes
/// by its clients, or if several processes have written in its name.
pub const MAX_NODE_DOTS: usize = 16;

/// The concurrent values of one key, each under the dot of its write, and the context, which is the clock of all writes
/// seen.
///
/// This is a dotted version vector set: a write that the context covers and that is not live was
/// superseded. [`join`](Self::join) is the least upper bound of a lattice; replicas that have
/// received the same states, in any order and any number of times, are equal, bit for bit, as long
/// as no join drops a value.
///
/// The write operations differ in the values that they supersede:
///
/// | operation | for | supersedes |
/// |-|-|-|
/// | [`submit`](Self::submit) | a node that did not read the other values | its node's values |
/// | [`withdraw`](Self::withdraw) | such a node, to remove its values | its node's values |
/// | [`write`](Self::write) | a client that has read, on this or another replica | the values that it read |
/// | [`resolve`](Self::resolve) | a reader of every value on this replica | all values on this replica |
/// | [`remove`](Self::remove) | such a reader, to remove all values | all values on this replica |
/// | [`supersede`](Self::supersede) | a caller that can name the values | the named values |
///
/// Each operation requires a new dot, even a removal: without one, two replicas could have seen the
/// same writes and hold different values.
///
/// A state is a product over nodes: the entry and the live dots of one node must be sent together,
/// but the parts of different nodes may be sent separately; see [`parts`](Self::parts). An entry
/// that arrives without its dots declares them superseded, and they are deleted.
///
/// Two values under one dot are possible only if two processes have written in the name of one node
/// (a copied disk, a restored virtual machine). Both are kept.
///
/// Preguiça, Baquero, Almeida, Fonte, Gonçalves: *Dotted version vectors* (2010); Almeida, Baquero,
/// Gonçalves, Preguiça, Fonte: *Scalable and accurate causality tracking for eventually consistent
/// stores* (2014); Almeida, Shoker, Baquero: *Delta state replicated data types* (2018). Riak is
/// the best-known user of this structure.
///
/// ```
/// use engram_vclock::{Dot, Siblings};
///
/// let (mut left, mut right) = (Siblings::new(), Siblings::new());
/// left.submit(Dot::new("a", 1), "red")?;
/// right.submit(Dot::new("b", 1), "blue")?;
///
/// left.join(&right);
/// assert_eq!(left.values().collect::<Vec<_>>(), [&"red", &"blue"]);
///
/// left.resolve(Dot::new("a", 2), "purple")?;
/// right.join(&left);
/// assert_eq!(right.values().collect::<Vec<_>>(), [&"purple"]);
/// # Ok::<(), engram_vclock::SiblingsError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Siblings<V, N = [u8; 32]> {
    /// Strictly ascending. The context covers each dot, and each node has at most `MAX_NODE_DOTS`
    /// values.
    live: Vec<(Dot<N>, V)>,
    context: VectorClock<N>,
}

impl<V, N> Siblings<V, N> {
    /// Returns the state of a key that no node has written. Allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { live: Vec::new(), context: VectorClock::new() }
    }

    /// Frees the memory that the state does not use. A vector that has grown to one value has room for four.
    pub fn shrink_to_fit(&mut self) {
        self.live.shrink_to_fit();
        self.context.shrink_to_fit();
    }

    /// Returns the number of live values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// Returns whether no value is live.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// Iterates over the live values in ascending order of dot and value.
    pub fn iter(
        &self,
    ) -> impl ExactSizeIterator<Item = (&Dot<N>, &V)> + DoubleEndedIterator + Clone {
        self.live.iter().map(|(dot, value)| (dot, value))
    }

    /// Iterates over the live values without their dots, in the same order.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &V> + DoubleEndedIterator + Clone {
        self.live.iter().map(|(_, value)| value)
    }

    /// Returns the clock of all writes that this state has seen, live or superseded.
    #[must_use]
    pub const fn context(&self) -> &VectorClock<N> {
        &self.context
    }

    /// Splits the state into its live values and its context. This is the inverse of [`from_parts`](Self::from_parts).
    #[must_use]
    pub fn into_parts(self) -> (Vec<(Dot<N>, V)>, VectorClock<N>) {
        (self.live, self.context)
    }

    /// The live values with their dots, in stored order.
    #[cfg(feature = "serde")]
    pub(crate) fn live(&self) -> &[(Dot<N>, V)] {
        &self.live
    }
}

impl<V, N: Ord> Siblings<V, N> {
    /// Returns the live values of `node`, in ascending order of version and value. Takes O(log s)
    /// steps for s values.
    #[must_use]
    pub fn of_node(&self, node: &N) -> &[(Dot<N>, V)] {
        let start = self.live.partition_point(|(dot, _)| dot.node < *node);
        let rest = &self.live[start..];
        &rest[..rest.partition_point(|(dot, _)| dot.node == *node)]
    }

    /// Returns the live values under `dot`: none if it was superseded or is unknown, several if its
    /// version was used more than once. Takes O(log s) steps for s values.
    #[must_use]
    pub fn of_dot(&self, dot: &Dot<N>) -> &[(Dot<N>, V)] {
        let start = self.live.partition_point(|(held, _)| held < dot);
        let rest = &self.live[start..];
        &rest[..rest.partition_point(|(held, _)| held == dot)]
    }

    /// Whether a value is live under `dot`.
    fn is_live(&self, dot: &Dot<N>) -> bool {
        self.live.binary_search_by(|(held, _)| held.cmp(dot)).is_ok()
    }
}

impl<V: Ord, N: Ord + Clone> Siblings<V, N> {
    /// Builds a state from stored or received live values and their context. Takes O(s log n) steps
    /// for s values and n nodes.
    ///
    /// # Errors
    ///
    /// [`SiblingsError::OutOfOrder`] if the pairs do not strictly ascend, [`SiblingsError::ZeroVersion`] if a dot has
    /// version 0, [`SiblingsError::NotCovered`] if the context does not cover a dot, [`SiblingsError::TooManyOfNode`]
    /// if a node has more than [`MAX_NODE_DOTS`] values.
    pub fn from_parts(
        live: Vec<(Dot<N>, V)>,
        context: VectorClock<N>,
    ) -> Result<Self, SiblingsError> {
        if let Some(before) = live.windows(2).position(|pair| pair[0] >= pair[1]) {
            return Err(SiblingsError::OutOfOrder { index: before + 1 });
        }
        for (index, (dot, _)) in live.iter().enumerate() {
            if dot.version == 0 {
                return Err(SiblingsError::ZeroVersion { index });
            }
            if !context.covers(dot) {
                return Err(SiblingsError::NotCovered { index });
            }
            if index >= MAX_NODE_DOTS && live[index - MAX_NODE_DOTS].0.node == dot.node {
                return Err(SiblingsError::TooManyOfNode { index });
            }
        }
        Ok(Self { live, context })
    }
}

impl<V, N> IntoIterator for Siblings<V, N> {
    type Item = (Dot<N>, V);
    type IntoIter = vec::IntoIter<(Dot<N>, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.live.into_iter()
    }
}

impl<'a, V, N> IntoIterator for &'a Siblings<V, N> {
    type Item = (&'a Dot<N>, &'a V);
    type IntoIter = iter::Map<slice::Iter<'a, (Dot<N>, V)>, fn(&'a (Dot<N>, V)) -> Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.live.iter().map(|(dot, value)| (dot, value))
    }
}

impl<V, N> Default for Siblings<V, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V: fmt::Debug, N: fmt::Debug> fmt::Debug for Siblings<V, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Siblings")
            .field("live", &self.live)
            .field("context", &self.context)
            .finish()
    }
}
