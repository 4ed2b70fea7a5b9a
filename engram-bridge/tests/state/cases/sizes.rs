//! Patterns that are large, too large, or large together.

use std::sync::Arc;

use engram_bridge::{PatternError, SemanticPattern, SubmitError};

use super::converge;
use crate::support::{only_space, pattern, store};

/// A pattern that cites `count` episodes of `length` bytes each.
fn citing(id: &str, value: u8, count: usize, length: usize) -> Arc<SemanticPattern> {
    let mut pattern = (*pattern(id, value)).clone();
    let episode = |number: usize| format!("{value:03}-{number:0rest$}", rest = length - 4);
    pattern.source_episodes = (0..count).map(episode).collect();
    Arc::new(pattern)
}

#[test]
fn an_oversized_pattern_is_refused_with_its_size() {
    let one = store(1);
    // Each number is within its own limit.
    let refused = only_space(&one).submit_pattern(&citing("p", 1, 4_096, 256)).unwrap_err();
    let SubmitError::Pattern(PatternError::TooLarge(too_large)) = &refused else {
        panic!("{refused:?}");
    };
    assert_eq!(too_large.limit, 512 << 10);
    assert!(too_large.size > 4_096 * 256, "{too_large}");
    assert!(refused.to_string().contains(&too_large.size.to_string()), "{refused}");
    assert_eq!(only_space(&one).stats().records, 0);
}

#[test]
fn every_pattern_that_is_taken_arrives() {
    for (count, length) in [(4_096, 256), (4_096, 128), (4_096, 124), (4_096, 120), (2_048, 255)] {
        let (one, peer) = (store(1), store(2));
        let taken = only_space(&one).submit_pattern(&citing("p", 1, count, length)).is_ok();
        only_space(&one).submit_pattern(&pattern("small", 2)).unwrap();
        converge(&[&one, &peer]);
        assert_eq!(only_space(&peer).visible_len(), 1 + u64::from(taken));
    }
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
    // An empty node gets all of them from one.
    let late = store(50);
    converge(&[&late, &stores[3]]);
    assert_eq!(only_space(&late).explain("p").unwrap().versions.len(), 12);
}
