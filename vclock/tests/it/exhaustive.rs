//! Visits every state that three nodes can reach by joins and at most two submissions or resolutions each, up to a
//! renumbering of the nodes, and runs every history of five steps from `faulty_steps` on two nodes and a clone.
//!
//! The specification uses bit sets of writes, without clocks. The same search with a plausible but
//! wrong rule must find the fault of that rule.

use std::collections::HashSet;

use crate::common::bytes;
use engram_vclock::generate::{Step, WallClock, World as Faulty};
use engram_vclock::{Dot, Siblings, SiblingsError};

const NODES: usize = 3;
const WRITES: u64 = 2;

type State = Siblings<u32, u8>;

/// A set of writes: bit `node * WRITES + n` is the `n`-th write of `node`, from 0.
type Writes = u8;

/// A write operation.
type Rule = fn(&mut State, Dot<u8>, u32) -> Result<usize, SiblingsError>;

const NOT_THE_MEANING: &str =
    "a node does not show exactly the known writes that no known write has replaced";
const NOT_CANONICAL: &str = "a state is not canonical";
const SPLIT: &str = "two nodes have equal contexts and show different values";

#[derive(Clone)]
struct World {
    states: [State; NODES],
    /// For each node, the writes that it knows.
    known: [Writes; NODES],
    /// For each node, the number of its writes.
    written: [u64; NODES],
    /// For each write, the writes that it replaced.
    replaced: [Writes; NODES * WRITES as usize],
}

impl World {
    fn new() -> Self {
        Self {
            states: [const { Siblings::new() }; NODES],
            known: [0; NODES],
            written: [0; NODES],
            replaced: [0; NODES * WRITES as usize],
        }
    }

    fn write(&self, node: usize, rule: Rule, replaced: Writes) -> Option<Self> {
        // Nodes are interchangeable, so they can be numbered in the order of their first writes.
        if self.written[node] == WRITES || self.written[..node].contains(&0) {
            return None;
        }
        let mut next = self.clone();
        let write = node * WRITES as usize + self.written[node] as usize;
        next.written[node] += 1;
        next.replaced[write] = replaced;
        next.known[node] |= 1 << write;
        let dot = Dot::new(node as u8, next.written[node]);
        rule(&mut next.states[node], dot, write as u32).expect("the dot is new");
        Some(next)
    }

    fn submit(&self, node: usize, rule: Rule) -> Option<Self> {
        let own = 0b11 << (node * WRITES as usize);
        self.write(node, rule, self.known[node] & own)
    }

    fn resolve(&self, node: usize, rule: Rule) -> Option<Self> {
        self.write(node, rule, self.known[node])
    }

    fn join(&self, from: usize, into: usize) -> Option<Self> {
        let mut state = self.states[into].clone();
        let changed = state.join(&self.states[from]).changed;
        let known = self.known[into] | self.known[from];
        (changed || known != self.known[into]).then(|| {
            let mut next = self.clone();
            next.states[into] = state;
            next.known[into] = known;
            next
        })
    }

    /// The known writes that no known write has replaced.
    fn meaning(&self, known: Writes) -> Writes {
        let replaced =
            self.replaced.iter().enumerate().filter(|(write, _)| known >> write & 1 == 1);
        replaced.fold(known, |live, (_, replaced)| live & !replaced)
    }

    /// Returns the fault of this world, if it has one.
    fn fault(&self) -> Option<&'static str> {
        for (state, &known) in self.states.iter().zip(&self.known) {
            let live = state.values().fold(0, |live, write| live | 1 << write);
            if live != self.meaning(known) {
                return Some(NOT_THE_MEANING);
            }
            let (live, context) = state.clone().into_parts();
            if Siblings::from_parts(live, context).as_ref() != Ok(state) {
                return Some(NOT_CANONICAL);
            }
        }
        None
    }

    /// Returns a fault if two replicas have equal contexts but hold different values.
    fn split(&self) -> Option<&'static str> {
        let [a, b, c] = &self.states;
        let split = |(a, b): (&State, &State)| a.context() == b.context() && a != b;
        [(a, b), (a, c), (b, c)].into_iter().any(split).then_some(SPLIT)
    }

    fn key(&self) -> Vec<u8> {
        let mut key: Vec<u8> = self.states.iter().flat_map(bytes).collect();
        key.extend(self.known);
        key.extend(self.replaced);
        key
    }
}

