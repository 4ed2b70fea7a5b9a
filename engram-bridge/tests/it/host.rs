//! Runs the code of the guide in a host, with the stand-in for Engram.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use engram_bridge::durable::{MemoryStateStore, OpenError, StorageError};
use engram_bridge::{Confidence, Node, SemanticPattern, SpaceId, StartError, Timestamp};
use engram_gossip_net::{ClusterCa, Validity};

use self::cluster::{Cluster, read_section};
use self::engram::engram_core::completion::SchedulerConfig;
use self::engram::engram_core::{MemorySpaceId, MemoryStore};

#[allow(dead_code, unreachable_pub, reason = "the tests use only part of it")]
mod engram {
    pub(super) mod chrono {
        include!("../../examples/engram_stub/chrono.rs");
    }
    pub(super) mod engram_core {
        include!("../../examples/engram_stub/engram_core.rs");
    }
}
#[allow(dead_code, unreachable_pub, reason = "the tests use only part of it")]
pub(crate) mod adapter {
    use super::engram::{chrono, engram_core};
    include!("../../examples/engram_stub/adapter.rs");
}
#[allow(dead_code, unreachable_pub, reason = "the tests use only part of it")]
mod cluster {
    use super::engram::engram_core;
    include!("../../examples/engram_stub/cluster.rs");
}

/// Starts a host without peers, whose files are in `folder`.
fn start(folder: &Path) -> Cluster {
    let file = folder.join("engram.toml");
    if !file.exists() {
        configure(folder, &file);
    }
    Cluster::start(&read_section(&file).unwrap().unwrap()).unwrap()
}

fn configure(folder: &Path, file: &Path) {
    let validity = Validity::days_from(SystemTime::now(), 1);
    let ca = ClusterCa::generate("test", validity).unwrap();
    let issued = ca.issue_node("ada", validity).unwrap();
    let files = [("ca", ca.certificate_pem()), ("certificate", &issued.certificate_pem)];
    for (name, text) in files.into_iter().chain([("key", &*issued.key_pem)]) {
        fs::write(folder.join(name), text).unwrap();
    }
    let text = "[consolidation_gossip]\n\
        node = { name = 'ada', listen = '127.0.0.1:0', spaces = '*' }\n\
        tls = { ca = 'ca', certificate = 'certificate', key = 'key' }\n\
        store = { path = 'gossip' }\n";
    fs::write(file, text).unwrap();
}

fn store(cluster: &Cluster, folder: &Path, space: &str) -> Arc<MemoryStore> {
    let id = MemorySpaceId::try_from(space).unwrap();
    let service = cluster.service(&id, folder.join("log.jsonl")).unwrap();
    Arc::new(MemoryStore::for_space(id, 0).with_consolidation_service(service))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stop_survives_a_panicked_scheduler() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = start(folder.path());
    // The stand-in panics if there is no time between its runs.
    let config = SchedulerConfig { consolidation_interval_secs: 0, ..SchedulerConfig::default() };
    cluster.start_scheduler(&store(&cluster, folder.path(), "default"), config);
    cluster.start_scheduler(&store(&cluster, folder.path(), "other"), SchedulerConfig::default());
    let error = cluster.stop().await.unwrap_err();
    assert!(error.to_string().contains("panicked"), "{error}");
    // The store is free again.
    start(folder.path()).stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notices_name_nodes_and_count_repeats() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = start(folder.path());
    let (logged, mut lines) = tokio::sync::mpsc::unbounded_channel();
    cluster.log_notices(move |line| _ = logged.send(line));
    let space = cluster.node.store.space(&SpaceId::new("default").unwrap()).unwrap();
    for n in 0..3 {
        let mut pattern = SemanticPattern {
            id: format!("p\n{n}"),
            embedding: [0.5; 768].into(),
            source_episodes: vec![],
            strength: -1.0,
            schema_confidence: Confidence::CERTAIN,
            last_consolidated: Timestamp::EPOCH,
        };
        assert!(space.submit_pattern(&Arc::new(pattern.clone())).is_err());
        pattern.embedding = [0.5].into();
        assert!(space.submit_pattern(&Arc::new(pattern)).is_err());
    }
    cluster.stop().await.unwrap();
    let mut texts = Vec::new();
    while let Some(line) = lines.recv().await {
        texts.push(line.to_string());
    }
    assert_eq!(texts.len(), 4, "{texts:#?}");
    assert!(texts[0].starts_with("pattern_refused: pattern \"p\\n0\" of default: "), "{texts:#?}");
    assert!(texts[2..].iter().all(|text| text.starts_with("2 more pattern_refused")), "{texts:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spaces_of_peers_are_opened() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = start(folder.path());
    let (opened, mut spaces) = tokio::sync::mpsc::unbounded_channel();
    cluster.open_spaces(move |space| {
        let opened = opened.clone();
        async move { _ = opened.send(space.as_str().to_owned()) }
    });
    assert_eq!(spaces.recv().await.unwrap(), "default");
    cluster.node.add_space(&SpaceId::new("work").unwrap()).unwrap();
    while spaces.recv().await.unwrap() != "work" {}
    cluster.stop().await.unwrap();
    // The channel closes when the task ends.
    while spaces.recv().await.is_some() {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_scheduler_starts_after_a_stop() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = start(folder.path());
    let store = store(&cluster, folder.path(), "default");
    cluster.stop().await.unwrap();
    cluster.start_scheduler(&store, SchedulerConfig::default());
    assert_eq!(Arc::strong_count(&store), 1, "a scheduler holds the store");
    let late = MemorySpaceId::try_from("late").unwrap();
    assert!(cluster.service(&late, folder.path().join("late.jsonl")).is_err());
}

/// Only one node at a time can use a store in memory, as with a file, and the error names no key of
/// `cluster.toml`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn second_node_on_a_given_store_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("engram.toml");
    configure(folder.path(), &file);
    let config = read_section(&file).unwrap().unwrap();
    let rows = MemoryStateStore::new();
    let start = || Node::start_with(&config, Arc::new(rows.clone()));
    let first = start().unwrap();
    let second = start().err().unwrap();
    let text = second.to_string();
    let in_use = StartError::GivenStore(OpenError::Storage(StorageError::InUse {
        place: "the store in memory".to_owned(),
    }));
    assert_eq!(text, in_use.to_string());
    assert!(!text.contains("store.path"), "{text}");
    first.stop().await.unwrap();
    start().unwrap().stop().await.unwrap();
    assert!(!folder.path().join("gossip").exists(), "store.path is ignored");
}
