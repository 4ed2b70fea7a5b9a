//! Tracks the records that each session is fetching, so that no other session requests them.
//!
//! A node that catches up with several peers at once finds the same differences with each of them.
//! The first session that requests a record claims it. The others skip the record, and check again
//! when a session has ended. A claim is only a hint: it saves bytes, and a lost claim costs only
//! bytes.

use alloc::collections::BTreeMap;
use core::time::Duration;

use super::limits::{CLAIM_PACE, CLAIM_TIMEOUT, DISTRUST, MAX_AT_ONCE, MAX_CLAIMS};
use super::{Delivered, SessionId, Verdict};
use crate::{Intake, KEY_LEN, ShortNode, SpaceId};

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
    /// time until which sessions with this peer claim nothing.
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
    has_claimed: bool,
}

impl<P> Holder<P> {
    fn has_claims(&self) -> bool {
        self.open > 0 || self.has_range
    }

    /// Notes a claim. Only the first one sets the time at which the claims lapse: a peer could
    /// otherwise prolong them by listing further records instead of sending any.
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
        let holder =
            Holder { peer, is_trusted, until, open: 0, has_range: false, has_claimed: false };
        self.sessions.insert(session, holder);
    }

    /// The peer of a running session.
    pub(super) fn peer(&self, session: SessionId) -> Option<P> {
        self.sessions.get(&session).map(|holder| holder.peer)
    }

    /// The time at which the last claims lapse, if any session holds claims.
    pub(super) fn held_until(&self, now: Duration) -> Option<Duration> {
        let holders = self.sessions.values().filter(|holder| holder.has_claims());
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

    /// Claims a record, unless another session is fetching it, or has received it since `session`
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
        // A session with an untrusted peer may request any record, but does not stop other sessions
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

    /// Claims all records of a node until the session ends, unless another session has claimed
    /// them. Returns whether `session` may take them.
    pub(super) fn claim_range(
        &mut self,
        session: SessionId,
        space: &SpaceId,
        node: ShortNode,
        now: Duration,
    ) -> bool {
        let Self { sessions, ranges, .. } = self;
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

    /// Notes that these records arrived in `session`, whether they were claimed or not.
    pub(super) fn deliver(
        &mut self,
        session: SessionId,
        space: &SpaceId,
        records: &[Delivered],
        now: Duration,
    ) {
        let has_range = self.sessions.get(&session).is_some_and(|holder| holder.has_range);
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

    /// Notes that a record arrived. Returns its state before.
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
        if holder.open > 0 || holder.has_range && holder.until <= now {
            // The session did not receive all claimed records. Distrust its peer, so that this
            // cannot happen often.
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
mod tests {
    use alloc::vec::Vec;

    use super::*;

    const KEY: Key = [1; KEY_LEN];
    const NOW: Duration = Duration::from_secs(1);
    const FIRST: SessionId = SessionId(1);
    const SECOND: SessionId = SessionId(2);
    const THIRD: SessionId = SessionId(3);

    fn space() -> SpaceId {
        SpaceId::new("space").unwrap()
    }

    /// The claims of sessions 1 to `n`, each with the peer of the same number.
    fn claims(n: u64) -> Claims<u64> {
        let mut claims = Claims::new();
        (1..=n).for_each(|n| claims.begin(SessionId(n), n, NOW));
        claims
    }

    fn accepted(keys: impl IntoIterator<Item = Key>) -> Vec<Delivered> {
        let accepted = |key| Delivered { key, verdict: Verdict::Accepted };
        keys.into_iter().map(accepted).collect()
    }

    fn numbered(n: u32) -> Key {
        *u64::from(n).to_be_bytes().last_chunk().unwrap()
    }

    #[test]
    fn one_session_brings_a_record() {
        let mut claims = claims(2);
        assert!(claims.claim(FIRST, &space(), KEY, NOW) && claims.claim(FIRST, &space(), KEY, NOW));
        assert!(!claims.claim(SECOND, &space(), KEY, NOW));
        assert!(claims.held_until(NOW).is_some());
        claims.deliver(FIRST, &space(), &accepted([KEY]), NOW);
        assert!(claims.held_until(NOW).is_none());
        assert!(!claims.claim(SECOND, &space(), KEY, NOW), "the tree is older than the delivery");
        claims.begin(THIRD, 3, NOW);
        assert!(claims.claim(THIRD, &space(), KEY, NOW), "the tree is newer than the delivery");
    }

    #[test]
    fn a_claim_ends_with_its_session_or_in_time() {
        let mut claims = claims(3);
        assert!(claims.claim(FIRST, &space(), KEY, NOW));
        assert!(!claims.claim(SECOND, &space(), KEY, NOW));
        assert!(claims.end(FIRST, NOW));
        assert!(claims.claim(SECOND, &space(), KEY, NOW));
        let later = NOW + CLAIM_TIMEOUT;
        assert!(claims.claim(THIRD, &space(), KEY, later));
        assert!(!claims.claim(SECOND, &space(), KEY, later), "the third session holds the claim");
    }

    /// The end of the claims of a session that claims `records` records, or their range, and
    /// receives `batch` of them at a time with this verdict, one batch in each `pause`.
    fn held_for(
        [records, batch]: [u32; 2],
        pause: Duration,
        claim: fn(&mut Claims<u64>, Key, Duration),
        verdict: Verdict,
    ) -> Duration {
        let (mut claims, mut now) = (claims(2), NOW);
        let keys: Vec<Key> = (0..records).map(numbered).collect();
        keys.iter().for_each(|key| claim(&mut claims, *key, now));
        for batch in keys.chunks(batch as usize) {
            let Some(until) = claims.held_until(now) else { break };
            assert!(until <= now + CLAIM_TIMEOUT);
            now += pause;
            if until <= now {
                return until - NOW;
            }
            let batch: Vec<_> = batch.iter().map(|key| Delivered { key: *key, verdict }).collect();
            claims.deliver(FIRST, &space(), &batch, now);
        }
        now - NOW
    }

    #[test]
    fn claims_last_while_enough_records_arrive() {
        let one = |claims: &mut Claims<u64>, key, now| _ = claims.claim(FIRST, &space(), key, now);
        let range =
            |claims: &mut Claims<u64>, _, now| _ = claims.claim_range(FIRST, &space(), [1; 8], now);
        let (second, most) = (NOW, CLAIM_TIMEOUT * 5 / 4);
        for claim in [one, range] {
            let held = |sizes, pause, verdict| held_for(sizes, pause, claim, verdict);
            let slow_link = held([2_000, 20], second * 9 / 5, Verdict::Accepted);
            assert_eq!(slow_link, second * 180, "all 100 messages arrived");
            let at_the_pace = held([200, 1], CLAIM_PACE, Verdict::Accepted);
            assert_eq!(at_the_pace, CLAIM_PACE * 200);
            let dripping = held([2_000, 1], second, Verdict::Accepted);
            assert!(dripping <= most, "{dripping:?}");
            let refused = held([2_000, 100], second, Verdict::Refused);
            assert!(refused <= most, "{refused:?}");
        }
    }

    #[test]
    fn further_claims_prolong_none() {
        let mut claims = claims(2);
        for n in 0..10 {
            let now = NOW + CLAIM_TIMEOUT * n / 10;
            assert!(claims.claim(FIRST, &space(), numbered(n), now));
        }
        assert!(claims.claim(SECOND, &space(), numbered(0), NOW + CLAIM_TIMEOUT));
    }

    #[test]
    fn peer_with_an_expired_claim_is_distrusted() {
        let mut claims = claims(2);
        assert!(claims.claim(SECOND, &space(), KEY, NOW));
        claims.end(SECOND, NOW);
        claims.begin(THIRD, 2, NOW);
        assert!(claims.claim(THIRD, &space(), KEY, NOW), "a distrusted peer may send the record");
        assert!(claims.claim(FIRST, &space(), KEY, NOW), "other sessions may claim it, too");
        claims.end(THIRD, NOW);
        let later = NOW + DISTRUST;
        claims.begin(SessionId(4), 2, later);
        assert!(claims.claim(SessionId(4), &space(), [2; KEY_LEN], later));
        assert!(!claims.claim(FIRST, &space(), [2; KEY_LEN], later), "the peer is trusted again");
    }

    #[test]
    fn peer_that_stalls_with_a_range_is_distrusted() {
        let mut claims = claims(2);
        let node = [1; 8];
        assert!(claims.claim_range(FIRST, &space(), node, NOW));
        claims.end(FIRST, NOW + CLAIM_TIMEOUT);
        claims.begin(THIRD, 1, NOW + CLAIM_TIMEOUT);
        assert!(claims.claim_range(THIRD, &space(), node, NOW + CLAIM_TIMEOUT));
        assert!(claims.claim_range(SECOND, &space(), node, NOW + CLAIM_TIMEOUT));
        claims.deliver(SECOND, &space(), &accepted([KEY]), NOW + CLAIM_TIMEOUT);
        claims.end(SECOND, NOW + CLAIM_TIMEOUT);
        assert!(!claims.distrusted.contains_key(&2), "the peer did not stall");
    }

    #[test]
    fn a_lapsed_claim_is_given_back_once() {
        let mut claims = claims(3);
        claims.distrusted.insert(3, NOW * 1_000);
        claims.begin(SessionId(4), 3, NOW);
        assert!(claims.claim(FIRST, &space(), KEY, NOW));
        let later = NOW + CLAIM_TIMEOUT;
        assert!(claims.claim(SessionId(4), &space(), KEY, later), "the first claim has lapsed");
        claims.deliver(SECOND, &space(), &accepted([KEY]), later);
        assert_eq!(claims.sessions[&FIRST].open, 0);
    }

    #[test]
    fn one_session_takes_a_range() {
        let mut claims = claims(3);
        let node = |n: u8| [n; 8];
        assert!(claims.claim_range(FIRST, &space(), node(1), NOW));
        assert!(claims.claim_range(FIRST, &space(), node(1), NOW));
        assert!(!claims.claim_range(SECOND, &space(), node(1), NOW));
        assert!(claims.claim_range(SECOND, &space(), node(2), NOW), "another node's range is free");
        claims.end(FIRST, NOW);
        assert!(claims.claim_range(SECOND, &space(), node(1), NOW));
        let later = NOW + CLAIM_TIMEOUT;
        assert!(claims.claim_range(THIRD, &space(), node(1), later), "the second claim has lapsed");
    }

    #[test]
    fn sessions_beyond_max_at_once_ask_for_offers() {
        assert_eq!(claims(MAX_AT_ONCE as u64).intake(), Intake::AtOnce);
        let mut claims = claims(MAX_AT_ONCE as u64 + 1);
        assert_eq!(claims.intake(), Intake::Offered);
        claims.end(FIRST, NOW);
        assert_eq!(claims.intake(), Intake::AtOnce);
    }

    #[test]
    fn beyond_max_claims_records_may_come_twice() {
        let mut claims = claims(2);
        let key = |n: usize| numbered(n as u32);
        (0..=MAX_CLAIMS).for_each(|n| assert!(claims.claim(FIRST, &space(), key(n), NOW)));
        assert!(!claims.claim(SECOND, &space(), key(MAX_CLAIMS - 1), NOW));
        assert!(claims.claim(SECOND, &space(), key(MAX_CLAIMS), NOW));
        claims.deliver(FIRST, &space(), &accepted((0..=MAX_CLAIMS).map(key)), NOW);
        claims.end(FIRST, NOW);
        claims.end(SECOND, NOW);
        assert_eq!(claims.len, 0, "no claims remain once all sessions have ended");
        assert!(claims.spaces.is_empty());
    }
}
