//! A node's own write that comes back superseded by a write of its own name.

use super::{Joined, Siblings};
use crate::{Dot, HybridClock};

/// The write of a key that the running process made or confirmed last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Word<V> {
    /// The version of the write.
    pub version: u64,
    /// The value of the write.
    pub value: V,
}

/// The outcome of a [`join_own`](Siblings::join_own).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub struct OwnJoin<V, N = [u8; 32]> {
    /// The outcome of the join.
    pub joined: Joined<N>,
    /// The process's word under its new version, if it was written again.
    pub reissued: Option<Word<V>>,
    /// The process's word, if it went because [`MAX_NODE_DOTS`](crate::MAX_NODE_DOTS) other own
    /// values are live.
    pub given_up: Option<Word<V>>,
}

impl<V: Ord + Clone, N: Ord + Clone> Siblings<V, N> {
    /// Takes in another replica's state on the node that writes as `node`: a [`join`](Self::join)
    /// that does not lose the node's own word.
    ///
    /// Where another process writes in the node's name (a clone), or an earlier one did under versions
    /// that the node no longer knows (a lost disk, an older copy of it, a wall clock set back), a
    /// write under a greater version of the node supersedes a word that its writer never saw. If
    /// `word` was live here, the join removes it, and the arriving entry for `node` is greater than
    /// the one here, then the word is written again, just above the arriving entry, beside the own
    /// values that arrive. If the entries are equal, a reader saw the word and superseded it: nothing
    /// is written.
    ///
    /// `word` is the write that *this process* made or confirmed last, `None` if it made none; words
    /// of earlier processes must not be passed. The result names the word to pass next time. Make it
    /// durable together with the state.
    ///
    /// `clock` takes note of the arriving entry for `node`. Check before whether `other` is plausible,
    /// see [`HybridClock::is_plausible`] and [`retain_nodes`](Self::retain_nodes).
    ///
    /// The cost is that of `join`.
    pub fn join_own(
        &mut self,
        other: &Self,
        node: &N,
        word: Option<&Word<V>>,
        clock: &mut HybridClock,
    ) -> OwnJoin<V, N> {
        let arriving = other.context.get(node);
        clock.recall(arriving);
        let mine = word.filter(|word| self.holds_word(node, word)).cloned();
        let is_newer = arriving > self.context.get(node);
        let joined = self.join(other);
        let mut outcome = OwnJoin { joined, reissued: None, given_up: None };
        let lost = mine.filter(|word| !self.holds_word(node, word));
        if let Some(lost) = lost.filter(|word| is_newer || !other.removes(node, word)) {
            // Just above what arrives, not at the clock: it covers no write that is unknown here.
            let word = Word { version: arriving.saturating_add(1), ..lost.clone() };
            let dot = Dot::new(node.clone(), word.version);
            match self.supersede(dot, Some(word.value.clone()), |_| false) {
                Ok(_) => {
                    clock.recall(word.version);
                    outcome.reissued = Some(word);
                }
                // Too many own values are live, or no version is left.
                Err(_) => outcome.given_up = Some(lost),
            }
        }
        outcome
    }

    fn holds_word(&self, node: &N, word: &Word<V>) -> bool {
        let dot = Dot::new(node.clone(), word.version);
        self.of_dot(&dot).iter().any(|(_, value)| *value == word.value)
    }

    /// Whether the word was seen and superseded here.
    fn removes(&self, node: &N, word: &Word<V>) -> bool {
        let dot = Dot::new(node.clone(), word.version);
        self.context.covers(&dot) && !self.is_live(&dot)
    }
}
