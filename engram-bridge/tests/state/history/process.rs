//! A process: a store, its disk, its clock, and its inputs.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use engram_bridge::durable::{MemoryStateStore, Recovery, StorageError};
use engram_bridge::replica::{Citations, Submitted};
use engram_bridge::spaces::SubmitError;
use engram_bridge::sync::SpaceView;
use engram_bridge::{Space, Store};
use engram_gossip_proto::{Greeting, View};

use super::row::{KEYS, Row, name, valued};
use super::step::Clock;
use crate::session::Taken;
use crate::support::{Delivery, bytes, environment, node_id, only_space, store_config};

/// A running node. A process is a function of its initial state and its inputs, so replaying the
/// inputs copies a machine, memory included.
pub(crate) struct Process {
    /// The node whose key the process uses.
    pub(crate) node: usize,
    pub(crate) store: Arc<Store>,
    pub(crate) clock: Clock,
    pub(crate) disk: MemoryStateStore,
    time: Arc<AtomicI64>,
    random: Arc<Mutex<Option<fastrand::Rng>>>,
    start: Start,
    log: Vec<Logged>,
}

/// The initial state of a process.
#[derive(Clone)]
pub(crate) struct Start {
    pub(crate) node: usize,
    pub(crate) disk: MemoryStateStore,
    /// The seed of its randomness, if it has any.
    pub(crate) seed: Option<u64>,
    pub(crate) now: i64,
    pub(crate) clock: Clock,
}

#[derive(Clone)]
pub(crate) struct Logged {
    serial: u64,
    time: i64,
    input: Input,
}

/// An input to a process.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    Submit(usize, u8),
    Withdraw(usize),
    WithdrawNode(usize),
    Forget(usize),
    Resolve(usize, u8),
    Deliver(Delivery),
    Greet(Greeting),
    /// Submissions wait from now on, unless the first contact is over.
    Wait,
    TakeIn,
    Members(Vec<usize>),
    /// Whether the disk is full from now on.
    DiskFull(bool),
    /// A new seed for the randomness.
    Seed(Option<u64>),
}

impl From<Taken> for Input {
    fn from(taken: Taken) -> Self {
        match taken {
            Taken::Greeting(greeting) => Self::Greet(greeting),
            Taken::Delivery(delivery) => Self::Deliver(delivery),
        }
    }
}

/// The outcome of an input.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Output {
    Submitted(Submitted),
    /// Whether there was anything to change; for [`Input::Wait`], whether submissions wait.
    Changed(bool),
    NotStored,
    Done,
}

/// A copy of a machine.
#[derive(Clone)]
pub(crate) struct Machine {
    start: Start,
    log: Vec<Logged>,
    pub(crate) disk: MemoryStateStore,
    pub(crate) rows: [Row; KEYS],
    root: engram_merkle::Digest,
}

impl Process {
    /// Starts a process. Its disk is a copy of the disk in `start`, and has room.
    pub(crate) fn start(start: Start) -> Self {
        let disk = start.disk.copy();
        let time = Arc::new(AtomicI64::new(start.now + start.clock.offset()));
        let shown = Arc::clone(&time);
        let random = Arc::new(Mutex::new(start.seed.map(fastrand::Rng::with_seed)));
        let drawn = Arc::clone(&random);
        let draw = move || drawn.lock().unwrap().as_mut().map_or(0, |random| random.u64(..));
        let environment = environment(move || shown.load(Ordering::Relaxed), draw);
        let number = u8::try_from(start.node + 1).unwrap();
        let store = Store::open(store_config(number), environment, Arc::new(disk.clone())).unwrap();
        let (node, clock, store) = (start.node, start.clock, Arc::new(store));
        Self { node, store, clock, disk, time, random, start, log: Vec::new() }
    }

    /// Starts a process that continues from the copy `machine`.
    pub(crate) fn resume(machine: &Machine, clock: Clock) -> Self {
        let mut process = Self::start(machine.start.clone());
        for Logged { serial, time, input } in &machine.log {
            process.put(*serial, *time, input.clone());
        }
        assert_eq!(process.store.root(), machine.root, "a process is a function of its inputs");
        process.clock = clock;
        process
    }

    /// A copy of the current machine.
    pub(crate) fn machine(&self) -> Machine {
        let (start, log) = (self.start.clone(), self.log.clone());
        Machine { start, log, disk: self.disk.copy(), rows: self.rows(), root: self.store.root() }
    }

