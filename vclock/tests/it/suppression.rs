//! Tests suppression: a lattice of causal lengths, whose bounded form depends only on the set.

use std::collections::BTreeMap;

use crate::common::bytes;
use engram_vclock::{Changed, MAX_LENGTH, MAX_SUPPRESSED, Suppression, SuppressionError};
use proptest::prelude::*;

type Set = Suppression<u16>;

fn any_set(digests: u16) -> impl Strategy<Value = Set> {
    proptest::collection::btree_map(0..digests, 1..6_u32, 0..12)
        .prop_map(|lengths| Set::from_sorted(lengths).expect("a map is sorted"))
}

fn joined(a: &Set, b: &Set) -> Set {
    let mut both = a.clone();
    both.join(b);
    both
}

fn lengths(set: &Set) -> BTreeMap<u16, u32> {
    set.iter().map(|(digest, length)| (*digest, length)).collect()
}

/// Returns a set of `count` consecutive digests from `first` on.
fn range(first: u16, count: usize) -> Set {
    Set::from_sorted((first..).take(count).map(|digest| (digest, 1))).expect("sorted")
}

proptest! {
    #[test]
    fn prop_join_takes_the_greater_length(a in any_set(16), b in any_set(16)) {
        let mut both = a.clone();
        prop_assert_eq!(both.join(&b), both != a);
        let mut expected = lengths(&a);
        for (digest, length) in lengths(&b) {
            let held = expected.entry(digest).or_default();
            *held = (*held).max(length);
        }
        prop_assert_eq!(lengths(&both), expected);
        prop_assert!(Set::from_sorted(both.iter().map(|(d, l)| (*d, l))).is_ok());
    }

    #[test]
    fn prop_join_is_a_lattice(a in any_set(16), b in any_set(16), c in any_set(16)) {
        prop_assert_eq!(bytes(&joined(&a, &b)), bytes(&joined(&b, &a)));
        let left = joined(&joined(&a, &b), &c);
        prop_assert_eq!(bytes(&left), bytes(&joined(&a, &joined(&b, &c))));
        prop_assert_eq!(bytes(&joined(&left, &a)), bytes(&left));
    }

    #[test]
    fn prop_operations_advance(a in any_set(8), digest in 0..8_u16) {
        let mut set = a.clone();
        for _ in 0..2 {
            prop_assert_eq!(set.suppress(digest), Changed::Done);
            prop_assert!(set.is_suppressed(&digest));
        }
        prop_assert_eq!(set.release(&digest), Changed::Done);
        prop_assert_eq!(set.release(&digest), Changed::Already);
        prop_assert!(!set.is_suppressed(&digest));
        prop_assert_eq!(bytes(&joined(&set, &a)), bytes(&set));
    }

    /// Replicas may apply the bound before or after a join; the result is the same.
    #[test]
    fn prop_bound_is_a_function_of_the_set(
        starts in proptest::collection::vec((0..2_000_u16, 1..=MAX_SUPPRESSED), 1..5),
    ) {
        let sets: Vec<Set> = starts.iter().map(|&(first, count)| range(first, count)).collect();
        let mut late = sets.iter().fold(Set::new(), |all, set| joined(&all, set));
        let all = late.clone();
        let gone = late.bound();
        let mut early = Set::new();
        for set in sets.iter().rev() {
            early.join(set);
            early.bound();
        }
        prop_assert_eq!(bytes(&early), bytes(&late));
        prop_assert!(all.iter().map(|(digest, _)| digest).eq(
            late.iter().map(|(digest, _)| digest).chain(&gone)
        ));
        prop_assert!(late.len() == MAX_SUPPRESSED || gone.is_empty());
    }
}

#[test]
fn the_smallest_1024_digests_stay() {
    let mut set = range(1, MAX_SUPPRESSED);
    assert!(set.bound().is_empty());
    assert_eq!(set.suppress(0), Changed::Done);
    assert_eq!(set.suppress(5_000), Changed::Done);
    assert_eq!(set.bound(), [1024, 5_000]);
    assert_eq!(set.len(), MAX_SUPPRESSED);
    assert!(set.is_suppressed(&0) && !set.is_suppressed(&1024));
}

#[test]
fn a_length_stops_at_the_bound() {
    let mut set = Set::from_sorted([(1, MAX_LENGTH - 1)]).expect("within the bound");
    assert!(set.is_suppressed(&1));
    assert_eq!(set.release(&1), Changed::Done);
    assert_eq!(set.iter().next(), Some((&1, MAX_LENGTH)));
    assert_eq!(set.suppress(1), Changed::AtBound);
    assert_eq!(set.release(&1), Changed::Already);
    let mut odd = Set::from_sorted([(1, MAX_LENGTH - 1)]).expect("within the bound");
    assert_eq!(odd.suppress(1), Changed::AtBound);
    assert!(odd.is_suppressed(&1));
    assert_eq!(set.iter().next(), Some((&1, MAX_LENGTH)));
}

#[test]
fn malformed_entries_are_refused() {
    let refused = |entries: &[(u16, u32)]| Set::from_sorted(entries.iter().copied()).err();
    assert_eq!(refused(&[(1, 1), (2, MAX_LENGTH)]), None);
    assert_eq!(refused(&[(1, 1), (1, 1)]), Some(SuppressionError::OutOfOrder { index: 1 }));
    assert_eq!(refused(&[(2, 1), (1, 1)]), Some(SuppressionError::OutOfOrder { index: 1 }));
    assert_eq!(refused(&[(1, 1), (2, 0)]), Some(SuppressionError::ZeroLength { index: 1 }));
    assert_eq!(refused(&[(1, MAX_LENGTH + 1)]), Some(SuppressionError::TooLong { index: 0 }));
    let too_many = (0..).take(MAX_SUPPRESSED + 1).map(|digest: u16| (digest, 1));
    assert_eq!(Set::from_sorted(too_many), Err(SuppressionError::TooMany));
    // The input is infinite: the set reads no more entries than it needs.
    assert_eq!(
        Suppression::from_sorted((0_u64..).map(|digest| (digest, 1))),
        Err(SuppressionError::TooMany)
    );
}

/// The suppression wins in every state, even if the digest is already suppressed.
#[test]
fn a_suppression_beats_a_concurrent_release() {
    let mut before = Set::new();
    for _ in 0..3 {
        let _ = before.suppress(7);
        let (mut released, mut suppressed) = (before.clone(), before.clone());
        let _ = released.release(&7);
        let _ = suppressed.suppress(7);
        assert!(joined(&released, &suppressed).is_suppressed(&7));
        before = released;
        let (mut released, mut suppressed) = (before.clone(), before.clone());
        let _ = released.release(&7);
        let _ = suppressed.suppress(7);
        assert!(joined(&released, &suppressed).is_suppressed(&7));
    }
}
