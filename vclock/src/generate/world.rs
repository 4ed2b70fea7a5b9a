//! A simulator for histories of one key.

use alloc::vec::Vec;

use super::Step;
use crate::{Dot, HybridClock, LastWrite, MAX_AHEAD, OwnJoin, Siblings, SiblingsError};

/// The start of a history and the build date of its nodes, in nanoseconds since the Unix epoch.
const START: u64 = 1_800_000_000_000_000_000;

/// The nanoseconds between two steps.
const STEP: u64 = 1 << 12;

/// A state of the key. The values are the numbers of the writes in the history, counted from 0.
pub type State = Siblings<u32, u8>;

/// The error of a process's wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WallClock {
    /// The clock is correct.
    Right,
    /// The clock shows a time before the beginning of the history.
    Behind,
    /// The clock is ahead by less than [`MAX_AHEAD`].
    Ahead,
    /// The clock is ahead by more than [`MAX_AHEAD`]. Peers refuse the versions of the process
    /// until their own clocks are close enough.
    FarAhead,
}

/// A running process.
#[derive(Clone, Debug)]
pub struct Process {
    /// The node in whose name the process writes.
    pub node: u8,
    /// The state that it holds.
    pub state: State,
    /// The last write of the process; `None` before the first write, or if the last write had no
    /// value.
    pub last_write: Option<LastWrite<u32>>,
    /// The source of its versions.
    pub clock: HybridClock,
    wall_clock: WallClock,
    backup: State,
}

/// A write in the history.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Write {
    /// The name of the write.
    pub dot: Dot<u8>,
    /// Whether the write has a value. If so, the value is the number of the write.
    pub has_value: bool,
    /// The superseded dots that were live at the process, or at the process where the client read.
    pub superseded: Vec<Dot<u8>>,
    /// The state of the writer after the write.
    pub state: State,
}

/// One key on several nodes.
#[derive(Clone, Debug)]
pub struct World {
    /// The running processes: one for each node, and the clone if it was started.
    pub processes: Vec<Process>,
    /// The writes so far, except the reissues of joins.
    pub writes: Vec<Write>,
    /// The number of writes that joins reissued, see [`OwnJoin::reissued`].
    pub reissues: usize,
    /// Whether a join reported a clash, or dropped values over the limit of a node.
    pub irregular: bool,
    nodes: u8,
    time: u64,
    /// The client's last read.
    read: State,
}

impl World {
    /// Returns a world in which no node has written the key.
    #[must_use]
    pub fn new(nodes: u8) -> Self {
        Self {
            processes: (0..nodes).map(|node| Process::start(node, State::new())).collect(),
            writes: Vec::new(),
            reissues: 0,
            irregular: false,
            nodes,
            time: START,
            read: State::new(),
        }
    }

    /// Runs the steps in a new world. A step of a process that does not exist changes nothing.
    #[must_use]
    pub fn run(nodes: u8, steps: &[Step]) -> Self {
        let mut world = Self::new(nodes);
        steps.iter().for_each(|step| world.take(*step));
        world
    }

    /// Runs one step.
    pub fn take(&mut self, step: Step) {
        self.time += STEP;
        match step {
            Step::Submit(process) => {
                self.put(process, |state, dot, value| state.submit(dot, value), true);
            }
            Step::Withdraw(process) => {
                self.put(process, |state, dot, _| state.withdraw(dot), false)
            }
            Step::Resolve(process) => {
                self.put(process, |state, dot, value| state.resolve(dot, value), true);
            }
            Step::Remove(process) => self.put(process, |state, dot, _| state.remove(dot), false),
            Step::Write(process) => self.write(process),
            Step::Read(process) => {
                if let Some(process) = self.processes.get(usize::from(process)) {
                    self.read = process.state.clone();
                }
            }
            Step::Join { from, into } => drop(self.join(from, into)),
            Step::Greet { from, into } => self.greet(from, into),
            Step::Save(process) => self.alter(process, |process| {
                process.backup = process.state.clone();
            }),
            Step::Restart(process) => self.alter(process, |process| {
                process.restart(process.state.clone());
            }),
            Step::LoseDisk(process) => self.alter(process, |process| process.restart(State::new())),
            Step::Restore(process) => self.alter(process, |process| {
                process.restart(process.backup.clone());
            }),
            Step::Clone(process) => self.start_clone(process),
            Step::SetClock(process, clock) => self.alter(process, |process| {
                process.wall_clock = clock;
            }),
        }
    }

