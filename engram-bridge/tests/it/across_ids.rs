//! Conflicts across ids are found and shown, and never written back.

use std::sync::Arc;

use engram_bridge::conflict::pattern::Rules;
use engram_bridge::durable::MemoryStateStore;
use engram_bridge::replica::{AcrossIds, PatternRole};
use engram_bridge::{Confidence, SemanticPattern, Space, Store};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::common::*;

/// A pattern with the given direction, episodes and confidence.
fn cited(id: &str, angle: f32, episodes: &[&str], confidence: f32) -> Arc<SemanticPattern> {
    Arc::new(SemanticPattern {
        embedding: Arc::from([angle.cos(), angle.sin(), 0.0, 0.0]),
        source_episodes: episodes.iter().map(|id| (*id).to_owned()).collect(),
        schema_confidence: Confidence::new(confidence).unwrap(),
        ..SemanticPattern::clone(&pattern(id, 1))
    })
}

fn compare(space: &Space) {
    while space.compare_across_ids(1) > 0 {}
}

fn submit(space: &Space, patterns: &[Arc<SemanticPattern>]) {
    for pattern in patterns {
        space.submit_pattern(pattern).unwrap();
    }
}

#[test]
fn roles_are_shown_and_nothing_is_written() {
    let store = store(1, 4);
    let space = only_space(&store);
    submit(
        &space,
        &[
            cited("grown", 0.1, &["mon", "tue", "wed"], 0.9),
            cited("early", 0.2, &["mon", "tue"], 0.8),
            cited("other", 0.3, &["mon", "tue", "sun"], 0.7),
            cited("rain", 1.6, &["mon"], 0.6),
        ],
    );
    let (root, shown) = (space.root(), bytes(&space));
    assert_eq!(space.compared("grown"), None, "not compared yet");
    assert_eq!(space.across_ids_stats().unwrap().pending, 4);
    compare(&space);
    let stats = space.across_ids_stats().unwrap();
    assert_eq!((stats.groups, stats.members, stats.pending), (1, 2, 0));
    assert_eq!((space.root(), bytes(&space)), (root, shown));

    let compared = |id: &str| space.compared(id).unwrap();
    assert_eq!(compared("grown").role, PatternRole::Representative { members: 2 });
    let early = compared("early");
    assert!(matches!(&early.role, PatternRole::Subset(of) if &*of.id == "grown"));
    assert_eq!(early.role.name(), "subset");
    let other = compared("other");
    assert!(matches!(&other.role, PatternRole::Duplicate(of) if &*of.id == "grown"));
    assert!(other.adjusted_confidence < other.confidence);
    let rain = compared("rain");
    assert_eq!(rain.role, PatternRole::Alone);
    assert!(rain.rival.is_some() && rain.adjusted_confidence < 0.6, "{rain}");
    assert!(other.to_string().contains("same memory as grown"), "{other}");
    let explained = space.explain("early").unwrap();
    assert_eq!(explained.compared, Some(early));
    assert_eq!(explained.visible.unwrap().schema_confidence.raw(), 0.8);

    let groups = space.groups(None, 10);
    assert_eq!(groups.len(), 1);
    assert_eq!((&*groups[0].representative, groups[0].members.len()), ("grown", 2));
    assert!(space.groups(Some("grown"), 10).is_empty());
    assert_eq!(space.all_compared().len(), 4);
}

#[test]
fn space_over_the_limit_is_not_compared() {
    let (mut config, environment) = parts(1, 4);
    config.across_ids = Some(AcrossIds::new(Rules::default(), 2).unwrap());
    let store = Store::new(config, environment);
    let space = only_space(&store);
    let all = ["p", "q", "r"].map(|id| cited(id, 0.1, &["mon"], 0.5));
    submit(&space, &all);
    compare(&space);
    let stats = space.across_ids_stats().unwrap();
    assert!(stats.over_limit);
    assert_eq!((stats.groups, stats.pending, space.compared("p")), (0, 0, None));
    space.forget("r").unwrap();
    compare(&space);
    let stats = space.across_ids_stats().unwrap();
    assert_eq!((stats.over_limit, stats.groups, stats.members), (false, 1, 1));
}

#[test]
fn a_comparison_that_is_off_keeps_nothing() {
    let (mut config, environment) = parts(1, 4);
    config.across_ids = None;
    let store = Store::new(config, environment);
    let space = only_space(&store);
    submit(&space, &[pattern("p", 1)]);
    assert_eq!(space.compare_across_ids(9), 0);
    assert_eq!((space.across_ids_stats(), space.compared("p")), (None, None));
}

proptest! {
    /// For any history, and for any number of patterns compared at a time, the result equals that
    /// of a node that starts with the same state.
    #[test]
    fn incremental_view_equals_a_restarted_one(
        writes in vec((0_u8..6, 0_u8..9, 0_u8..4), 1..40), slice in 1_usize..4,
    ) {
        let kept = MemoryStateStore::new();
        let store = open(1, kept.clone()).unwrap();
        let peer = crate::common::store(2, 4);
        let (space, theirs) = (only_space(&store), only_space(&peer));
        for (id, content, operation) in writes {
            let id = format!("p{id}");
            let episodes = ["a", "b", "c", "d"];
            let cites = &episodes[usize::from(content % 3)..=usize::from(content % 3) + 1];
            let pattern = cited(&id, f32::from(content) / 5.0, cites, f32::from(content) / 9.0);
            match operation {
                0 | 1 => _ = space.submit_pattern(&pattern).unwrap(),
                2 => {
                    theirs.submit_pattern(&pattern).unwrap();
                    deliver(everything(&theirs), &space);
                }
                _ => _ = space.forget(&id).unwrap(),
            }
            space.compare_across_ids(slice);
        }
        compare(&space);
        let after = only_space(&open(1, kept.copy()).unwrap());
        compare(&after);
        prop_assert_eq!(space.all_compared(), after.all_compared());
        prop_assert_eq!(space.groups(None, 99), after.groups(None, 99));
        prop_assert_eq!(space.across_ids_stats(), after.across_ids_stats());
    }
}
