use alloc::vec::Vec;
use core::fmt;

use crate::dot::check_counter;
use crate::{Actor, ClockError, Dot, MAX_COUNTER};

/// The longest step that a stranger's counter is usually allowed to take at once: 2^32.
///
/// No honest actor makes four thousand million writes between two contacts. A dishonest or broken
/// one needs 65,536 contacts, each of them visible, to use up an actor's counters.
pub const MAX_JUMP: u64 = 1 << 32;

/// A vector clock: per actor the highest counter seen, and with it every lower one.
///
/// Storage is canonical: entries ascend by actor, no actor twice, no zero counter. So equal clocks
/// are equal bytes, whatever their history, and merging or comparing is one pass over two sorted
/// slices.
///
/// Vector clocks are due to Fidge (1988) and Mattern (1989). Here they describe what a *state* has
/// seen, which the literature calls a version vector (Parker et al., 1983).
///
/// ```
/// use engram_vclock::{Causality, VectorClock};
///
/// let (mut a, mut b) = (VectorClock::new(), VectorClock::new());
/// a.tick(&"a")?;
/// b.tick(&"b")?;
/// assert_eq!(a.compare(&b), Causality::Concurrent);
///
/// a.merge(&b);
/// assert_eq!(a.compare(&b), Causality::After);
/// # Ok::<(), engram_vclock::ClockError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct VectorClock<A = Actor> {
    /// Strictly ascending by actor; counters in 1..=MAX_COUNTER.
    entries: Vec<Dot<A>>,
}

impl<A> VectorClock<A> {
    /// The clock that has seen nothing. Allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// How many actors the clock has heard of.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the clock has seen nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The actors in ascending order, each with its highest counter.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&A, u64)> + DoubleEndedIterator + Clone {
        self.entries.iter().map(|entry| (&entry.actor, entry.counter))
    }

    /// The entries as dots: each the latest one seen of its actor.
    pub(crate) fn entries(&self) -> &[Dot<A>] {
        &self.entries
    }

    /// Trusts that the entries strictly ascend and that their counters exist: the decoders have
    /// checked it.
    pub(crate) const fn from_canonical(entries: Vec<Dot<A>>) -> Self {
        Self { entries }
    }

    /// Drops the entries for which `keep` is false. The order stays.
    pub(crate) fn retain(&mut self, keep: impl FnMut(&Dot<A>) -> bool) {
        self.entries.retain(keep);
    }
}

impl<A: Ord + Clone> VectorClock<A> {
    /// The highest counter seen of `actor`; 0 if none. O(log n).
    #[must_use]
    pub fn get(&self, actor: &A) -> u64 {
        self.position(actor).map_or(0, |at| self.entries[at].counter)
    }

    /// Whether the clock has seen this write. O(log n).
    #[must_use]
    pub fn covers(&self, dot: &Dot<A>) -> bool {
        dot.counter <= self.get(&dot.actor)
    }

    /// Counts one more event of `actor` and names it. O(log n), O(n) when the actor is new.
    ///
    /// Only the actor itself may do this, and only on a clock that nobody else ticks for it. Where
    /// one counter serves many clocks, a [`DotSource`](crate::DotSource) issues the dots instead.
    ///
    /// # Errors
    ///
    /// [`ClockError::Exhausted`] if the actor's counter stands at [`MAX_COUNTER`].
    pub fn tick(&mut self, actor: &A) -> Result<Dot<A>, ClockError> {
        let counter = match self.position(actor) {
            Ok(at) if self.entries[at].counter == MAX_COUNTER => return Err(ClockError::Exhausted),
            Ok(at) => {
                self.entries[at].counter += 1;
                self.entries[at].counter
            }
            Err(at) => {
                self.entries.insert(at, Dot::new(actor.clone(), 1));
                1
            }
        };
        Ok(Dot::new(actor.clone(), counter))
    }

    /// Takes note of one write, and with it of all earlier ones of its actor. Returns whether it
    /// was news. O(log n), O(n) when the actor is new.
    ///
    /// # Errors
    ///
    /// [`ClockError::ZeroCounter`] and [`ClockError::AboveCap`] for a counter that cannot exist.
    pub fn observe(&mut self, dot: &Dot<A>) -> Result<bool, ClockError> {
        check_counter(dot.counter)?;
        Ok(self.raise(dot))
    }

    /// [`observe`](Self::observe) for the word of a stranger: refuses a counter that runs more than
    /// `max_jump` (usually [`MAX_JUMP`]) ahead of what this clock knows of the actor.
    ///
    /// # Errors
    ///
    /// Those of `observe`, and [`ClockError::JumpTooFar`].
    pub fn observe_within(&mut self, dot: &Dot<A>, max_jump: u64) -> Result<bool, ClockError> {
        check_counter(dot.counter)?;
        check_jump(self.get(&dot.actor), dot.counter, max_jump)?;
        Ok(self.raise(dot))
    }