    /// Joins the state of the process `from` into that of `into`, without the parts that `into`
    /// finds implausible. Returns `None` if one of the processes does not exist.
    pub fn join(&mut self, from: u8, into: u8) -> Option<OwnJoin<u32, u8>> {
        let mut sent = self.processes.get(usize::from(from))?.state.clone();
        let time = self.time;
        let receiver = self.processes.get_mut(usize::from(into))?;
        let now = receiver.now(time);
        sent.retain_nodes(|_, entry| receiver.clock.is_plausible(entry, now));
        let last_write = receiver.last_write;
        let outcome = receiver.state.join_own(
            &sent,
            &receiver.node,
            last_write.as_ref(),
            &mut receiver.clock,
        );
        if let Some(last_write) = outcome.reissued {
            receiver.last_write = Some(last_write);
            self.reissues += 1;
        }
        self.irregular |= outcome.joined.clash.is_some() || outcome.joined.dropped > 0;
        Some(outcome)
    }

    /// Corrects all wall clocks, lets time pass until every version is plausible, and joins every
    /// pair of processes twice. All replicas are then equal.
    pub fn settle(&mut self) {
        self.time += 3 * MAX_AHEAD;
        self.processes.iter_mut().for_each(|process| process.wall_clock = WallClock::Right);
        self.join_all();
        self.join_all();
    }

    fn join_all(&mut self) {
        let processes = self.processes.len() as u8;
        for from in 0..processes {
            for into in 0..processes {
                self.join(from, into);
            }
        }
    }

    fn write(&mut self, process: u8) {
        let (time, seen) = (self.time, self.read.context().clone());
        let Some(writer) = self.processes.get_mut(usize::from(process)) else { return };
        // A client that read an implausible version of this node is refused.
        let now = writer.now(time);
        if writer.clock.observe(seen.get(&writer.node), now).is_ok() {
            let read: Vec<_> = self.read.iter().map(|(dot, _)| *dot).collect();
            let writes = self.writes.len();
            self.put(process, |state, dot, value| state.write(dot, value, &seen), true);
            self.writes[writes..].iter_mut().for_each(|write| write.superseded.extend(&read));
        }
    }

    /// Writes under the next version of the process.
    fn put(
        &mut self,
        process: u8,
        write: impl FnOnce(&mut State, Dot<u8>, u32) -> Result<usize, SiblingsError>,
        has_value: bool,
    ) {
        let (time, value) = (self.time, self.writes.len() as u32);
        let Some(writer) = self.processes.get_mut(usize::from(process)) else { return };
        let random = time.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54;
        let version = writer.clock.next(writer.now(time), random);
        let dot = Dot::new(writer.node, version);
        let before = writer.state.clone();
        // The write is refused if too many values of the node are live.
        if write(&mut writer.state, dot, value).is_err() {
            return;
        }
        let superseded = (before.iter().map(|(dot, _)| *dot))
            .filter(|dot| writer.state.of_dot(dot).is_empty())
            .collect();
        writer.last_write = has_value.then_some(LastWrite { version, value });
        let state = writer.state.clone();
        self.writes.push(Write { dot, has_value, superseded, state });
    }

    fn greet(&mut self, from: u8, into: u8) {
        let time = self.time;
        let Some(sender) = self.processes.get(usize::from(from)) else { return };
        let (now, context) = (sender.now(time), sender.state.context().clone());
        self.alter(into, |receiver| {
            receiver.clock.hear(now);
            // If the version is implausible, it is refused, and the receiver's versions do not
            // change.
            let _ = receiver.clock.observe(context.get(&receiver.node), receiver.now(time));
        });
    }

    fn start_clone(&mut self, process: u8) {
        let Some(original) = self.processes.get(usize::from(process)) else { return };
        let clone = Process::start(original.node, original.state.clone());
        self.processes.truncate(usize::from(self.nodes));
        self.processes.push(clone);
    }

    fn alter(&mut self, process: u8, change: impl FnOnce(&mut Process)) {
        if let Some(process) = self.processes.get_mut(usize::from(process)) {
            change(process);
        }
    }
}

impl Process {
    fn start(node: u8, state: State) -> Self {
        let mut clock = HybridClock::new(START);
        clock.recall(state.context().get(&node));
        let backup = State::new();
        Self { node, state, last_write: None, clock, wall_clock: WallClock::Right, backup }
    }

    /// Ends the process and starts another one with `state` on the same machine.
    fn restart(&mut self, state: State) {
        let (backup, wall_clock) = (self.backup.clone(), self.wall_clock);
        *self = Self { backup, wall_clock, ..Self::start(self.node, state) };
    }

    fn now(&self, time: u64) -> u64 {
        match self.wall_clock {
            WallClock::Right => time,
            WallClock::Behind => time - START / 2,
            WallClock::Ahead => time + MAX_AHEAD / 2,
            WallClock::FarAhead => time + 2 * MAX_AHEAD,
        }
    }
}
