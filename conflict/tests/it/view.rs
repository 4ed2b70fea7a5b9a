//! Tests that the incremental view across ids, a rebuilt one and the naive twin are equal, bit for bit.

use std::collections::BTreeMap;

use crate::common::naive::{self, Line};
use crate::common::{Real, Sibling, excerpt};
use engram_conflict::Version;
use engram_conflict::pattern::{
    ConflictKind, Containment, CrossIdView, OwnedPattern, Role, Rules, Thresholds,
};

type Patterns = BTreeMap<String, Sibling>;

fn real() -> Patterns {
    excerpt().into_iter().map(|Real { id, version }| (id, version)).collect()
}

fn from_scratch(patterns: &Patterns, rules: Rules) -> Vec<Line> {
    let mut view = CrossIdView::new(rules).unwrap();
    view.update(patterns.iter().map(|(id, version)| (id.clone(), Some(version.clone())))).unwrap();
    naive::lines(&view)
}

/// Rules under which the excerpt has many conflicts of every kind that can occur between different ids.
fn mixed() -> Rules {
    let thresholds = Thresholds::default().ownership_cosine(0.84);
    Rules::default().thresholds(thresholds).concept_cosine(0.96)
}

#[test]
fn view_of_real_patterns_matches_the_naive_one() {
    for rules in [Rules::default(), mixed()] {
        let lines = from_scratch(&real(), rules);
        assert_eq!(lines, naive::view(&real(), &rules));
        assert!(lines.iter().any(|line| line.members > 3), "a group of several members");
        assert!(lines.iter().any(|line| line.conflict.is_some()));
    }
    let rivals = from_scratch(&real(), mixed()).iter().filter(|l| l.rival.is_some()).count();
    assert!(rivals > 10, "{rivals} patterns have a rival");
}

/// A small random number generator. A failure prints its seed, which gives the same edits
/// everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

/// Generates patterns near a few centres, in `dimension` dimensions; some are zero, huge or tiny.
fn synthetic(random: &mut Random, number: usize, dimension: usize) -> Vec<(String, Sibling)> {
    let component = |random: &mut Random| random.below(2001) as f32 / 1000.0 - 1.0;
    let centres: Vec<Vec<f32>> =
        (0..4).map(|_| (0..dimension).map(|_| component(random)).collect()).collect();
    let make = |i: usize| {
        let spread = [0.05, 0.3, 0.7][random.below(3)];
        let scale = [1.0, 1.0, 1.0, 1.0, 0.0, 1e30, 1e-30][random.below(7)];
        let centre = &centres[random.below(centres.len())];
        let embedding = centre.iter().map(|c| (c + spread * component(random)) * scale).collect();
        let citations = (0..random.below(5)).map(|_| format!("e{}", random.below(12))).collect();
        let mut pattern = OwnedPattern::new(embedding, citations);
        // There are few values, so digests often decide ranks.
        pattern.confidence = [0.0, -0.0, 0.05, 0.5, 0.9, 1.0][random.below(6)];
        (format!("p{i:03}"), Version::named(pattern))
    };
    (0..number).map(make).collect()
}

/// Applies random edits, one by one or in batches. After each step, the view equals a rebuilt one and the naive one.
#[test]
fn incremental_view_matches_rebuilt_and_naive() {
    for seed in 0..12 {
        // A sketch covers all of 5 components, but only the first 96 of 300.
        let dimension = [5, 300][seed as usize % 2];
        let rules = [Rules::default(), mixed()][seed as usize / 2 % 2];
        let mut random = Random(seed);
        let pool = synthetic(&mut random, 60, dimension);
        let mut patterns = Patterns::new();
        let mut view = CrossIdView::new(rules).unwrap();
        for step in 0..60 {
            let edits: Vec<(String, Option<Sibling>)> = (0..1 + random.below(6))
                .map(|_| {
                    let (id, _) = &pool[random.below(40)];
                    // The content of an id may change to any other.
                    let (_, content) = &pool[random.below(60)];
                    (id.clone(), (random.below(3) > 0).then(|| content.clone()))
                })
                .collect();
            if random.below(2) == 0 {
                view.update(edits.iter().map(|(id, v)| (id.clone(), v.clone()))).unwrap();
            } else {
                for (id, version) in &edits {
                    match version {
                        Some(version) => view.upsert(id.clone(), version.clone()).unwrap(),
                        None => view.remove(id),
                    }
                }
            }
            for (id, version) in edits {
                match version {
                    Some(version) => patterns.insert(id, version),
                    None => patterns.remove(&id),
                };
            }
            assert_eq!(view.len(), patterns.len());
            let lines = naive::lines(&view);
            assert_eq!(lines, from_scratch(&patterns, rules), "seed {seed} step {step}");
            assert_eq!(lines, naive::view(&patterns, &rules), "seed {seed} step {step}");
        }
    }
}

#[test]
fn reinserted_patterns_restore_the_view() {
    let patterns = real();
    let expected = from_scratch(&patterns, Rules::default());
    let mut view = CrossIdView::new(Rules::default()).unwrap();
    for (id, version) in patterns.iter().rev() {
        view.upsert(id.clone(), version.clone()).unwrap();
    }
    assert_eq!(naive::lines(&view), expected);
    for (id, version) in &patterns {
        view.remove(id);
        assert_eq!(view.get(id), None);
        view.upsert(id.clone(), version.clone()).unwrap();
        assert_eq!(naive::lines(&view), expected);
    }
    patterns.keys().for_each(|id| view.remove(id));
    assert!(view.is_empty());
    assert_eq!(view.groups().count(), 0);
}

