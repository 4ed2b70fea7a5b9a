//! The laws of siblings: a lattice in which nodes are independent of each other.

use std::collections::{BTreeMap, BTreeSet};

use engram_vclock::generate::{Faults, State, World, steps};
use engram_vclock::{Causality, Dot, MAX_NODE_DOTS, Siblings, VectorClock};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::common::bytes;

fn joined(a: &State, b: &State) -> State {
    let mut both = a.clone();
    both.join(b);
    both
}

fn is_at_most(a: &State, b: &State) -> bool {
    matches!(a.compare(b), Causality::Before | Causality::Equal)
}

/// Returns the state of the writer after each write, and the state of each process at the end.
fn all_states(world: &World) -> Vec<State> {
    let ends = world.processes.iter().map(|process| &process.state);
    world.writes.iter().map(|write| &write.state).chain(ends).cloned().collect()
}

/// Generates three states of one history, or three arbitrary states with few nodes and versions,
/// which may have several values under one dot.
fn three_states() -> impl Strategy<Value = [State; 3]> {
    let real = (steps(3, Faults::Any, 0..24), any::<[Index; 3]>()).prop_map(|(steps, at)| {
        let states = all_states(&World::run(3, &steps));
        at.map(|at| at.get(&states).clone())
    });
    prop_oneof![real, [any_state(3), any_state(3), any_state(3)]]
}

/// Generates states with up to three nodes, versions up to 3, and values below `values`.
fn any_state(values: u32) -> impl Strategy<Value = State> {
    let node = (0..4_u64, btree_set((1..4_u64, 0..values), 0..MAX_NODE_DOTS));
    btree_map(0..3_u8, node, 0..4).prop_map(|nodes| {
        let mut context = VectorClock::new();
        let mut live = Vec::new();
        for (node, (entry, pairs)) in nodes {
            context.observe(&Dot::new(node, entry));
            let covered = pairs.into_iter().filter(|(version, _)| *version <= entry);
            live.extend(covered.map(|(version, value)| (Dot::new(node, version), value)));
        }
        Siblings::from_parts(live, context).expect("covered and sorted")
    })
}

