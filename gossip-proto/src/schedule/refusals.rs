//! The records that this node recently refused, so that its sessions do not request them again
//! immediately.
//!
//! A refused record remains a difference, which each later session finds. Refusals are kept
//! separately for each peer: a peer that sends a bad record under some id must not stop this node
//! from fetching the good one from others. A refusal is only a hint: it saves bytes, and a lost one
//! costs only bytes.

use alloc::collections::BTreeMap;
use core::time::Duration;

use super::SessionId;
use super::limits::{MAX_REFUSAL_PAUSE, MAX_REFUSALS, REFUSAL_PAUSE};
use crate::{KEY_LEN, SpaceId};

/// The key of a record within its space, as it appears in requests.
type Key = [u8; KEY_LEN];

/// The records that this node recently refused, by peer.
#[derive(Debug)]
pub(super) struct Refusals<P> {
    peers: BTreeMap<P, BTreeMap<(SpaceId, Key), Refused>>,
    len: usize,
}

/// A refused record.
#[derive(Clone, Copy, Debug)]
struct Refused {
    /// The session of the last refusal.
    session: SessionId,
    /// The time at which the record may be requested again.
    until: Duration,
    /// The pause before that time.
    pause: Duration,
}

impl<P: Copy + Ord> Refusals<P> {
    pub(super) const fn new() -> Self {
        Self { peers: BTreeMap::new(), len: 0 }
    }

    /// Notes that this node refused the record that `peer` sent under a key. A refusal after the
    /// pause doubles the pause. A refusal during the pause, of a new version or of another piece,
    /// does not change it.
    pub(super) fn refuse(
        &mut self,
        peer: P,
        session: SessionId,
        space: &SpaceId,
        key: Key,
        now: Duration,
    ) {
        let Self { peers, len } = self;
        let records = peers.entry(peer).or_default();
        let (known, room) = (records.len(), MAX_REFUSALS - *len);
        match records.get_mut(&(space.clone(), key)) {
            Some(refused) if now < refused.until => refused.session = session,
            Some(refused) => {
                let pause = (refused.pause * 2).min(MAX_REFUSAL_PAUSE);
                *refused = Refused { session, until: now + pause, pause };
            }
            // A peer leaves at least half of the room to others.
            None if known < room => {
                let refused = Refused { session, until: now + REFUSAL_PAUSE, pause: REFUSAL_PAUSE };
                records.insert((space.clone(), key), refused);
                *len += 1;
            }
            None => {}
        }
    }

    /// Notes that this node has accepted a record, so that it may be requested again. If another
    /// piece of the record is refused later, the pause still doubles. A refusal from the same
    /// session stays in force: it concerns another piece.
    pub(super) fn accept(
        &mut self,
        peer: P,
        session: SessionId,
        space: &SpaceId,
        key: Key,
        now: Duration,
    ) {
        let records = self.peers.get_mut(&peer);
        let refused = records.and_then(|records| records.get_mut(&(space.clone(), key)));
        if let Some(refused) = refused.filter(|refused| refused.session != session) {
            refused.until = now.min(refused.until);
        }
    }

    /// Whether this node refused the record that `peer` sent under a key, and should not request it
    /// again yet.
    pub(super) fn contains(&self, peer: P, space: &SpaceId, key: Key, now: Duration) -> bool {
        let records = self.peers.get(&peer);
        let refused = records.and_then(|records| records.get(&(space.clone(), key)));
        refused.is_some_and(|refused| now < refused.until)
    }

    /// Whether there is any record from `peer` that this node refused and should not request again
    /// yet.
    pub(super) fn has_any(&self, peer: P, now: Duration) -> bool {
        let records = self.peers.get(&peer);
        records.is_some_and(|records| records.values().any(|refused| now < refused.until))
    }

    /// Drops old refusals of records from `peer`: if a record could be requested again, but was not
    /// refused for as long as its pause, it has most likely been accepted or replaced.
    pub(super) fn drop_old(&mut self, peer: P, now: Duration) {
        let Some(records) = self.peers.get_mut(&peer) else { return };
        let before = records.len();
        records.retain(|_, refused| now < refused.until + refused.pause);
        self.len -= before - records.len();
        if records.is_empty() {
            self.peers.remove(&peer);
        }
    }

