//! Tests of claims.

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

/// A range of the records of `node`.
fn range(node: ShortNode) -> VersionRange {
    VersionRange { node, above: 10, upper: 20 }
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

/// Returns how long the claims of a session last if it claims `records` records, or their range,
/// and receives `batch` of them with this verdict after each `pause`.
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
    let range = |claims: &mut Claims<u64>, _, now| {
        _ = claims.claim_range(FIRST, &space(), &range([1; 8]), now)
    };
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
fn peer_that_fulfils_no_claim_is_distrusted() {
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
    assert!(claims.claim_range(FIRST, &space(), &range(node), NOW));
    claims.end(FIRST, NOW + CLAIM_TIMEOUT);
    claims.begin(THIRD, 1, NOW + CLAIM_TIMEOUT);
    assert!(claims.claim_range(THIRD, &space(), &range(node), NOW + CLAIM_TIMEOUT));
    assert!(claims.claim_range(SECOND, &space(), &range(node), NOW + CLAIM_TIMEOUT));
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
    assert!(claims.claim_range(FIRST, &space(), &range(node(1)), NOW));
    assert!(claims.claim_range(FIRST, &space(), &range(node(1)), NOW));
    assert!(!claims.claim_range(SECOND, &space(), &range(node(1)), NOW));
    assert!(
        claims.claim_range(SECOND, &space(), &range(node(2)), NOW),
        "another node's range is free"
    );
    claims.end(FIRST, NOW);
    assert!(claims.claim_range(SECOND, &space(), &range(node(1)), NOW));
    let later = NOW + CLAIM_TIMEOUT;
    assert!(
        claims.claim_range(THIRD, &space(), &range(node(1)), later),
        "the second claim has lapsed"
    );
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

/// Whether a session whose peer has advertised nothing takes a range.
fn takes(
    claims: &mut Claims<u64>,
    session: SessionId,
    space: &SpaceId,
    range: &VersionRange,
    now: Duration,
) -> bool {
    !claims.is_expected_earlier(session, space, range, now)
        && claims.claim_range(session, space, range, now)
}

/// Expected records: the range of node 1 that ends at `upper`.
fn up_to(upper: u64) -> Unoffered {
    Unoffered::Ranges(Vec::from([VersionRange { upper, ..range([1; 8]) }]))
}

#[test]
fn expected_records_are_left_to_their_session() {
    let mut claims = claims(3);
    let (other, nothing) = (SpaceId::new("other").unwrap(), Unoffered::Ranges(Vec::new()));
    let of_node = |claims: &mut Claims<u64>, session, node| {
        takes(claims, session, &space(), &range([node; 8]), NOW)
    };
    claims.expect_unoffered(SECOND, &space(), &Unoffered::Any, NOW);
    assert!(!of_node(&mut claims, THIRD, 1) && !of_node(&mut claims, THIRD, 2));
    assert!(takes(&mut claims, THIRD, &other, &range([1; 8]), NOW), "another space is free");
    assert!(of_node(&mut claims, FIRST, 3), "the first session began earlier");
    claims.expect_unoffered(SECOND, &space(), &up_to(20), NOW);
    assert!(!of_node(&mut claims, THIRD, 1), "both ranges end at version 20");
    assert!(of_node(&mut claims, THIRD, 2), "another node's range is free");
    claims.expect_unoffered(SECOND, &space(), &nothing, NOW);
    assert!(of_node(&mut claims, THIRD, 1), "the records have arrived");
    assert_eq!(claims.held_until(NOW), Some(NOW + CLAIM_TIMEOUT), "the range is claimed");
}

#[test]
fn records_beyond_the_expected_ones_are_taken() {
    let mut claims = claims(2);
    claims.expect_unoffered(FIRST, &space(), &up_to(19), NOW);
    assert!(takes(&mut claims, SECOND, &space(), &range([1; 8]), NOW));
}

#[test]
fn an_expectation_ends_like_a_claim() {
    let mut claims = claims(3);
    let later = NOW + CLAIM_TIMEOUT;
    claims.expect_unoffered(FIRST, &space(), &Unoffered::Any, NOW);
    assert_eq!(claims.held_until(NOW), None, "expected records postpone no session");
    claims.expect_unoffered(FIRST, &space(), &up_to(20), NOW + CLAIM_TIMEOUT / 2);
    assert!(!takes(&mut claims, THIRD, &space(), &range([1; 8]), later - CLAIM_PACE));
    assert!(takes(&mut claims, THIRD, &space(), &range([1; 8]), later), "the claim has lapsed");
    assert!(claims.end(FIRST, later));
    assert!(claims.distrusted.contains_key(&1), "the peer stalled");
    claims.expect_unoffered(SECOND, &space(), &Unoffered::Any, NOW);
    claims.end(SECOND, NOW);
    claims.begin(SessionId(4), 4, NOW);
    assert!(takes(&mut claims, SessionId(4), &space(), &range([2; 8]), NOW));
    claims.begin(SessionId(5), 1, later);
    claims.expect_unoffered(SessionId(5), &space(), &Unoffered::Any, later);
    claims.begin(SessionId(6), 6, later);
    let range = range([3; 8]);
    assert!(takes(&mut claims, SessionId(6), &space(), &range, later), "no trust, no claim");
}

#[test]
fn beyond_max_claims_nothing_is_expected() {
    for (count, is_free) in [(MAX_CLAIMS, false), (MAX_CLAIMS + 1, true)] {
        let mut claims = claims(2);
        let node = |n: usize| VersionRange { node: (n as u64).to_be_bytes(), ..range([0; 8]) };
        let ranges: Vec<_> = (0..count).map(node).collect();
        claims.expect_unoffered(FIRST, &space(), &Unoffered::Any, NOW);
        claims.expect_unoffered(FIRST, &space(), &Unoffered::Ranges(ranges), NOW);
        assert_eq!(takes(&mut claims, SECOND, &space(), &node(7), NOW), is_free);
    }
}
