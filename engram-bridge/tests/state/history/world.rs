//! The processes of a history, the record in transit between them, and the book.

mod faults;
mod travel;
mod writes;

use crate::support::Delivery;
use std::collections::BTreeSet;

use engram_bridge::durable::MemoryStateStore;

use super::book::Book;
use super::process::{Input, Machine, Output, Process};
use super::row::{KEYS, Row};
use super::step::{Clock, SECOND, Step};
use super::verdict::Fault;

/// The time at which histories begin: 2030-01-01.
const BEGIN: i64 = 1_893_456_000 * SECOND;

/// The passage of time in a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Each step takes a second, and the lowest bits of versions are random.
    Ticking { seed: u64 },
    /// All clocks stand still; the lowest bits of versions are random.
    Frozen { seed: u64 },
    /// All clocks stand still, and there is no randomness: processes under one key issue the same
    /// versions.
    Still,
}

impl Pace {
    pub(crate) const fn ticks(self) -> bool {
        matches!(self, Self::Ticking { .. })
    }

    /// The seed of a process's randomness; `serial`, the world's count of starts and inputs, makes the
    /// seeds differ.
    fn seed(self, serial: u64) -> Option<u64> {
        match self {
            Self::Ticking { seed } | Self::Frozen { seed } => Some(seed ^ serial),
            Self::Still => None,
        }
    }
}

/// For each pattern, the submitted value that waits for the first contact.
type Waiting = [Option<u8>; KEYS];

/// A copy of the machine of node 0.
struct Saved {
    machine: Machine,
    waiting: Option<Waiting>,
}

/// A record in transit.
struct Letter {
    from: usize,
    key: usize,
    row: Row,
    delivery: Delivery,
}

/// The state of a history.
pub(crate) struct World {
    pub(crate) nodes: usize,
    pub(crate) pace: Pace,
    pub(crate) now: i64,
    pub(crate) processes: Vec<Process>,
    pub(crate) book: Book,
    pub(crate) faults: BTreeSet<Fault>,
    /// For each process slot, the values that wait for its first contact; `None` once the contact
    /// is over.
    waiting: Vec<Option<Waiting>>,
    evicted: BTreeSet<usize>,
    saved: Option<Saved>,
    letter: Option<Letter>,
    serial: u64,
    pub(crate) sessions: u64,
}

impl World {
    /// Creates a cluster whose first contacts are over.
    pub(crate) fn new(nodes: usize, pace: Pace) -> Self {
        let mut world = Self {
            nodes,
            pace,
            now: BEGIN,
            processes: Vec::new(),
            book: Book::default(),
            faults: BTreeSet::new(),
            waiting: Vec::new(),
            evicted: BTreeSet::new(),
            saved: None,
            letter: None,
            serial: 0,
            sessions: 0,
        };
        for node in 0..nodes {
            let process = world.started(node, MemoryStateStore::new(), Clock::Right);
            world.add(process, None);
            world.put(node, Input::TakeIn);
        }
        world
    }

    /// Plays a step if it is possible. Returns whether the step was possible.
    pub(crate) fn play(&mut self, step: &Step) -> bool {
        let possible = self.is_possible(step);
        if possible {
            if self.pace.ticks() {
                self.now += SECOND;
            }
            self.perform(step);
        }
        possible
    }

    fn is_possible(&self, step: &Step) -> bool {
        let runs = |process: usize| process < self.processes.len();
        let talk = |one: usize, other: usize| {
            runs(one)
                && runs(other)
                && self.node(one) != self.node(other)
                && ![one, other].iter().any(|process| self.evicted.contains(&self.node(*process)))
        };
        match *step {
            Step::Submit(process, ..)
            | Step::Withdraw(process, _)
            | Step::Forget(process, _)
            | Step::Resolve(process, ..)
            | Step::Lie(process)
            | Step::Restart(process, _)
            | Step::LoseDisk(process, _)
            | Step::Damage(process, ..)
            | Step::Set(process, _)
            | Step::Fill(process)
            | Step::Free(process) => runs(process),
            Step::WithdrawNode(process, _) => runs(process) && self.waiting[process].is_none(),
            Step::Session(one, other)
            | Step::Cut(one, other, _)
            | Step::Amid(one, other, ..)
            | Step::Part(one, other, _)
            | Step::Piece(one, other, ..)
            | Step::Suppression(one, other, _) => talk(one, other),
            Step::Send(process, _) => runs(process) && self.letter.is_none(),
            Step::Deliver(process) => {
                self.letter.as_ref().is_some_and(|letter| letter.from != process) && runs(process)
            }
            Step::Save | Step::CloneMachine | Step::CloneDisk(_) => true,
            Step::Restore(_) | Step::ResumeMachine => self.saved.is_some(),
            Step::StopClone => self.processes.len() > self.nodes,
            Step::TimeOut(process) => runs(process) && self.waiting[process].is_some(),
            Step::Evict(node) => node < self.nodes && self.evicted.is_empty(),
            Step::Return(node) => self.evicted.contains(&node),
        }
    }

    fn perform(&mut self, step: &Step) {
        match *step {
            Step::Submit(process, key, value) => self.submit(process, key, value),
            Step::Withdraw(process, key) => self.withdraw(process, key),
            Step::Forget(process, key) => self.forget(process, key),
            Step::Resolve(process, key, value) => self.resolve(process, key, value),
            Step::WithdrawNode(process, node) => self.withdraw_node(process, node),
            Step::Session(one, other) => _ = self.session(one, other),
            Step::Cut(one, other, frames) => self.cut(one, other, frames),
            Step::Amid(one, other, frames, key, value) => {
                self.amid(one, other, frames, key, value);
            }
            Step::Part(from, to, key) => {
                self.greet(from, to);
                self.send_part(from, to, key, |_| true);
            }
            Step::Piece(from, to, key, node) => {
                self.send_part(from, to, key, |part| part == Some(node))
            }
            Step::Suppression(from, to, key) => {
                self.send_part(from, to, key, |part| part.is_none())
            }
            Step::Send(from, key) => self.send(from, key),
            Step::Deliver(to) => {
                if let Some(letter) = self.letter.take() {
                    self.receive(to, letter.delivery);
                }
            }
            Step::Lie(process) => self.lie(process),
            Step::TimeOut(process) => self.take_in(process),
            Step::Fill(process) => _ = self.put(process, Input::DiskFull(true)),
            Step::Free(process) => _ = self.put(process, Input::DiskFull(false)),
            Step::Evict(node) => self.evict(node),
            Step::Return(node) => self.admit(node),
            _ => self.fault(step),
        }
    }

    pub(crate) fn node(&self, process: usize) -> usize {
        self.processes[process].node
    }

    /// Applies an input to a process at the current time of its clock.
    fn put(&mut self, process: usize, input: Input) -> Output {
        self.serial += 1;
        let process = &mut self.processes[process];
        let time = self.now + process.clock.offset();
        process.put(self.serial, time, input)
    }

    pub(super) fn is_waiting(&self, process: usize) -> bool {
        self.waiting[process].is_some()
    }
}
