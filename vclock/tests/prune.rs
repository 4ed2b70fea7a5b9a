//! Contexts stay small although nodes come and go, and nothing that is live is forgotten.

use std::collections::BTreeSet;

use engram_vclock::generate::{State, history};
use engram_vclock::{Actor, Dot, Siblings, VectorClock};
use proptest::prelude::*;

fn contexts(states: &[State], except: usize) -> impl Iterator<Item = &VectorClock<Actor<u8>>> {
    let others = states.iter().enumerate().filter(move |(node, _)| *node != except);
    others.map(|(_, state)| state.context())
}

/// Joins everybody with everybody.
fn settle(states: &mut [State]) {
    let mut all = Siblings::new();
    states.iter().for_each(|state| {
        all.join(state);
    });
    states.fill(all);
}

#[test]
fn ten_thousand_restarts_leave_a_bounded_context() {
    let mut states: Vec<State> = vec![Siblings::new(); 3];
    for incarnation in 0..10_000 {
        let node = (incarnation % 3) as usize;
        let actor = Actor { node: node as u8, incarnation };
        states[node].submit(Dot::new(actor, 1), incarnation as u32).expect("a new dot");
        settle(&mut states);
        let acknowledged = states.clone();
        for (node, state) in states.iter_mut().enumerate() {
            state.prune(contexts(&acknowledged, node));
            assert!(state.context().len() <= 3, "at most one entry for each live value");
        }
    }
    assert_eq!(states[0].values().collect::<Vec<_>>(), [&9999, &9997, &9998]);
}

#[test]
fn a_member_that_lags_behind_stops_pruning() {
    let [old, new] = [1, 2].map(|incarnation| Actor { node: 1_u8, incarnation });
    let mut state = Siblings::new();
    state.submit(Dot::new(old, 1), "old").expect("a new dot");
    let lagging = state.clone();
    state.submit(Dot::new(new, 1), "new").expect("a new dot");
    let current = state.clone();

    assert_eq!(state.prune([lagging.context(), current.context()]), 0);
    assert_eq!(state, current);
    assert_eq!(state.prune([current.context(), current.context()]), 1);
    assert_eq!(state.context().get(&old), 0);
    // What a member holds on to comes back with a join, and goes again.
    assert!(state.join(&current));
    assert_eq!(state, current);
    assert_eq!(state.prune([current.context()]), 1);
}

/// A node that will not return: a living node takes its value over, then the context forgets it.
#[test]
fn an_operator_retires_a_dead_node() {
    let [dead, living] = [1, 2].map(|node| Actor { node, incarnation: 1 });
    let mut state: Siblings<&str, Actor<u8>> = Siblings::new();
    state.submit(Dot::new(dead, 1), "worth keeping").expect("a new dot");
    state.submit(Dot::new(living, 1), "of its own").expect("a new dot");
    let retired =
        state.supersede(Dot::new(living, 2), "worth keeping", |dot| dot.actor.node == dead.node);
    assert_eq!(retired, Ok(1));
    assert_eq!(state.values().collect::<Vec<_>>(), [&"of its own", &"worth keeping"]);
    let acknowledged = state.context().clone();
    assert_eq!(state.prune([&acknowledged]), 1);
}

proptest! {
    /// After a common history: everybody settles, prunes, goes on writing, and settles again.
    #[test]
    fn prop_pruning_changes_no_value(
        history in history(3, 1..24),
        writers in proptest::collection::vec(0..3_usize, 0..6),
    ) {
        let mut states = history.replicas;
        settle(&mut states);
        let mut unpruned = states.clone();
        for (write, &node) in writers.iter().enumerate() {
            let acknowledged = states.clone();
            states[node].prune(contexts(&acknowledged, node));
            let dot = Dot::new(Actor { node: node as u8, incarnation: 1000 }, write as u64 + 1);
            for states in [&mut states, &mut unpruned] {
                states[node].submit(dot, 1000 + write as u32).expect("a new dot");
            }
        }
        settle(&mut states);
        settle(&mut unpruned);
        let values = |state: &State| state.values().copied().collect::<BTreeSet<_>>();
        prop_assert_eq!(values(&states[0]), values(&unpruned[0]));
    }
}
