//! The states that need an operator's attention, in health and metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

#[cfg(feature = "redb")]
use engram_bridge::durable::RedbStateStore;
use engram_bridge::durable::{MemoryStateStore, StorageError};
use engram_bridge::http::Server;
use engram_bridge::replica::{Cap, CapUsage};
use engram_bridge::spaces::StateEvent;
use engram_bridge::sync::SpaceView;
use engram_bridge::telemetry::{Telemetry, Unready, Warning};
use engram_bridge::{Environment, Store, StoreConfig, Timestamp};
use engram_gossip_net::{ClusterCa, Gossip, Identity, NodeId, Roster, Validity};
use engram_gossip_proto::View as _;

use crate::common::client::get;
use crate::common::cluster::{eventually, quiet};
use crate::common::*;

/// Watches a node without peers, whose store is `store`.
fn watch(store: Arc<Store>) -> Telemetry {
    let validity = Validity::days_from(SystemTime::now(), 3_650);
    let ca = ClusterCa::generate("test", validity).unwrap();
    let node = ca.issue_node("node-a", validity).unwrap();
    let identity = Identity::from_pem(ca.certificate_pem(), &node.certificate_pem, &node.key_pem);
    let (parameters, replicas) = (store.parameters(), Arc::clone(&store));
    let gossip =
        Gossip::bind(quiet(), identity.unwrap(), Roster::default(), parameters, replicas).unwrap();
    Telemetry::new("node-a", store, gossip)
}

fn in_memory(change: impl FnOnce(&mut StoreConfig)) -> Arc<Store> {
    let (mut config, environment) = parts(1, 4);
    change(&mut config);
    Arc::new(Store::new(config, environment))
}

#[tokio::test]
async fn storage_failure_is_a_separate_state() {
    let (config, environment) = parts(1, 4);
    let kept = Arc::new(MemoryStateStore::new());
    let store = Arc::new(Store::open(config, environment, kept.clone()).unwrap());
    let (telemetry, space) = (watch(Arc::clone(&store)), only_space(&store));
    let server = Server::start(([127, 0, 0, 1], 0).into(), &telemetry).await.unwrap();
    let at = server.local_addr();
    let place = "state.redb".to_owned();
    let failure = StorageError::Full { place, reason: "os error 28".to_owned() };
    kept.fail(Some(failure.clone()));
    assert!(space.submit_pattern(&pattern("p", 1)).is_err());

    assert_eq!(telemetry.unready(), Some(Unready::Storage(failure.clone())));
    assert_eq!(telemetry.warnings(), [Warning::StorageFailure(failure)]);
    let ready = get(at, "/health/ready").await;
    let (status, told) = (ready.status, ready.json());
    assert_eq!((status, &told["ready"]), (503, &false.into()));
    let warning = &told["warnings"][0];
    assert_eq!(
        (&warning["code"], &warning["severity"]),
        (&"storage_failure".into(), &"critical".into())
    );
    assert!(warning["reason"].as_str().unwrap().contains("os error 28"), "{warning}");
    assert!(telemetry.prometheus().contains("engram_gossip_storage_failure 1.0"));

    kept.fail(None);
    assert!(space.submit_pattern(&pattern("p", 1)).is_ok());
    assert_eq!((telemetry.unready(), telemetry.warnings()), (None, vec![]));
    assert_eq!(get(at, "/health/ready").await.status, 200);
    assert!(telemetry.prometheus().contains("engram_gossip_storage_failure 0.0"));
}

#[cfg(feature = "redb")]
#[tokio::test]
async fn a_store_that_was_set_aside_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("state.redb"), "no database").unwrap();
    let (config, environment) = parts(1, 4);
    let kept = Arc::new(RedbStateStore::new(folder.path()));
    let telemetry = watch(Arc::new(Store::open(config, environment, kept).unwrap()));
    let server = Server::start(([127, 0, 0, 1], 0).into(), &telemetry).await.unwrap();
    let ready = get(server.local_addr(), "/health/ready").await;
    let (status, told) = (ready.status, ready.json());
    assert_eq!((status, &told["warnings"][0]["code"]), (200, &"store_damaged".into()));
    let reason = told["warnings"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("state.redb.damaged-1"), "{reason}");
}

