//! The roots that sessions are currently fetching.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use super::limits::COVER_TIMEOUT;

/// The first bytes of a root, as in adverts.
pub(super) type ShortRoot = [u8; 8];

/// The roots that sessions are currently fetching, by peer, each with the time until which it is
/// covered.
///
/// Many peers advertise the same root at about the same time. A session with one of them fetches
/// the records, so sessions with the others wait until it ends, and then check again. They wait for
/// a short time only, whatever that session receives: its peer may have advertised a root whose
/// records it does not send.
#[derive(Debug)]
pub(super) struct InFlightRoots<P> {
    fetched: BTreeMap<P, (Duration, Vec<ShortRoot>)>,
}

impl<P: Copy + Ord> InFlightRoots<P> {
    pub(super) const fn new() -> Self {
        Self { fetched: BTreeMap::new() }
    }

    /// Notes that a session with `peer` begins to fetch `roots`. It covers those that no other
    /// session fetches; further sessions do not extend the time of a root.
    pub(super) fn begin(&mut self, peer: P, mut roots: Vec<ShortRoot>, now: Duration) {
        roots.retain(|root| self.until(root).is_none());
        if !roots.is_empty() {
            self.fetched.insert(peer, (now + COVER_TIMEOUT, roots));
        }
    }

    /// Notes that the session with `peer` has ended.
    pub(super) fn end(&mut self, peer: P) {
        self.fetched.remove(&peer);
    }

    /// Returns the time until which other sessions can rely on the running ones to fetch all of
    /// `roots`; `None` if one of the roots is not being fetched.
    pub(super) fn covered_until(&self, roots: &[ShortRoot]) -> Option<Duration> {
        roots.iter().map(|root| self.until(root)).min().flatten()
    }

    fn until(&self, root: &ShortRoot) -> Option<Duration> {
        let mut fetching = self.fetched.values();
        fetching.find(|(_, roots)| roots.contains(root)).map(|(until, _)| *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1);
    const ROOTS: [ShortRoot; 2] = [[1; 8], [2; 8]];

    #[test]
    fn further_sessions_extend_no_cover() {
        let mut roots = InFlightRoots::new();
        roots.begin(1, ROOTS[..1].into(), NOW);
        roots.begin(2, ROOTS.into(), NOW * 2);
        assert_eq!(roots.covered_until(&ROOTS[..1]), Some(NOW + COVER_TIMEOUT));
        assert_eq!(roots.covered_until(&ROOTS[1..]), Some(NOW * 2 + COVER_TIMEOUT));
        assert_eq!(roots.covered_until(&ROOTS), Some(NOW + COVER_TIMEOUT));
        roots.end(1);
        assert_eq!(roots.covered_until(&ROOTS), None, "no session fetches the first root");
    }
}
