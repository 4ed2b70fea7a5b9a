//! `GossipingConsolidationService`, between an engine and peers.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use engram_bridge::durable::{MemoryStateStore, StorageError};
use engram_bridge::replica::{PatternError, RejectedPattern};
use engram_bridge::spaces::{AddSpaceError, StateEvent};
use engram_bridge::{
    BeliefUpdateRecord, Binding, Confidence, ConsolidationCacheSource, ConsolidationObserver,
    ConsolidationRun, ConsolidationService, ConsolidationSnapshot, ENGRAM_DIMENSION, Environment,
    GossipingConsolidationService, SemanticPattern, ServiceError, SpaceId, Store, Timestamp,
};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::common::cluster::*;
use crate::common::{deliver, everything, only_space, open, parts, pattern, snapshot, store, tick};

/// An inner service that records its calls.
struct Witness {
    seen: Mutex<Vec<(usize, ConsolidationCacheSource)>>,
    calls: watch::Sender<usize>,
    path: Mutex<PathBuf>,
    /// Deleted when the witness is dropped.
    _log: tempfile::TempPath,
}

impl Witness {
    fn new() -> Arc<Self> {
        let log = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        Arc::new(Self {
            seen: Mutex::default(),
            calls: watch::Sender::new(0),
            path: Mutex::new(log.to_path_buf()),
            _log: log,
        })
    }

    fn seen(&self) -> Vec<(usize, ConsolidationCacheSource)> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until the last snapshot that the inner service received has `patterns` patterns.
    async fn until(&self, patterns: usize) {
        let mut calls = self.calls.subscribe();
        let enough = |_: &usize| self.seen().last().is_some_and(|(count, _)| *count == patterns);
        calls.wait_for(enough).await.unwrap();
    }
}

impl ConsolidationService for Witness {
    fn cached_snapshot(&self) -> Option<ConsolidationSnapshot> {
        None
    }

    fn update_cache(&self, snapshot: &ConsolidationSnapshot, source: ConsolidationCacheSource) {
        self.seen.lock().unwrap().push((snapshot.patterns.len(), source));
        self.calls.send_modify(|calls| *calls += 1);
    }

    fn set_alert_log_path(&self, path: PathBuf) {
        *self.path.lock().unwrap() = path;
    }

    fn alert_log_path(&self) -> PathBuf {
        self.path.lock().unwrap().clone()
    }

    fn recent_updates(&self) -> Vec<BeliefUpdateRecord> {
        Vec::new()
    }
}

fn service(node: &Node) -> (Arc<Witness>, GossipingConsolidationService) {
    let witness = Witness::new();
    let service = GossipingConsolidationService::new(witness.clone(), node.gossiper());
    (witness, service.unwrap())
}

fn patterns(prefix: &str, count: usize) -> Vec<Arc<SemanticPattern>> {
    let real = snapshots("node-a").pop().unwrap().patterns;
    let invented = (0..count).map(|n| {
        let id = format!("{prefix}_{n}");
        Arc::new(SemanticPattern { id, ..(*real[n]).clone() })
    });
    invented.collect()
}

