//! The roots that sessions are fetching at the moment.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// The first bytes of a root, as in adverts.
pub(super) type ShortRoot = [u8; 8];

/// The roots that sessions are fetching at the moment, by peer.
///
/// Many peers advertise the same root at once. One session brings the records of all of them, so
/// the others wait for its end and check again.
#[derive(Debug)]
pub(super) struct InFlightRoots<P> {
    fetched: BTreeMap<P, Vec<ShortRoot>>,
}

impl<P: Copy + Ord> InFlightRoots<P> {
    pub(super) const fn new() -> Self {
        Self { fetched: BTreeMap::new() }
    }

    /// Notes that a session with `peer` fetches `roots`.
    pub(super) fn begin(&mut self, peer: P, roots: Vec<ShortRoot>) {
        if !roots.is_empty() {
            self.fetched.insert(peer, roots);
        }
    }

    /// Notes that the session with `peer` has ended.
    pub(super) fn end(&mut self, peer: P) {
        self.fetched.remove(&peer);
    }

    /// Whether sessions are fetching all of `roots`.
    pub(super) fn cover(&self, roots: &[ShortRoot]) -> bool {
        roots.iter().all(|root| self.fetched.values().any(|fetched| fetched.contains(root)))
    }
}
