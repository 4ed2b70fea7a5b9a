//! Convergence: after a session, both sides are equal, or differ less.

use crate::common::{
    self, Contact, Pair, State, Store, content, content_digest, dots, join, node_id, parameters,
    read, space, sync, sync_with, version,
};
use engram_gossip_proto::{
    Compression, Ending, Message, PatternContent, SessionConfig, Want, limits,
};
use proptest::prelude::*;

/// One write at one of two replicas, and whether the other replica received it immediately.
#[derive(Clone, Debug)]
struct Write {
    id: u16,
    at_first: bool,
    node: u8,
    seed: u32,
    deletes: bool,
    told: bool,
}

fn write() -> impl Strategy<Value = Write> {
    (0..400u16, any::<bool>(), 0..2u8, 0..3u32, 0..8u8, 0..3u8).prop_map(
        |(id, at_first, node, seed, deletes, told)| Write {
            id,
            at_first,
            node: node + if at_first { 1 } else { 3 },
            seed,
            deletes: deletes == 0,
            told: told > 0,
        },
    )
}

/// Two replicas with some records exchanged; each is written to by its own set of nodes.
fn replicas(writes: &[Write]) -> (State, State) {
    let (mut a, mut b) = (State::default(), State::default());
    for (at, write) in writes.iter().enumerate() {
        let id = format!("pattern_{}", u64::from(write.id) * 1_000_003);
        let counter = at as u64 + 1;
        let (here, there) = if write.at_first { (&mut a, &mut b) } else { (&mut b, &mut a) };
        if write.deletes {
            here.delete(write.node, counter, &id);
        } else {
            here.submit(write.node, counter, content(&id, write.seed));
        }
        if write.told {
            there.learn(here, &id);
        }
    }
    (a, b)
}

