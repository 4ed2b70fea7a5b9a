//! Spaces added while the node runs, and spaces no longer hosted.

use std::sync::Arc;

use engram_bridge::Store;
use engram_bridge::durable::{MemoryStateStore, Recovery};
use engram_bridge::spaces::AddSpaceError;
use engram_gossip_net::NetConfig;
use engram_gossip_proto::SpaceId;
use engram_gossip_proto::limits::MAX_SPACES;

use crate::common::cluster::*;
use crate::common::{parts, pattern, space};

fn work() -> SpaceId {
    SpaceId::new("work").unwrap()
}

fn learning() -> NetConfig {
    let mut config = lively();
    config.session.learn_spaces = true;
    config
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn learning_peers_host_an_added_space() {
    let mut cluster = Cluster::start_with(&["a", "b", "c"], &learning(), |store| {
        store.learn_spaces = true;
        store.dimension = 4;
    });
    cluster.nodes.iter().for_each(|node| _ = node.binding());
    let gossiper = cluster.nodes[0].binding().add_space(&work()).unwrap();
    gossiper.update_pattern(&pattern("p", 1)).unwrap();
    let shows = |node: &Node| node.store.space(&work()).map(|space| space.view().patterns.len());
    cluster.until(|nodes| nodes.iter().all(|node| shows(node) == Some(1))).await;

    // The second call returns the same space.
    let again = cluster.nodes[0].binding().add_space(&work()).unwrap();
    assert!(Arc::ptr_eq(again.space(), gossiper.space()));
    assert_eq!(again.space().view().patterns.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_peers_sync_a_space_once_they_add_it() {
    let mut cluster = Cluster::start_with(&["a", "b"], &lively(), |store| store.dimension = 4);
    let [a, b] = [0, 1].map(|at| cluster.nodes[at].binding().clone());
    a.add_space(&work()).unwrap().update_pattern(&pattern("p", 1)).unwrap();
    b.add_space(&work()).unwrap().update_pattern(&pattern("q", 2)).unwrap();
    let shows = |node: &Node| node.store.space(&work()).unwrap().view().patterns.len();
    cluster.until(|nodes| nodes.iter().all(|node| shows(node) == 2)).await;
    assert_eq!(cluster.nodes[0].store.root(), cluster.nodes[1].store.root());
}

#[test]
fn unhosted_space_keeps_its_state_and_is_named() {
    let kept = Arc::new(MemoryStateStore::new());
    let open = |learns: bool| {
        let (mut config, environment) = parts(1, 4);
        config.learn_spaces = learns;
        Store::open(config, environment, Arc::clone(&kept) as _).unwrap()
    };
    let store = open(false);
    assert_eq!(store.unhosted(), []);
    store.add_space(&work()).unwrap().submit_pattern(&pattern("p", 1)).unwrap();
    let root = store.space(&work()).unwrap().root();
    drop(store);

    let store = open(false);
    assert_eq!(store.unhosted(), [work()]);
    assert_eq!(store.space(&work()).map(|_| ()), None);
    assert_eq!(store.recovery(), &Recovery::Loaded { records: 0 });
    let back = store.add_space(&work()).unwrap();
    assert_eq!((back.root(), store.unhosted()), (root, vec![]));
    assert_eq!(store.cap_usage()[0].used, 1);
    // The space continues from its stored state: the next version is greater than the stored one.
    back.submit_pattern(&pattern("p", 2)).unwrap();
    assert_eq!(back.view().patterns[0].embedding, pattern("p", 2).embedding);
    drop((store, back));

    let store = open(true);
    assert_eq!(store.unhosted(), []);
    assert_eq!(store.iter().map(|space| space.id().clone()).collect::<Vec<_>>(), [space(), work()]);
}

#[test]
fn node_hosts_at_most_max_spaces() {
    let store = crate::common::store(1, 4);
    for n in 1..MAX_SPACES {
        store.add_space(&SpaceId::new(format!("space-{n:04}")).unwrap()).unwrap();
    }
    let refused = store.add_space(&work()).unwrap_err();
    assert_eq!(refused, AddSpaceError::TooMany { space: work() });
    assert_eq!(store.iter().len(), MAX_SPACES);
    assert!(store.add_space(&space()).is_ok(), "hosted already");
}
