use crate::{Actor, Dot, MAX_COUNTER, SourceError, VectorClock};

/// A block of counters that an actor may use. This, made durable, is all that a [`DotSource`] needs
/// to survive.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Lease<N = [u8; 32]> {
    /// Whose counters.
    pub actor: Actor<N>,
    /// The last counter of the block.
    pub until: u64,
}

/// Issues a node's dots, one source for all keys, so that no dot is ever issued twice.
///
/// Counters are used only after a [`Lease`] on them was made durable, a block at a time: one disk
/// write serves many dots, and a crash can skip counters but not repeat them.
///
/// - **Restart, durable state proven intact:** [`resume`](Self::resume) with the stored lease. What
///   was left of it is skipped.
/// - **Restart in any doubt** (checksum, missing file, restored backup): [`new`](Self::new) with a
///   fresh random incarnation.
/// - **An own dot arrives that this life never issued:** [`is_outrun_by`](Self::is_outrun_by) tells,
///   and [`roll`](Self::roll) begins a new life. Adopting the higher number instead would leave the
///   writes in between in doubt.
///
/// ```
/// use engram_vclock::{Actor, DotSource, SourceError};
///
/// let mut source = DotSource::new(Actor { node: "a", incarnation: 7 });
/// assert_eq!(source.next_dot(), Err(SourceError::LeaseSpent));
///
/// let lease = source.propose_lease(1000)?;
/// let on_disk = lease.clone(); // Write and sync it, then:
/// source.accept_lease(lease)?;
/// assert_eq!(source.next_dot()?.counter, 1);
///
/// // After a restart with intact state the rest of the block is skipped.
/// let mut source = DotSource::resume(on_disk)?;
/// let lease = source.propose_lease(1000)?;
/// source.accept_lease(lease)?;
/// assert_eq!(source.next_dot()?.counter, 1001);
/// # Ok::<(), SourceError>(())
/// ```
///
/// There is no `Clone`: two sources of one actor would issue the same dots.
#[derive(Debug, PartialEq, Eq)]
pub struct DotSource<N = [u8; 32]> {
    actor: Actor<N>,
    /// The last counter issued.
    issued: u64,
    /// The last counter that may be issued; at least `issued`.
    leased: u64,
}

impl<N: Ord + Clone> DotSource<N> {
    /// The source of a new life. The incarnation must never have been used by this node: draw it at
    /// random.
    #[must_use]
    pub const fn new(actor: Actor<N>) -> Self {
        Self { actor, issued: 0, leased: 0 }
    }

    /// Continues a life after the last counter of its stored lease. Only for durable state that is
    /// proven intact.
    ///
    /// # Errors
    ///
    /// [`SourceError::ForeignLease`] if the lease lies above [`MAX_COUNTER`]: it was not stored by
    /// this code.
    pub fn resume(lease: Lease<N>) -> Result<Self, SourceError> {
        if lease.until > MAX_COUNTER {
            return Err(SourceError::ForeignLease);
        }
        Ok(Self { actor: lease.actor, issued: lease.until, leased: lease.until })
    }

    /// Who writes: the node in its present life.
    #[must_use]
    pub const fn actor(&self) -> &Actor<N> {
        &self.actor
    }

    /// The last counter issued, 0 before the first. After [`resume`](Self::resume) the last that
    /// may have been.
    #[must_use]
    pub const fn issued(&self) -> u64 {
        self.issued
    }

    /// How many dots can be issued before the next lease.
    #[must_use]
    pub const fn remaining(&self) -> u64 {
        self.leased - self.issued
    }

    /// The lease that would allow `block` more dots than the present one, at least one, as far as
    /// counters go. Changes nothing: make it durable, then [`accept_lease`](Self::accept_lease).
    ///
    /// # Errors
    ///
    /// [`SourceError::Exhausted`] if the present lease ends at [`MAX_COUNTER`].
    pub fn propose_lease(&self, block: u64) -> Result<Lease<N>, SourceError> {
        if self.leased == MAX_COUNTER {
            return Err(SourceError::Exhausted);
        }
        let until = self.leased.saturating_add(block.max(1)).min(MAX_COUNTER);
        Ok(Lease { actor: self.actor.clone(), until })
    }

    /// Takes a lease that is durable by now.
    ///
    /// # Errors
    ///
    /// [`SourceError::ForeignLease`] if it was not proposed by this source in its present state.
    pub fn accept_lease(&mut self, lease: Lease<N>) -> Result<(), SourceError> {
        if lease.actor != self.actor || lease.until <= self.leased || lease.until > MAX_COUNTER {
            return Err(SourceError::ForeignLease);
        }
        self.leased = lease.until;
        Ok(())
    }

    /// The next dot of this node. It is used up whether or not anything is written under it.
    ///
    /// # Errors
    ///
    /// [`SourceError::LeaseSpent`] if the lease has no counter left, [`SourceError::Exhausted`] if
    /// the actor has none.
    pub fn next_dot(&mut self) -> Result<Dot<Actor<N>>, SourceError> {
        if self.issued == MAX_COUNTER {
            return Err(SourceError::Exhausted);
        }
        if self.issued == self.leased {
            return Err(SourceError::LeaseSpent);
        }
        self.issued += 1;
        Ok(Dot::new(self.actor.clone(), self.issued))
    }

    /// Whether `seen`, the context of a state that arrived, names an own dot that this life has not
    /// issued. If so, the counter was rolled back without notice, or somebody else uses it: call
    /// [`roll`](Self::roll).
    ///
    /// Ask before a dot is issued for a key on which the state arrived, and best for every state.
    #[must_use]
    pub fn is_outrun_by(&self, seen: &VectorClock<Actor<N>>) -> bool {
        seen.get(&self.actor) > self.issued
    }

    /// Begins a new life, because the old one [is outrun](Self::is_outrun_by) or out of counters.
    /// Returns the actor that ended.
    ///
    /// The new life has no lease, so it issues nothing until one is durable. Its dots are concurrent
    /// with those of the old life and supersede them as [`Siblings::submit`](crate::Siblings::submit)
    /// says; nothing is lost.
    ///
    /// # Errors
    ///
    /// [`SourceError::SameIncarnation`] if `fresh_incarnation`, which is best random, is the
    /// present one.
    pub fn roll(&mut self, fresh_incarnation: u64) -> Result<Actor<N>, SourceError> {
        if fresh_incarnation == self.actor.incarnation {
            return Err(SourceError::SameIncarnation);
        }
        let fresh = Actor { node: self.actor.node.clone(), incarnation: fresh_incarnation };
        Ok(core::mem::replace(self, Self::new(fresh)).actor)
    }
}
