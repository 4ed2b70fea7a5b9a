//! Deliberate mistakes of the scheduler, so that tests can show that they are noticed.
//!
//! Each stands in the code that ships, at the place that it breaks, and can be planted only where the
//! feature `sim` is on. Without it the compiler removes the places.

/// A mistake.
#[cfg_attr(not(feature = "sim"), allow(unreachable_pub, reason = "planted by simulations only"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mutant {
    /// A change is advertised to no peer.
    NoAdvert,
    /// The timer contacts the same peer again and again.
    NoRotation,
    /// Every session may ask for every record.
    NoClaims,
    /// Sessions that bring nothing become no rarer.
    NoBackoff,
    /// A session that fails keeps its permit.
    PermitLeak,
    /// Roots count as being fetched after their session has ended.
    StaleInFlightRoots,
    /// A session that left something is not followed by another one.
    SkippedFollowUp,
    /// Unreachable members are dialled like all others.
    UnfairDials,
}

/// The mistake that is planted, if any.
#[cfg(feature = "sim")]
#[derive(Debug, Default)]
pub(super) struct Planted(Option<Mutant>);

/// No mistake.
#[cfg(not(feature = "sim"))]
#[derive(Debug, Default)]
pub(super) struct Planted;

#[cfg(feature = "sim")]
impl<P> super::Scheduler<P> {
    /// Plants a mistake.
    pub fn plant(&mut self, mutant: Mutant) {
        self.mutant = Planted(Some(mutant));
    }
}

impl Planted {
    #[cfg(feature = "sim")]
    pub(super) fn is(&self, mutant: Mutant) -> bool {
        self.0 == Some(mutant)
    }

    #[cfg(not(feature = "sim"))]
    pub(super) const fn is(&self, _: Mutant) -> bool {
        false
    }
}