    /// Takes the greater counter for each actor. Returns whether anything was news.
    ///
    /// One pass over both clocks, in place: allocates only if `other` names an actor that this
    /// clock lacks.
    pub fn merge(&mut self, other: &Self) -> bool {
        let (mut at, mut changed) = (0, false);
        // Replicas mostly know the same actors: as long as they stand side by side, no searching.
        for (mine, theirs) in self.entries.iter_mut().zip(&other.entries) {
            if mine.actor != theirs.actor {
                break;
            }
            changed |= mine.catch_up(theirs.counter);
            at += 1;
        }
        let rest = &other.entries[at..];
        let mut missing = 0;
        for theirs in rest {
            while self.entries.get(at).is_some_and(|mine| mine.actor < theirs.actor) {
                at += 1;
            }
            match self.entries.get_mut(at) {
                Some(mine) if mine.actor == theirs.actor => {
                    changed |= mine.catch_up(theirs.counter)
                }
                _ => missing += 1,
            }
        }
        if missing > 0 {
            self.insert_missing(rest, missing);
        }
        changed || missing > 0
    }

    /// [`merge`](Self::merge) for the word of a stranger: all or nothing, and nothing if any
    /// counter runs more than `max_jump` (usually [`MAX_JUMP`]) ahead of what this clock knows of
    /// its actor.
    ///
    /// Counters that come from a node-wide [`DotSource`](crate::DotSource) leap within the context
    /// of a single record. Check them against a clock of all that this node has ever seen, not
    /// against the record.
    ///
    /// # Errors
    ///
    /// [`ClockError::JumpTooFar`] names the first such counter.
    pub fn merge_within(&mut self, other: &Self, max_jump: u64) -> Result<bool, ClockError> {
        for theirs in &other.entries {
            check_jump(self.get(&theirs.actor), theirs.counter, max_jump)?;
        }
        Ok(self.merge(other))
    }

    /// Builds a clock from entries that are canonical already.
    ///
    /// # Errors
    ///
    /// [`ClockError::OutOfOrder`] if the actors do not strictly ascend, [`ClockError::ZeroCounter`]
    /// or [`ClockError::AboveCap`] if a counter cannot exist.
    pub fn from_sorted(entries: impl IntoIterator<Item = (A, u64)>) -> Result<Self, ClockError> {
        let entries: Vec<Dot<A>> =
            entries.into_iter().map(|(actor, counter)| Dot { actor, counter }).collect();
        entries.iter().try_for_each(|entry| check_counter(entry.counter))?;
        match entries.windows(2).position(|pair| pair[0].actor >= pair[1].actor) {
            Some(before) => Err(ClockError::OutOfOrder { index: before + 1 }),
            None => Ok(Self { entries }),
        }
    }

    /// Builds a clock from entries in any order. Of an actor that is named twice the greater
    /// counter counts; a counter of zero means never heard of, and leaves no entry. O(n log n).
    ///
    /// # Errors
    ///
    /// [`ClockError::AboveCap`] if a counter cannot exist.
    pub fn try_from_iter(entries: impl IntoIterator<Item = (A, u64)>) -> Result<Self, ClockError> {
        let mut entries: Vec<Dot<A>> = (entries.into_iter())
            .filter(|(_, counter)| *counter != 0)
            .map(|(actor, counter)| check_counter(counter).map(|()| Dot { actor, counter }))
            .collect::<Result<_, _>>()?;
        // Descending, so that the first of several entries of one actor is the greatest.
        entries.sort_unstable_by(|a, b| b.cmp(a));
        entries.dedup_by(|next, kept| next.actor == kept.actor);
        entries.reverse();
        Ok(Self { entries })
    }

    fn position(&self, actor: &A) -> Result<usize, usize> {
        self.entries.binary_search_by(|entry| entry.actor.cmp(actor))
    }

    /// Raises the actor's counter to that of a dot which was checked.
    pub(crate) fn raise(&mut self, dot: &Dot<A>) -> bool {
        debug_assert!(check_counter(dot.counter).is_ok(), "the caller has checked the counter");
        match self.position(&dot.actor) {
            Ok(at) if self.entries[at].counter >= dot.counter => return false,
            Ok(at) => self.entries[at].counter = dot.counter,
            Err(at) => self.entries.insert(at, dot.clone()),
        }
        true
    }

    /// Merges in the `missing` entries of `theirs` whose actors this clock lacks; the others are
    /// merged already.
    #[cold]
    fn insert_missing(&mut self, theirs: &[Dot<A>], missing: usize) {
        let mut merged = Vec::with_capacity(self.entries.len() + missing);
        let mut mine = core::mem::take(&mut self.entries).into_iter().peekable();
        for their in theirs {
            while let Some(entry) = mine.next_if(|entry| entry.actor <= their.actor) {
                merged.push(entry);
            }
            if merged.last().is_none_or(|last| last.actor != their.actor) {
                merged.push(their.clone());
            }
        }
        merged.extend(mine);
        self.entries = merged;
    }
}

const fn check_jump(known: u64, claimed: u64, max_jump: u64) -> Result<(), ClockError> {
    if claimed.saturating_sub(known) > max_jump {
        return Err(ClockError::JumpTooFar { known, claimed, max_jump });
    }
    Ok(())
}

impl<A> Default for VectorClock<A> {
    fn default() -> Self {
        Self::new()
    }
}

impl<A: fmt::Debug> fmt::Debug for VectorClock<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<A: fmt::Display> fmt::Display for VectorClock<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, entry) in self.entries.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{entry}")?;
        }
        f.write_str("}")
    }
}
