//! Which roots sessions are fetching at the moment.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// The beginning of a root, as adverts tell it.
pub(super) type ShortRoot = [u8; 8];

/// Which roots sessions are fetching at the moment, by the peer they are fetched from.
///
/// Many peers advertise the same root at once. One session brings what all of them have, so the
/// others wait for it and look again.
#[derive(Debug)]
pub(super) struct InFlightRoots<P> {
    fetched: BTreeMap<P, Vec<ShortRoot>>,
}

impl<P: Copy + Ord> InFlightRoots<P> {
    pub(super) const fn new() -> Self {
        Self { fetched: BTreeMap::new() }
    }

    /// A session with `peer` fetches `roots`.
    pub(super) fn begin(&mut self, peer: P, roots: Vec<ShortRoot>) {
        if !roots.is_empty() {
            self.fetched.insert(peer, roots);
        }
    }

    /// The session with `peer` has ended.
    pub(super) fn end(&mut self, peer: P) {
        self.fetched.remove(&peer);
    }

    /// Whether every one of `roots` is being fetched.
    pub(super) fn cover(&self, roots: &[ShortRoot]) -> bool {
        roots.iter().all(|root| self.fetched.values().any(|fetched| fetched.contains(root)))
    }
}