/// Visits every world reachable from the empty one; stops at the first faulty one.
fn explore(
    next: impl Fn(&World) -> Vec<World>,
    fault: impl Fn(&World) -> Option<&'static str>,
) -> Result<usize, &'static str> {
    let mut seen = HashSet::from([World::new().key()]);
    let mut open = vec![World::new()];
    while let Some(world) = open.pop() {
        for world in next(&world) {
            if let Some(fault) = fault(&world) {
                return Err(fault);
            }
            if seen.insert(world.key()) {
                open.push(world);
            }
        }
    }
    Ok(seen.len())
}

/// Returns every world that one step under the given rules can reach.
fn steps(world: &World, submit: Rule, resolve: Rule) -> Vec<World> {
    let mut next = Vec::new();
    for node in 0..NODES {
        next.extend(world.submit(node, submit));
        next.extend(world.resolve(node, resolve));
        next.extend((0..NODES).filter_map(|from| world.join(from, node)));
    }
    next
}

#[test]
fn no_write_is_lost() {
    let worlds = explore(
        |world| steps(world, State::submit, State::resolve),
        |world| world.fault().or_else(|| world.split()),
    );
    assert_eq!(worlds, Ok(116_359));
}

/// Textbooks merge the received clock and then increment it. The clock then claims that the writer
/// has seen values that it never read.
#[test]
fn ticking_a_merged_clock_loses_writes() {
    let worlds = explore(|world| steps(world, State::resolve, State::resolve), World::fault);
    assert_eq!(worlds, Err(NOT_THE_MEANING));
}

/// If a submission keeps the node's older values, they remain live until a resolution.
#[test]
fn keeping_own_older_values_is_found() {
    let keep: Rule = |state, dot, value| state.supersede(dot, Some(value), |_| false);
    let worlds = explore(|world| steps(world, keep, State::resolve), World::fault);
    assert_eq!(worlds, Err(NOT_THE_MEANING));
}

/// A deletion without its own dot does not change the context, so replicas with and without the deletion can have equal
/// contexts.
#[test]
fn deleting_without_a_dot_splits_replicas() {
    let erase: Rule = |state, _, _| {
        *state = Siblings::from_parts(Vec::new(), state.context().clone())?;
        Ok(0)
    };
    let worlds = explore(|world| steps(world, State::submit, erase), World::split);
    assert_eq!(worlds, Err(SPLIT));
}

/// Some of the steps of two nodes and a clone of the first node; the wall clock of the first node may be behind.
fn faulty_steps() -> Vec<Step> {
    let mut steps = vec![
        Step::Submit(0),
        Step::Submit(1),
        Step::Submit(2),
        Step::Resolve(0),
        Step::Resolve(1),
        Step::Remove(1),
        Step::Clone(0),
        Step::LoseDisk(0),
        Step::SetClock(0, WallClock::Behind),
        Step::Save(0),
        Step::Restore(0),
    ];
    for (from, into) in [(0, 1), (1, 0), (0, 2), (2, 0)] {
        steps.push(Step::Join { from, into });
    }
    steps
}

/// Calls `check` with the world at the end of every history of `depth` steps that starts from `world`.
fn every_history(world: &Faulty, depth: usize, check: &mut impl FnMut(&Faulty)) {
    if depth == 0 {
        return check(world);
    }
    for step in faulty_steps() {
        let mut next = world.clone();
        next.take(step);
        every_history(&next, depth - 1, check);
    }
}

#[test]
fn every_short_history_with_faults_settles() {
    let mut histories = 0;
    every_history(&Faulty::new(2), 5, &mut |world| {
        let mut world = world.clone();
        world.settle();
        let (reissues, shown) = (world.reissues, world.processes[0].state.clone());
        assert!(world.processes.iter().all(|process| process.state == shown), "{world:?}");
        world.settle();
        assert_eq!(world.reissues, reissues, "{world:?}");
        for process in &world.processes {
            let Some(last_write) = process.last_write else { continue };
            let dot = Dot::new(process.node, last_write.version);
            let live = shown.of_dot(&dot).iter().any(|(_, value)| *value == last_write.value);
            let superseded = world.writes.iter().any(|write| write.superseded.contains(&dot));
            let used_twice = world.writes.iter().filter(|write| write.dot == dot).count() > 1;
            assert!(live || superseded || used_twice, "{last_write:?} is lost: {world:?}");
        }
        histories += 1;
    });
    assert_eq!(histories, faulty_steps().len().pow(5));
}
