use core::fmt;

use crate::ClockError;

/// The highest counter that exists: 2^48 - 1.
///
/// At a million writes a second an actor reaches it after nine years. The sixteen bits above it
/// stay unused so that no sum of counters in this crate can wrap. An actor that does reach it
/// starts a new incarnation.
pub const MAX_COUNTER: u64 = (1 << 48) - 1;

/// One life of one node, the usual actor.
///
/// A node that cannot prove that its durable state is intact starts a new incarnation, because a
/// counter used twice makes the second write look like the first, and the second is then lost.
/// Incarnations of one node are unordered lives, not versions: a fresh random number is the right
/// choice.
///
/// ```
/// use engram_vclock::Actor;
///
/// let actor = Actor { node: "berlin", incarnation: 0x5eed };
/// assert!(actor < Actor { node: "lisbon", incarnation: 1 });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Actor<N = [u8; 32]> {
    /// Which node, by default the 32-byte hash of its public key.
    pub node: N,
    /// Which life of the node.
    pub incarnation: u64,
}

/// The name of one write, unique in the whole cluster for ever: the `counter`-th write of `actor`.
///
/// The fields are open, so a dot can be anything; the operations that take one refuse a counter
/// outside 1..=[`MAX_COUNTER`]. The derived order is that of storage, by actor and then counter. It
/// says nothing about causality.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Dot<A = Actor> {
    /// Who wrote.
    pub actor: A,
    /// How many writes the actor had made, this one included.
    pub counter: u64,
}

impl<A> Dot<A> {
    /// The `counter`-th write of `actor`.
    pub const fn new(actor: A, counter: u64) -> Self {
        Self { actor, counter }
    }

    /// Raises the counter to `counter` if that is greater. Returns whether it was.
    #[inline]
    pub(crate) const fn catch_up(&mut self, counter: u64) -> bool {
        let news = self.counter < counter;
        // Written without a branch on `news`, which nobody could predict.
        self.counter = if news { counter } else { self.counter };
        news
    }
}

/// Whether a write can have this number at all.
#[inline]
pub(crate) const fn check_counter(counter: u64) -> Result<(), ClockError> {
    match counter {
        0 => Err(ClockError::ZeroCounter),
        1..=MAX_COUNTER => Ok(()),
        _ => Err(ClockError::AboveCap { counter }),
    }
}

impl fmt::Display for Actor {
    /// The first four bytes of the node and the incarnation, enough to tell actors apart in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in &self.node[..4] {
            write!(f, "{byte:02x}")?;
        }
        write!(f, ".{:x}", self.incarnation)
    }
}

impl<A: fmt::Display> fmt::Display for Dot<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.actor, self.counter)
    }
}