    pub(crate) fn space(&self) -> Arc<Space> {
        only_space(&self.store)
    }

    pub(crate) fn row(&self, key: usize) -> Row {
        Row::held(&self.space(), key)
    }

    pub(crate) fn rows(&self) -> [Row; KEYS] {
        let space = self.space();
        std::array::from_fn(|key| Row::held(&space, key))
    }

    /// The root, and the bytes of the view.
    pub(crate) fn fingerprint(&self) -> (engram_merkle::Digest, Vec<u8>) {
        (self.store.root(), bytes(&self.space()))
    }

    /// Whether this process received the input `serial`, or the process that it was copied from had
    /// received it before the copy.
    pub(crate) fn remembers(&self, serial: u64) -> bool {
        self.log.iter().any(|logged| logged.serial == serial)
    }

    /// Sets the clock that the process reads.
    pub(crate) fn set_time(&self, time: i64) {
        self.time.store(time, Ordering::Relaxed);
    }

    /// Sets the clock that the process reads to `time`, and applies an input.
    pub(crate) fn put(&mut self, serial: u64, time: i64, input: Input) -> Output {
        self.set_time(time);
        let output = self.perform(&input);
        self.log(serial, input);
        output
    }

    /// Records an input that was applied, here or by a session.
    pub(crate) fn log(&mut self, serial: u64, input: Input) {
        let time = self.time.load(Ordering::Relaxed);
        self.log.push(Logged { serial, time, input });
    }

    fn perform(&self, input: &Input) -> Output {
        let space = self.space();
        match input.clone() {
            Input::Submit(key, value) => match space.submit_pattern(&valued(key, value)) {
                Ok(submitted) => Output::Submitted(submitted),
                Err(error) => failed(&error),
            },
            Input::Withdraw(key) => changed(space.withdraw(&name(key))),
            Input::WithdrawNode(node) => {
                let node = node_id(u8::try_from(node + 1).unwrap());
                let withdrawn = space.withdraw_node(&node).map(|patterns| patterns > 0);
                changed(withdrawn.map_err(|failure| failure.error))
            }
            Input::Forget(key) => changed(space.forget(&name(key))),
            Input::Resolve(key, value) => {
                let resolved = space.resolve(&valued(key, value), Citations::AsGiven);
                changed(resolved.map(|()| true))
            }
            Input::Deliver(delivery) => {
                SpaceView::pin(&space).apply(delivery);
                Output::Done
            }
            Input::Greet(greeting) => {
                self.store.greeted(greeting);
                Output::Done
            }
            Input::Wait => Output::Changed(space.await_contact()),
            Input::TakeIn => match space.take_in() {
                Ok(()) => Output::Done,
                Err(_) => Output::NotStored,
            },
            Input::Members(nodes) => {
                let number = |node: usize| u8::try_from(node + 1).unwrap();
                self.store.set_members(nodes.into_iter().map(|node| node_id(number(node))));
                Output::Done
            }
            Input::Seed(seed) => {
                *self.random.lock().unwrap() = seed.map(fastrand::Rng::with_seed);
                Output::Done
            }
            Input::DiskFull(full) => {
                let (place, reason) = ("memory".to_owned(), "it is full".to_owned());
                self.disk.fail(full.then_some(StorageError::Full { place, reason }));
                if !full {
                    // A running node does this some time after a failure.
                    self.store.retry_storage();
                }
                Output::Done
            }
        }
    }

    /// Starts a process from the current rows of the disk; returns it and its recovery.
    pub(crate) fn reopened(&self) -> (Self, Recovery) {
        let (disk, time) = (self.disk.copy(), self.time.load(Ordering::Relaxed));
        let now = time - self.clock.offset();
        let start = Start { node: self.node, disk, seed: None, now, clock: self.clock };
        let process = Self::start(start);
        let recovery = process.store.recovery().clone();
        (process, recovery)
    }
}

fn changed(result: Result<bool, SubmitError>) -> Output {
    match result {
        Ok(changed) => Output::Changed(changed),
        Err(error) => failed(&error),
    }
}

fn failed(error: &SubmitError) -> Output {
    assert!(matches!(error, SubmitError::Storage(_)), "{error}");
    Output::NotStored
}
