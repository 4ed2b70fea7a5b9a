//! Tests the laws and the definitions of functions as properties of generated inputs.

use engram_conflict::pattern::{
    ConfidenceVoting, ConfidenceWeighted, Containment, KeepBoth, LastWriter, Overlap, OwnedPattern,
    blend, cosine, explain, generate, union,
};
use engram_conflict::{Outcome, Strategy, StrategyId, Version, Versions};
use proptest::prelude::*;
use proptest::strategy::Strategy as Generator;

fn strategies() -> [Box<dyn Strategy<OwnedPattern>>; 5] {
    [
        Box::new(ConfidenceVoting),
        Box::new(ConfidenceWeighted::new()),
        Box::new(ConfidenceWeighted::by_confirmations()),
        Box::new(LastWriter),
        Box::new(KeepBoth),
    ]
}

fn set(owned: &[Version<OwnedPattern>]) -> Versions<OwnedPattern> {
    Versions::new(owned.iter().cloned()).unwrap()
}

/// Returns the visible values as bits.
fn bits(
    strategy: &dyn Strategy<OwnedPattern>,
    owned: &[Version<OwnedPattern>],
) -> Vec<(Vec<u32>, Vec<String>, i64)> {
    let versions = set(owned);
    let resolution = strategy.resolve(&versions);
    let all = resolution.all_visible(&versions);
    let bits = all.iter().map(|visible| {
        let scalars = [visible.strength, visible.confidence];
        let numbers = scalars.iter().chain(&visible.embedding).map(|x| x.to_bits()).collect();
        (numbers, visible.citations.clone(), visible.consolidated_at)
    });
    bits.collect()
}

fn vectors(dimensions: std::ops::Range<usize>) -> impl Generator<Value = [Vec<f32>; 3]> {
    let component = prop_oneof![
        8 => -1.0f32..1.0,
        1 => prop::num::f32::NORMAL | prop::num::f32::SUBNORMAL | prop::num::f32::ZERO
    ];
    dimensions.prop_flat_map(move |dimension| {
        prop::array::uniform3(prop::collection::vec(component.clone(), dimension))
    })
}

