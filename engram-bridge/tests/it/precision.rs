//! Half precision, and strategies other than the default.

use std::sync::Arc;

use engram_bridge::ConsolidationCacheSource::Scheduler;
use engram_bridge::conflict::pattern::{KeepBoth, LastWriter};
use engram_bridge::durable::{
    MemoryStateStore, MigrateError, OpenError, Recovery, StateStore, StorageError, Table,
};
use engram_bridge::replica::{PatternError, Submitted};
use engram_bridge::spaces::SubmitError;
use engram_bridge::sync::SpaceView;
use engram_bridge::{Precision, SemanticPattern, Space, Store, StoreConfig};
use engram_gossip_proto::limits::MAX_SPACES;
use engram_gossip_proto::{Rejection, SpaceId, View};

use crate::common::*;

fn half(node: u8) -> Store {
    let (mut config, environment) = parts(node, 4);
    config.precision = Precision::F16;
    Store::new(config, environment)
}

fn with(id: &str, embedding: [f32; 4]) -> Arc<SemanticPattern> {
    let pattern = SemanticPattern::clone(&pattern(id, 1));
    Arc::new(SemanticPattern { embedding: Arc::from(embedding), ..pattern })
}

#[test]
fn embeddings_are_rounded_at_submission() {
    let store = half(1);
    let space = only_space(&store);
    let fine = with("p", [1.0 / 3.0, -1e-9, 0.5, 1.0 + f32::EPSILON]);
    let report = |patterns| space.submit(&snapshot(patterns), Scheduler).unwrap();
    assert_eq!(report(vec![fine.clone()]).written, 1);
    let shown = space.view().patterns.remove(0);
    assert_eq!(*shown.embedding, [0.333_251_95, 0.0, 0.5, 1.0]);
    assert!(shown.embedding[1].is_sign_positive());
    // The engine's exact pattern counts as unchanged, although the stored one is rounded.
    assert_eq!(report(vec![fine]).unchanged, 1);
    assert_eq!(space.submit_pattern(&shown).unwrap(), Submitted::Unchanged);

    let beyond = space.submit_pattern(&with("q", [70_000.0, 0.0, 0.0, 0.0])).unwrap_err();
    let index_0 = matches!(beyond, SubmitError::Pattern(PatternError::BeyondHalf { index: 0, .. }));
    assert!(index_0, "{beyond}");
}

#[test]
fn arriving_full_precision_content_is_refused() {
    let (exact, fine) = (with("p", [0.5, 0.25, 0.0, 1.0]), with("q", [0.1, 0.2, 0.3, 0.4]));
    let (ours, theirs) = (half(1), store(2, 4));
    for pattern in [exact, fine] {
        only_space(&theirs).submit_pattern(&pattern).unwrap();
    }
    let receipt = SpaceView::pin(&only_space(&ours)).apply(everything(&only_space(&theirs)));
    assert_eq!(receipt.rejected, [("q".to_owned(), Rejection::InvalidContent)]);
    let ids: Vec<_> =
        only_space(&ours).view().patterns.iter().map(|pattern| pattern.id.clone()).collect();
    assert_eq!(ids, ["p"]);
}

#[test]
fn a_store_of_another_precision_is_not_opened() {
    let kept = MemoryStateStore::new();
    drop(open(1, kept.clone()).unwrap());
    let (mut config, environment) = parts(1, 4);
    config.precision = Precision::F16;
    let refused = Store::open(config, environment, Arc::new(kept)).unwrap_err();
    assert!(matches!(refused, OpenError::Parameters { .. }));
    let text = refused.to_string();
    assert!(text.contains("of f32") && text.contains("of f16"), "{text}");
}

#[test]
fn precision_migration_keeps_equal_states_equal() {
    let stores = [1, 2].map(|node| (node, MemoryStateStore::new()));
    {
        let [one, two] = [0, 1].map(|at: usize| open(stores[at].0, stores[at].1.clone()).unwrap());
        let (ours, theirs) = (only_space(&one), only_space(&two));
        let fine = |id: &str, x: f32| with(id, [x / 3.0, 0.1, 0.2, x]);
        for (id, x) in [("p", 1.0), ("q", 2.0), ("gone", 3.0)] {
            ours.submit_pattern(&fine(id, x)).unwrap();
        }
        theirs.submit_pattern(&fine("p", 4.0)).unwrap();
        deliver(everything(&ours), &theirs);
        theirs.forget("gone").unwrap();
        deliver(everything(&theirs), &ours);
        assert_eq!(ours.root(), theirs.root());
    }
    let config = |node, precision| {
        let (mut config, environment) = parts(node, 4);
        config.precision = precision;
        (config, environment)
    };
    for (node, kept) in &stores {
        let (config, _) = config(*node, Precision::F16);
        let done = Store::migrate(&config, kept).unwrap();
        assert_eq!((done.spaces, done.records, done.rounded), (1, 3, 3));
        let released: Vec<_> = done.released.iter().map(|(_, id, _)| id.as_str()).collect();
        assert_eq!(released, ["gone"]);
        let again = Store::migrate(&config, kept).unwrap_err();
        assert!(matches!(again, MigrateError::Open(OpenError::Parameters { .. })), "{again}");
    }
    let opened = stores.map(|(node, kept)| {
        let (config, environment) = config(node, Precision::F16);
        Store::open(config, environment, Arc::new(kept)).unwrap()
    });
    let [ours, theirs] = [&opened[0], &opened[1]].map(only_space);
    assert_eq!(opened[0].recovery(), &Recovery::Loaded { records: 3 });
    assert_eq!(fingerprint(&ours), fingerprint(&theirs));
    assert_eq!(ours.explain("p").unwrap().versions.len(), 2);
    let submitted = ours.submit_pattern(&with("q", [2.0 / 3.0, 0.1, 0.2, 2.0])).unwrap();
    assert_eq!(submitted, Submitted::Unchanged);
}