fn config() -> impl Strategy<Value = SessionConfig> {
    (1..200u32, any::<bool>(), proptest::option::of(any::<u64>())).prop_map(
        |(max_patterns_per_sync, lz4, cursor)| SessionConfig {
            max_patterns_per_sync,
            compression: if lz4 { Compression::Lz4 } else { Compression::Off },
            cursor,
            ..SessionConfig::default()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 96,
        // A failure prints the writes that cause it, which is enough to repeat it.
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// After one undisturbed session, both sides hold the join of their states.
    #[test]
    fn prop_one_session_makes_both_equal(
        writes in proptest::collection::vec(write(), 0..600),
        ours in config(),
        theirs in config(),
    ) {
        let (a, b) = replicas(&writes);
        let union = a.merged(&b);
        let meet = |halves| {
            let stores = [&a, &b].map(|state| Store::new(state.clone()));
            let [one, other] = stores.each_ref().map(|store| vec![(space("default"), store.pin())]);
            let configs = (ours.clone(), theirs.clone());
            let pair = Pair::keyed(halves, configs, (parameters(), parameters()), (one, other));
            (pair.run(|_, _, frame| vec![frame]), stores)
        };
        let (mut contact, mut stores) = meet([[1; 8], [2; 8]]);
        if contact.opener.result != Ending::InSync {
            // The short tags of two digests may be equal under one key, but hardly under two.
            (contact, stores) = meet([[3; 8], [4; 8]]);
        }
        let [a, b] = stores;
        prop_assert_eq!(&contact.opener.result, &Ending::InSync);
        prop_assert_eq!(&contact.acceptor.result, &Ending::InSync);
        let (a, b) = (a.state(), b.state());
        prop_assert_eq!(&a.records, &union.records);
        prop_assert_eq!(a.essence(), b.essence());
        prop_assert!(a.is_whole() && b.is_whole());
        prop_assert_eq!(contact.opener.stats.unasked + contact.acceptor.stats.unasked, 0);
        prop_assert_eq!(contact.opener.stats.stale + contact.acceptor.stats.stale, 0);
        prop_assert_eq!(contact.opener.stats.rejected + contact.acceptor.stats.rejected, 0);
    }

    /// Under a budget, the difference strictly decreases with every session.
    #[test]
    fn prop_a_budget_leaves_strictly_less(
        writes in proptest::collection::vec(write(), 1..300),
        budget in 0..4_000u64,
        ours in config(),
    ) {
        let (a, b) = replicas(&writes);
        let (a, b) = (Store::new(a), Store::new(b));
        let mut cursor = None;
        for number in 0..1_000_u64 {
            let before = a.state().difference(&b.state());
            let config =
                SessionConfig { send_budget: budget, cursor, ..ours.clone() };
            let spaces = [&a, &b].map(|store| vec![(space("default"), store.pin())]);
            let [ours, theirs] = spaces;
            let halves = [number.to_le_bytes(), [2; 8]];
            let configs = (config.clone(), config);
            let contact = Pair::keyed(halves, configs, (parameters(), parameters()), (ours, theirs))
                .run(|_, _, frame| vec![frame]);
            let after = a.state().difference(&b.state());
            prop_assert!(a.state().is_whole() && b.state().is_whole());
            if before == 0 {
                return Ok(());
            }
            prop_assert!(after < before, "{before} differences, then {after}");
            let in_sync = contact.opener.result == Ending::InSync;
            prop_assert_eq!(in_sync, after == 0);
            cursor = contact.opener.cursor;
        }
        prop_assert!(false, "the sides still differ after 1,000 sessions");
    }
}

#[test]
fn session_exceeds_the_message_size() {
    let mut state = State::default();
    for i in 0..10_000u32 {
        state.submit(1, u64::from(i) + 1, content(&format!("pattern_{i}"), i));
    }
    let (a, b) = (Store::new(state), Store::default());
    let contact = sync(&b, &a);
    assert_eq!(contact.opener.result, Ending::InSync);
    assert_eq!(contact.opener.stats.applied, 10_000);
    assert_eq!(contact.opener.stats.records_in, 10_000);
}

#[test]
fn no_record_travels_twice() {
    let (mut a, mut b) = (State::default(), State::default());
    for i in 0..2_000u32 {
        let id = format!("pattern_{i}");
        // The same content on both sides, as from nodes with the same episodes.
        a.submit(1, u64::from(i) + 1, content(&id, i));
        b.submit(2, u64::from(i) + 1, content(&id, i));
    }
    let (a, b) = (Store::new(a), Store::new(b));
    let contact = sync(&a, &b);
    assert_eq!(contact.opener.result, Ending::InSync);
    let (ours, theirs) = (contact.opener.stats, contact.acceptor.stats);
    assert_eq!(ours.contents_out + theirs.contents_out, 0, "both sides held every content");
    assert_eq!(ours.records_out, 2_000, "each record travels once in each direction");
    assert_eq!(theirs.records_out, 2_000);
    // A second session ends after the two hellos.
    assert_eq!(sync(&a, &b).frames.len(), 2);
}

#[test]
fn refused_records_starve_no_others() {
    let mut state = State::default();
    for i in 0..500u32 {
        state.submit(1, u64::from(i) + 1, content(&format!("pattern_{i}"), i));
    }
    let (a, b) = (Store::new(state), Store::default());
    b.change().poison.extend((0..400).map(|i| format!("pattern_{i}")));
    let mut cursor = None;
    for _ in 0..20 {
        let config = SessionConfig { send_budget: 1, cursor, ..SessionConfig::default() };
        let contact = sync_with(&a, &b, config.clone(), config);
        cursor = contact.opener.cursor;
    }
    assert_eq!(b.state().records.len(), 100, "all acceptable records have arrived");
}

#[test]
fn refused_records_are_never_in_sync() {
    let mut state = State::default();
    state.submit(1, 1, content("pattern_1", 1));
    state.submit(1, 2, content("pattern_2", 2));
    let (a, b) = (Store::new(state), Store::default());
    b.change().poison.insert("pattern_1".into());
    let contact = sync(&a, &b);
    assert_eq!(contact.opener.result, Ending::Synced);
    assert_eq!(contact.acceptor.result, Ending::Synced);
    assert_eq!(contact.acceptor.stats.rejected, 1);
    assert_eq!(contact.acceptor.stats.applied, 1);
    assert_eq!(contact.events.len(), 1);
    let roots = &contact.opener.spaces[0];
    assert!(roots.theirs.is_some_and(|theirs| theirs != roots.ours), "the final roots differ");
}

#[test]
fn a_record_larger_than_a_frame_arrives_whole() {
    let id = "pattern_1";
    let large = |seed: u32| PatternContent {
        source_episodes: (0..1_500).map(|i| format!("{seed:04}-{i:0240}")).collect(),
        ..content(id, seed)
    };
    let mut record = None;
    let mut state = State::default();
    for node in 1..=6 {
        let mut one = State::default();
        one.submit(node, 1, large(node.into()));
        let (_, theirs) = one.records.pop_first().unwrap();
        record = Some(record.map_or_else(|| theirs.clone(), |ours| join(&ours, &theirs)));
        state.contents.extend(one.contents);
    }
    state.records.insert(common::key_of(id), record.unwrap());
    let (a, b) = (Store::new(state), Store::default());
    let contact = sync(&a, &b);
    assert_eq!(contact.opener.result, Ending::InSync);
    assert_eq!(a.state().essence(), b.state().essence());
    assert!(contact.frames.iter().all(|(_, frame)| frame.len() <= 1 << 20));
    assert!(contact.frames.iter().filter(|(_, frame)| frame[3] == 6).count() > 2);
}

#[test]
fn a_record_that_no_frame_can_carry_is_reported() {
    let mut state = State::default();
    state.submit(1, 1, content("pattern_1", 1));
    state.submit(1, 2, content(&"x".repeat(129), 2));
    let episodes = vec!["e".repeat(255); PatternContent::MAX_EPISODES + 1];
    let large = PatternContent { source_episodes: episodes, ..content("large", 3) };
    state.submit(1, 3, large);
    let (a, b) = (Store::new(state), Store::default());
    let contact = sync(&a, &b);
    assert_eq!(contact.acceptor.stats.applied, 1);
    let mut reasons: Vec<String> = (contact.events.iter())
        .map(|event| match event {
            engram_gossip_proto::Event::Unsendable(record) => record.what.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    reasons.sort_unstable();
    reasons.dedup();
    assert_eq!(reasons.len(), 2);
    let names = |outcome: &engram_gossip_proto::Outcome| -> Vec<usize> {
        outcome.unsendable.iter().map(|record| record.id.len()).collect()
    };
    assert!(names(&contact.opener).contains(&129));
    assert!(names(&contact.acceptor).contains(&limits::MAX_ID), "the peer gets the truncated id");
    assert!(
        reasons[1].contains(&format!("cap of {}", PatternContent::MAX_EPISODES)),
        "{reasons:?}"
    );
    assert!(reasons[0].contains(&format!("cap of {}", limits::MAX_ID)), "{reasons:?}");
}

#[test]
fn an_unsendable_record_counts_once() {
    const COUNT: usize = limits::MAX_UNSENDABLE + 10;
    let mut state = State::default();
    (0..COUNT).for_each(|n| {
        let id = format!("{n:0width$}", width = limits::MAX_ID + 1);
        state.submit(1, n as u64 + 1, content(&id, 1));
    });
    // The opener finds the records by clocks first, and again when the trees are compared.
    let (a, b) = (Store::clocked(state), Store::clocked(State::default()));
    let contact = sync(&a, &b);
    assert_eq!(contact.opener.result, Ending::Unsendable);
    assert_eq!(contact.opener.stats.descents, 1);
    assert_eq!(contact.opener.unsendable.len(), limits::MAX_UNSENDABLE);
    assert_eq!(contact.opener.stats.unsendable, COUNT as u64);
}

#[test]
fn siblings_and_deletions_of_one_id_meet() {
    let (mut a, mut b) = (State::default(), State::default());
    a.submit(1, 1, content("pattern_1", 1));
    a.submit(2, 1, content("pattern_1", 2));
    b.submit(2, 1, content("pattern_1", 2));
    b.delete(3, 1, "pattern_1");
    let (a, b) = (Store::new(a), Store::new(b));
    assert_eq!(sync(&a, &b).opener.result, Ending::InSync);
    let record = a.state().records.into_values().next().unwrap();
    let digest = |seed| content_digest(&content("pattern_1", seed));
    let live = [(node_id(1), version(1), digest(1))];
    assert_eq!(dots(&record), live.into(), "a concurrent write survives a deletion");
    assert_eq!(record.suppressed, [(digest(2), 1)]);
}

/// The wants of a session, in order; true if the opener sent the want.
fn wants(contact: &Contact) -> Vec<(bool, Want)> {
    let message = |(by_opener, frame): &(bool, Vec<u8>)| (*by_opener, read(frame).unwrap());
    let wants = |(by_opener, message)| match message {
        Message::PatternRequest(request) => {
            (request.wants.into_iter()).map(|want| (by_opener, want)).collect()
        }
        _ => Vec::new(),
    };
    contact.frames.iter().map(message).flat_map(wants).collect()
}

#[test]
fn the_older_side_requests_briefly() {
    let mut older = State::default();
    older.submit(1, 1, content("a", 1));
    older.submit(2, 2, content("a", 2));
    let mut newer = older.clone();
    newer.submit(2, 3, content("a", 3));
    let mut counts = Vec::new();
    for older_opens in [true, false] {
        let (a, b) = (Store::new(older.clone()), Store::new(newer.clone()));
        let contact = if older_opens { sync(&a, &b) } else { sync(&b, &a) };
        assert_eq!(contact.opener.result, Ending::InSync);
        let wants = wants(&contact);
        counts.push(wants.len());
        if let [(opener_first, first), (opener_answers, answer)] = &wants[..] {
            assert_eq!((*opener_first, *opener_answers), (!older_opens, older_opens));
            assert_eq!((first.holds.len(), first.context.len()), (2, 2));
            assert_eq!((answer.key, answer.holds.len(), answer.context.len()), (first.key, 2, 0));
        }
    }
    counts.sort_unstable();
    assert_eq!(counts, [1, 2], "the side that receives the listing requests first");
}

#[test]
fn records_with_equal_shortened_keys_converge() {
    let (mut a, mut b) = (State::default(), State::default());
    for i in 0..400u32 {
        let id = format!("clash-{}-{i}", i % 20);
        let state = if i % 2 == 0 { &mut a } else { &mut b };
        state.submit(1 + (i % 2) as u8, u64::from(i) + 1, content(&id, i));
        if i % 3 == 0 {
            let (a, b) = (&mut a, &mut b);
            if i % 2 == 0 { b.learn(a, &id) } else { a.learn(b, &id) }
        }
    }
    let union = a.merged(&b);
    let (a, b) = (Store::new(a), Store::new(b));
    let sessions = (1..10).find(|_| sync(&a, &b).opener.result == Ending::InSync);
    assert!(sessions.is_some_and(|sessions| sessions <= 2), "{sessions:?}");
    assert_eq!(a.state().records, union.records);
    assert_eq!(b.state().records, union.records);
}
