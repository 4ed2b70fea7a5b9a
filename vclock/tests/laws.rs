//! The laws of clocks and of siblings, on canonical bytes.

mod common;

use common::bytes;
use engram_vclock::generate::{History, State, Step, clock, history};
use engram_vclock::{Actor, Causality, Dot, Siblings, VectorClock};
use proptest::prelude::*;
use proptest::sample::Index;

/// Few actors and counters, so that all four relations are frequent.
fn small_clock() -> impl Strategy<Value = VectorClock<u8>> {
    proptest::collection::vec((0..4_u8, 0..4_u64), 0..6)
        .prop_map(|entries| VectorClock::try_from_iter(entries).expect("small counters"))
}

fn merged(a: &VectorClock<u8>, b: &VectorClock<u8>) -> VectorClock<u8> {
    let mut both = a.clone();
    both.merge(b);
    both
}

/// What `compare` means, without a clever pass over sorted entries.
fn compare_by_definition(a: &VectorClock<u8>, b: &VectorClock<u8>) -> Causality {
    let actors = || (0..=u8::MAX).map(|actor| (a.get(&actor), b.get(&actor)));
    match (actors().all(|(a, b)| a <= b), actors().all(|(a, b)| a >= b)) {
        (true, true) => Causality::Equal,
        (true, false) => Causality::Before,
        (false, true) => Causality::After,
        (false, false) => Causality::Concurrent,
    }
}

fn is_canonical(clock: &VectorClock<u8>) -> bool {
    let entries: Vec<_> = clock.iter().map(|(actor, counter)| (*actor, counter)).collect();
    VectorClock::from_sorted(entries).is_ok_and(|same| same == *clock)
}

