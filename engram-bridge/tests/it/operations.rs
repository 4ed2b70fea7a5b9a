//! The operations of an engine and of an operator, and their limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use engram_bridge::ConsolidationCacheSource::Scheduler;
use engram_bridge::durable::{MemoryStateStore, StorageError};
use engram_bridge::replica::{
    Citations, MANY_VERSIONS, MAX_EPISODES, MAX_SUPPRESSED, PatternError, Retention, Submitted,
};
use engram_bridge::spaces::{StateEvent, SubmitError};
use engram_bridge::sync::SpaceView;
use engram_bridge::{ConsolidationSnapshot, Environment, SemanticPattern, Store, Timestamp};
use engram_gossip_proto::{Rejection, SpaceId, View as _};

use crate::common::{self, *};

/// A store whose pattern `p` has one version from each of `versions` other nodes.
fn disputed(versions: u8) -> Store {
    let store = store(200, 4);
    for node in 0..versions {
        let peer = only_space(&common::store(node, 4));
        peer.submit_pattern(&pattern("p", node)).unwrap();
        deliver(everything(&peer), &only_space(&store));
    }
    store
}

#[test]
fn many_versions_are_reported_from_eight() {
    for others in [MANY_VERSIONS as u8 - 2, MANY_VERSIONS as u8 - 1] {
        let space = only_space(&disputed(others));
        let snapshot = snapshot(vec![pattern("p", 100), pattern("q", 100)]);
        let report = space.submit(&snapshot, Scheduler).unwrap();
        let crowded = usize::from(others) + 1 >= MANY_VERSIONS;
        assert_eq!(report.many_versions, if crowded { vec!["p"] } else { vec![] });
        assert_eq!((report.written, report.rejected.len()), (2, 0));
        let stats = space.stats();
        assert_eq!((stats.crowded, stats.conflicting, stats.records), (u64::from(crowded), 1, 2));
    }
}

#[test]
fn two_hundred_nodes_may_disagree() {
    let store = disputed(199);
    let space = only_space(&store);
    assert_eq!(space.submit_pattern(&pattern("p", 200)), Ok(Submitted::Written));
    assert_eq!(space.explain("p").unwrap().versions.len(), 200);
    let peer = only_space(&common::store(201, 4));
    deliver(everything(&space), &peer);
    assert_eq!(fingerprint(&peer), fingerprint(&space));
    space.resolve(&pattern("p", 100), Citations::AsGiven).unwrap();
    assert_eq!(space.stats().conflicting, 0);
}

#[test]
fn suppression_keeps_the_smallest_digests() {
    let (store, peer) = (store(1, 4), only_space(&store(2, 4)));
    let (space, mut events) = (only_space(&store), store.events());
    for n in 0..MAX_SUPPRESSED + 2 {
        let version = SemanticPattern { strength: n as f32, ..(*pattern("p", 0)).clone() };
        assert_eq!(peer.submit_pattern(&Arc::new(version)), Ok(Submitted::Written));
        deliver(everything(&peer), &space);
        assert!(space.forget("p").unwrap());
        let receipt = SpaceView::pin(&peer).apply(everything(&space));
        assert_eq!((receipt.applied, receipt.rejected), (1, vec![]), "after {n}");
        assert_eq!(peer.root(), space.root());
    }
    assert_eq!(space.explain("p").unwrap().suppressed.len(), MAX_SUPPRESSED);
    assert_eq!(store.write_stats().suppressions_dropped, 2);
    assert!(matches!(events.try_recv(), Ok(StateEvent::SuppressionDropped { digests: 1, .. })));
}

#[test]
fn resolution_over_max_citations_is_refused() {
    let space = only_space(&store(1, 4));
    let citing = |prefix: &str| {
        let episodes = (0..MAX_EPISODES / 2 + 1).map(|n| format!("{prefix}-{n:04}")).collect();
        Arc::new(SemanticPattern { source_episodes: episodes, ..(*pattern("p", 1)).clone() })
    };
    space.submit_pattern(&citing("a")).unwrap();
    let refused = space.resolve(&citing("b"), Citations::Union).unwrap_err();
    let found = 2 * (MAX_EPISODES / 2 + 1);
    assert_eq!(refused, SubmitError::Pattern(PatternError::EpisodeCount { found }));
    space.resolve(&citing("b"), Citations::AsGiven).unwrap();
}

