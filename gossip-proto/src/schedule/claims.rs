//! Tracks the records that each session is fetching, so that no other session requests them.
//!
//! A node that catches up with several peers at once finds the same differences with each of them.
//! The first session that requests a record claims it. The others skip the record; later sessions
//! with their peers check again when a session has ended or the claims have lapsed. A claim is only
//! a hint: it saves bytes, and a lost claim costs only bytes.

use alloc::collections::BTreeMap;
use core::time::Duration;

use super::limits::{CLAIM_PACE, CLAIM_TIMEOUT, DISTRUST, MAX_AT_ONCE, MAX_CLAIMS};
use super::{Delivered, SessionId, Verdict};
use crate::{Intake, KEY_LEN, ShortNode, SpaceId, Unoffered, VersionRange};

/// The key of a record within its space, as it appears in requests.
type Key = [u8; KEY_LEN];

/// The claims of all sessions of a node.
#[derive(Debug)]
pub(super) struct Claims<P> {
    last: SessionId,
    sessions: BTreeMap<SessionId, Holder<P>>,
    spaces: BTreeMap<SpaceId, BTreeMap<Key, State>>,
    /// The session that fetches all records of a node in a space.
    ranges: BTreeMap<(SpaceId, ShortNode), SessionId>,
    len: usize,
    /// Peers that did not deliver all records that sessions with them had claimed, each with the
    /// time until which new sessions with this peer claim nothing.
    distrusted: BTreeMap<P, Duration>,
}

/// A session that may hold claims.
#[derive(Debug)]
struct Holder<P> {
    peer: P,
    is_trusted: bool,
    /// The time at which the claims of the session lapse, if it holds any.
    until: Duration,
    /// Number of claims whose records have not arrived.
    open: usize,
    has_range: bool,
    /// The records that the session expects to receive without an offer, by space.
    unoffered: BTreeMap<SpaceId, Unoffered>,
    has_claimed: bool,
}

impl<P> Holder<P> {
    fn has_claims(&self) -> bool {
        self.open > 0 || self.has_range || !self.unoffered.is_empty()
    }

    /// Notes a claim. Sets the time at which the claims lapse only if the session holds no other
    /// claim: a peer could otherwise prolong them by listing further records instead of sending
    /// any.
    fn note_claim(&mut self, now: Duration) {
        if !self.has_claims() {
            self.until = now + CLAIM_TIMEOUT;
        }
        self.has_claimed = true;
    }

    /// Notes that this number of claimed records arrived. Claims that have lapsed come into force
    /// again only if enough records arrive.
    fn note_arrivals(&mut self, records: u32, now: Duration) {
        let until = self.until.max(now.saturating_sub(CLAIM_TIMEOUT));
        self.until = (until + CLAIM_PACE.saturating_mul(records)).min(now + CLAIM_TIMEOUT);
    }
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// This session requested the record.
    Claimed(SessionId),
    /// The record arrived while this session was the newest one. This session and all earlier ones
    /// had already pinned their trees, which therefore lack the record.
    Delivered(SessionId),
}

impl<P: Copy + Ord> Claims<P> {
    pub(super) const fn new() -> Self {
        Self {
            last: SessionId(0),
            sessions: BTreeMap::new(),
            spaces: BTreeMap::new(),
            ranges: BTreeMap::new(),
            len: 0,
            distrusted: BTreeMap::new(),
        }
    }

    /// Notes that a session with `peer` is about to pin its views. Sessions begin in ascending
    /// order of their ids.
    pub(super) fn begin(&mut self, session: SessionId, peer: P, now: Duration) {
        self.last = session;
        self.distrusted.retain(|_, until| now < *until);
        let is_trusted = !self.distrusted.contains_key(&peer);
        let until = now + CLAIM_TIMEOUT;
        let holder = Holder {
            peer,
            is_trusted,
            until,
            open: 0,
            has_range: false,
            unoffered: BTreeMap::new(),
            has_claimed: false,
        };
        self.sessions.insert(session, holder);
    }

    /// The peer of a running session.
    pub(super) fn peer(&self, session: SessionId) -> Option<P> {
        self.sessions.get(&session).map(|holder| holder.peer)
    }

    /// The time at which the last claims lapse, if any claims are in force. Records that a session
    /// expects without an offer do not count: they arrive within a round trip, or never from a dead
    /// peer.
    pub(super) fn held_until(&self, now: Duration) -> Option<Duration> {
        let holds = |holder: &&Holder<P>| holder.open > 0 || holder.has_range;
        let holders = self.sessions.values().filter(holds);
        holders.map(|holder| holder.until).filter(|until| now < *until).max()
    }

    /// The intake of the session that began last. A record that the peer sends without an offer
    /// cannot be claimed first, so a session that begins while another one runs takes only offered
    /// records.
    pub(super) fn intake(&self) -> Intake {
        match self.sessions.len() > MAX_AT_ONCE {
            true => Intake::Offered,
            false => Intake::AtOnce,
        }
    }

    /// Claims a record, unless another session is fetching it, or it has arrived since `session`
    /// pinned its views. Returns whether `session` may request the record.
    pub(super) fn claim(
        &mut self,
        session: SessionId,
        space: &SpaceId,
        key: Key,
        now: Duration,
    ) -> bool {
        let Self { sessions, spaces, len, .. } = self;
        let is_brought = match spaces.get(space).and_then(|keys| keys.get(&key)) {
            Some(State::Delivered(last)) => *last >= session,
            Some(State::Claimed(other)) if *other != session => {
                sessions.get(other).is_some_and(|holder| now < holder.until)
            }
            _ => false,
        };
        if is_brought {
            return false;
        }
        // A session with an untrusted peer may request the record, but does not stop other sessions
        // from requesting it.
        let Some(holder) = sessions.get_mut(&session) else { return true };
        if holder.is_trusted && *len < MAX_CLAIMS {
            holder.note_claim(now);
            holder.open += 1;
            let before = match spaces.get_mut(space) {
                Some(keys) => keys.insert(key, State::Claimed(session)),
                None => {
                    let keys = BTreeMap::from([(key, State::Claimed(session))]);
                    spaces.insert(space.clone(), keys);
                    None
                }
            };
            *len += usize::from(before.is_none());
            if let Some(State::Claimed(before)) = before
                && let Some(holder) = sessions.get_mut(&before)
            {
                holder.open -= 1;
            }
        }
        true
    }

