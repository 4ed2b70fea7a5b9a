//! Deleted patterns, and engines that submit them again.

use engram_bridge::durable::MemoryStateStore;
use engram_bridge::replica::Submitted;
use engram_bridge::sync::SpaceView;

use super::{converge, live};
use crate::session::sync;
use crate::support::{only_space, open, pattern, store};

#[test]
fn restart_without_store_revives_no_deletion() {
    let (one, second, third) = (store(1), store(2), store(3));
    only_space(&one).submit_pattern(&pattern("p", 1)).unwrap();
    converge(&[&one, &second, &third]);
    only_space(&third).forget("p").unwrap();
    converge(&[&one, &second, &third]);
    drop(one);

    // The engine submits the same pattern before the first session.
    let one = store(1);
    only_space(&one).submit_pattern(&pattern("p", 1)).unwrap();
    converge(&[&one, &second, &third]);
    for store in [&one, &second, &third] {
        assert_eq!(only_space(store).visible_len(), 0);
    }
    let again = only_space(&one).submit_pattern(&pattern("p", 1)).unwrap();
    assert_eq!(again, Submitted::Suppressed);
    // A different content is a new version.
    only_space(&one).submit_pattern(&pattern("p", 2)).unwrap();
    converge(&[&one, &second, &third]);
    assert_eq!(only_space(&second).visible_len(), 1);
}

#[test]
fn lost_disk_revives_no_forgotten_pattern() {
    for meets_peer_first in [false, true] {
        let (one, peer) = (open(1, &MemoryStateStore::new()), store(2));
        for (id, value) in [("x", 1), ("y", 2)] {
            only_space(&one).submit_pattern(&pattern(id, value)).unwrap();
        }
        converge(&[&one, &peer]);
        only_space(&peer).forget("x").unwrap();
        converge(&[&one, &peer]);
        drop(one);

        let one = open(1, &MemoryStateStore::new());
        assert!(only_space(&one).await_contact());
        if meets_peer_first {
            sync(&one, &peer);
        }
        for (id, value) in [("x", 1), ("y", 2)] {
            let submitted = only_space(&one).submit_pattern(&pattern(id, value)).unwrap();
            assert_eq!(submitted, Submitted::Waiting);
        }
        only_space(&one).take_in().unwrap();
        converge(&[&one, &peer]);
        assert_eq!(only_space(&one).visible_len(), 1);
        assert_eq!(only_space(&peer).visible_len(), 1);
    }
}

#[test]
fn the_next_write_remembers_what_was_forgotten() {
    for forgetting_node_writes in [false, true] {
        let stores = [store(1), store(2), store(3)];
        let all: Vec<_> = stores.iter().collect();
        only_space(&stores[0]).submit_pattern(&pattern("p", 1)).unwrap();
        converge(&all);
        only_space(&stores[0]).forget("p").unwrap();
        converge(&all);
        let writer = if forgetting_node_writes { &stores[0] } else { &stores[1] };
        only_space(writer).submit_pattern(&pattern("p", 2)).unwrap();
        converge(&all);
        let found_again = only_space(&stores[2]).submit_pattern(&pattern("p", 1)).unwrap();
        assert_eq!(found_again, Submitted::Suppressed);
        assert_eq!(live(&only_space(&stores[2]), "p"), ["episode-2"]);
    }
}

#[test]
fn empty_roster_revives_no_deletion() {
    let (one, peer) = (store(1), store(2));
    only_space(&one).submit_pattern(&pattern("p", 1)).unwrap();
    let late = crate::support::everything(&only_space(&one));
    converge(&[&one, &peer]);
    only_space(&peer).forget("p").unwrap();
    // A roster that has not been loaded yet is empty.
    peer.set_members([]);
    let receipt = engram_gossip_proto::View::apply(&mut SpaceView::pin(&only_space(&peer)), late);
    assert_eq!((receipt.applied, receipt.stale), (0, 1));
    assert_eq!(only_space(&peer).visible_len(), 0);
    converge(&[&one, &peer]);
    assert_eq!(only_space(&one).visible_len(), 0);
}

#[test]
fn a_deletion_is_counted_and_kept() {
    let disk = MemoryStateStore::new();
    let one = open(1, &disk);
    for value in 0..100 {
        only_space(&one).submit_pattern(&pattern(&format!("p{value}"), value)).unwrap();
    }
    let ids: Vec<String> = (0..100).map(|value| format!("p{value}")).collect();
    let forgotten = only_space(&one).forget_all(ids.iter().map(String::as_str)).unwrap();
    let stats = only_space(&one).stats();
    assert_eq!((forgotten, stats.visible, stats.deletions, stats.suppressed), (100, 0, 100, 100));
    // A deletion takes less than 200 bytes, and no content is left.
    let (mut rows, mut bytes) = (0, 0);
    disk.spoil(|table, key, value| {
        rows += u32::from(table != engram_bridge::durable::Table::Meta);
        bytes += key.len() + value.len();
        true
    });
    assert_eq!(rows, 100);
    assert!(bytes < 100 * 200, "{bytes}");
}

#[test]
fn a_replay_ends_with_the_forgotten_content() {
    let peer = store(2);
    for process in 0..3 {
        // Each process starts without a store, and its engine submits both contents again.
        let one = store(1);
        sync(&one, &peer);
        only_space(&one).submit_pattern(&pattern("p", 1)).unwrap();
        only_space(&one).submit_pattern(&pattern("p", 2)).unwrap();
        converge(&[&one, &peer]);
        if process == 0 {
            assert!(only_space(&peer).forget("p").unwrap());
            converge(&[&one, &peer]);
        }
        assert_eq!(live(&only_space(&peer), "p"), [""; 0]);
    }
}
