//! The end of a history: all faults end, sessions run until nothing changes, and the result is
//! compared with the book.

use engram_bridge::durable::Recovery;
use engram_bridge::replica::MAX_NODE_DOTS;
use engram_vclock::MAX_AHEAD;

use super::book::Accepted;
use super::process::Process;
use super::row::{KEYS, NODES, Row, Values, name};
use super::step::SECOND;
use super::world::World;

/// A violation of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Fault {
    /// The nodes differ in the end.
    Diverged,
    /// The nodes are not equal after [`MAX_ROUNDS`] rounds plus one round per clone.
    Restless,
    /// A write was lost, and no documented case explains it.
    Lost,
    /// A forgotten value is visible.
    Returned,
    /// A value is suppressed although no process forgot it, or although it was released.
    Hidden,
    /// A submission was acknowledged without a write, though nothing holds its value.
    Unheard,
    /// A submission waits though the first contact is over.
    Waits,
    /// An operation that could not be stored changed something.
    HalfDone,
    /// A record exceeds the limit of dots per node.
    Wide,
    /// Two nodes with equal roots show different patterns, or a node does not show the patterns
    /// that its records make visible.
    Views,
    /// A session between equal nodes wrote something.
    Minted,
    /// A store that was opened on a copy of a process's disk is not sound, or differs from the
    /// process's store.
    Reopened,
    /// Writes with plausible versions did not reach all nodes while other versions were
    /// implausible.
    Withheld,
}

/// The result of a history.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub(crate) faults: Vec<Fault>,
    pub(crate) accepted: Accepted,
    /// The final rows of the first process. All others have the same rows, unless the nodes differ.
    pub(crate) rows: [Row; KEYS],
    /// The number of rounds of sessions that changed anything; the greater number if the nodes
    /// converged twice.
    pub(crate) rounds: u32,
    pub(crate) sessions: u64,
    /// The number of writes that the final processes reissued.
    pub(crate) reissued: u64,
    /// The number of writes that the final processes gave up, since too many of the node's own dots
    /// were live.
    pub(crate) given_up: u64,
    /// The number of parts of records that the final processes refused as implausible.
    pub(crate) refused: u64,
}

/// The maximum number of rounds until all nodes are equal, without clones. In a round, every pair
/// of nodes has a session.
pub(crate) const MAX_ROUNDS: u32 = 2;
/// The number of rounds after which the test stops waiting for convergence.
const ENDLESS: u32 = 24;

impl World {
    /// Ends all faults, lets the nodes converge, and judges the history.
    pub(crate) fn judge(mut self) -> Verdict {
        self.heal();
        let mut rounds = self.converge();
        if self.book.past.iter().any(|past| past.was_ahead) {
            self.look_for_withheld();
            self.wait_for_the_future();
            rounds = rounds.max(self.converge());
        }
        // Each clone may reissue a write, which the others receive in a further round.
        let clones = u32::try_from(self.processes.len() - self.nodes).unwrap();
        if rounds > MAX_ROUNDS + clones {
            self.faults.insert(Fault::Restless);
        }
        self.compare_nodes();
        self.compare_with_book();
        self.rest();
        self.reopen();
        let stats = self.processes.iter().map(|process| process.store.write_stats());
        let (mut reissued, mut given_up, mut refused) = (0, 0, 0);
        for stats in stats {
            reissued += stats.reissued;
            given_up += stats.given_up;
            refused += stats.implausible;
        }
        Verdict {
            faults: self.faults.into_iter().collect(),
            accepted: self.book.accepted,
            rows: self.processes[0].rows(),
            rounds,
            sessions: self.sessions,
            reissued,
            given_up,
            refused,
        }
    }

    /// Runs rounds of sessions until nothing changes. Returns the number of rounds that changed
    /// anything.
    fn converge(&mut self) -> u32 {
        for round in 0..ENDLESS {
            let mut changed = self.round();
            if round == 0 {
                for process in 0..self.processes.len() {
                    changed |= self.is_waiting(process);
                    self.take_in(process);
                }
            }
            if !changed {
                return round;
            }
        }
        ENDLESS
    }

