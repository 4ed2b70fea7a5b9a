//! The meaning of a history, defined by sets of writes without clocks: a replica shows the known
//! writes that no known write has replaced.

use std::collections::BTreeSet;

use engram_vclock::generate::{Faults, Process, State, Step, World, steps};
use proptest::prelude::*;

use crate::common::bytes;

/// A history as sets of writes: those that each process, each backup and the client's last read
/// contain, and those that each write has replaced.
#[derive(Default)]
struct Meaning {
    known: Vec<BTreeSet<u32>>,
    backups: Vec<BTreeSet<u32>>,
    read: BTreeSet<u32>,
    writers: Vec<u8>,
    has_value: Vec<bool>,
    replaced: Vec<BTreeSet<u32>>,
}

impl Meaning {
    fn of(nodes: u8, steps: &[Step]) -> Self {
        let none = vec![BTreeSet::new(); usize::from(nodes)];
        let mut meaning = Self { known: none.clone(), backups: none, ..Self::default() };
        steps.iter().for_each(|step| meaning.take(*step));
        meaning
    }

    /// The visible values of the process.
    fn values(&self, process: usize) -> BTreeSet<u32> {
        let (known, replaced) = (&self.known[process], self.replaced(process));
        let live = known.difference(&replaced).copied();
        live.filter(|write| self.has_value[*write as usize]).collect()
    }

    /// The writes that a write known to the process has replaced.
    fn replaced(&self, process: usize) -> BTreeSet<u32> {
        let known = self.known[process].iter();
        known.flat_map(|&write| &self.replaced[write as usize]).copied().collect()
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Submit(node) => self.put(node, |meaning| meaning.known_of(node), true),
            Step::Withdraw(node) => self.put(node, |meaning| meaning.known_of(node), false),
            Step::Resolve(node) => self.put(node, |meaning| meaning.known(node).clone(), true),
            Step::Remove(node) => self.put(node, |meaning| meaning.known(node).clone(), false),
            Step::Write(node) => self.put(node, |meaning| meaning.read.clone(), true),
            Step::Read(node) => self.read = self.known(node).clone(),
            Step::Join { from, into } => {
                let sent = self.known(from).clone();
                self.known[usize::from(into)].extend(sent);
            }
            Step::LoseDisk(node) => self.known[usize::from(node)].clear(),
            Step::Save(node) => self.backups[usize::from(node)] = self.known(node).clone(),
            Step::Restore(node) => {
                self.known[usize::from(node)] = self.backups[usize::from(node)].clone();
            }
            Step::Greet { .. } | Step::Restart(_) => {}
            Step::Clone(_) | Step::SetClock(..) => panic!("no such fault in these histories"),
        }
    }

    fn known(&self, node: u8) -> &BTreeSet<u32> {
        &self.known[usize::from(node)]
    }

    /// The node's own writes that it knows.
    fn known_of(&self, node: u8) -> BTreeSet<u32> {
        let own = |write: &&u32| self.writers[**write as usize] == node;
        self.known(node).iter().filter(own).copied().collect()
    }

    fn put(&mut self, node: u8, replaced: impl Fn(&Self) -> BTreeSet<u32>, has_value: bool) {
        let mut replaced = replaced(self);
        let write = self.writers.len() as u32;
        self.known[usize::from(node)].extend(replaced.iter().copied().chain([write]));
        // A version also covers the node's earlier writes, including those that the node has lost.
        let own = (0..write).filter(|write| self.writers[*write as usize] == node);
        let lost = own.filter(|write| !self.known(node).contains(write));
        replaced.extend(lost.collect::<Vec<_>>());
        self.writers.push(node);
        self.has_value.push(has_value);
        self.replaced.push(replaced);
    }
}

fn values(state: &State) -> BTreeSet<u32> {
    state.values().copied().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn prop_values_are_the_meaning(steps in steps(3, Faults::Disks, 1..40)) {
        let (world, meaning) = (World::run(3, &steps), Meaning::of(3, &steps));
        for (process, Process { state, .. }) in world.processes.iter().enumerate() {
            prop_assert_eq!(values(state), meaning.values(process), "{}: {:?}", process, state);
        }
    }

    #[test]
    fn prop_context_covers_the_known_writes(steps in steps(3, Faults::Disks, 1..40)) {
        let (world, meaning) = (World::run(3, &steps), Meaning::of(3, &steps));
        for (number, process) in world.processes.iter().enumerate() {
            let seen = &meaning.known[number] | &meaning.replaced(number);
            for (write, name) in (0..).zip(&world.writes) {
                let covered = process.state.context().covers(&name.dot);
                prop_assert_eq!(covered, seen.contains(&write));
            }
        }
    }

    /// If wall clocks are correct and no node is cloned, joins reissue nothing, find no clash and
    /// drop no value.
    #[test]
    fn prop_disk_faults_reissue_nothing(steps in steps(3, Faults::Disks, 1..40)) {
        let mut world = World::run(3, &steps);
        world.settle();
        prop_assert_eq!(world.reissues, 0);
        prop_assert!(!world.irregular);
    }

    #[test]
    fn prop_equal_contexts_mean_equal_values(steps in steps(3, Faults::Disks, 1..24)) {
        let world = World::run(3, &steps);
        let ends = world.processes.iter().map(|process| &process.state);
        let states: Vec<&State> = world.writes.iter().map(|write| &write.state).chain(ends).collect();
        for (index, a) in states.iter().enumerate() {
            for b in &states[index..] {
                if a.context() == b.context() {
                    prop_assert_eq!(bytes(a), bytes(b));
                }
            }
        }
    }
}