fn halved(spaces: impl IntoIterator<Item = SpaceId>) -> StoreConfig {
    let (mut config, _) = parts(1, 4);
    (config.precision, config.spaces) = (Precision::F16, spaces.into_iter().collect());
    config
}

#[test]
fn a_damaged_store_is_not_migrated() {
    let kept = MemoryStateStore::new();
    only_space(&open(1, kept.clone()).unwrap()).submit_pattern(&pattern("p", 1)).unwrap();
    kept.spoil(|_, key, _| !key.starts_with(b"owner"));
    let rows = |kept: &MemoryStateStore| {
        let mut rows = Vec::new();
        kept.copy()
            .scan(&mut |table, key, value| rows.push((table, key.to_vec(), value.to_vec())))
            .unwrap();
        rows
    };
    let before = rows(&kept);
    let refused = Store::migrate(&halved([space()]), &kept).unwrap_err();
    let damaged = StorageError::Damaged { place: String::new(), reason: String::new() };
    let found = match &refused {
        MigrateError::Open(OpenError::Storage(found)) => found,
        other => panic!("{other}"),
    };
    assert_eq!(std::mem::discriminant(found), std::mem::discriminant(&damaged));
    assert!(refused.to_string().contains("nothing was changed"), "{refused}");
    assert_eq!(rows(&kept), before);
}

/// A record that is missing from a store is not migrated, and the result reports the loss.
#[test]
fn a_migration_counts_lost_records() {
    let kept = MemoryStateStore::new();
    let store = open(1, kept.clone()).unwrap();
    for id in ["p", "q"] {
        only_space(&store).submit_pattern(&pattern(id, 1)).unwrap();
    }
    drop(store);
    kept.spoil(|table, key, _| table != Table::Records || !key.ends_with(b"q"));
    let done = Store::migrate(&halved([space()]), &kept).unwrap();
    assert!(matches!(done.recovery, Recovery::Repaired { records: 1, .. }), "{:?}", done.recovery);
}

/// A store may hold more spaces than a node can host, for example if the node once hosted others.
#[test]
fn all_stored_spaces_are_migrated() {
    let kept = MemoryStateStore::new();
    let spaces = |part: u8| {
        (0..MAX_SPACES / 2 + 50).map(move |n| SpaceId::new(format!("space-{part}-{n}")).unwrap())
    };
    for part in [0, 1] {
        let (mut config, environment) = parts(1, 4);
        config.spaces = spaces(part).collect();
        let store = Store::open(config, environment, Arc::new(kept.clone())).unwrap();
        let last = store.iter().last().unwrap();
        last.submit_pattern(&with("p", [1.0 / 3.0, 0.1, 0.2, 1.0])).unwrap();
    }
    let done = Store::migrate(&halved([]), &kept).unwrap();
    kept.close();
    assert_eq!((done.spaces, done.records, done.rounded), (MAX_SPACES + 100, 2, 2));
    for part in [0, 1] {
        let (_, environment) = parts(1, 4);
        let store = Store::open(halved(spaces(part)), environment, Arc::new(kept.clone())).unwrap();
        assert_eq!(*store.recovery(), Recovery::Loaded { records: 1 });
    }
}

#[test]
fn keep_both_shows_all_last_writer_the_latest() {
    let shown = |space: &Space| -> Vec<(String, i64)> {
        let of = |pattern: Arc<SemanticPattern>| {
            (pattern.id.clone(), pattern.last_consolidated.as_nanoseconds() / 1_000)
        };
        space.view().patterns.into_iter().map(of).collect()
    };
    let version = |id: &str, content| (id.to_owned(), content);
    let with = |strategy: Arc<dyn engram_bridge::conflict::Strategy<Arc<SemanticPattern>>>| {
        let (mut config, environment) = parts(1, 4);
        config.strategy = strategy;
        let store = Store::new(config, environment);
        let space = only_space(&store);
        let theirs = crate::common::store(2, 4);
        space.submit_pattern(&pattern("p", 1)).unwrap();
        space.submit_pattern(&pattern("q", 4)).unwrap();
        only_space(&theirs).submit_pattern(&pattern("p", 2)).unwrap();
        deliver(everything(&only_space(&theirs)), &space);
        assert_eq!(space.visible_len(), 2, "ids");
        (store, space)
    };
    let (_store, kept) = with(Arc::new(KeepBoth));
    // The more confident version comes first.
    assert_eq!(shown(&kept), [version("p", 2), version("p", 1), version("q", 4)]);
    assert_eq!(kept.explain("p").unwrap().visible.unwrap().embedding, pattern("p", 2).embedding);
    kept.forget("p").unwrap();
    assert_eq!(shown(&kept), [version("q", 4)]);

    let (_store, latest) = with(Arc::new(LastWriter));
    assert_eq!(shown(&latest), [version("p", 2), version("q", 4)]);
}