    /// Runs a session between every two processes under different keys. Returns whether any session
    /// changed anything.
    fn round(&mut self) -> bool {
        if self.pace.ticks() {
            self.now += SECOND;
        }
        let mut changed = false;
        for one in 0..self.processes.len() {
            for other in one + 1..self.processes.len() {
                // Two processes under one key never have a session.
                changed |= self.node(one) != self.node(other) && self.session(one, other);
            }
        }
        changed
    }

    /// Checks, while implausible versions exist, that nodes differ only in parts with such
    /// versions.
    fn look_for_withheld(&mut self) {
        let limit = self.now.unsigned_abs() + MAX_AHEAD;
        let rows: Vec<_> = self.processes.iter().map(Process::rows).collect();
        for key in 0..KEYS {
            for node in 0..NODES {
                let shares = || rows.iter().map(|rows| rows[key].parts[node]);
                let plausible = shares().all(|share| share.entry <= limit);
                if plausible && shares().any(|share| share != rows[0][key].parts[node]) {
                    self.faults.insert(Fault::Withheld);
                }
            }
        }
    }

    fn compare_nodes(&mut self) {
        let first = self.processes[0].fingerprint();
        for process in &self.processes {
            let (root, view) = process.fingerprint();
            if root != first.0 {
                self.faults.insert(Fault::Diverged);
            } else if view != first.1 {
                self.faults.insert(Fault::Views);
            }
            let rows = process.rows();
            let visible: Vec<String> =
                (0..KEYS).filter(|key| !rows[*key].visible().is_empty()).map(name).collect();
            let shown: Vec<String> =
                process.space().view().patterns.iter().map(|pattern| pattern.id.clone()).collect();
            if shown != visible {
                self.faults.insert(Fault::Views);
            }
            let parts = rows.iter().flat_map(|row| &row.parts);
            if parts.map(|part| part.dots).any(|dots| dots > MAX_NODE_DOTS) {
                self.faults.insert(Fault::Wide);
            }
        }
    }

    fn compare_with_book(&mut self) {
        let rows: Vec<_> = self.processes.iter().map(Process::rows).collect();
        for key in 0..KEYS {
            for slot in 0..self.book.owed.len() {
                let Some(write) = self.book.owed[slot][key] else { continue };
                let value = write.value;
                let kept =
                    |rows: &[Row; KEYS]| (rows[key].live() | rows[key].suppressed).contains(value);
                if !rows.iter().all(kept) {
                    let node = if slot < self.nodes { slot } else { 0 };
                    let remembered = |process: &Process| process.remembers(write.serial);
                    let is_remembered = self.processes.iter().any(remembered);
                    self.book.lose(node, key, &write, &rows, is_remembered);
                }
                let hidden = rows[0][key].live() & rows[0][key].suppressed;
                if (hidden - self.book.forgotten[key]).contains(value) {
                    self.faults.insert(Fault::Hidden);
                }
            }
            let row = rows[0][key];
            if !(row.live() & row.suppressed & self.book.released[key]).is_empty() {
                self.faults.insert(Fault::Hidden);
            }
            let returned = (row.visible() & self.book.forgotten[key]) - self.book.resolved[key];
            if returned != Values::NONE {
                self.faults.insert(Fault::Returned);
            }
        }
        if self.book.lost > 0 {
            self.faults.insert(Fault::Lost);
        }
    }

    /// Checks that sessions between converged nodes write nothing.
    fn rest(&mut self) {
        let writes = |world: &Self| -> Vec<_> {
            let stats = world.processes.iter().map(|process| {
                let stats = process.store.write_stats();
                (process.store.root(), stats.written, stats.reissued)
            });
            stats.collect()
        };
        let before = writes(self);
        self.round();
        if writes(self) != before {
            self.faults.insert(Fault::Minted);
        }
    }

    /// Checks that a store that is opened on a copy of a process's disk equals the process's store.
    fn reopen(&mut self) {
        for process in &self.processes {
            let (again, recovery) = process.reopened();
            let sound = matches!(recovery, Recovery::Loaded { .. });
            if !sound || again.fingerprint() != process.fingerprint() {
                self.faults.insert(Fault::Reopened);
            }
        }
    }
}