use ConsolidationCacheSource::{Gossip, OnDemand, Scheduler};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inner_service_is_called_only_on_view_changes() {
    let cluster = Cluster::start(&["a"], &quiet());
    let (witness, service) = service(&cluster.nodes[0]);
    assert!(service.cached_snapshot().is_none());

    // Engram calls `update_cache` after every run, and empty snapshots are normal.
    service.update_cache(&snapshot(vec![]), Scheduler);
    service.update_cache(&snapshot(vec![]), Scheduler);
    service.durable().await.unwrap();
    assert_eq!(witness.seen(), [(0, Scheduler)]);
    assert!(service.cached_snapshot().unwrap().patterns.is_empty());

    let own = snapshot(patterns("own", 3));
    for _ in 0..10 {
        service.update_cache(&own, OnDemand);
    }
    service.durable().await.unwrap();
    assert_eq!(witness.seen(), [(0, Scheduler), (3, OnDemand)]);

    // A restarted engine has forgotten everything; its cluster has not.
    service.update_cache(&snapshot(vec![]), Scheduler);
    service.durable().await.unwrap();
    assert_eq!(witness.seen().len(), 2);
    assert_eq!(service.cached_snapshot().unwrap().patterns.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peer_patterns_reach_the_cache_with_origin() {
    let cluster = Cluster::start(&["a", "b"], &lively());
    let (_, a) = service(&cluster.nodes[0]);
    let (witness, b) = service(&cluster.nodes[1]);
    b.update_cache(&snapshot(patterns("of_b", 2)), Scheduler);
    b.durable().await.unwrap();
    a.update_cache(&snapshot(patterns("of_a", 5)), Scheduler);
    witness.until(7).await;
    assert_eq!(witness.seen().last(), Some(&(7, Gossip)));
    assert_eq!(b.cached_snapshot().unwrap().patterns.len(), 7);

    let updates = b.recent_updates();
    assert_eq!(updates.len(), 7);
    for update in &updates {
        let remote = update.pattern_id.starts_with("of_a");
        let origin = remote.then(|| cluster.nodes[0].gossip.node_id());
        assert_eq!(update.origin, origin);
        assert_eq!(update.source, if remote { Gossip } else { Scheduler });
        assert!(update.confidence_delta > 0.0 && update.citation_delta > 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resubmitted_merged_view_writes_nothing() {
    let cluster = Cluster::start(&["a", "b"], &lively());
    let (_, a) = service(&cluster.nodes[0]);
    let (witness, b) = service(&cluster.nodes[1]);
    a.update_cache(&snapshot(patterns("of_a", 5)), Scheduler);
    witness.until(5).await;
    let (root, merged) = (cluster.nodes[1].store.root(), b.cached_snapshot().unwrap());
    b.update_cache(&merged, OnDemand);
    assert_eq!(b.durable().await.unwrap().echoed, 5);
    assert_eq!(cluster.nodes[1].store.root(), root);
    assert_eq!(cluster.nodes[1].store.write_stats().written, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_calls_reach_the_inner_service() {
    let cluster = Cluster::start(&["a"], &quiet());
    let (witness, service) = service(&cluster.nodes[0]);
    service.set_alert_log_path("alerts.jsonl".into());
    assert_eq!(witness.alert_log_path(), PathBuf::from("alerts.jsonl"));
    assert_eq!(service.alert_log_path(), PathBuf::from("alerts.jsonl"));
}

/// The lines of a belief log: pattern, source, and origin.
fn lines(path: &Path) -> Vec<(String, String, Option<String>)> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let text_of = |line: &Value, name: &str| line[name].as_str().map(str::to_owned);
    let line = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let [id, source] = ["pattern_id", "source"].map(|name| text_of(&line, name).unwrap());
        (id, source, text_of(&line, "origin"))
    };
    text.lines().map(line).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn belief_log_has_a_line_per_changed_belief() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alerts/beliefs.jsonl");
    let cluster = Cluster::start(&["alone"], &quiet());
    let (_, service) = service(&cluster.nodes[0]);
    service.set_alert_log_path(path.clone());
    for source in [Scheduler, Scheduler, OnDemand] {
        service.update_cache(&snapshot(patterns("own", 2)), source);
    }
    service.durable().await.unwrap();
    let line = |id: &str| (id.to_owned(), "scheduler".to_owned(), None);
    assert_eq!(lines(&path), [line("own_0"), line("own_1")]);
    let runs = cluster.nodes[0].space().run_stats();
    assert_eq!((runs.scheduler_runs, runs.on_demand_runs, runs.changing_runs), (2, 1, 1));
    let last = runs.last.unwrap();
    assert_eq!((last.patterns, last.updates, last.refused), (2, 0, 0));
    assert!(last.citations > 0 && !last.age.is_zero());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peer_beliefs_are_logged_with_their_origin() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("beliefs.jsonl");
    let cluster = Cluster::start(&["a", "b"], &lively());
    let (_, a) = service(&cluster.nodes[0]);
    let (witness, b) = service(&cluster.nodes[1]);
    b.set_alert_log_path(path.clone());
    b.update_cache(&snapshot(patterns("of_b", 1)), Scheduler);
    a.update_cache(&snapshot(patterns("of_a", 2)), Scheduler);
    witness.until(3).await;
    let origin = Some(cluster.nodes[0].gossip.node_id().to_string());
    let line = |id: &str, source: &str, origin| (id.to_owned(), source.to_owned(), origin);
    let expected = [
        line("of_a_0", "gossip", origin.clone()),
        line("of_a_1", "gossip", origin),
        line("of_b_0", "scheduler", None),
    ];
    let logged = async || {
        let mut lines = lines(&path);
        lines.sort();
        (lines == expected).then_some(())
    };
    eventually("line for each belief", logged).await;
    b.durable().await.unwrap();
    assert_eq!(cluster.nodes[1].space().run_stats().scheduler_runs, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unwritable_log_is_reported_once() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(&["a"], &quiet());
    let mut events = cluster.nodes[0].store.events();
    let (_, service) = service(&cluster.nodes[0]);
    // The path of the log is a folder.
    service.set_alert_log_path(folder.path().to_owned());
    service.update_cache(&snapshot(patterns("one", 1)), Scheduler);
    service.update_cache(&snapshot(patterns("two", 1)), Scheduler);
    service.durable().await.unwrap();
    service.set_alert_log_path(folder.path().join("log.jsonl"));
    service.update_cache(&snapshot(patterns("three", 1)), Scheduler);
    service.durable().await.unwrap();
    let failure = |event: StateEvent| match event {
        StateEvent::BeliefLog { failure, .. } => failure,
        event => panic!("{event:?}"),
    };
    let failed = failure(events.try_recv().unwrap()).unwrap();
    assert!(failed.starts_with(&folder.path().display().to_string()), "{failed}");
    assert_eq!(failure(events.try_recv().unwrap()), None);
    assert!(events.try_recv().is_err());
    assert_eq!(cluster.nodes[0].store.write_stats().belief_log_failures, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn second_service_of_a_space_is_refused() {
    let cluster = Cluster::start(&["a"], &quiet());
    let (_, first) = service(&cluster.nodes[0]);
    let second = || GossipingConsolidationService::new(Witness::new(), cluster.nodes[0].gossiper());
    assert_eq!(second().map(drop), Err(ServiceError::Exists { space: crate::common::space() }));
    drop(first);
    assert!(second().is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_has_the_changes_before_the_service() {
    let mut cluster = Cluster::start(&["a", "b"], &lively());
    let (_, a) = service(&cluster.nodes[0]);
    a.update_cache(&snapshot(patterns("of_a", 2)), Scheduler);
    cluster.until(|nodes| only_space(&nodes[1].store).visible_len() == 2).await;
    let (witness, _service) = service(&cluster.nodes[1]);
    witness.until(2).await;
    let origin = Some(cluster.nodes[0].gossip.node_id().to_string());
    let line = |id: &str| (id.to_owned(), "gossip".to_owned(), origin.clone());
    assert_eq!(lines(&witness.alert_log_path()), [line("of_a_0"), line("of_a_1")]);
}

/// An observer that records its calls.
#[derive(Default)]
struct Registry(Mutex<Vec<(ConsolidationRun, usize, usize)>>, Mutex<usize>, Mutex<usize>);

impl ConsolidationObserver for Registry {
    fn on_run(&self, run: &ConsolidationRun) {
        let (updates, refused) = (*self.1.lock().unwrap(), *self.2.lock().unwrap());
        self.0.lock().unwrap().push((*run, updates, refused));
    }

    fn on_updates(&self, updates: &[BeliefUpdateRecord]) {
        *self.1.lock().unwrap() += updates.len();
    }

    fn on_refused(&self, refused: &[RejectedPattern]) {
        *self.2.lock().unwrap() += refused.len();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn observer_receives_each_run() {
    let cluster = Cluster::start(&["a"], &quiet());
    let registry = Arc::new(Registry::default());
    let (inner, gossiper) = (Witness::new(), cluster.nodes[0].gossiper());
    let service = GossipingConsolidationService::builder(inner, gossiper);
    let service = service.with_observer(registry.clone()).without_belief_log().start().unwrap();
    service.update_cache(&snapshot(patterns("own", 3)), Scheduler);
    service.update_cache(&snapshot(patterns("own", 3)), OnDemand);
    service.durable().await.unwrap();
    let runs = registry.0.lock().unwrap();
    let told: Vec<_> =
        runs.iter().map(|(run, updates, _)| (run.source, run.updates, *updates)).collect();
    assert_eq!(told, [(Scheduler, 3, 3), (OnDemand, 0, 3)]);
    assert!(!Path::new("data/consolidation").exists());
}

/// A run counts only its own changes, even if those of a peer arrive just before. There is a single thread, so no
/// other task runs in between.
#[tokio::test]
async fn run_does_not_count_changes_of_peers() {
    let cluster = Cluster::start(&["a"], &quiet());
    let space = only_space(&cluster.nodes[0].store);
    let (_, service) = service(&cluster.nodes[0]);
    let other = store(9, ENGRAM_DIMENSION);
    for n in 0..4 {
        let theirs = snapshot(patterns(&format!("theirs_{n}"), 2));
        only_space(&other).submit(&theirs, Scheduler).unwrap();
        let (own, count) = (snapshot(patterns("own", 1)), usize::from(n == 0));
        deliver(everything(&only_space(&other)), &space);
        service.update_cache(&own, Scheduler);
        service.durable().await.unwrap();
        let runs = space.run_stats();
        assert_eq!((runs.last.unwrap().updates, runs.changing_runs), (count, 1));
    }
}

/// A run counts the patterns that it shows while they wait for the first contact.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn run_counts_its_waiting_patterns() {
    let cluster = Cluster::start(&["a"], &quiet());
    let space = only_space(&cluster.nodes[0].store);
    assert!(space.await_contact());
    let (_, service) = service(&cluster.nodes[0]);
    for updates in [3, 0] {
        service.update_cache(&snapshot(patterns("own", 3)), Scheduler);
        assert_eq!(service.durable().await.unwrap().waiting, 3);
        let run = space.run_stats().last.unwrap();
        assert_eq!((run.updates, run.max_novelty > 0.0), (updates, updates > 0));
    }
    assert_eq!(space.run_stats().changing_runs, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn run_that_is_not_stored_says_so() {
    let kept = MemoryStateStore::new();
    let store = Arc::new(open(1, kept.clone()).unwrap());
    let cluster = Cluster::start(&["a"], &quiet());
    let binding = Binding::new(store, cluster.nodes[0].gossip.clone());
    let gossiper = binding.gossiper(&crate::common::space()).unwrap();
    let service = GossipingConsolidationService::new(Witness::new(), gossiper.clone()).unwrap();
    let (place, reason) = ("memory".to_owned(), "simulated failure".to_owned());
    kept.fail(Some(StorageError::Full { place, reason }));
    for stored in [false, true] {
        service.update_cache(&snapshot(vec![pattern("p", 1)]), Scheduler);
        assert_eq!(service.durable().await.is_ok(), stored);
        let run = gossiper.space().run_stats().last.unwrap();
        assert_eq!((run.stored, run.patterns), (stored, usize::from(stored)));
        kept.fail(None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_contact_can_be_awaited() {
    let cluster = Cluster::start(&["a"], &quiet());
    let gossiper = cluster.nodes[0].gossiper();
    assert_eq!(gossiper.first_contact().await, Ok(()), "the space does not wait");
    let space = only_space(&cluster.nodes[0].store);
    assert!(space.await_contact());
    let mut contact = std::pin::pin!(gossiper.first_contact());
    assert!(timeout(Duration::ZERO, contact.as_mut()).await.is_err(), "the space waits");
    space.take_in().unwrap();
    assert_eq!(timeout(Duration::ZERO, contact).await, Ok(Ok(())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stop_ends_the_wait_for_a_first_contact() {
    let kept = MemoryStateStore::new();
    let store = Arc::new(open(1, kept.clone()).unwrap());
    let cluster = Cluster::start(&["a"], &quiet());
    let binding = Binding::new(Arc::clone(&store), cluster.nodes[0].gossip.clone());
    let gossiper = binding.gossiper(&crate::common::space()).unwrap();
    assert!(gossiper.space().await_contact());
    gossiper.update_pattern(&pattern("p", 1)).unwrap();
    let (place, reason) = ("memory".to_owned(), "simulated failure".to_owned());
    kept.fail(Some(StorageError::Full { place, reason }));
    assert!(store.close().is_err());
    let ended = timeout(Duration::ZERO, gossiper.first_contact()).await;
    assert_eq!(ended, Ok(Err(StorageError::Stopped)));
}

/// Snapshots count as runs even if they arrive faster than they are stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quick_snapshots_all_count_as_runs() {
    let cluster = Cluster::start(&["a"], &quiet());
    let registry = Arc::new(Registry::default());
    let (inner, gossiper) = (Witness::new(), cluster.nodes[0].gossiper());
    let service = GossipingConsolidationService::builder(inner, gossiper);
    let service = service.with_observer(registry.clone()).start().unwrap();
    for n in 0..50 {
        service.update_cache(&snapshot(patterns(&n.to_string(), 1)), [Scheduler, OnDemand][n % 2]);
    }
    service.durable().await.unwrap();
    let runs = cluster.nodes[0].space().run_stats();
    assert_eq!((runs.scheduler_runs, runs.on_demand_runs), (25, 25));
    assert_eq!(registry.0.lock().unwrap().len(), 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn service_starts_outside_a_runtime() {
    let cluster = Cluster::start(&["a", "b"], &lively());
    let (witness, gossiper) = (Witness::new(), cluster.nodes[1].gossiper());
    let inner = witness.clone();
    let made = std::thread::spawn(move || GossipingConsolidationService::new(inner, gossiper));
    let service = made.join().unwrap().unwrap();
    let gossiper = cluster.nodes[0].gossiper();
    gossiper.rebuild_from_snapshot(&snapshot(patterns("of_a", 2)), Scheduler).unwrap();
    witness.until(2).await;
    drop(service);
}

/// A stop also stores the queued snapshots of a service that was dropped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stop_stores_the_queued_snapshots() {
    let cluster = Cluster::start(&["a"], &quiet());
    let node = &cluster.nodes[0];
    let submit = |name: &str| {
        let (_, service) = service(node);
        for n in 0..20 {
            service.update_cache(&snapshot(patterns(&format!("{name}_{n}"), 10)), Scheduler);
        }
        service
    };
    drop(submit("dropped"));
    let _kept = submit("kept");
    node.binding().stop().await.unwrap();
    assert_eq!(only_space(&node.store).visible_len(), 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_node_refuses_snapshots() {
    let cluster = Cluster::start(&["a"], &quiet());
    let node = &cluster.nodes[0];
    let (_, service) = service(node);
    service.update_cache(&snapshot(patterns("own", 1)), Scheduler);
    node.binding().stop().await.unwrap();
    assert_eq!(service.durable().await.unwrap().written, 1);

    service.update_cache(&snapshot(patterns("late", 1)), Scheduler);
    assert_eq!(service.durable().await.unwrap_err().error, StorageError::Stopped);
    assert_eq!(service.last_report().unwrap_err().error, StorageError::Stopped);
    assert_eq!(service.cached_snapshot().unwrap().patterns.len(), 1);
    for space in ["default", "other"].map(|name| SpaceId::new(name).unwrap()) {
        let refused = node.binding().add_space(&space).map(drop);
        assert_eq!(refused, Err(AddSpaceError::Stopped { space }));
    }
}

/// A stop also logs the changes from submissions that waited for the first contact.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stop_logs_the_changes_of_beliefs() {
    let cluster = Cluster::start(&["a"], &quiet());
    let node = &cluster.nodes[0];
    assert!(only_space(&node.store).await_contact());
    let (witness, service) = service(node);
    service.update_cache(&snapshot(patterns("own", 1)), Scheduler);
    assert_eq!(service.durable().await.unwrap().waiting, 1);
    assert_eq!(lines(&witness.alert_log_path()), []);
    node.binding().stop().await.unwrap();
    let line = ("own_0".to_owned(), "scheduler".to_owned(), None);
    assert_eq!(lines(&witness.alert_log_path()), [line]);
}

#[test]
fn merged_view_time_survives_a_restart() {
    let kept = MemoryStateStore::new();
    let shown = |store: &Store| only_space(store).view().generated_at;
    let made = |at| ConsolidationSnapshot { generated_at: at, ..snapshot(vec![pattern("p", 1)]) };
    let store = open(1, kept.clone()).unwrap();
    // The first submission waits for a first contact.
    assert!(only_space(&store).await_contact());
    assert_eq!(only_space(&store).submit(&made(tick()), Scheduler).unwrap().waiting, 1);
    let changed = shown(&store);
    assert!(changed > Timestamp::EPOCH);
    store.close().unwrap();
    assert_eq!(shown(&store), changed);
    drop(store);

    let store = open(1, kept.clone()).unwrap();
    assert_eq!(shown(&store), changed);
    // This snapshot changes no pattern.
    let later = tick();
    only_space(&store).submit(&made(later), Scheduler).unwrap();
    assert_eq!(shown(&store), later);
    store.close().unwrap();
    drop(store);

    assert_eq!(shown(&open(1, kept).unwrap()), later);
}

#[test]
fn stored_time_of_a_fast_clock_is_corrected() {
    let kept = MemoryStateStore::new();
    let ahead = || Timestamp::from_nanoseconds(1_900_000_000_000_000_000);
    let ((config, _), environment) = (parts(1, 4), Environment::new(ahead, || 0));
    let store = Store::open(config, environment, Arc::new(kept.clone())).unwrap();
    only_space(&store).submit(&snapshot(vec![pattern("p", 1)]), Scheduler).unwrap();
    assert_eq!(only_space(&store).view().generated_at, ahead());
    drop(store);
    assert!(only_space(&open(1, kept).unwrap()).view().generated_at < tick());
}

#[test]
fn snapshot_from_the_future_counts_as_present() {
    let store = store(1, 4);
    let future = Timestamp::from_nanoseconds(4_000_000_000_000_000_000);
    let submit = |at, content| {
        let made = snapshot(vec![pattern("p", content)]);
        let made = ConsolidationSnapshot { generated_at: at, ..made };
        only_space(&store).submit(&made, Scheduler).unwrap();
        only_space(&store).view().generated_at
    };
    let first = submit(future, 1);
    let second = submit(future, 1);
    assert!(first < second && second < tick(), "{first} {second}");
}

#[test]
fn refused_pattern_stays_in_the_local_view() {
    let store = store(1, 4);
    let (space, mut events) = (only_space(&store), store.events());
    let mut bad = SemanticPattern::clone(&pattern("p", 1));
    bad.schema_confidence = Confidence::from_engine(f32::NAN);
    let bad = Arc::new(bad);
    for _ in 0..2 {
        let report =
            space.submit(&snapshot(vec![bad.clone(), pattern("q", 2)]), Scheduler).unwrap();
        assert_eq!(report.rejected.len(), 1);
    }
    let view = space.view();
    assert_eq!((view.patterns.len(), view.refused.len()), (1, 1));
    assert!(Arc::ptr_eq(&view.refused[0].pattern, &bad));
    assert!(matches!(view.refused[0].reason, PatternError::Confidence { .. }));
    // The refusal is reported once.
    let event = events.try_recv().unwrap();
    assert!(matches!(event, StateEvent::PatternRefused { id, .. } if id == "p"));
    assert!(events.try_recv().is_err());
    assert_eq!((store.write_stats().refused, space.refused_len()), (1, 1));

    // A snapshot without the pattern has no effect; a valid pattern with its id ends the refusal.
    space.submit(&snapshot(vec![]), Scheduler).unwrap();
    assert_eq!(space.refused_len(), 1);
    space.submit_pattern(&pattern("p", 1)).unwrap();
    assert_eq!((space.refused_len(), space.view().patterns.len()), (0, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_pattern_is_reported_alone() {
    let cluster = Cluster::start(&["a"], &quiet());
    let (witness, service) = service(&cluster.nodes[0]);
    let mut own = patterns("own", 2);
    Arc::make_mut(&mut own[0]).strength = f32::NAN;
    let own =
        ConsolidationSnapshot { generated_at: Timestamp::from_nanoseconds(9), ..snapshot(own) };
    service.update_cache(&own, Scheduler);
    let report = service.durable().await.unwrap();
    assert_eq!(witness.seen(), [(2, Scheduler)], "the engine still sees its own pattern");
    assert_eq!(service.last_report().unwrap().rejected.len(), 1);
    assert_eq!((report.taken(), report.rejected.len()), (1, 1));
    assert_eq!(report.rejected[0].id, "own_0");
    assert!(service.cached_snapshot().unwrap().generated_at.as_nanoseconds() >= 9);
}