#[test]
fn members_conflict_with_their_representative() {
    let mut view = CrossIdView::new(Rules::default()).unwrap();
    let patterns = real();
    view.update(patterns.iter().map(|(id, v)| (id.as_str(), Some(v.clone())))).unwrap();
    let mut grouped = 0;
    for group in view.groups() {
        grouped += 1 + group.members.len();
        for member in group.members {
            let viewed = view.get(member).unwrap();
            assert!(viewed.shown <= viewed.confidence);
            let Role::Member { representative, conflict } = viewed.role else {
                panic!("{member} is not a member")
            };
            assert_eq!(representative, group.representative);
            // The conflict is direct, not transitive.
            let all = view.scan_conflicts(member);
            assert!(
                all.iter()
                    .any(|related| related.id == representative && related.conflict == conflict)
            );
        }
    }
    assert_eq!(grouped, view.len());
}

fn named(citations: &[&str], embedding: [f32; 2], confidence: f32) -> Sibling {
    let citations = citations.iter().map(|id| id.to_string()).collect();
    let mut pattern = OwnedPattern::new(embedding.to_vec(), citations);
    pattern.confidence = confidence;
    Version::named(pattern)
}

fn view_of(patterns: &[(&'static str, Sibling)]) -> CrossIdView<&'static str, OwnedPattern> {
    let mut view = CrossIdView::new(Rules::default()).unwrap();
    view.update(patterns.iter().map(|(id, version)| (*id, Some(version.clone())))).unwrap();
    view
}

/// a - b - c is a chain: a and c are not in conflict.
#[test]
fn grouping_is_not_transitive() {
    let view = view_of(&[
        ("a", named(&["1", "2", "3"], [1.0, 0.0], 0.9)),
        ("b", named(&["2", "3", "4"], [0.9, 0.4], 0.8)),
        ("c", named(&["3", "4", "5"], [0.6, 0.75], 0.7)),
    ]);
    let groups: Vec<_> =
        view.groups().map(|group| (*group.representative, group.members.len())).collect();
    assert_eq!(groups, [("a", 1), ("c", 0)]);
}

#[test]
fn subset_keeps_its_confidence() {
    let view = view_of(&[
        ("large", named(&["1", "2", "3", "4"], [1.0, 0.0], 0.9)),
        ("small", named(&["1", "2", "3", "3"], [0.9, 0.4], 0.8)),
        ("other", named(&["1", "2", "4", "5"], [0.9, 0.4], 0.7)),
    ]);
    let small = view.get(&"small").unwrap();
    let Role::Member { conflict, .. } = &small.role else { panic!("{small}") };
    assert_eq!(conflict.overlap.containment(), Containment::Subset);
    assert_eq!(small.shown, 0.8);
    assert!(small.to_string().contains("a strict subset"), "{small}");

    let other = view.get(&"other").unwrap();
    assert!(other.shown < 0.7 && other.shown > 0.67, "{other}");
}

#[test]
fn disputed_episode_lowers_both_confidences() {
    let view = view_of(&[
        ("a", named(&["1", "2", "3"], [1.0, 0.0], 0.9)),
        ("b", named(&["3", "4", "5"], [0.0, 1.0], 0.8)),
        ("c", named(&["6"], [-1.0, 0.0], 0.05)),
    ]);
    let a = view.get(&"a").unwrap();
    let rival = a.rival.as_ref().unwrap();
    assert_eq!((*rival.id, rival.conflict.kind), ("b", ConflictKind::EpisodeOwnership));
    assert_eq!(a.shown, (f64::from(0.9f32) * (1.0 - 0.5 * f64::from(0.2f32))) as f32);
    // A confidence below the floor is not raised to it.
    assert_eq!(view.get(&"c").unwrap().shown, 0.05);
    assert!(a.to_string().contains("disputed by b"), "{a}");
}

#[test]
fn refused_pattern_leaves_the_view_unchanged() {
    let good = named(&["1"], [1.0, 0.0], 0.9);
    let mut view = view_of(&[("good", good.clone())]);
    let before = view.get(&"good").unwrap().to_string();
    let [mut nan, mut long, mut sure] = [(); 3].map(|()| good.clone());
    nan.value.embedding = vec![f32::NAN, 0.0];
    long.value.embedding = vec![1.0; 3];
    sure.value.confidence = 1.000_000_1;
    for bad in [&nan, &long, &sure] {
        let edits = [("good", None), ("better", Some(good.clone())), ("bad", Some(bad.clone()))];
        view.update(edits).unwrap_err();
        assert_eq!((view.len(), view.get(&"good").unwrap().to_string()), (1, before.clone()));
    }
    // The dimension may change only if no pattern of the old dimension remains.
    assert_eq!(
        view.upsert("long", long.clone()).unwrap_err().to_string(),
        format!(
            "version {}: the embedding has 3 dimensions, but the other versions have 2",
            hex(&long.digest)
        )
    );
    view.update([("good", None), ("long", Some(long))]).unwrap();
    assert_eq!(view.len(), 1);
}

fn hex(digest: &[u8; 32]) -> String {
    digest[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn rules_out_of_range_are_refused_by_name() {
    let rules = Rules::default().concept_cosine(f32::NAN);
    let error = CrossIdView::<u32, OwnedPattern>::new(rules).unwrap_err();
    assert_eq!(error.field, "concept_cosine");
    let thresholds = Thresholds::default().divergent_jaccard(0.0);
    let error =
        CrossIdView::<u32, OwnedPattern>::new(Rules::default().thresholds(thresholds)).unwrap_err();
    assert_eq!(error.field, "divergent_jaccard");
}