    /// Drops all refusals of records from a peer that is no longer a member.
    pub(super) fn forget(&mut self, peer: P) {
        self.len -= self.peers.remove(&peer).map_or(0, |records| records.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = [1; KEY_LEN];
    const NOW: Duration = Duration::from_secs(1);

    fn space() -> SpaceId {
        SpaceId::new("space").unwrap()
    }

    #[test]
    fn pauses_after_refusals_double_up_to_the_cap() {
        let (mut refusals, mut now) = (Refusals::new(), NOW);
        let mut pause = REFUSAL_PAUSE;
        for n in 0..20 {
            // The second refusal concerns another piece.
            (0..2).for_each(|_| refusals.refuse(7, SessionId(n), &space(), KEY, now));
            assert!(refusals.contains(7, &space(), KEY, now + pause - NOW / 1_000));
            assert!(refusals.has_any(7, now));
            now += pause;
            assert!(!refusals.contains(7, &space(), KEY, now) && !refusals.has_any(7, now));
            pause = (pause * 2).min(MAX_REFUSAL_PAUSE);
            refusals.drop_old(7, now);
        }
        assert_eq!(pause, MAX_REFUSAL_PAUSE);
        refusals.drop_old(7, now + pause);
        assert!(refusals.peers.is_empty() && refusals.len == 0);
    }

    #[test]
    fn a_refusal_concerns_one_peer() {
        let mut refusals = Refusals::new();
        refusals.refuse(7, SessionId(1), &space(), KEY, NOW);
        assert!(!refusals.contains(8, &space(), KEY, NOW) && !refusals.has_any(8, NOW));
        refusals.forget(7);
        assert!(!refusals.contains(7, &space(), KEY, NOW) && refusals.len == 0);
    }

    #[test]
    fn an_accepted_record_may_be_requested() {
        let mut refusals = Refusals::new();
        refusals.refuse(7, SessionId(1), &space(), KEY, NOW);
        refusals.accept(7, SessionId(1), &space(), KEY, NOW);
        assert!(refusals.contains(7, &space(), KEY, NOW), "another piece was refused");
        refusals.accept(7, SessionId(2), &space(), KEY, NOW);
        assert!(!refusals.contains(7, &space(), KEY, NOW) && !refusals.has_any(7, NOW));
        refusals.drop_old(7, NOW + REFUSAL_PAUSE);
        assert_eq!(refusals.len, 0);
    }

    /// In each session, one piece of a record is accepted and the next one is refused.
    #[test]
    fn accepted_pieces_shorten_no_pause() {
        let (mut refusals, mut now) = (Refusals::new(), NOW);
        for n in 0..20 {
            refusals.accept(7, SessionId(n), &space(), KEY, now);
            refusals.refuse(7, SessionId(n), &space(), KEY, now);
            let pause = (REFUSAL_PAUSE * (1 << n.min(10))).min(MAX_REFUSAL_PAUSE);
            assert!(refusals.contains(7, &space(), KEY, now + pause - NOW / 1_000));
            now += pause;
            assert!(!refusals.contains(7, &space(), KEY, now));
        }
    }

    #[test]
    fn no_peer_fills_the_memory_of_refusals() {
        let mut refusals = Refusals::new();
        let key = |n: usize| *(n as u64).to_be_bytes().last_chunk().unwrap();
        for n in 0..=MAX_REFUSALS {
            refusals.refuse(1, SessionId(1), &space(), key(n), NOW);
        }
        assert_eq!(refusals.len, MAX_REFUSALS / 2);
        for peer in 2..1_000 {
            (0..8).for_each(|n| refusals.refuse(peer, SessionId(1), &space(), key(n), NOW));
            assert!(refusals.contains(peer, &space(), key(7), NOW), "peer {peer}");
        }
        (1..1_000).for_each(|peer| refusals.forget(peer));
        assert_eq!(refusals.len, 0);
    }

    #[test]
    fn beyond_max_refusals_none_is_remembered() {
        let mut refusals = Refusals::new();
        let key = |n: usize| *(n as u64).to_be_bytes().last_chunk().unwrap();
        for (peer, n) in (0..64).flat_map(|peer| (0..MAX_REFUSALS).map(move |n| (peer, n))) {
            refusals.refuse(peer, SessionId(1), &space(), key(n), NOW);
        }
        assert!(refusals.len <= MAX_REFUSALS && refusals.len > MAX_REFUSALS - 64);
        (0..64).for_each(|peer| refusals.forget(peer));
        assert_eq!(refusals.len, 0);
    }
}
