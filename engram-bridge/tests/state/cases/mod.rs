//! Single cases, many of which failed in the first version of this crate or fail in similar
//! systems, with the outcome that a user expects.

mod caps;
mod clocks;
mod copies;
mod damage;
mod deletions;
mod forgeries;
mod restarts;
mod sizes;
mod slow_disk;
mod writers;

use std::collections::BTreeSet;
use std::sync::Arc;

use engram_bridge::{Space, Store};

use crate::session::sync;

/// Returns the live values under `id`, each as the first episode that it cites.
fn live(space: &Arc<Space>, id: &str) -> Vec<String> {
    let versions = space.explain(id).map(|explanation| explanation.versions).unwrap_or_default();
    let mut episodes: Vec<String> =
        versions.iter().map(|version| version.pattern.source_episodes[0].clone()).collect();
    episodes.sort();
    episodes
}

/// Runs a session between every pair of stores, twice. All stores must then be equal.
fn converge(stores: &[&Arc<Store>]) {
    for _ in 0..2 {
        for (at, one) in stores.iter().enumerate() {
            for other in &stores[at + 1..] {
                sync(one, other);
            }
        }
    }
    let roots: BTreeSet<String> = stores.iter().map(|store| store.root().to_string()).collect();
    assert_eq!(roots.len(), 1, "the stores differ");
}