/// Joins two states pair by pair, as the definition says.
fn join_by_definition(a: &State, b: &State) -> State {
    let context: VectorClock<u8> =
        a.context().iter().chain(b.context()).map(|(n, v)| (*n, v)).collect();
    let pairs =
        |state: &State| state.iter().map(|(dot, value)| (*dot, *value)).collect::<BTreeSet<_>>();
    let (mine, theirs) = (pairs(a), pairs(b));
    let stays = |dot: &Dot<u8>, other: &State, others: &BTreeSet<(Dot<u8>, u32)>| {
        others.iter().any(|(held, _)| held == dot) || dot.version > other.context().get(&dot.node)
    };
    let mut by_node = BTreeMap::<u8, BTreeSet<(Dot<u8>, u32)>>::new();
    for pair @ (dot, _) in mine.union(&theirs) {
        let from_mine = mine.contains(pair) && stays(dot, b, &theirs);
        let from_theirs = theirs.contains(pair) && stays(dot, a, &mine);
        if from_mine || from_theirs {
            by_node.entry(dot.node).or_default().insert(*pair);
        }
    }
    let greatest = |pairs: BTreeSet<_>| {
        let over = pairs.len().saturating_sub(MAX_NODE_DOTS);
        pairs.into_iter().skip(over)
    };
    Siblings::from_parts(by_node.into_values().flat_map(greatest).collect(), context)
        .expect("covered and sorted")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn prop_join_is_its_definition([a, b, _] in three_states(), [c, d] in [any_state(9), any_state(9)]) {
        prop_assert_eq!(bytes(&joined(&a, &b)), bytes(&join_by_definition(&a, &b)));
        prop_assert_eq!(bytes(&joined(&c, &d)), bytes(&join_by_definition(&c, &d)));
    }

    #[test]
    fn prop_join_is_commutative([a, b] in [any_state(9), any_state(9)]) {
        prop_assert_eq!(bytes(&joined(&a, &b)), bytes(&joined(&b, &a)));
    }

    /// Joining a state again changes nothing, even if values are dropped.
    #[test]
    fn prop_join_is_idempotent([a, b] in [any_state(9), any_state(9)]) {
        let mut both = joined(&a, &b);
        let once = bytes(&both);
        prop_assert!(!both.join(&both.clone()).changed);
        prop_assert!(!both.join(&a).changed && !both.join(&b).changed);
        prop_assert_eq!(bytes(&both), once);
    }

    #[test]
    fn prop_join_is_associative([a, b, c] in three_states()) {
        let left = joined(&joined(&a, &b), &c);
        let right = joined(&a, &joined(&b, &c));
        prop_assert_eq!(bytes(&left), bytes(&right));
    }

    #[test]
    fn prop_join_is_the_least_upper_bound([a, b, c] in three_states()) {
        let both = joined(&a, &b);
        prop_assert!(is_at_most(&a, &both) && is_at_most(&b, &both));
        let above = joined(&both, &c);
        prop_assert!(is_at_most(&a, &above) && is_at_most(&b, &above) && is_at_most(&both, &above));
    }

    #[test]
    fn prop_join_reports_what_it_did([a, b] in [any_state(9), any_state(9)]) {
        let mut both = a.clone();
        let outcome = both.join(&b);
        prop_assert_eq!(outcome.changed, bytes(&both) != bytes(&a));
        let values = |state: &State, dot: &Dot<u8>| state.of_dot(dot).to_vec();
        let clash = a.iter().map(|(dot, _)| *dot).find(|dot| {
            let (mine, theirs) = (values(&a, dot), values(&b, dot));
            !theirs.is_empty() && mine != theirs
        });
        prop_assert_eq!(outcome.clash, clash);
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

    /// A state may be sent in pieces, each with the parts of some nodes, in any order and
    /// repeatedly.
    #[test]
    fn prop_parts_join_to_the_whole(
        [a, b, _] in three_states(),
        pieces in vec(0..8_u8, 0..6),
    ) {
        let mut by_pieces = a.clone();
        for nodes in pieces.iter().copied().chain([0b001, 0b100, 0b010]) {
            let mut piece = b.clone();
            piece.retain_nodes(|node, _| nodes >> node & 1 == 1);
            let (live, context) = piece.clone().into_parts();
            prop_assert_eq!(Siblings::from_parts(live, context), Ok(piece.clone()));
            by_pieces.join(&piece);
        }
        prop_assert_eq!(bytes(&by_pieces), bytes(&joined(&a, &b)));
    }

    #[test]
    fn prop_parts_name_each_node_once([a, _, _] in three_states()) {
        prop_assert!(a.parts().map(|part| (part.node, part.entry)).eq(a.context().iter()));
        let live: Vec<_> = a.parts().flat_map(|part| part.live).cloned().collect();
        prop_assert_eq!(&live, &a.clone().into_parts().0);
        for part in a.parts() {
            prop_assert_eq!(part.live, a.of_node(part.node));
        }
    }

    #[test]
    fn prop_order_and_grouping_do_not_matter(
        steps in steps(3, Faults::Any, 1..24),
        copies in vec(any::<Index>(), 0..12),
        order in vec(any::<u32>(), 200),
        groups in vec(any::<Index>(), 64),
    ) {
        let sent = all_states(&World::run(3, &steps));
        let in_order = sent.iter().fold(Siblings::new(), |all, state| joined(&all, state));

        let mut order = order.iter();
        let repeated = copies.iter().map(|at| at.get(&sent));
        let mut pile: Vec<State> = sent.iter().chain(repeated).cloned().collect();
        pile.sort_by_cached_key(|_| order.next());
        // Joins two arbitrary states at a time until one is left.
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
