//! The decorated consolidation service, between an engine and peers.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use engram_bridge::{
    BeliefUpdateRecord, ConsolidationCacheSource, ConsolidationService, ConsolidationSnapshot,
    GossipingConsolidationService, SemanticPattern, Timestamp,
};
use tokio::sync::watch;

use crate::common::cluster::*;
use crate::common::snapshot;

/// An inner service that writes down what it is given.
struct Witness {
    seen: Mutex<Vec<(usize, ConsolidationCacheSource)>>,
    calls: watch::Sender<usize>,
    path: Mutex<PathBuf>,
}

impl Witness {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            seen: Mutex::default(),
            calls: watch::Sender::new(0),
            path: Mutex::default(),
        })
    }

    fn seen(&self) -> Vec<(usize, ConsolidationCacheSource)> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until the inner service was given as many patterns as this.
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
    (witness, service)
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
async fn the_inner_service_is_called_only_when_the_merged_view_changed() {
    let cluster = Cluster::start(&["a"], &quiet());
    let (witness, service) = service(&cluster.nodes[0]);
    assert!(service.cached_snapshot().is_none());

    // Engram calls after every run, and empty snapshots are normal.
    service.update_cache(&snapshot(vec![]), Scheduler);
    service.update_cache(&snapshot(vec![]), Scheduler);
    assert_eq!(witness.seen(), [(0, Scheduler)]);
    assert!(service.cached_snapshot().unwrap().patterns.is_empty());

    let own = snapshot(patterns("own", 3));
    for _ in 0..10 {
        service.update_cache(&own, OnDemand);
    }
    assert_eq!(witness.seen(), [(0, Scheduler), (3, OnDemand)]);

    // A restarted engine has forgotten everything; its cluster has not.
    service.update_cache(&snapshot(vec![]), Scheduler);
    assert_eq!(witness.seen().len(), 2);
    assert_eq!(service.cached_snapshot().unwrap().patterns.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_peers_contribute_reaches_the_cache_with_its_origin() {
    let cluster = Cluster::start(&["a", "b"], &lively());
    let (_, a) = service(&cluster.nodes[0]);
    let (witness, b) = service(&cluster.nodes[1]);
    b.update_cache(&snapshot(patterns("of_b", 2)), Scheduler);
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
async fn the_merged_view_handed_back_is_no_news() {
    let cluster = Cluster::start(&["a", "b"], &lively());
    let (_, a) = service(&cluster.nodes[0]);
    let (witness, b) = service(&cluster.nodes[1]);
    a.update_cache(&snapshot(patterns("of_a", 5)), Scheduler);
    witness.until(5).await;
    let (root, merged) = (cluster.nodes[1].store.root(), b.cached_snapshot().unwrap());
    b.update_cache(&merged, OnDemand);
    assert_eq!(cluster.nodes[1].store.root(), root);
    assert_eq!(cluster.nodes[1].store.write_stats().written, 0);
    assert_eq!(b.last_report().unwrap().echoed, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rest_is_the_inner_services_own_business() {
    let cluster = Cluster::start(&["a"], &quiet());
    let (witness, service) = service(&cluster.nodes[0]);
    service.set_alert_log_path("alerts.jsonl".into());
    assert_eq!(witness.alert_log_path(), PathBuf::from("alerts.jsonl"));
    assert_eq!(service.alert_log_path(), PathBuf::from("alerts.jsonl"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_pattern_is_told_and_costs_only_itself() {
    let cluster = Cluster::start(&["a"], &quiet());
    let (witness, service) = service(&cluster.nodes[0]);
    let mut own = patterns("own", 2);
    Arc::make_mut(&mut own[0]).strength = f32::NAN;
    let own =
        ConsolidationSnapshot { generated_at: Timestamp::from_nanoseconds(9), ..snapshot(own) };
    service.update_cache(&own, Scheduler);
    assert_eq!(witness.seen(), [(1, Scheduler)]);
    let report = service.last_report().unwrap();
    assert_eq!((report.taken(), report.rejected.len()), (1, 1));
    assert_eq!(report.rejected[0].id, "own_0");
    assert!(service.cached_snapshot().unwrap().generated_at.as_nanoseconds() >= 9);
}
