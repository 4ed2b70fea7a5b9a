//! The value of a state is the meaning of its history: the causally maximal writes, no more and no
//! less.

#[path = "common/spec.rs"]
mod spec;

use std::collections::BTreeSet;

use engram_vclock::Dot;
use engram_vclock::generate::{History, State, history};
use proptest::prelude::*;
use spec::Spec;

fn value(state: &State) -> BTreeSet<u32> {
    state.values().copied().collect()
}

/// The dot under which each write of the history was made.
fn dots(history: &History) -> Vec<Dot<engram_vclock::Actor<u8>>> {
    let own = |(write, delta): (usize, &State)| {
        let (dot, _) = delta.iter().find(|(_, value)| **value == write as u32)?;
        Some(*dot)
    };
    history
        .deltas
        .iter()
        .enumerate()
        .map(|delta| own(delta).expect("a write is live where it was made"))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn prop_value_is_the_specification(history in history(3, 1..40)) {
        let spec = Spec::run(3, &history.steps);
        for (node, state) in history.replicas.iter().enumerate() {
            prop_assert_eq!(value(state), spec.value(node), "node {}: {:?}", node, state);
        }
    }

    #[test]
    fn prop_context_covers_the_known_writes(history in history(3, 1..40)) {
        let spec = Spec::run(3, &history.steps);
        let dots = dots(&history);
        for (state, known) in history.replicas.iter().zip(&spec.known) {
            for (write, dot) in dots.iter().enumerate() {
                prop_assert_eq!(state.context().covers(dot), known.contains(&(write as u32)));
            }
        }
    }
}
