//! The dots of this node.

use std::fmt;

use engram_vclock::{Actor, ClockError, Dot, DotSource, Lease, MAX_JUMP, SourceError, VectorClock};

use crate::rows::Life;

/// How many counters are leased at a time. A life that is resumed skips what was left of them.
const BLOCK: u64 = 1_024;

/// Issues the dots of this node, one source for all its spaces, so that a dot names one write in
/// the whole cluster for ever.
///
/// A dot must not be seen by anybody before the [`lease`](Self::lease) that allows it is durable;
/// they are written in the same batch.
pub(crate) struct Writer {
    source: DotSource,
    /// Every write that any record of this node has seen.
    seen: VectorClock,
    entropy: Box<dyn FnMut() -> u64 + Send>,
    written: u64,
    rolled: u64,
}

impl Writer {
    /// A new life of `node`, under an incarnation drawn from `entropy`.
    pub(crate) fn new(node: [u8; 32], mut entropy: Box<dyn FnMut() -> u64 + Send>) -> Self {
        let source = DotSource::new(Actor { node, incarnation: entropy() });
        Self { source, seen: VectorClock::new(), entropy, written: 0, rolled: 0 }
    }

    /// Goes on in a life that is proven to have issued nothing beyond its lease.
    ///
    /// # Errors
    /// [`SourceError`] if no life can have had that lease, or if a stored record names a dot beyond
    /// it. The writer stays as it was.
    pub(crate) fn resume(&mut self, life: &Life) -> Result<(), SourceError> {
        let actor = Actor { node: self.actor().node, incarnation: life.incarnation };
        let source = DotSource::resume(Lease { actor, until: life.lease })?;
        if source.is_outrun_by(&self.seen) {
            return Err(SourceError::ForeignLease);
        }
        self.source = source;
        Ok(())
    }

    pub(crate) fn actor(&self) -> &Actor {
        self.source.actor()
    }

    /// What has to be durable before the dots that were issued are seen by anybody.
    pub(crate) fn lease(&self) -> Lease {
        let until = self.source.issued() + self.source.remaining();
        Lease { actor: *self.source.actor(), until }
    }

    /// How many dots were issued since the process started, or since the life began if that was
    /// later.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// How often the incarnation was rolled because an own dot came back that was never issued.
    pub(crate) fn rolled(&self) -> u64 {
        self.rolled
    }

    /// The next dot.
    pub(crate) fn next_dot(&mut self) -> Dot {
        if self.source.remaining() == 0 {
            self.extend();
        }
        let dot = self.source.next_dot().expect("the lease was just extended");
        self.seen.observe(&dot).expect("a source issues counters that exist");
        self.written += 1;
        dot
    }

    fn extend(&mut self) {
        while self.source.propose_lease(BLOCK).is_err() {
            self.roll();
        }
        let lease = self.source.propose_lease(BLOCK);
        let accepted = lease.and_then(|lease| self.source.accept_lease(lease));
        accepted.expect("a source that proposes a lease accepts it");
    }

    /// Takes note of what a record has seen that is about to be joined. If it names an own dot that
    /// this life never issued, the state was rolled back or copied, and only a new incarnation is
    /// safe.
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

    /// Takes note of what a stored record has seen: it was judged when it came.
    pub(crate) fn recall(&mut self, seen: &VectorClock) {
        self.seen.merge(seen);
    }

    /// Begins a new life.
    pub(crate) fn roll(&mut self) {
        // Drawing the present number again is as likely as guessing it; draw until it is new.
        while self.source.roll((self.entropy)()).is_err() {}
        self.written = 0;
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("source", &self.source).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use engram_vclock::MAX_COUNTER;

    use super::*;
    use crate::storage::Seal;

    /// Two hundred and eighty million million writes in one life; it is no reason to stop.
    #[test]
    fn a_counter_at_its_cap_begins_a_new_life() {
        let mut lives = 0..;
        let entropy = Box::new(move || lives.next().expect("there is always a next number"));
        let mut writer = Writer::new([1; 32], entropy);
        let seal = Seal { place: String::new(), boot: String::new() };
        let life = Life { incarnation: 7, lease: MAX_COUNTER - 1, closed: true, seal };
        writer.resume(&life).unwrap();
        let dots = [writer.next_dot(), writer.next_dot(), writer.next_dot()];
        let dots = dots.map(|dot| (dot.actor.incarnation, dot.counter));
        assert_eq!(dots, [(7, MAX_COUNTER), (1, 1), (1, 2)]);
        assert_eq!(writer.lease().actor.incarnation, 1);
    }
}