#[test]
fn forgetting_many_ids_is_one_commit() {
    let kept = MemoryStateStore::new();
    let space = only_space(&open(1, kept.clone()).unwrap());
    let ids: Vec<String> = (0..2_000).map(|n| format!("p_{n}")).collect();
    let patterns = ids.iter().map(|id| pattern(id, 1)).collect();
    space.submit(&snapshot(patterns), Scheduler).unwrap();
    let before = kept.commits();
    let forgotten = space.forget_all(ids.iter().map(String::as_str)).unwrap();
    assert_eq!((forgotten, kept.commits() - before), (2_000, 1));
    assert_eq!((space.visible_len(), space.stats().deletions), (0, 2_000));
}

#[test]
fn an_evicted_nodes_versions_are_withdrawn() {
    let (space, peer) = (only_space(&store(1, 4)), only_space(&store(2, 4)));
    peer.submit(&snapshot(vec![pattern("p", 1), pattern("q", 1)]), Scheduler).unwrap();
    space.submit_pattern(&pattern("p", 2)).unwrap();
    deliver(everything(&peer), &space);
    assert_eq!(space.withdraw_node(&[2; 32].into()), Ok(2));
    let view = space.view().patterns;
    assert_eq!((view.len(), view[0].source_episodes.contains(&"episode-1".to_owned())), (1, false));
    deliver(everything(&space), &peer);
    assert_eq!(fingerprint(&peer), fingerprint(&space));
}

#[test]
fn a_new_key_takes_over_the_versions_of_the_old() {
    let old = only_space(&store(1, 4));
    old.submit(&snapshot(vec![pattern("p", 1), pattern("q", 1)]), Scheduler).unwrap();
    let (mut config, environment) = parts(2, 4);
    config.replaces = vec![[1; 32].into()];
    let new = Store::new(config, environment);
    let space = only_space(&new);
    deliver(everything(&old), &space);
    // Nothing can be reissued under the old key, so an equal submission is written under the new
    // key.
    assert_eq!(space.submit_pattern(&pattern("p", 1)), Ok(Submitted::Written));
    assert_eq!(space.submit_pattern(&pattern("p", 1)), Ok(Submitted::Unchanged));
    assert_eq!(space.submit_pattern(&pattern("p", 2)), Ok(Submitted::Written));
    assert!(space.withdraw("q").unwrap());
    let view = space.view().patterns;
    assert_eq!((view.len(), view[0].source_episodes[0].as_str()), (1, "episode-2"));
}

#[test]
fn retention_hides_and_removes_nothing() {
    let (mut config, environment) = parts(1, 4);
    config.retention = Retention::ALL.with_max_age(Duration::from_micros(3)).with_max_patterns(2);
    let keeper = Store::new(config, environment);
    let (keeper, other) = (only_space(&keeper), only_space(&store(1, 4)));
    for space in [&keeper, &other] {
        let patterns = (0..8).map(|n| pattern(&format!("p_{n}"), n)).collect();
        space.submit(&snapshot(patterns), Scheduler).unwrap();
    }
    let view = keeper.view();
    let ids: Vec<_> = view.patterns.iter().map(|pattern| pattern.id.as_str()).collect();
    // Patterns p_4 to p_7 are from the last three microseconds; p_5 is the most confident, followed
    // by p_4 and p_7, of which p_7 is newer.
    assert_eq!((ids, view.hidden), (vec!["p_5", "p_7"], 6));
    assert_eq!(other.view().hidden, 0);
    // The state and the records sent are the same as those of a node without a retention limit.
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
    assert_eq!((generation(), space.stats().deletions), (2, 1));
    // A forgotten content that the engine submits again stays forgotten, so the state does not
    // change.
    let peer = only_space(&store(2, 4));
    peer.submit_pattern(&pattern("p", 5)).unwrap();
    deliver(everything(&peer), &space);
    space.forget("p").unwrap();
    let before = generation();
    assert_eq!(space.submit_pattern(&pattern("p", 5)), Ok(Submitted::Suppressed));
    assert_eq!((generation(), before), (4, 4));
}

/// An engine may suddenly find ten times as many patterns, and then return to yesterday's state.
/// Its last submission counts, whatever its clock shows; a pattern that it no longer submits is
/// kept.
#[test]
fn snapshots_may_grow_and_go_back_in_time() {
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
    // Yesterday's snapshot again: equal patterns change nothing, although the snapshot is older and
    // lacks most patterns.
    assert_eq!(taken(100, 9, at(50)), (0, 100));
    assert_eq!((space.summary().generation, space.visible_len()), (generation, 1_000));
    // Yesterday's patterns are older than the shown ones, but they are the engine's latest
    // submission.
    assert_eq!(taken(100, 2, at(40)), (100, 0));
    let shown = space.view().patterns;
    let embeddings = [0, 100].map(|n: usize| &shown[n].embedding);
    assert_eq!(embeddings, [&pattern("p", 2).embedding, &pattern("p", 9).embedding]);
    assert_eq!(shown.len(), 1_000);
    assert_eq!(store.write_stats().written, 1_100, "one version for each change");
}

