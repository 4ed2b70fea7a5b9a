//! Real nodes, real patterns, real QUIC.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use engram_bridge::ConsolidationCacheSource::Scheduler;
use engram_bridge::net::{Gossip, Identity, Member, Roster};
use engram_bridge::replica::Introduced;
use engram_bridge::sync::SyncPreview;
use engram_bridge::{
    ConsolidationSnapshot, ENGRAM_DIMENSION, Environment, Precision, SemanticPattern, Space, Store,
    StoreConfig,
};
use engram_gossip_net::{ClusterCa, Validity};
use engram_gossip_proto::Compression;

use crate::common::cluster::*;
use crate::common::fingerprint;

const FIXTURE: [&str; 3] = ["node-a", "node-b", "node-c"];

/// All ids in the snapshots of all nodes.
fn union(snapshots: &[Vec<ConsolidationSnapshot>]) -> BTreeSet<String> {
    let patterns = snapshots.iter().flatten().flat_map(|snapshot| &snapshot.patterns);
    patterns.map(|pattern| pattern.id.clone()).collect()
}

fn ids(space: &Space) -> BTreeSet<String> {
    space.view().patterns.iter().map(|pattern| pattern.id.clone()).collect()
}

/// Real patterns under new ids.
fn invented(prefix: &str, count: usize) -> ConsolidationSnapshot {
    let last = snapshots("node-a").pop().unwrap();
    let patterns = (0..count).map(|n| {
        let real = &last.patterns[n % last.patterns.len()];
        let id = format!("{prefix}_{n}");
        Arc::new(SemanticPattern { id, ..(**real).clone() })
    });
    ConsolidationSnapshot { patterns: patterns.collect(), ..last.clone() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn test_three_node_consolidation_gossip() {
    let mut cluster = Cluster::start(&FIXTURE, &lively());
    let fed = FIXTURE.map(snapshots);
    for run in 0..6 {
        for (node, snapshots) in cluster.nodes.iter().zip(&fed) {
            let report = node.gossiper().rebuild_from_snapshot(&snapshots[run], Scheduler).unwrap();
            assert_eq!(report.rejected, []);
        }
    }
    let everything = union(&fed);
    assert_eq!(everything.len(), 170);
    cluster.until(|nodes| agree(nodes) && ids(&nodes[0].space()).len() == 170).await;

    let shown = cluster.fingerprints();
    assert!(shown.iter().all(|other| *other == shown[0]), "equal roots but different bytes");
    for node in &cluster.nodes {
        assert_eq!(ids(&node.space()), everything);
    }
    // The shown patterns equal the submitted ones, bit for bit: in these files each id has one
    // content.
    let mut originals = BTreeMap::new();
    for pattern in fed.iter().flatten().flat_map(|snapshot| &snapshot.patterns) {
        originals.insert(pattern.id.clone(), pattern);
    }
    for pattern in cluster.nodes[2].space().view().patterns {
        assert_eq!(pattern, *originals[&pattern.id]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn test_partition_healing_convergence() {
    let mut cluster = Cluster::start(&["a", "b", "c", "d", "e"], &lively());
    cluster.nodes[0].gossiper().rebuild_from_snapshot(&invented("before", 20), Scheduler).unwrap();
    cluster.until(|nodes| agree(nodes) && nodes[4].space().visible_len() == 20).await;

    cluster.connect(&[&[0, 1, 2], &[3, 4]]);
    for (at, node) in cluster.nodes.iter().enumerate() {
        // Patterns that only this node has, and its own version of a pattern that all nodes have.
        node.gossiper()
            .rebuild_from_snapshot(&invented(&format!("during_{at}"), 10), Scheduler)
            .unwrap();
        let mut disputed = (*invented("before", 1).patterns[0]).clone();
        disputed.source_episodes = vec![format!("seen by {at}")];
        node.gossiper().update_pattern(&Arc::new(disputed)).unwrap();
    }
    cluster
        .until(|nodes| {
            let full = |node: &Node, count| node.space().visible_len() == count;
            agree(&nodes[..3]) && agree(&nodes[3..]) && full(&nodes[0], 50) && full(&nodes[3], 40)
        })
        .await;
    assert_ne!(cluster.nodes[0].store.root(), cluster.nodes[4].store.root());

    cluster.connect(&[&[0, 1, 2, 3, 4]]);
    cluster.until(|nodes| agree(nodes) && nodes[0].space().visible_len() == 70).await;
    let shown = cluster.fingerprints();
    assert!(shown.iter().all(|other| *other == shown[0]), "equal roots but different bytes");
    let view = cluster.nodes[3].space().view();
    let disputed = view.patterns.iter().find(|pattern| pattern.id == "before_0").unwrap();
    for at in 0..5 {
        let cited = disputed.source_episodes.contains(&format!("seen by {at}"));
        assert!(cited, "the citation of node {at} is lost");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn test_gossip_convergence_time() {
    let names: Vec<_> = (0..8).map(|at| format!("node-{at}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let cluster = Cluster::start(&names, &quiet());
    for (at, node) in cluster.nodes.iter().enumerate() {
        // Bypass the gossiper, so that the change is not announced and only rounds spread it.
        node.space().submit(&invented(&format!("of_{at}"), 3), Scheduler).unwrap();
    }
    let mut rounds = 0;
    while !agree(&cluster.nodes) {
        rounds += 1;
        assert!(rounds < 10, "no convergence within ten rounds");
        for node in &cluster.nodes {
            node.gossiper().gossip_round().await;
        }
    }
    println!("{} nodes converged in {rounds} rounds", names.len());
    assert_eq!(cluster.nodes[0].space().visible_len(), 24);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_converge_when_a_node_dies_in_a_round() {
    let mut cluster = Cluster::start(&["a", "b", "c"], &lively());
    for (at, node) in cluster.nodes.iter().enumerate() {
        node.space().submit(&invented(&format!("of_{at}"), 40), Scheduler).unwrap();
    }
    let dying = cluster.nodes.pop().unwrap();
    let gossiper = cluster.nodes[0].gossiper();
    // The last handle is dropped without a clean stop, as in a crash.
    let (round, ()) = tokio::join!(gossiper.gossip_round(), async {
        tokio::task::yield_now().await;
        drop(dying);
    });
    assert!(round.contacts.len() <= 2);
    cluster.until(|nodes| agree(nodes) && nodes[1].space().visible_len() >= 80).await;
    let shown = ids(&cluster.nodes[0].space());
    for at in 0..2 {
        for n in 0..40 {
            assert!(shown.contains(&format!("of_{at}_{n}")));
        }
    }
}

/// LZ4 saves more than 10 % of the bytes of the patterns. LZ4 and half precision together save more
/// than half of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn test_compression_effectiveness() {
    let bare: usize = {
        let last = snapshots("node-c").pop().unwrap();
        let bytes = |pattern: &SemanticPattern| {
            let episodes: usize = pattern.source_episodes.iter().map(String::len).sum();
            4 * ENGRAM_DIMENSION + pattern.id.len() + episodes + 16
        };
        last.patterns.iter().map(|pattern| bytes(pattern)).sum()
    };
    let mut sent = BTreeMap::new();
    for (name, compression, precision) in [
        ("raw", Compression::Off, Precision::F32),
        ("lz4", Compression::Lz4, Precision::F32),
        ("f16", Compression::Lz4, Precision::F16),
    ] {
        let mut config = quiet();
        config.session.compression = compression;
        let cluster =
            Cluster::start_with(&["a", "b"], &config, |store| store.precision = precision);
        cluster.nodes[0].space().submit(snapshots("node-c").last().unwrap(), Scheduler).unwrap();
        let report = cluster.nodes[1].gossip.sync_with(cluster.nodes[0].gossip.node_id()).await;
        let report = report.unwrap();
        assert!(report.is_equal());
        let spaces = cluster.nodes.iter().map(|node| fingerprint(&node.space()));
        assert_eq!(spaces.collect::<BTreeSet<_>>().len(), 1);
        sent.insert(name, report.bytes_received as f64 / bare as f64);
    }
    println!("bytes received / bytes of the patterns: {sent:?}");
    assert!(sent["raw"] < 1.10, "{sent:?}");
    assert!(sent["lz4"] < 0.90, "{sent:?}");
    // With so few patterns, the overhead of frames is noticeable.
    assert!(sent["f16"] < 0.49, "{sent:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn different_precisions_refuse_each_other() {
    let validity = Validity::days_from(SystemTime::now(), 1);
    let ca = ClusterCa::generate("test", validity).unwrap();
    let nodes = [Precision::F32, Precision::F16].map(|precision| {
        let node = ca.issue_node("node", validity).unwrap();
        let identity =
            Identity::from_pem(ca.certificate_pem(), &node.certificate_pem, &node.key_pem).unwrap();
        let mut config = StoreConfig::new(node.node_id, [crate::common::space()]);
        config.precision = precision;
        let store = Arc::new(Store::new(config, Environment::system()));
        let parameters = store.parameters();
        Gossip::bind(quiet(), identity, Roster::default(), parameters, store).unwrap()
    });
    let members = nodes.iter().enumerate().map(|(at, node)| Member {
        id: node.node_id(),
        name: at.to_string(),
        address: Some(node.local_addr().to_string()),
    });
    let roster = Roster::new(members).unwrap();
    nodes.iter().for_each(|node| node.set_roster(roster.clone()));
    let refused = nodes[0].sync_with(nodes[1].node_id()).await;
    let text = format!("{refused:?}");
    assert!(text.contains("precision") && text.contains("f16"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roots_in_membership_metadata_start_a_session() {
    let mut cluster = Cluster::start(&["a", "b"], &quiet());
    // The nodes are connected, equal and idle; then one makes a change without announcing it.
    let b = cluster.nodes[1].gossip.node_id();
    cluster.nodes[0].gossip.sync_with(b).await.unwrap();
    cluster.nodes[0].space().submit(&invented("news", 3), Scheduler).unwrap();
    let mut metadata = BTreeMap::from([("rack".to_owned(), b"7".to_vec())]);
    let (a, b) = (cluster.nodes[0].gossiper(), cluster.nodes[1].gossiper());
    b.handle_consolidation_gossip("a", &metadata).unwrap();
    a.attach_consolidation_gossip(&mut metadata);
    assert_eq!(metadata.len(), 2);
    assert!(metadata["consolidation_root"].len() <= engram_bridge::net::ADVERT_ROOM);
    b.handle_consolidation_gossip("a", &metadata).unwrap();
    cluster.until(|nodes| agree(nodes) && nodes[1].space().visible_len() == 3).await;
    assert_eq!(a.root_hash(), b.root_hash());

    let unknown = b.handle_consolidation_gossip("stranger", &metadata);
    assert_eq!(unknown, Err(engram_bridge::net::AdvertError::UnknownName("stranger".to_owned())));
    metadata.insert("consolidation_root".to_owned(), b"no advert".to_vec());
    assert!(b.handle_consolidation_gossip("a", &metadata).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plan_predicts_a_sync_and_changes_nothing() {
    let cluster = Cluster::start(&["a", "b"], &quiet());
    cluster.settled().await;
    let [a, b] = [0, 1].map(|node| cluster.nodes[node].space());
    let (a_id, b_id) = (cluster.nodes[0].gossip.node_id(), cluster.nodes[1].gossip.node_id());
    a.submit(&invented("same", 3), Scheduler).unwrap();
    cluster.nodes[0].gossip.sync_with(b_id).await.unwrap();
    a.submit(&invented("of_a", 40), Scheduler).unwrap();
    b.submit(&invented("of_b", 2), Scheduler).unwrap();
    let mut disputed = (*invented("same", 1).patterns[0]).clone();
    disputed.source_episodes = vec!["another".to_owned()];
    b.submit_pattern(&Arc::new(disputed)).unwrap();
    let before = [&a, &b].map(|space| fingerprint(space));

    let plan = SyncPreview::compute(&cluster.nodes[0].store, &cluster.nodes[0].gossip, b_id)
        .await
        .unwrap();
    assert!(plan.complete);
    let space = &plan.spaces[a.id()];
    let here: Vec<_> = space.here.keys().map(String::as_str).collect();
    assert_eq!(here, ["of_b_0", "of_b_1", "same_0"]);
    let there: BTreeSet<_> = (0..40).map(|n| format!("of_a_{n}")).collect();
    assert_eq!(space.there, there);
    assert!(space.refused.is_empty());
    assert_eq!([&a, &b].map(|space| fingerprint(space)), before, "a plan changes nothing");

    assert!(cluster.nodes[0].gossip.sync_with(b_id).await.unwrap().is_equal());
    for (id, planned) in &space.here {
        assert_eq!(a.explain(id).unwrap().visible, planned.after, "{id}");
    }
    assert!(there.is_subset(&ids(&b)));
    let again = SyncPreview::compute(&cluster.nodes[0].store, &cluster.nodes[0].gossip, b_id)
        .await
        .unwrap();
    assert!(again.complete && again.spaces.is_empty());

    // Node b names the peer that sent the version, and node a names its own engine.
    let known = b.explain("of_a_7").unwrap();
    assert_eq!(known.versions[0].introduced, Introduced::By(a_id));
    assert_eq!(a.explain("of_a_7").unwrap().versions[0].introduced, Introduced::ByEngine);
}

/// A pattern travels from the first node through the second to the third, which names the second
/// node as the sender.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn introducer_is_the_sender_not_the_writer() {
    let cluster = Cluster::start(&["a", "b", "c"], &quiet());
    cluster.settled().await;
    cluster.connect(&[&[0, 1], &[2]]);
    let [a, b] = [0, 1].map(|node| cluster.nodes[node].gossip.node_id());
    cluster.nodes[0].space().submit(&invented("news", 1), Scheduler).unwrap();
    cluster.nodes[1].gossip.sync_with(a).await.unwrap();
    cluster.connect(&[&[0], &[1, 2]]);
    cluster.nodes[2].gossip.sync_with(b).await.unwrap();
    let known = cluster.nodes[2].space().explain("news_0").unwrap();
    let text = known.to_string();
    let digest = format!("{:.8}", known.versions[0].digest.to_string());
    let version = format!("\n  {digest}: written by {a} (version ");
    assert!(text.contains("1 x confirmed") && text.contains(&version), "{text}");
    assert_eq!(known.versions[0].introduced, Introduced::By(b));
    assert_eq!(known.versions[0].writes[0].node, <[u8; 32]>::from(a));
}