#[tokio::test]
async fn a_clock_behind_shows_before_any_write() {
    let (config, _) = parts(1, 4);
    let environment = Environment::new(|| Timestamp::EPOCH, || 7);
    let telemetry = watch(Arc::new(Store::new(config, environment)));
    let warnings = telemetry.warnings();
    assert!(matches!(warnings[..], [Warning::ClockFault(_)]), "{warnings:?}");
    assert!(telemetry.prometheus().contains(r#"engram_gossip_clock_fault{kind="behind"} 1.0"#));
    assert_eq!(telemetry.unready(), None, "versions still increase");
}

#[tokio::test]
async fn a_cap_is_near_and_then_reached() {
    let store = in_memory(|config| config.caps.live_records = 5);
    let (telemetry, space) = (watch(Arc::clone(&store)), only_space(&store));
    let peer = only_space(&crate::common::store(2, 4));
    for n in 0..4 {
        peer.submit_pattern(&pattern(&format!("p_{n}"), n)).unwrap();
    }
    deliver(everything(&peer), &space);
    let near = |used| {
        let usage = store.cap_usage().into_iter().find(|usage| usage.cap == Cap::LiveRecords);
        usage.filter(|usage: &CapUsage| usage.used == used).unwrap()
    };
    assert_eq!(telemetry.warnings(), [Warning::NearCap(near(4))]);

    for n in 4..7 {
        peer.submit_pattern(&pattern(&format!("p_{n}"), n)).unwrap();
    }
    assert_eq!(SpaceView::pin(&space).apply(everything(&peer)).rejected.len(), 2);
    assert_eq!(telemetry.warnings(), [Warning::OverCap(near(5))]);
    assert!(telemetry.warnings()[0].next_step().contains("raise store.max_live_records"));
    let line = r#"engram_gossip_over_cap_total{cap="store.max_live_records"} 2"#;
    assert!(telemetry.prometheus().contains(line));
}

#[tokio::test]
async fn clone_is_reported_by_both_nodes() {
    let (one, other) = (in_memory(|_| {}), in_memory(|_| {}));
    let watched = [&one, &other].map(|store| (watch(Arc::clone(store)), store.events()));
    let (a, b) = (only_space(&one), only_space(&other));
    a.submit_pattern(&pattern("p", 1)).unwrap();
    b.submit_pattern(&pattern("p", 2)).unwrap();
    deliver(everything(&b), &a);
    deliver(everything(&a), &b);
    a.submit_pattern(&pattern("q", 1)).unwrap();
    b.submit_pattern(&pattern("q", 2)).unwrap();
    a.submit_pattern(&pattern("q", 3)).unwrap();
    deliver(everything(&a), &b);
    for (telemetry, mut events) in watched {
        assert_eq!(telemetry.warnings(), [Warning::Reissued { writes: 1 }]);
        assert!(matches!(events.recv().await, Ok(StateEvent::Reissued { .. })));
        assert!(telemetry.prometheus().contains("engram_gossip_recent_reissues 1.0"));
    }
}

#[tokio::test]
async fn a_clock_that_contradicts_a_member_shows() {
    let store = in_memory(|_| {});
    store.set_members([NodeId::from([2; 32])]);
    let (telemetry, space) = (watch(Arc::clone(&store)), only_space(&store));
    let (config, _) = parts(2, 4);
    let year = 365 * 86_400 * 1_000_000_000;
    let ahead = move || Timestamp::from_nanoseconds(1_800_000_000_000_000_000 + year);
    let peer = only_space(&Store::new(config, Environment::new(ahead, || 0)));
    peer.submit_pattern(&pattern("p", 1)).unwrap();
    deliver(everything(&peer), &space);
    let shown =
        async || (telemetry.warnings() == [Warning::ClockAhead { members: 1 }]).then_some(());
    eventually("warning", shown).await;
}

#[tokio::test]
async fn certificate_expiry_follows_the_clock() {
    let days = Arc::new(AtomicI64::new(0));
    let (config, _) = parts(1, 4);
    let clock = {
        let days = Arc::clone(&days);
        move || {
            let day = 86_400 * 1_000_000_000;
            let now = Timestamp::now().as_nanoseconds();
            Timestamp::from_nanoseconds(now + days.load(Ordering::Relaxed) * day)
        }
    };
    let telemetry = watch(Arc::new(Store::new(config, Environment::new(clock, || 7))));
    let server = Server::start(([127, 0, 0, 1], 0).into(), &telemetry).await.unwrap();
    let at = server.local_addr();
    for (day, code, ready) in [
        (3_600, None, true),
        (3_619, None, true),
        (3_621, Some("certificate_expires"), true),
        (3_649, Some("certificate_expires"), true),
        (3_651, Some("certificate_expired"), true),
    ] {
        days.store(day, Ordering::Relaxed);
        let told: Vec<_> = telemetry.warnings().iter().map(Warning::code).collect();
        assert_eq!(told, code.into_iter().collect::<Vec<_>>(), "day {day}");
        assert_eq!(telemetry.certificate_warning().is_some(), code.is_some());
        let page = get(at, "/cluster/consolidation").await.json();
        let left = page["certificate_seconds"].as_f64().unwrap() / 86_400.0;
        assert!((left - (3_650 - day) as f64).abs() < 0.1, "{left} on day {day}");
        let health = get(at, "/health/ready").await.json();
        assert_eq!((&health["ready"], &health["warnings"]), (&ready.into(), &page["warnings"]));
    }
}