proptest! {
    #[test]
    fn prop_merge_is_commutative(a in small_clock(), b in small_clock()) {
        prop_assert_eq!(merged(&a, &b).to_bytes(), merged(&b, &a).to_bytes());
    }

    #[test]
    fn prop_merge_is_associative(a in small_clock(), b in small_clock(), c in small_clock()) {
        let left = merged(&merged(&a, &b), &c);
        let right = merged(&a, &merged(&b, &c));
        prop_assert_eq!(left.to_bytes(), right.to_bytes());
    }

    #[test]
    fn prop_merge_is_idempotent_and_inflationary(a in small_clock(), b in small_clock()) {
        let mut both = merged(&a, &b);
        prop_assert!(matches!(a.compare(&both), Causality::Before | Causality::Equal));
        prop_assert!(!both.merge(&b) && !both.merge(&a));
        prop_assert_eq!(both.to_bytes(), merged(&a, &b).to_bytes());
    }

    #[test]
    fn prop_merge_takes_the_greater_counter(
        a in clock(any::<u8>(), 0..40),
        b in clock(any::<u8>(), 0..40),
    ) {
        let both = merged(&a, &b);
        for actor in 0..=u8::MAX {
            prop_assert_eq!(both.get(&actor), a.get(&actor).max(b.get(&actor)));
        }
        prop_assert!(is_canonical(&both));
    }

    #[test]
    fn prop_merge_says_whether_anything_was_news(a in small_clock(), b in small_clock()) {
        let mut both = a.clone();
        prop_assert_eq!(both.merge(&b), both != a);
    }

    #[test]
    fn prop_compare_keeps_its_definition(a in small_clock(), b in small_clock()) {
        prop_assert_eq!(a.compare(&b), compare_by_definition(&a, &b));
        prop_assert_eq!(a.compare(&b), b.compare(&a).reverse());
        prop_assert_eq!(a.compare(&b) == Causality::Equal, a.to_bytes() == b.to_bytes());
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
    fn prop_tick_names_a_write_that_nobody_has_seen(a in small_clock(), actor in 0..6_u8) {
        let mut ticked = a.clone();
        let dot = ticked.tick(&actor).expect("small counters");
        prop_assert!(!a.covers(&dot) && ticked.covers(&dot));
        prop_assert_eq!(dot.counter, a.get(&actor) + 1);
        prop_assert_eq!(a.compare(&ticked), Causality::Before);
        prop_assert!(is_canonical(&ticked));
    }

    #[test]
    fn prop_observe_is_the_merge_of_one_dot(
        a in small_clock(),
        actor in 0..6_u8,
        counter in 1..6_u64,
    ) {
        let mut observed = a.clone();
        let news = observed.observe(&Dot::new(actor, counter)).expect("small counters");
        let one = VectorClock::from_sorted([(actor, counter)]).expect("one entry");
        prop_assert_eq!(news, observed != a);
        prop_assert_eq!(observed.to_bytes(), merged(&a, &one).to_bytes());
    }

    /// Equal clocks have equal bytes, whatever order their entries came in, zeros or not.
    #[test]
    fn prop_clock_has_one_form(entries in proptest::collection::vec((0..6_u8, 0..5_u64), 0..12)) {
        let backwards = entries.iter().rev().copied();
        let reversed = VectorClock::try_from_iter(backwards).expect("small counters");
        let clock = VectorClock::try_from_iter(entries.iter().copied()).expect("small counters");
        let mut observed = VectorClock::new();
        for &(actor, counter) in entries.iter().filter(|entry| entry.1 > 0) {
            observed.observe(&Dot::new(actor, counter)).expect("small counters");
        }
        prop_assert!(is_canonical(&clock));
        prop_assert_eq!(clock.to_bytes(), reversed.to_bytes());
        prop_assert_eq!(clock.to_bytes(), observed.to_bytes());
    }
}

fn joined(a: &State, b: &State) -> State {
    let mut both = a.clone();
    both.join(b);
    both
}

/// Three states that one history really went through, or three that nobody has ever seen: joins
/// form a lattice over all states whose live dots are covered.
fn three_states() -> impl Strategy<Value = [State; 3]> {
    let real = (history(3, 1..24), any::<[Index; 3]>()).prop_map(|(history, at)| {
        let states = all_states(&history);
        at.map(|at| at.get(&states).clone())
    });
    prop_oneof![real, [any_state(), any_state(), any_state()]]
}

/// Few actors and counters. The value is a function of the dot, as always.
fn any_state() -> impl Strategy<Value = State> {
    let actors = proptest::collection::btree_map(0..3_u8, (1..4_u64, 0..8_u8), 0..4);
    actors.prop_map(|actors| {
        let (mut live, mut context) = (Vec::new(), VectorClock::new());
        for (node, (latest, mask)) in actors {
            let dots =
                (1..=latest).map(|counter| Dot::new(Actor { node, incarnation: 1 }, counter));
            for (dot, bit) in dots.zip(0..) {
                context.observe(&dot).expect("small counters");
                if mask >> bit & 1 == 1 {
                    live.push((dot, dot.counter as u32));
                }
            }
        }
        Siblings::from_parts(live, context).expect("covered and sorted")
    })
}

fn all_states(history: &History) -> Vec<State> {
    let empty = [Siblings::new()];
    history.deltas.iter().chain(&history.replicas).chain(&empty).cloned().collect()
}

proptest! {
    #[test]
    fn prop_join_is_commutative([a, b, _] in three_states()) {
        prop_assert_eq!(bytes(&joined(&a, &b)), bytes(&joined(&b, &a)));
    }

    #[test]
    fn prop_join_is_associative([a, b, c] in three_states()) {
        let left = joined(&joined(&a, &b), &c);
        let right = joined(&a, &joined(&b, &c));
        prop_assert_eq!(bytes(&left), bytes(&right));
    }

    #[test]
    fn prop_join_is_idempotent([a, b, _] in three_states()) {
        let mut both = joined(&a, &b);
        let once = bytes(&both);
        prop_assert!(!both.join(&b) && !both.join(&a) && !both.join(&both.clone()));
        prop_assert_eq!(bytes(&both), once);
    }

    #[test]
    fn prop_join_is_the_least_upper_bound([a, b, c] in three_states()) {
        let both = joined(&a, &b);
        let above = joined(&both, &c);
        for part in [&a, &b] {
            prop_assert!(matches!(part.compare(&both), Causality::Before | Causality::Equal));
        }
        prop_assert!(matches!(both.compare(&above), Causality::Before | Causality::Equal));
    }

    #[test]
    fn prop_join_says_whether_anything_was_news([a, b, _] in three_states()) {
        let mut both = a.clone();
        prop_assert_eq!(both.join(&b), both != a);
    }

    #[test]
    fn prop_compare_is_the_order_of_joins([a, b, _] in three_states()) {
        let both = joined(&a, &b);
        let expected = match (both == b, both == a) {
            (true, true) => Causality::Equal,
            (true, false) => Causality::Before,
            (false, true) => Causality::After,
            (false, false) => Causality::Concurrent,
        };
        prop_assert_eq!(a.compare(&b), expected);
        prop_assert_eq!(b.compare(&a), expected.reverse());
    }

    #[test]
    fn prop_every_operation_inflates(history in history(3, 1..24)) {
        for (at, step) in history.steps.iter().enumerate() {
            let before = History::run(3, &history.steps[..at]).replicas;
            let after = History::run(3, &history.steps[..=at]).replicas;
            let grew = before.iter().zip(&after).all(|(before, after)| {
                matches!(before.compare(after), Causality::Before | Causality::Equal)
            });
            prop_assert!(grew || matches!(step, Step::Wipe { .. }), "{:?}", step);
        }
    }

    #[test]
    fn prop_live_dots_are_covered(history in history(3, 1..24)) {
        for state in all_states(&history) {
            let (live, context) = state.clone().into_parts();
            prop_assert_eq!(Siblings::from_parts(live, context), Ok(state));
        }
    }

    #[test]
    fn prop_equal_contexts_mean_equal_values(history in history(3, 1..24)) {
        let states = all_states(&history);
        for (index, a) in states.iter().enumerate() {
            for b in &states[index..] {
                if a.context() == b.context() {
                    prop_assert_eq!(bytes(a), bytes(b));
                }
            }
        }
    }

    /// Whatever the network does to them, the states that were sent add up to one.
    #[test]
    fn prop_order_repetition_and_grouping_of_states_do_not_matter(
        history in history(3, 1..24),
        copies in proptest::collection::vec(any::<Index>(), 0..12),
        order in proptest::collection::vec(any::<u32>(), 200),
        groups in proptest::collection::vec(any::<Index>(), 64),
    ) {
        let sent = all_states(&history);
        let in_order = sent.iter().fold(Siblings::new(), |all, state| joined(&all, state));

        let mut order = order.iter();
        let repeated = copies.iter().map(|at| at.get(&sent));
        let mut pile: Vec<State> = sent.iter().chain(repeated).cloned().collect();
        pile.sort_by_cached_key(|_| order.next());
        // Joins any two of the pile until one is left.
        for group in groups.iter().cycle() {
            let Some(one) = pile.pop() else { break };
            if pile.is_empty() {
                prop_assert_eq!(bytes(&one), bytes(&in_order));
                break;
            }
            let other = group.index(pile.len());
            pile[other].join(&one);
        }
    }
}
