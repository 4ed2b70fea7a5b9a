//! What an operator sees and does, and where a node refuses.

use std::sync::Arc;
use std::time::Duration;

use engram_bridge::{
    CROWDED, ConsolidationCacheSource::Scheduler, ConsolidationSnapshot, Environment, MAX_BURIED,
    MAX_CONTENTS, PatternError, Retention, SemanticPattern, Store, StoreConfig, SubmitError,
    Submitted, Timestamp,
};
use engram_gossip_proto::View as _;

use crate::common::*;

/// A store whose pattern `p` has one version of each of so many other nodes.
fn disputed(versions: u8) -> Store {
    let store = store(200, 4);
    for node in 0..versions {
        let peer = only_space(&crate::common::store(node, 4));
        peer.submit_pattern(&pattern("p", node)).unwrap();
        deliver(everything(&peer), &only_space(&store));
    }
    store
}

#[test]
fn many_versions_are_pointed_out_from_eight_on() {
    for others in [CROWDED as u8 - 2, CROWDED as u8 - 1] {
        let space = only_space(&disputed(others));
        let snapshot = snapshot(vec![pattern("p", 100), pattern("q", 100)]);
        let report = space.submit(&snapshot, Scheduler).unwrap();
        let crowded = usize::from(others) + 1 >= CROWDED;
        assert_eq!(report.crowded, if crowded { vec!["p"] } else { vec![] });
        assert_eq!((report.written, report.rejected.len()), (2, 0));
        let stats = space.stats();
        assert_eq!((stats.crowded, stats.conflicting, stats.records), (u64::from(crowded), 1, 2));
    }
}

#[test]
fn no_version_is_added_to_sixty_four_and_none_is_dropped() {
    let full = MAX_CONTENTS as u8;
    let space = only_space(&disputed(full - 1));
    // The own version is the last one that there is room for, and makes room for its successor.
    for content in [100, 101] {
        assert_eq!(space.submit_pattern(&pattern("p", content)), Ok(Submitted::Written));
    }

    let store = disputed(full);
    let space = only_space(&store);
    let (before, written) = (records(&space), store.written());
    let refused = PatternError::Crowded { versions: MAX_CONTENTS };
    let one = space.submit_pattern(&pattern("p", 100));
    assert_eq!(one, Err(SubmitError::Pattern(refused.clone())));
    let many = snapshot(vec![pattern("p", 100), pattern("q", 1)]);
    let report = space.submit(&many, Scheduler).unwrap();
    assert_eq!((report.written, &report.rejected[0].reason), (1, &refused));
    assert!(refused.to_string().contains("resolve"));
    assert_eq!((records(&space)["p"].clone(), store.written()), (before["p"].clone(), written + 1));
    // What others hold too is no further version.
    assert_eq!(space.submit_pattern(&pattern("p", 7)), Ok(Submitted::Written));
    // The way out.
    space.resolve(&pattern("p", 100)).unwrap();
    assert_eq!(space.stats().conflicting, 0);
    assert_eq!(space.submit_pattern(&pattern("p", 102)), Ok(Submitted::Written));
}

#[test]
fn a_pattern_that_is_forgotten_again_and_again_is_never_too_large_for_a_peer() {
    let (space, peer) = (only_space(&store(1, 4)), only_space(&store(2, 4)));
    for n in 0..=MAX_BURIED {
        // The peer's engine has not seen the tombstone, so that it lives on beside the new version.
        let again = SemanticPattern { strength: n as f32, ..(*pattern("p", 0)).clone() };
        assert_eq!(peer.submit_pattern(&Arc::new(again)), Ok(Submitted::Written));
        deliver(everything(&peer), &space);
        assert!(space.forget("p").unwrap());
        let receipt = peer.pin().apply(everything(&space));
        assert_eq!((receipt.applied, receipt.rejected), (1, vec![]), "after {n}");
        assert_eq!(peer.root(), space.root());
    }
}