    /// Claims all records of a node until the session ends or its claims lapse, unless another
    /// session has claimed them. Returns whether `session` may take the range.
    pub(super) fn claim_range(
        &mut self,
        session: SessionId,
        space: &SpaceId,
        range: &VersionRange,
        now: Duration,
    ) -> bool {
        let Self { sessions, ranges, .. } = self;
        let node = range.node;
        let known = ranges.get(&(space.clone(), node)).filter(|other| **other != session);
        let holder = known.and_then(|other| sessions.get(other));
        if holder.is_some_and(|holder| now < holder.until) {
            return false;
        }
        let Some(holder) = sessions.get_mut(&session) else { return true };
        if holder.is_trusted && ranges.len() < MAX_CLAIMS {
            holder.note_claim(now);
            holder.has_range = true;
            ranges.insert((space.clone(), node), session);
        }
        true
    }

    /// Whether a session that began before `session` expects the records in `range` without an
    /// offer.
    pub(super) fn is_expected_earlier(
        &self,
        session: SessionId,
        space: &SpaceId,
        range: &VersionRange,
        now: Duration,
    ) -> bool {
        let mut earlier = self.sessions.range(..session).filter(|(_, holder)| now < holder.until);
        earlier.any(|(_, holder)| {
            holder.unoffered.get(space).is_some_and(|expected| expected.covers(range))
        })
    }

    /// Notes which records of a space `session` expects to receive without an offer: a claim that
    /// the next note for the space replaces.
    pub(super) fn expect_unoffered(
        &mut self,
        session: SessionId,
        space: &SpaceId,
        records: &Unoffered,
        now: Duration,
    ) {
        let Some(holder) = self.sessions.get(&session) else { return };
        let before = holder.unoffered.get(space).map_or(0, Unoffered::len);
        let all = self.sessions.values().flat_map(|holder| holder.unoffered.values());
        let others = all.map(Unoffered::len).sum::<usize>() - before;
        let Some(holder) = self.sessions.get_mut(&session) else { return };
        if holder.is_trusted && records.len() > 0 && others + records.len() <= MAX_CLAIMS {
            holder.note_claim(now);
            holder.unoffered.insert(space.clone(), records.clone());
        } else {
            holder.unoffered.remove(space);
        }
    }

    /// Notes that these records arrived in `session`, whether they were claimed or not.
    pub(super) fn deliver(
        &mut self,
        session: SessionId,
        space: &SpaceId,
        records: &[Delivered],
        now: Duration,
    ) {
        let holder = self.sessions.get(&session);
        let has_range =
            holder.is_some_and(|holder| holder.has_range || holder.unoffered.contains_key(space));
        let mut arrived = 0;
        for Delivered { key, verdict } in records {
            let before = self.note_delivery(space, *key);
            let was_claimed = match before {
                Some(State::Claimed(claimer)) => claimer == session,
                Some(State::Delivered(_)) => false,
                None => has_range,
            };
            arrived += u32::from(was_claimed && *verdict == Verdict::Accepted);
        }
        if let Some(holder) = self.sessions.get_mut(&session) {
            holder.note_arrivals(arrived, now);
        }
    }

    /// Notes that a record arrived. Returns its previous state.
    fn note_delivery(&mut self, space: &SpaceId, key: Key) -> Option<State> {
        let Self { last, sessions, spaces, len, .. } = self;
        let known = spaces.entry(space.clone()).or_default();
        // If this is the only session, all later ones will have the record in their trees.
        let before = match sessions.len() == 1 || *len >= MAX_CLAIMS {
            true => known.remove(&key).inspect(|_| *len -= 1),
            false => {
                let before = known.insert(key, State::Delivered(*last));
                *len += usize::from(before.is_none());
                before
            }
        };
        if let Some(State::Claimed(holder)) = before
            && let Some(holder) = sessions.get_mut(&holder)
        {
            holder.open -= 1;
        }
        before
    }

    /// Releases the claims of `session`. Returns whether it ever claimed anything.
    pub(super) fn end(&mut self, session: SessionId, now: Duration) -> bool {
        let Some(holder) = self.sessions.remove(&session) else { return false };
        let has_ranges = holder.has_range || !holder.unoffered.is_empty();
        if holder.open > 0 || has_ranges && holder.until <= now {
            // The session did not receive all claimed records, or its other claims lapsed. Distrust
            // its peer, so that this cannot happen often.
            self.distrusted.insert(holder.peer, now + DISTRUST);
        }
        self.ranges.retain(|_, claimer| *claimer != session);
        let oldest = self.sessions.first_key_value().map(|(session, _)| *session);
        let Self { spaces, len, .. } = self;
        *len = 0;
        spaces.retain(|_, keys| {
            keys.retain(|_, state| match state {
                State::Claimed(claimer) => *claimer != session,
                State::Delivered(last) => oldest.is_some_and(|oldest| oldest <= *last),
            });
            *len += keys.len();
            !keys.is_empty()
        });
        holder.has_claimed
    }
}

#[cfg(test)]
mod tests;