/// One pattern two years ahead, from a node with a wrong clock, hides nothing.
#[test]
fn far_future_pattern_hides_no_others() {
    let (mut config, environment) = parts(1, 4);
    config.retention = Retention::ALL.with_max_age(Duration::from_secs(365 * 86_400));
    let space = only_space(&Store::new(config, environment));
    let patterns = (0..100).map(|n| pattern(&format!("p_{n}"), n)).collect();
    space.submit(&snapshot(patterns), Scheduler).unwrap();
    let ahead = Timestamp::from_nanoseconds(2 * 365 * 86_400_000_000_000);
    let wrong = SemanticPattern { last_consolidated: ahead, ..(*pattern("wrong", 1)).clone() };
    let peer = only_space(&store(2, 4));
    peer.submit_pattern(&Arc::new(wrong)).unwrap();
    deliver(everything(&peer), &space);
    assert_eq!((space.view().patterns.len(), space.view().hidden), (101, 0));
}

#[test]
fn a_new_space_waits_for_its_first_contact() {
    let kept = MemoryStateStore::new();
    let space = only_space(&open(1, kept.clone()).unwrap());
    assert!(space.await_contact());
    assert_eq!(space.submit_pattern(&pattern("p", 1)), Ok(Submitted::Waiting));
    assert_eq!((space.view().patterns.len(), space.summary().count), (1, 0));

    // A peer holds a version that this node wrote before it lost its store.
    let peer = only_space(&store(2, 4));
    let earlier = only_space(&store(1, 4));
    earlier.submit_pattern(&pattern("p", 2)).unwrap();
    deliver(everything(&earlier), &peer);
    deliver(everything(&peer), &space);
    space.take_in().unwrap();
    deliver(everything(&space), &peer);
    assert_eq!(fingerprint(&peer), fingerprint(&space));
    assert_eq!(peer.view().patterns[0].source_episodes[0], "episode-1");

    // The wait has ended, so it does not resume after a restart.
    drop(space);
    assert!(!only_space(&open(1, kept).unwrap()).await_contact());
}

#[test]
fn operation_first_applies_waiting_patterns() {
    let space = only_space(&store(1, 4));
    space.await_contact();
    space.submit(&snapshot(vec![pattern("p", 1), pattern("q", 1)]), Scheduler).unwrap();
    space.resolve(&pattern("p", 2), Citations::AsGiven).unwrap();
    assert_eq!((space.summary().count, space.waiting_len()), (1, 1));
    assert!(space.forget("q").unwrap());
    space.take_in().unwrap();
    let view = space.view().patterns;
    assert_eq!((view.len(), view[0].source_episodes[0].as_str()), (1, "episode-2"));
}

/// An operation that cannot be stored leaves the waiting pattern and the disk as they were.
#[test]
fn failed_operation_leaves_waiting_patterns() {
    let kept = MemoryStateStore::new();
    let store = open(1, kept.clone()).unwrap();
    let space = only_space(&store);
    space.await_contact();
    space.submit(&snapshot(vec![pattern("p", 1), pattern("q", 1)]), Scheduler).unwrap();
    let (place, reason) = ("memory".to_owned(), "simulated failure".to_owned());
    // A second commit would fail.
    kept.fail_after(1, StorageError::Full { place, reason });
    let (commits, shown) = (kept.commits(), *space.view_version().borrow());
    assert!(space.forget("p").unwrap());
    assert_eq!((kept.commits() - commits, space.waiting_len()), (1, 1));
    assert!(*space.view_version().borrow() > shown);
    assert_eq!(store.write_stats().written, 1);

    let before = fingerprint(&space);
    assert!(space.resolve(&pattern("q", 2), Citations::Union).is_err());
    assert!(space.withdraw("q").is_err());
    assert_eq!((fingerprint(&space), space.waiting_len()), (before, 1));
    assert_eq!((space.summary().count, store.write_stats().written), (1, 1));

    kept.fail(None);
    let resolved = pattern("q", 2);
    space.resolve(&resolved, Citations::Union).unwrap();
    assert_eq!((space.waiting_len(), store.write_stats().written), (0, 2));
    let view = space.view().patterns;
    let cited = |episode: &str| view[0].source_episodes.iter().any(|one| one == episode);
    assert!(view.len() == 1 && cited("episode-1") && cited("episode-2"), "{view:?}");
    space.take_in().unwrap();
    assert_eq!(space.submit_pattern(&pattern("q", 1)), Ok(Submitted::Unchanged));
    drop((store, space));
    let again = open(1, kept).unwrap();
    assert_eq!(only_space(&again).view().patterns, view);
}

