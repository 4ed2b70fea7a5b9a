//! The clock index in memory, compared with a naive one.

use std::collections::{BTreeMap, BTreeSet};

use crate::common::{key_of, node_id};
use engram_gossip_proto::{ClockIndex, Clocks, ShortNode, VersionRange, limits};
use proptest::prelude::*;

fn short(node: u8) -> ShortNode {
    *node_id(node).first_chunk().unwrap()
}

fn whole(node: u8) -> VersionRange {
    VersionRange { node: short(node), above: 0, upper: u64::MAX }
}

/// Context entries by node and record.
type Naive = BTreeMap<(u8, u16), u64>;

fn records(naive: &Naive, node: u8, range: &VersionRange) -> BTreeSet<(u64, [u8; 6])> {
    let of = |((writer, id), entry): (&(u8, u16), &u64)| {
        let lies_in = *writer == node && range.above < *entry && *entry <= range.upper;
        lies_in.then(|| (*entry, *key_of(&id.to_string()).first_chunk().unwrap()))
    };
    naive.iter().filter_map(of).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Ranges, counts and greatest entries match the held records after any changes.
    #[test]
    fn prop_the_index_is_the_naive_one(
        changes in proptest::collection::vec((0..3u8, 0..400u16, 0..500u64), 0..1_500),
        ranges in proptest::collection::vec((0..4u8, 0..500u64, 0..500u64), 20),
        limit in 1..40usize,
    ) {
        let (mut index, mut naive) = (ClockIndex::new(), Naive::new());
        for (node, id, entry) in changes {
            let before = match entry {
                0 => naive.remove(&(node, id)),
                entry => naive.insert((node, id), entry),
            };
            let key = key_of(&id.to_string());
            index.change(&key, &node_id(node), before.unwrap_or(0), entry);
        }
        let entry = |((node, id), entry): (&(u8, u16), &u64)| {
            (key_of(&id.to_string()), node_id(*node), *entry)
        };
        for index in [index, naive.iter().map(entry).collect()] {
            for (node, above, upper) in &ranges {
                let range = VersionRange { node: short(*node), above: *above, upper: *upper };
                let expected = records(&naive, *node, &range);
                prop_assert_eq!(index.count(&range), expected.len() as u64);
                // Pages hold every record once, and never separate records with equal entries.
                let (mut paged, mut from) = (Vec::new(), range);
                loop {
                    let page = index.records(&from, limit);
                    let Some((last, _)) = page.last() else { break };
                    prop_assert!(page.is_sorted());
                    from.above = *last;
                    paged.extend(page);
                }
                prop_assert_eq!(paged.len(), expected.len());
                prop_assert_eq!(paged.into_iter().collect::<BTreeSet<_>>(), expected);
            }
            for node in 0..3 {
                let greatest = naive.iter().filter(|((writer, _), _)| *writer == node);
                let greatest = greatest.map(|(_, entry)| *entry).max().unwrap_or(0);
                prop_assert_eq!(index.greatest().get(&short(node)), greatest);
            }
        }
    }
}

#[test]
fn no_summary_exceeds_what_is_held() {
    let mut index = ClockIndex::new();
    index.raise(short(1), 5);
    assert!(index.summary().is_empty(), "no record of the node is held");
    index.change(&key_of("a"), &node_id(1), 0, 7);
    index.raise(short(1), 5);
    assert_eq!(index.summary().get(&short(1)), 5);
    index.raise(short(1), u64::MAX);
    index.raise(short(1), 3);
    assert_eq!(index.summary().get(&short(1)), 7);
    index.change(&key_of("b"), &node_id(1), 0, 9);
    assert_eq!(index.summary().get(&short(1)), 7, "a record alone does not raise the summary");
    index.change(&key_of("b"), &node_id(1), 9, 0);
    index.change(&key_of("a"), &node_id(1), 7, 0);
    assert_eq!(index.summary().get(&short(1)), 0, "the record was dropped");
}

#[test]
fn refused_nodes_without_records_are_limited() {
    let mut index = ClockIndex::new();
    let node = |n: usize| {
        let mut node = [0; 32];
        node[..8].copy_from_slice(&(n as u64).to_be_bytes());
        node
    };
    let short = |n: usize| (n as u64).to_be_bytes();
    for n in 0..=limits::MAX_REFUSED_NODES {
        index.refuse(&node(n), 7);
        index.raise(short(n), 9);
    }
    let summary = index.summary();
    assert_eq!(summary.len(), limits::MAX_REFUSED_NODES);
    assert!(summary.iter().all(|(_, version)| version == 7) && index.greatest().is_empty());
    // A node with a held record no longer counts towards the limit.
    index.change(&key_of("a"), &node(0), 0, 5);
    index.refuse(&node(limits::MAX_REFUSED_NODES), 7);
    index.raise(short(limits::MAX_REFUSED_NODES), 7);
    assert_eq!(index.summary().len(), limits::MAX_REFUSED_NODES + 1);
    assert_eq!(index.nodes().len(), limits::MAX_REFUSED_NODES + 1);
}

#[test]
fn the_last_bases_are_kept() {
    let mut index = ClockIndex::new();
    index.change(&key_of("a"), &node_id(1), 0, 7);
    index.raise(short(1), 7);
    let ids: Vec<_> = (0..=limits::MAX_BASES as u8)
        .map(|root| {
            index.agree(&[root; 32], Some(short(root)));
            index.base_with(None).unwrap()
        })
        .collect();
    assert_eq!(index.base(&ids[0]), None);
    assert!(ids[1..].iter().all(|id| index.base(id) == Some(index.summary())));
    assert_eq!(index.base_with(Some(short(3))), Some(ids[3]), "the base that the peer knows");
    assert_eq!(index.base_with(Some(short(0))), ids.last().copied());
    index.agree(&[3; 32], Some(short(9)));
    assert_eq!(index.base_with(Some(short(9))), Some(ids[3]), "an old base becomes the latest");
    assert_eq!(index.base_with(None), Some(ids[3]));
}

#[test]
fn restart_counts_all_held_versions_as_handled() {
    let mut index = ClockIndex::new();
    for n in 1..=100u64 {
        index.change(&key_of(&n.to_string()), &node_id((n % 2) as u8), 0, n);
    }
    assert!(index.summary().is_empty());
    index.restart();
    assert_eq!(index.summary(), index.greatest());
    assert_eq!([0, 1, 2].map(|node| index.count(&whole(node))), [50, 50, 0]);
}
