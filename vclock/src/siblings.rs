use alloc::vec::Vec;
use core::fmt;

use crate::dot::check_counter;
use crate::{Actor, Causality, Dot, SiblingsError, VectorClock};

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