/// Computes the cosine by its definition.
fn defined_cosine(left: &[f32], right: &[f32]) -> Option<f32> {
    let sum = |a: &[f32], b: &[f32]| {
        let mut lanes = [0f32; 32];
        a.iter().zip(b).enumerate().for_each(|(i, (a, b))| lanes[i % 32] += a * b);
        let mut lanes = lanes.map(f64::from).to_vec();
        while lanes.len() > 1 {
            let high = lanes.split_off(lanes.len() / 2);
            lanes.iter_mut().zip(high).for_each(|(low, high)| *low += high);
        }
        lanes[0]
    };
    let wide = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).fold(0.0, |sum, (&a, &b)| sum + f64::from(a) * f64::from(b))
    };
    let fast = |norm: f64| (1e-20..=1e30).contains(&norm);
    let (dot, norms) = match (sum(left, left), sum(right, right)) {
        (a, b) if fast(a) && fast(b) => (sum(left, right), a * b),
        _ => (wide(left, right), wide(left, left) * wide(right, right)),
    };
    (norms > 0.0).then(|| (dot / norms.sqrt()).clamp(-1.0, 1.0) as f32 + 0.0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn prop_strategies_are_functions_of_the_set(
        (owned, shuffled) in generate::versions(1..=8, 5)
            .prop_flat_map(|owned| (Just(owned.clone()), Just(owned).prop_shuffle())),
    ) {
        for strategy in strategies() {
            prop_assert_eq!(bits(&*strategy, &owned), bits(&*strategy, &shuffled));
        }
    }

    #[test]
    fn prop_one_version_is_itself(version in generate::version(40)) {
        for strategy in strategies() {
            let alone = std::slice::from_ref(&version);
            let versions = set(alone);
            prop_assert_eq!(&strategy.resolve(&versions).outcome, &Outcome::Chosen(0));
            prop_assert_eq!(&bits(&*strategy, alone)[0].1, &version.value.citations);
        }
    }

    #[test]
    fn prop_confidence_stays_within_the_inputs(owned in generate::versions(1..=64, 3)) {
        let versions = set(&owned);
        for strategy in strategies() {
            let resolution = strategy.resolve(&versions);
            let visible = resolution.visible(&versions);
            prop_assert!(owned.iter().any(|v| v.value.confidence >= visible.confidence));
            prop_assert!(owned.iter().any(|v| v.value.confidence <= visible.confidence));
            prop_assert!(owned.iter().any(|v| v.value.strength >= visible.strength));
            prop_assert!(visible.embedding.iter().all(|x| x.is_finite()));
        }
    }

    #[test]
    fn prop_default_keeps_every_citation(owned in generate::versions(1..=8, 2)) {
        let versions = set(&owned);
        let resolution = ConfidenceVoting.resolve(&versions);
        let mut shown = resolution.visible(&versions).citations.clone();
        shown.sort();
        let count = |list: &[String], id: &String| list.iter().filter(|other| *other == id).count();
        for version in &owned {
            for id in &version.value.citations {
                prop_assert!(count(&shown, id) >= count(&version.value.citations, id));
            }
        }
        prop_assert_eq!(explain(&ConfidenceVoting, &versions).citations_lost, 0);
    }

    #[test]
    fn prop_explanation_shares_add_up(owned in generate::versions(1..=8, 2)) {
        let versions = set(&owned);
        for strategy in strategies() {
            let explanation = explain(&*strategy, &versions);
            let total: f64 = explanation.contributions.iter().map(|c| c.share).sum();
            prop_assert!((total - 1.0).abs() < 1e-12, "{explanation}");
        }
    }

    #[test]
    fn prop_union_is_a_join(a in generate::citations(), b in generate::citations(), c in generate::citations()) {
        let join = |left: &[String], right: &[String]| union([left, right]);
        prop_assert_eq!(join(&a, &b), join(&b, &a));
        prop_assert_eq!(join(&join(&a, &b), &c), join(&a, &join(&b, &c)));
        prop_assert_eq!(join(&a, &a), a.clone());
        prop_assert_eq!(union([&a[..], &b[..], &c[..]]), join(&join(&a, &b), &c));
    }

    #[test]
    fn prop_overlap_matches_set_intersection(a in generate::citations(), b in generate::citations()) {
        use std::collections::BTreeSet;
        let (left, right): (BTreeSet<_>, BTreeSet<_>) = (a.iter().collect(), b.iter().collect());
        let overlap = Overlap::of(&a, &b);
        prop_assert_eq!(overlap.shared(), left.intersection(&right).count());
        prop_assert_eq!(overlap.jaccard().to_bits(), Overlap::of(&b, &a).jaccard().to_bits());
        let subset = left.is_subset(&right) && !left.is_empty() && left != right;
        prop_assert_eq!(overlap.containment() == Containment::Subset, subset);
    }

    #[test]
    fn prop_cosine_matches_its_definition([a, b, _] in vectors(0..200)) {
        let bits = |cosine: Option<f32>| cosine.map(f32::to_bits);
        prop_assert_eq!(bits(cosine(&a, &b)), bits(defined_cosine(&a, &b)));
        prop_assert_eq!(bits(cosine(&a, &b)), bits(cosine(&b, &a)));
        prop_assert!(cosine(&a, &b).is_none_or(|cosine| (-1.0..=1.0).contains(&cosine)));
        let itself = cosine(&a, &a);
        prop_assert!(itself.is_none() || itself == Some(1.0));
    }

    #[test]
    fn prop_blend_matches_its_definition([a, b, c] in vectors(1..100), x in 0.0f64..1.0, y in 0.0f64..1.0) {
        let shares = [x / 2.0, y / 2.0, 1.0 - x / 2.0 - y / 2.0];
        let blended = blend([(shares[0], &a[..]), (shares[1], &b), (shares[2], &c)]).unwrap();
        for i in 0..a.len() {
            let [a, b, c] = [a[i], b[i], c[i]].map(f64::from);
            let sum = (shares[0] * a + shares[1] * b + shares[2] * c) as f32 + 0.0;
            prop_assert_eq!(blended[i].to_bits(), sum.to_bits());
        }
    }

    #[test]
    fn prop_identity_reads_back(name in "[a-z0-9-]{1,64}", version in 1u16.., key in "[a-z0-9-]{1,9}", value in "[A-Za-z0-9._+-]{1,64}") {
        let id = StrategyId::new(name, version).unwrap().with(key, value).unwrap();
        prop_assert_eq!(id.to_string().parse::<StrategyId>().unwrap(), id);
    }

    #[test]
    fn prop_identity_has_one_text(text in ".{0,80}|[a-z]{1,3}/[0-9]{1,6}(;[a-z]{1,2}=[a-z]{1,2}){0,3}") {
        if let Ok(id) = text.parse::<StrategyId>() {
            prop_assert_eq!(id.to_string(), text);
        }
    }
}
