//! Many nodes that write one pattern.

use std::sync::Arc;

use engram_bridge::Store;
use engram_bridge::replica::{Citations, MAX_NODE_DOTS};

use crate::session::sync;
use crate::support::{bytes, only_space, pattern, store};

const WRITERS: u8 = 100;

/// Syncs neighbouring stores from the first to the last and back, so that each write reaches all
/// stores.
fn along_a_ring(stores: &[Arc<Store>]) {
    stores.windows(2).for_each(|pair| _ = sync(&pair[0], &pair[1]));
    stores.windows(2).rev().for_each(|pair| _ = sync(&pair[0], &pair[1]));
}

#[test]
fn a_hundred_writers_converge() {
    let stores: Vec<_> = (1..=WRITERS).map(store).collect();
    for (value, store) in stores.iter().enumerate() {
        only_space(store).submit_pattern(&pattern("p", value as u8)).unwrap();
    }
    along_a_ring(&stores);
    let first = &stores[0];
    for store in &stores {
        assert_eq!(store.root(), first.root());
        assert_eq!(bytes(&only_space(store)), bytes(&only_space(first)));
    }
    let explanation = only_space(first).explain("p").unwrap();
    assert_eq!(explanation.versions.len(), usize::from(WRITERS));
    assert!(explanation.versions.iter().all(|version| version.writes.len() <= MAX_NODE_DOTS));

    only_space(first).resolve(&pattern("p", 200), Citations::Union).unwrap();
    along_a_ring(&stores);
    for store in &stores {
        assert_eq!(store.root(), first.root());
        assert_eq!(only_space(store).explain("p").unwrap().versions.len(), 1);
    }
    // The resolution cites the episodes of all versions.
    let cited = &only_space(first).view().patterns[0].source_episodes;
    assert_eq!(cited.iter().filter(|episode| **episode != "shared").count(), 101);
}
