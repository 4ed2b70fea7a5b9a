//! Generators for property tests: clocks, and histories of one key on several nodes with realistic
//! faults.
//!
//! ```
//! use engram_vclock::generate::{Faults, World, steps};
//! use proptest::{prop_assert_eq, proptest};
//!
//! proptest!(|(steps in steps(3, Faults::Any, 0..20))| {
//!     let mut world = World::run(3, &steps);
//!     world.settle();
//!     for process in &world.processes {
//!         prop_assert_eq!(&process.state, &world.processes[0].state);
//!     }
//! });
//! ```

mod world;

use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use proptest::collection::{btree_map, vec};
use proptest::prelude::{BoxedStrategy, Just, Strategy, prop_oneof};

pub use world::{Process, State, WallClock, World, Write};

use crate::VectorClock;

/// Generates versions of every magnitude: mostly small ones, and occasionally the greatest.
pub fn version() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 1..=4_u64, 3 => 1..=300_u64, 1 => 1..=u64::MAX, 1 => u64::MAX - 1..=u64::MAX]
}

/// Generates clocks with nodes from `node` and a number of entries within `len`.
pub fn clock<N: Ord + Clone + fmt::Debug>(
    node: impl Strategy<Value = N>,
    len: Range<usize>,
) -> impl Strategy<Value = VectorClock<N>> {
    btree_map(node, version(), len).prop_map(VectorClock::from_iter)
}

/// An event in the history of one key.
///
/// Processes are numbered from 0. Process p < n writes as node p of n nodes; process n is the clone,
/// which does nothing before [`Clone`](Self::Clone).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The process writes without reading the other nodes' values.
    Submit(u8),
    /// The process withdraws its node's values.
    Withdraw(u8),
    /// The process replaces all values that it holds.
    Resolve(u8),
    /// The process removes all values that it holds.
    Remove(u8),
    /// A client reads at the process, and keeps the context for a later write. A history has only
    /// one client.
    Read(u8),
    /// The client writes at the process, under the context of its last read.
    Write(u8),
    /// The process `into` receives the state of the process `from`.
    Join {
        /// The sending process.
        from: u8,
        /// The receiving process.
        into: u8,
    },
    /// The process `into` receives the wall clock of the process `from`, and the greatest version
    /// of `into`'s node that `from` knows.
    Greet {
        /// The process that sends.
        from: u8,
        /// The process that receives.
        into: u8,
    },
    /// The process ends, and another starts with the same state.
    Restart(u8),
    /// The process ends, and another starts without a state.
    LoseDisk(u8),
    /// The state of the process is copied to its backup; the copy replaces any earlier backup.
    Save(u8),
    /// The process ends, and another starts from its backup, or without a state if there is none.
    Restore(u8),
    /// The clone starts with a copy of the process's state, and writes in the name of that process's
    /// node. An earlier clone ends.
    Clone(u8),
    /// The error of the process's wall clock changes.
    SetClock(u8, WallClock),
}

/// The faults in a history. Each variant includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Faults {
    /// No faults: nodes only read, write, and exchange states and greetings.
    None,
    /// Restarts, lost disks, and restored backups. Wall clocks are correct.
    Disks,
    /// Clones, and wall clocks that are set back or forward.
    Any,
}

/// Generates histories of `nodes` nodes, with a number of steps within `len`.
pub fn steps(nodes: u8, faults: Faults, len: Range<usize>) -> impl Strategy<Value = Vec<Step>> {
    vec(step(nodes, faults), len)
}

/// Generates one step of a history of `nodes` nodes.
pub fn step(nodes: u8, faults: Faults) -> BoxedStrategy<Step> {
    let processes = if faults == Faults::Any { nodes + 1 } else { nodes };
    let process = || 0..processes;
    let pair = || (process(), process());
    let harmless = prop_oneof![
        8 => process().prop_map(Step::Submit),
        2 => process().prop_map(Step::Withdraw),
        4 => process().prop_map(Step::Resolve),
        2 => process().prop_map(Step::Remove),
        2 => process().prop_map(Step::Read),
        2 => process().prop_map(Step::Write),
        16 => pair().prop_map(|(from, into)| Step::Join { from, into }),
        2 => pair().prop_map(|(from, into)| Step::Greet { from, into }),
    ];
    let disks = prop_oneof![
        process().prop_map(Step::Restart),
        process().prop_map(Step::LoseDisk),
        process().prop_map(Step::Save),
        process().prop_map(Step::Restore),
    ];
    let others = prop_oneof![
        (0..nodes).prop_map(Step::Clone),
        (process(), wall_clock()).prop_map(|(process, clock)| Step::SetClock(process, clock)),
    ];
    match faults {
        Faults::None => harmless.boxed(),
        Faults::Disks => prop_oneof![6 => harmless, 1 => disks].boxed(),
        Faults::Any => prop_oneof![6 => harmless, 1 => disks, 1 => others].boxed(),
    }
}

fn wall_clock() -> impl Strategy<Value = WallClock> {
    prop_oneof![
        2 => Just(WallClock::Right),
        3 => Just(WallClock::Behind),
        1 => Just(WallClock::Ahead),
        1 => Just(WallClock::FarAhead),
    ]
}