#[test]
fn retention_hides_and_removes_nothing() {
    let (config, _) = parts(1, 4);
    let retention = Retention { max_age: Some(Duration::from_micros(3)), max_patterns: Some(2) };
    let environment = Environment::new(|| Timestamp::EPOCH, || 7);
    let keeper = Store::new(StoreConfig { retention, ..config }, environment);
    let (keeper, other) = (only_space(&keeper), only_space(&store(1, 4)));
    for space in [&keeper, &other] {
        let patterns = (0..8).map(|n| pattern(&format!("p_{n}"), n)).collect();
        space.submit(&snapshot(patterns), Scheduler).unwrap();
    }
    let view = keeper.view();
    let ids: Vec<_> = view.patterns.iter().map(|pattern| pattern.id.as_str()).collect();
    // Those of the last three microseconds are 4 to 7; 5 is the surest of them, 4 and 7 are next.
    assert_eq!((ids, view.hidden), (vec!["p_5", "p_7"], 6));
    assert_eq!(other.view().hidden, 0);
    // The state is that of a node without the rule, and so is what is sent.
    assert_eq!((keeper.stats().records, keeper.visible_len()), (8, 8));
    assert_eq!(everything(&keeper).records.len(), 8);
    assert_eq!(keeper.submit_pattern(&pattern("p_0", 0)), Ok(Submitted::Unchanged));
}

#[test]
fn the_generation_counts_changes_of_the_state() {
    let space = only_space(&store(1, 4));
    let generation = || space.stats().generation;
    assert_eq!(generation(), 0);
    for _ in 0..3 {
        space.submit(&snapshot(vec![pattern("p", 1), pattern("q", 1)]), Scheduler).unwrap();
        assert_eq!(generation(), 1);
    }
    space.forget("p").unwrap();
    assert_eq!((generation(), space.stats().deleted()), (2, 1));
    // What was deleted and is found again stays deleted: that is remembered, and changes nothing.
    let peer = only_space(&store(2, 4));
    peer.submit_pattern(&pattern("p", 5)).unwrap();
    deliver(everything(&peer), &space);
    space.forget("p").unwrap();
    let before = generation();
    assert_eq!(space.submit_pattern(&pattern("p", 5)), Ok(Submitted::Buried));
    assert_eq!((generation(), before), (4, 4));
}

/// An engine may find ten times as much at once, and then be set back to a state of yesterday. What it
/// says last is its word, whatever its clock says; what it no longer says is not taken back.
#[test]
fn a_snapshot_of_ten_times_the_size_and_one_that_goes_back_in_time_are_taken_at_their_word() {
    let store = store(1, 4);
    let space = only_space(&store);
    let at = |seconds: i64| Timestamp::from_nanoseconds(seconds * 1_000_000_000);
    let taken = |count: usize, content: u8, generated_at: Timestamp| {
        let patterns = (0..count).map(|n| pattern(&format!("p_{n:04}"), content)).collect();
        let snapshot = ConsolidationSnapshot { generated_at, ..snapshot(patterns) };
        let report = space.submit(&snapshot, Scheduler).unwrap();
        assert_eq!(report.rejected, []);
        (report.written, report.unchanged)
    };
    assert_eq!(taken(100, 9, at(100)), (100, 0));
    assert_eq!(taken(1_000, 9, at(200)), (900, 100));
    let generation = space.summary().generation;
    // Yesterday's snapshot again: equal patterns are no news, though it is older and lacks most.
    assert_eq!(taken(100, 9, at(50)), (0, 100));
    assert_eq!((space.summary().generation, space.visible_len()), (generation, 1_000));
    // Yesterday's patterns: older than what is shown, but the engine's last word on them.
    assert_eq!(taken(100, 2, at(40)), (100, 0));
    let shown = space.view().patterns;
    let embeddings = [0, 100].map(|n: usize| &shown[n].embedding);
    assert_eq!(embeddings, [&pattern("p", 2).embedding, &pattern("p", 9).embedding]);
    assert_eq!(shown.len(), 1_000);
    assert_eq!(store.written(), 1_100, "one version for each change");
}
