//! All faults together: disk faults, clones, and wall clocks that are set back or forward.

use std::collections::BTreeSet;

use engram_vclock::generate::{Faults, Step, World, steps};
use engram_vclock::{Causality, Dot, MAX_NODE_DOTS, Siblings};
use proptest::prelude::*;

use crate::common::bytes;

/// The number of nodes. The clone is the process with this number.
const NODES: u8 = 3;

/// Returns the dots that a write superseded while they were live at its writer or where its client
/// read.
fn knowingly_superseded(world: &World) -> BTreeSet<Dot<u8>> {
    world.writes.iter().flat_map(|write| &write.superseded).copied().collect()
}

/// Returns an upper bound on the number of writers that use the name of `node` and share no state: the first process,
/// each process that started without the state of its predecessor, and the clones.
fn writers(steps: &[Step], node: u8) -> usize {
    let clones = steps.iter().filter(|step| **step == Step::Clone(node)).count();
    let is_without_its_state = |step: &&Step| match step {
        Step::LoseDisk(process) | Step::Restore(process) => {
            *process == node || clones > 0 && *process == NODES
        }
        _ => false,
    };
    1 + clones + steps.iter().filter(is_without_its_state).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn prop_replicas_converge(steps in steps(3, Faults::Any, 1..60)) {
        let mut world = World::run(3, &steps);
        world.settle();
        for process in &world.processes {
            prop_assert_eq!(bytes(&process.state), bytes(&world.processes[0].state));
        }
    }

    #[test]
    fn prop_nothing_is_written_at_rest(steps in steps(3, Faults::Any, 1..60)) {
        let mut world = World::run(3, &steps);
        world.settle();
        let settled = (world.reissues, bytes(&world.processes[0].state));
        world.settle();
        prop_assert_eq!(settled, (world.reissues, bytes(&world.processes[0].state)));
    }

    /// The last write of a running process is live, or a writer that saw it replaced it. There are
    /// two exceptions: another write used the same version, or three or more writers without a
    /// common state used one name (D6 of the README).
    #[test]
    fn prop_a_running_process_keeps_its_write(steps in steps(NODES, Faults::Any, 1..60)) {
        let mut world = World::run(NODES, &steps);
        world.settle();
        let superseded = knowingly_superseded(&world);
        for process in &world.processes {
            let Some(last_write) = process.last_write else { continue };
            let dot = Dot::new(process.node, last_write.version);
            let live = process.state.of_dot(&dot).iter().any(|(_, value)| *value == last_write.value);
            let used_twice =
                (0..).zip(&world.writes).any(|(value, write)| write.dot == dot && value != last_write.value);
            let excused = superseded.contains(&dot) || used_twice || writers(&steps, process.node) > 2;
            prop_assert!(live || excused, "{:?} of {:?}", last_write, process);
        }
    }

    /// The versions and the states of a process ascend, even when its wall clock is set back.
    #[test]
    fn prop_steps_ascend(steps in steps(3, Faults::Any, 1..24)) {
        let mut world = World::new(3);
        for step in steps {
            let before = world.clone();
            world.take(step);
            let restarts = matches!(step, Step::LoseDisk(_) | Step::Restore(_) | Step::Clone(_));
            for (before, after) in before.processes.iter().zip(&world.processes) {
                let grew = matches!(
                    before.state.compare(&after.state), Causality::Before | Causality::Equal
                );
                prop_assert!(restarts || grew, "{:?}: {:?}, {:?}", step, before, after);
                prop_assert!(restarts || matches!(step, Step::Restart(_))
                    || before.clock.highest() <= after.clock.highest());
            }
        }
    }

    #[test]
    fn prop_states_are_canonical(steps in steps(3, Faults::Any, 1..60)) {
        for process in World::run(3, &steps).processes {
            let (live, context) = process.state.clone().into_parts();
            prop_assert!(context.len() <= 3);
            prop_assert!((0..3).all(|node| process.state.of_node(&node).len() <= MAX_NODE_DOTS));
            prop_assert_eq!(Siblings::from_parts(live, context), Ok(process.state));
        }
    }
}
