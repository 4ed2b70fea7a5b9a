//! The dots of this node.

use std::fmt;

use engram_vclock::{Actor, ClockError, Dot, DotSource, MAX_COUNTER, MAX_JUMP, VectorClock};

/// Issues the dots of this node, one source for all its spaces, so that a dot names one write in
/// the whole cluster for ever.
pub(crate) struct Writer {
    source: DotSource,
    /// Every write that any record of this node has seen.
    seen: VectorClock,
    entropy: Box<dyn FnMut() -> u64 + Send>,
    rolled: u64,
}

impl Writer {
    /// A new life of `node`, under an incarnation drawn from `entropy`.
    pub(crate) fn new(node: [u8; 32], mut entropy: Box<dyn FnMut() -> u64 + Send>) -> Self {
        let source = DotSource::new(Actor { node, incarnation: entropy() });
        Self { source, seen: VectorClock::new(), entropy, rolled: 0 }
    }

    pub(crate) fn actor(&self) -> &Actor {
        self.source.actor()
    }

    /// How many dots this life has issued.
    pub(crate) fn issued(&self) -> u64 {
        self.source.issued()
    }

    /// How often the incarnation was rolled because an own dot came back that was never issued.
    pub(crate) fn rolled(&self) -> u64 {
        self.rolled
    }

    /// The next dot.
    pub(crate) fn next_dot(&mut self) -> Dot {
        if self.source.remaining() == 0 {
            self.lease();
        }
        let dot = self.source.next_dot().expect("the lease was just renewed");
        self.seen.observe(&dot).expect("a source issues counters that exist");
        dot
    }

    /// Gets counters. A life ends with the process, so nothing needs to be written down first.
    fn lease(&mut self) {
        while self.source.propose_lease(MAX_COUNTER).is_err() {
            self.roll();
        }
        let lease = self.source.propose_lease(MAX_COUNTER);
        let accepted = lease.and_then(|lease| self.source.accept_lease(lease));
        accepted.expect("a source that proposes a lease accepts it");
    }

    /// Takes note of what a record has seen that is about to be joined or written to. If it names
    /// an own dot that this life never issued, the state was rolled back or copied, and only a new
    /// incarnation is safe.
    ///
    /// # Errors
    /// [`ClockError::JumpTooFar`] if a counter runs further ahead of all that this node has ever
    /// seen than any honest one does. Nothing was noted then.
    pub(crate) fn observe(&mut self, seen: &VectorClock) -> Result<(), ClockError> {
        self.seen.merge_within(seen, MAX_JUMP)?;
        if self.source.is_outrun_by(seen) {
            self.roll();
            self.rolled += 1;
        }
        Ok(())
    }

    fn roll(&mut self) {
        // Drawing the present number again is as likely as guessing it; draw until it is new.
        while self.source.roll((self.entropy)()).is_err() {}
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("source", &self.source).finish_non_exhaustive()
    }
}
