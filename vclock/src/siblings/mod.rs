mod join;
mod write;

use alloc::vec::Vec;
use core::fmt;

use crate::dot::check_counter;
use crate::{Actor, Dot, SiblingsError, VectorClock};

/// The concurrent values of one key, each under the dot that wrote it, and the clock of all that
/// was ever seen.
///
/// This is a dotted version vector set: dots say who wrote a value, the context says which writes
/// are known, so a write that is known but not live was superseded. [`join`](Self::join) is the
/// least upper bound of a lattice; replicas that have received the same states, in any order and
/// any number of times, are equal, bit for bit.
///
/// There are three ways to write, and they differ only in what they supersede:
///
/// | operation | for whom | supersedes |
/// |-|-|-|
/// | [`submit`](Self::submit) | a node that did not look at the others | its node's older values |
/// | [`write`](Self::write) | a client that has read, here or elsewhere | what it has read |
/// | [`resolve`](Self::resolve) | somebody who looked at every value here | all of them |
///
/// A deletion is a write too: a value type with a tombstone makes `submit(dot, tombstone)` withdraw
/// the own value and `resolve(dot, tombstone)` forget the key. There is no removal without a dot,
/// because two replicas would then have seen the same and hold different values.
///
/// A state is atomic: context and values travel together and whole. A context that arrives without
/// some of its values declares them superseded, and deletes them.
///
/// Preguiça, Baquero, Almeida, Fonte, Gonçalves: *Dotted version vectors* (2010); Almeida, Baquero,
/// Gonçalves, Preguiça, Fonte: *Scalable and accurate causality tracking for eventually consistent
/// stores* (2014); Almeida, Shoker, Baquero: *Delta state replicated data types* (2018). Riak is
/// the best-known user.
///
/// ```
/// use engram_vclock::{Actor, Dot, Siblings};
///
/// let (a, b) = (Actor { node: "a", incarnation: 1 }, Actor { node: "b", incarnation: 1 });
/// let (mut left, mut right) = (Siblings::new(), Siblings::new());
/// left.submit(Dot::new(a, 1), "red")?;
/// right.submit(Dot::new(b, 1), "blue")?;
///
/// left.join(&right);
/// assert_eq!(left.values().collect::<Vec<_>>(), [&"red", &"blue"]);
///
/// left.resolve(Dot::new(a, 2), "purple")?;
/// right.join(&left);
/// assert_eq!(right.values().collect::<Vec<_>>(), [&"purple"]);
/// # Ok::<(), engram_vclock::SiblingsError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Siblings<V, A = Actor> {
    /// Strictly ascending by dot, each covered by the context.
    live: Vec<(Dot<A>, V)>,
    context: VectorClock<A>,
}

impl<V, A> Siblings<V, A> {
    /// A key that nobody has written: no value, nothing seen. Allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { live: Vec::new(), context: VectorClock::new() }
    }

    /// How many values are live.
    #[must_use]
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// Whether no value is live.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// The live values in ascending order of their dots.
    pub fn iter(
        &self,
    ) -> impl ExactSizeIterator<Item = (&Dot<A>, &V)> + DoubleEndedIterator + Clone {
        self.live.iter().map(|(dot, value)| (dot, value))
    }

    /// The live values without their dots, in the same order.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &V> + DoubleEndedIterator + Clone {
        self.live.iter().map(|(_, value)| value)
    }

    /// Every write that this state has seen, live or superseded.
    #[must_use]
    pub const fn context(&self) -> &VectorClock<A> {
        &self.context
    }

    /// The live values with their dots, as they are stored.
    #[cfg(feature = "serde")]
    pub(crate) fn live(&self) -> &[(Dot<A>, V)] {
        &self.live
    }

    /// Trusts that the dots strictly ascend and are covered: the decoder has checked it.
    pub(crate) const fn from_canonical(live: Vec<(Dot<A>, V)>, context: VectorClock<A>) -> Self {
        Self { live, context }
    }

    /// The live values and the context. The inverse of [`from_parts`](Self::from_parts).
    #[must_use]
    pub fn into_parts(self) -> (Vec<(Dot<A>, V)>, VectorClock<A>) {
        (self.live, self.context)
    }
}

impl<V, A: Ord + Clone> Siblings<V, A> {
    /// Puts a state together from parts that were stored or received.
    ///
    /// # Errors
    ///
    /// [`SiblingsError::OutOfOrder`] if the dots do not strictly ascend,
    /// [`SiblingsError::NotCovered`] if the context has not seen one of them,
    /// [`SiblingsError::Clock`] if a counter cannot exist.
    pub fn from_parts(
        live: Vec<(Dot<A>, V)>,
        context: VectorClock<A>,
    ) -> Result<Self, SiblingsError> {
        if let Some(before) = live.windows(2).position(|pair| pair[0].0 >= pair[1].0) {
            return Err(SiblingsError::OutOfOrder { index: before + 1 });
        }
        for (index, (dot, _)) in live.iter().enumerate() {
            check_counter(dot.counter)?;
            if !context.covers(dot) {
                return Err(SiblingsError::NotCovered { index });
            }
        }
        Ok(Self { live, context })
    }
}

impl<V, A> Default for Siblings<V, A> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V: fmt::Debug, A: fmt::Debug> fmt::Debug for Siblings<V, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Siblings")
            .field("live", &self.live)
            .field("context", &self.context)
            .finish()
    }
}
