//! The roots that sessions are currently fetching.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use super::SessionId;

/// The first bytes of a root, as in adverts.
pub(super) type ShortRoot = [u8; 8];

/// The roots that sessions are currently fetching, by peer.
///
/// Many peers advertise the same root at about the same time. A session with one of them fetches
/// the records, so sessions with the others wait until it ends, and then check again.
#[derive(Debug)]
pub(super) struct InFlightRoots<P> {
    fetched: BTreeMap<P, (SessionId, Vec<ShortRoot>)>,
}

impl<P: Copy + Ord> InFlightRoots<P> {
    pub(super) const fn new() -> Self {
        Self { fetched: BTreeMap::new() }
    }

    /// Notes that a session with `peer` fetches `roots`.
    pub(super) fn begin(&mut self, peer: P, session: SessionId, roots: Vec<ShortRoot>) {
        if !roots.is_empty() {
            self.fetched.insert(peer, (session, roots));
        }
    }

    /// Notes that the session with `peer` has ended.
    pub(super) fn end(&mut self, peer: P) {
        self.fetched.remove(&peer);
    }

    /// Returns the time until which other sessions can rely on the running ones to fetch all of
    /// `roots`; `None` if one of the roots is not being fetched. `until` returns this time for a
    /// single session.
    pub(super) fn covered_until(
        &self,
        roots: &[ShortRoot],
        until: impl Fn(SessionId) -> Option<Duration>,
    ) -> Option<Duration> {
        let fetched_until = |root| {
            let fetching = self.fetched.values().filter(|(_, roots)| roots.contains(root));
            fetching.filter_map(|(session, _)| until(*session)).max()
        };
        roots.iter().map(fetched_until).min().flatten()
    }
}