#[test]
fn restart_resumes_waiting_for_contact() {
    let kept = MemoryStateStore::new();
    let space = only_space(&open(1, kept.clone()).unwrap());
    assert!(space.await_contact());
    let peer = only_space(&store(2, 4));
    peer.submit_pattern(&pattern("p", 1)).unwrap();
    deliver(everything(&peer), &space);
    drop(space);
    assert!(only_space(&open(1, kept).unwrap()).await_contact());
}

/// A clock that was eleven years ahead is corrected. The versions written under it are dropped, and
/// the writes are reissued.
#[test]
fn implausible_own_versions_can_be_dropped() {
    const YEAR: i64 = 365 * 86_400 * 1_000_000_000;
    let now = Arc::new(AtomicI64::new(1_800_000_000_000_000_000 + 11 * YEAR));
    let (clock, peer) = (Arc::clone(&now), store(2, 4));
    let (config, _) = parts(1, 4);
    let clock = move || Timestamp::from_nanoseconds(clock.fetch_add(1_024, Ordering::Relaxed));
    let node = Store::new(config, Environment::new(clock, || 0));
    let (space, other) = (only_space(&node), only_space(&peer));
    space.submit_pattern(&pattern("p", 1)).unwrap();
    now.store(1_800_000_000_000_000_000, Ordering::Relaxed);

    let receipt = SpaceView::pin(&other).apply(everything(&space));
    assert_eq!(receipt.rejected, [("p".to_owned(), Rejection::ImplausibleVersion)]);
    assert_eq!([node.drop_implausible(), node.drop_implausible()], [Ok(1), Ok(0)]);
    assert_eq!(space.submit_pattern(&pattern("p", 1)), Ok(Submitted::Unchanged));
    deliver(everything(&space), &other);
    assert_eq!(fingerprint(&other), fingerprint(&space));
}

/// If the disk fails between two spaces, the error counts the patterns of the first, and does not
/// say that nothing was changed.
#[test]
fn an_incomplete_operation_says_what_it_changed() {
    let kept = MemoryStateStore::new();
    let (mut config, environment) = parts(1, 4);
    config.spaces = ["one", "two"].map(|name| SpaceId::new(name).unwrap()).into();
    let node = Store::open(config, environment, Arc::new(kept.clone())).unwrap();
    for space in node.iter() {
        space.submit_pattern(&pattern("p", 1)).unwrap();
        space.submit_pattern(&pattern("q", 1)).unwrap();
    }
    let (place, reason) = ("memory".to_owned(), "simulated failure".to_owned());
    kept.fail_after(1, StorageError::Full { place, reason });
    let failed = node.withdraw_node(&node.node()).unwrap_err();
    assert_eq!((failed.changed, node.visible_len()), (2, 2));
    let said = failed.to_string();
    assert!(said.contains("2 patterns were changed before, but the rest was not"), "{said}");
    assert!(said.contains("free some space"), "{said}");

    let failed = node.withdraw_node(&node.node()).unwrap_err();
    assert!(failed.to_string().contains("nothing was changed"), "{failed}");
    kept.fail(None);
    assert_eq!(node.withdraw_node(&node.node()), Ok(2));
}

/// If the disk fails between two spaces, the error counts the records of the first.
#[test]
fn an_incomplete_drop_says_what_it_changed() {
    const YEAR: i64 = 365 * 86_400 * 1_000_000_000;
    let now = Arc::new(AtomicI64::new(1_800_000_000_000_000_000 + 11 * YEAR));
    let (clock, kept) = (Arc::clone(&now), MemoryStateStore::new());
    let (mut config, _) = parts(1, 4);
    config.spaces = ["one", "two"].map(|name| SpaceId::new(name).unwrap()).into();
    let clock = move || Timestamp::from_nanoseconds(clock.fetch_add(1_024, Ordering::Relaxed));
    let environment = Environment::new(clock, || 0);
    let node = Store::open(config, environment, Arc::new(kept.clone())).unwrap();
    node.iter().for_each(|space| _ = space.submit_pattern(&pattern("p", 1)).unwrap());
    now.store(1_800_000_000_000_000_000, Ordering::Relaxed);
    let (place, reason) = ("memory".to_owned(), "simulated failure".to_owned());
    kept.fail_after(1, StorageError::Full { place, reason });
    let failed = node.drop_implausible().unwrap_err();
    assert_eq!(failed.changed, 1);
    assert!(failed.to_string().contains("1 pattern was changed before"), "{failed}");
    kept.fail(None);
    assert_eq!([node.drop_implausible(), node.drop_implausible()], [Ok(1), Ok(0)]);
}
