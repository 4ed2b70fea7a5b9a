//! Checks that nodes converge within a few rounds, whatever they have written.

use std::sync::Arc;

use engram_bridge::{Space, Store};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::common::*;

fn spaces(stores: &[Store]) -> Vec<Arc<Space>> {
    stores.iter().map(only_space).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// In each round, each node syncs with up to three random others. Within fewer than ten rounds
    /// all nodes show the same patterns, bit for bit, and no write is lost.
    #[test]
    fn test_gossip_convergence_property(
        writes in vec((0..12_usize, 0..6_u8, 0..4_u8), 1..60),
        nodes in 2..12_usize,
        mut seed in any::<u64>(),
    ) {
        let stores: Vec<Store> = (0..nodes).map(|node| store(node as u8, 4)).collect();
        let spaces = spaces(&stores);
        for (node, id, content) in &writes {
            spaces[node % nodes].submit_pattern(&pattern(&format!("p_{id}"), *content)).unwrap();
        }
        let mut rounds = 0;
        while !stores.iter().all(|store| store.root() == stores[0].root()) {
            rounds += 1;
            prop_assert!(rounds < 10, "no convergence among {} nodes", nodes);
            for node in 0..nodes {
                for _ in 0..3.min(nodes - 1) {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let peer = (node + 1 + (seed >> 33) as usize % (nodes - 1)) % nodes;
                    // The short tags of two digests may be equal under one key, but hardly under two.
                    let [one, other] = [&stores[node], &stores[peer]];
                    prop_assert!(sync(one, other) || sync_under(3, one, other));
                }
            }
        }
        let shown = fingerprint(&spaces[0]);
        prop_assert!(spaces.iter().all(|space| fingerprint(space) == shown));
        // The last write of every node to every id is cited.
        let view = spaces[0].view().patterns;
        for (at, (node, id, content)) in writes.iter().enumerate() {
            let later = |(n, i, _): &(usize, u8, u8)| (n % nodes, i) == (node % nodes, id);
            if writes[at + 1..].iter().any(later) {
                continue;
            }
            let shown = view.iter().find(|pattern| pattern.id == format!("p_{id}")).unwrap();
            let cited = shown.source_episodes.contains(&format!("episode-{content}"));
            prop_assert!(cited);
        }
    }
}
