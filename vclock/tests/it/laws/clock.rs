//! The laws of vector clocks.

use engram_vclock::generate::clock;
use engram_vclock::{Causality, Dot, VectorClock};
use proptest::prelude::*;

use crate::common::bytes;

/// Generates clocks with few nodes and versions, so that all four relations are frequent.
fn small_clock() -> impl Strategy<Value = VectorClock<u8>> {
    proptest::collection::vec((0..4_u8, 0..4_u64), 0..6).prop_map(VectorClock::from_iter)
}

fn merged(a: &VectorClock<u8>, b: &VectorClock<u8>) -> VectorClock<u8> {
    let mut both = a.clone();
    both.merge(b);
    both
}

/// Compares two clocks node by node, as the definition says.
fn compare_by_definition(a: &VectorClock<u8>, b: &VectorClock<u8>) -> Causality {
    let nodes = || (0..=u8::MAX).map(|node| (a.get(&node), b.get(&node)));
    match (nodes().all(|(a, b)| a <= b), nodes().all(|(a, b)| a >= b)) {
        (true, true) => Causality::Equal,
        (true, false) => Causality::Before,
        (false, true) => Causality::After,
        (false, false) => Causality::Concurrent,
    }
}

fn is_canonical(clock: &VectorClock<u8>) -> bool {
    let entries: Vec<_> = clock.iter().map(|(node, version)| (*node, version)).collect();
    VectorClock::from_sorted(entries).is_ok_and(|same| same == *clock)
}

proptest! {
    #[test]
    fn prop_merge_is_commutative(a in small_clock(), b in small_clock()) {
        prop_assert_eq!(bytes(&merged(&a, &b)), bytes(&merged(&b, &a)));
    }

    #[test]
    fn prop_merge_is_associative(a in small_clock(), b in small_clock(), c in small_clock()) {
        let left = merged(&merged(&a, &b), &c);
        let right = merged(&a, &merged(&b, &c));
        prop_assert_eq!(bytes(&left), bytes(&right));
    }

    #[test]
    fn prop_merge_is_idempotent_and_inflationary(a in small_clock(), b in small_clock()) {
        let mut both = merged(&a, &b);
        prop_assert!(matches!(a.compare(&both), Causality::Before | Causality::Equal));
        prop_assert!(!both.merge(&b) && !both.merge(&a));
        prop_assert_eq!(bytes(&both), bytes(&merged(&a, &b)));
    }

    #[test]
    fn prop_merge_takes_the_greater_version(
        a in clock(any::<u8>(), 0..40),
        b in clock(any::<u8>(), 0..40),
    ) {
        let both = merged(&a, &b);
        for node in 0..=u8::MAX {
            prop_assert_eq!(both.get(&node), a.get(&node).max(b.get(&node)));
        }
        prop_assert!(is_canonical(&both));
    }

    #[test]
    fn prop_merge_returns_whether_it_changed(a in small_clock(), b in small_clock()) {
        let mut both = a.clone();
        prop_assert_eq!(both.merge(&b), both != a);
    }

    #[test]
    fn prop_compare_keeps_its_definition(a in small_clock(), b in small_clock()) {
        prop_assert_eq!(a.compare(&b), compare_by_definition(&a, &b));
        prop_assert_eq!(a.compare(&b), b.compare(&a).reverse());
        prop_assert_eq!(a.compare(&b) == Causality::Equal, bytes(&a) == bytes(&b));
    }

    #[test]
    fn prop_compare_agrees_with_merge(a in small_clock(), b in small_clock()) {
        let known = matches!(a.compare(&b), Causality::Before | Causality::Equal);
        prop_assert_eq!(known, merged(&a, &b) == b);
    }

    #[test]
    fn prop_compare_is_transitive(a in small_clock(), b in small_clock(), c in small_clock()) {
        let (b, c) = (merged(&a, &b), merged(&merged(&a, &b), &c));
        prop_assert!(matches!(a.compare(&b), Causality::Before | Causality::Equal));
        prop_assert!(matches!(a.compare(&c), Causality::Before | Causality::Equal));
    }

    #[test]
    fn prop_observe_is_the_merge_of_one_dot(
        a in small_clock(),
        node in 0..6_u8,
        version in 0..6_u64,
    ) {
        let mut observed = a.clone();
        let changed = observed.observe(&Dot::new(node, version));
        let one = VectorClock::from_iter([(node, version)]);
        prop_assert_eq!(changed, observed != a);
        prop_assert_eq!(bytes(&observed), bytes(&merged(&a, &one)));
    }

    /// Equal clocks have equal bytes, regardless of the order in which entries are given and of entries with version 0.
    #[test]
    fn prop_clock_has_one_form(entries in proptest::collection::vec((0..6_u8, 0..5_u64), 0..12)) {
        let backwards = entries.iter().rev().copied();
        let reversed = VectorClock::from_iter(backwards);
        let clock = VectorClock::from_iter(entries.iter().copied());
        let mut observed = VectorClock::new();
        for &(node, version) in &entries {
            observed.observe(&Dot::new(node, version));
        }
        prop_assert!(is_canonical(&clock));
        prop_assert_eq!(bytes(&clock), bytes(&reversed));
        prop_assert_eq!(bytes(&clock), bytes(&observed));
    }
}
