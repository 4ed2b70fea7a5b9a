//! Patterns that are large, singly or together.

use std::sync::Arc;

use engram_bridge::replica::{MAX_EPISODE_ID_BYTES, MAX_EPISODES};
use engram_bridge::{SemanticPattern, Store};
use engram_gossip_proto::{PatternContent, SessionConfig};

use super::converge;
use crate::session::Handover;
use crate::support::{only_space, pattern, store, store_config, ticking};

/// A pattern that cites `count` episodes of `length` bytes each.
fn citing(id: &str, value: u8, count: usize, length: usize) -> Arc<SemanticPattern> {
    let mut pattern = (*pattern(id, value)).clone();
    let episode = |number: usize| format!("{value:03}-{number:0rest$}", rest = length - 4);
    pattern.source_episodes = (0..count).map(episode).collect();
    Arc::new(pattern)
}

#[test]
fn pattern_of_the_documented_size_arrives() {
    for (count, length) in [(MAX_EPISODES, MAX_EPISODE_ID_BYTES), (4_096, 128), (2_048, 255)] {
        let (one, peer) = (store(1), store(2));
        only_space(&one).submit_pattern(&citing("p", 1, count, length)).unwrap();
        only_space(&one).submit_pattern(&pattern("small", 2)).unwrap();
        converge(&[&one, &peer]);
        assert_eq!(only_space(&peer).visible_len(), 2);
    }
}

#[test]
fn pattern_of_the_maximum_dimension_arrives() {
    let dimension = PatternContent::MAX_DIMENSION as usize;
    let store = |number| {
        let mut config = store_config(number);
        config.dimension = dimension;
        Arc::new(Store::new(config, ticking()))
    };
    let (one, peer) = (store(1), store(2));
    let mut largest = (*citing("p", 1, MAX_EPISODES, MAX_EPISODE_ID_BYTES)).clone();
    largest.embedding = (0..dimension).map(|n| 1.0 / (n + 1) as f32).collect();
    let largest = Arc::new(largest);
    only_space(&one).submit_pattern(&largest).unwrap();
    converge(&[&one, &peer]);
    assert_eq!(only_space(&peer).view().patterns, [largest]);
}

#[test]
fn sixteen_versions_of_the_largest_size_arrive() {
    let stores: Vec<_> = (1..=16).map(store).collect();
    for (value, store) in stores.iter().enumerate() {
        let largest = citing("p", value as u8, MAX_EPISODES, MAX_EPISODE_ID_BYTES);
        only_space(store).submit_pattern(&largest).unwrap();
    }
    converge(&stores.iter().collect::<Vec<_>>());
    assert_eq!(only_space(&stores[5]).explain("p").unwrap().versions.len(), 16);
}

#[test]
fn large_versions_of_many_nodes_converge() {
    let stores: Vec<_> = (1..=12).map(store).collect();
    for (value, store) in stores.iter().enumerate() {
        let pattern = citing("p", value as u8, 4_096, 110);
        only_space(store).submit_pattern(&pattern).unwrap();
    }
    converge(&stores.iter().collect::<Vec<_>>());
    assert_eq!(only_space(&stores[5]).explain("p").unwrap().versions.len(), 12);
    // An empty node gets all versions from one peer.
    let late = store(50);
    converge(&[&late, &stores[3]]);
    assert_eq!(only_space(&late).explain("p").unwrap().versions.len(), 12);
}

#[test]
fn a_record_larger_than_a_budget_arrives() {
    let stores: Vec<_> = (1..=6).map(store).collect();
    for (value, store) in stores.iter().enumerate() {
        only_space(store).submit_pattern(&citing("p", value as u8, 4_096, 110)).unwrap();
        only_space(store).submit_pattern(&pattern(&format!("small{value}"), 1)).unwrap();
    }
    converge(&stores.iter().collect::<Vec<_>>());
    let late = store(50);
    for key in 0..8 {
        let config = SessionConfig { send_budget: 100_000, ..SessionConfig::default() };
        Handover::keyed(&stores[0], &late, config, key).finish();
    }
    assert_eq!(late.root(), stores[0].root());
}
