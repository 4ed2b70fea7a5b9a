//! Processes and their faults.

use engram_bridge::Store;
use engram_bridge::durable::{MemoryStateStore, Table};
use engram_bridge::sync::SpaceView;
use engram_gossip_proto::View;

use super::{Saved, Waiting, World};
use crate::history::process::{Input, Output, Process, Start};
use crate::history::row::{KEYS, NODES, Row, Values, name};
use crate::history::step::{Clock, Step, YEAR};
use crate::support::{environment, everything, only_space, store_config};

/// The number of a node that no history contains.
const LISTENER: u8 = NODES as u8 + 1;

impl World {
    /// Plays a machine fault, then accounts for the writes that it destroyed.
    pub(super) fn fault(&mut self, step: &Step) {
        let suppressed = self.suppressed();
        match *step {
            Step::Restart(process, clock) => self.restart(process, clock, |_| ()),
            Step::LoseDisk(process, clock) => self.lose_disk(process, clock),
            Step::Damage(process, key, clock) => self.damage(process, key, clock),
            Step::Save => {
                let (machine, waiting) = (self.processes[0].machine(), self.waiting[0]);
                self.saved = Some(Saved { machine, waiting });
            }
            Step::Restore(clock) => self.restore(clock),
            Step::ResumeMachine => self.resume(),
            Step::CloneMachine => {
                let clone = Process::resume(&self.processes[0].machine(), self.processes[0].clock);
                self.book.past[0].was_cloned = true;
                self.add(clone, self.waiting[0]);
                self.reseed(self.processes.len() - 1);
            }
            Step::CloneDisk(clock) => {
                let disk = self.processes[0].disk.copy();
                let clone = self.started(0, disk, clock);
                self.book.past[0].was_cloned = true;
                self.add(clone, None);
                self.begin(self.processes.len() - 1);
            }
            Step::StopClone => {
                self.processes.pop();
                self.waiting.pop();
            }
            Step::Set(process, clock) => {
                self.processes[process].clock = clock;
                self.note_clock(process);
            }
            _ => unreachable!("{step:?} is not a fault"),
        }
        self.settle(suppressed);
    }

    /// The node of each process slot, ended clones included.
    pub(super) fn slots(&self) -> Vec<usize> {
        let slots = self.book.owed.len();
        (0..slots).map(|slot| if slot < self.nodes { slot } else { 0 }).collect()
    }

    pub(super) fn started(&mut self, node: usize, disk: MemoryStateStore, clock: Clock) -> Process {
        self.serial += 1;
        let seed = self.pace.seed(self.serial);
        Process::start(Start { node, disk, seed, now: self.now, clock })
    }

    /// Reseeds the randomness, as an operating system does when it detects that its machine is a
    /// copy.
    fn reseed(&mut self, slot: usize) {
        let seed = self.pace.seed(self.serial);
        self.put(slot, Input::Seed(seed));
    }

    pub(super) fn add(&mut self, process: Process, waiting: Option<Waiting>) {
        self.processes.push(process);
        self.waiting.push(waiting);
        let slots = self.book.owed.len().max(self.processes.len());
        self.book.owed.resize(slots, [None; KEYS]);
    }

    /// Replaces the ended process of a slot.
    fn replace(&mut self, slot: usize, process: Process) {
        self.processes[slot] = process;
        self.begin(slot);
    }

    /// Initializes a process: sets its roster, and makes submissions wait unless its first contact
    /// is over.
    fn begin(&mut self, slot: usize) {
        self.note_clock(slot);
        let members = self.members();
        self.put(slot, Input::Members(members));
        let waits = self.put(slot, Input::Wait) == Output::Changed(true);
        self.waiting[slot] = waits.then_some([None; KEYS]);
    }

    fn members(&self) -> Vec<usize> {
        (0..self.nodes).filter(|node| !self.evicted.contains(node)).collect()
    }

    fn note_clock(&mut self, process: usize) {
        let ahead = matches!(self.processes[process].clock, Clock::Near | Clock::Ahead);
        self.book.past[self.processes[process].node].was_ahead |= ahead;
    }

    fn restart(&mut self, slot: usize, clock: Clock, spoil: impl Fn(&MemoryStateStore)) {
        let (node, disk) = (self.node(slot), self.processes[slot].disk.copy());
        spoil(&disk);
        let process = self.started(node, disk, clock);
        self.replace(slot, process);
    }

    fn lose_disk(&mut self, slot: usize, clock: Clock) {
        self.book.past[self.processes[slot].node].lost_state = true;
        self.restart(slot, clock, |disk| disk.spoil(|_, _, _| false));
    }

    /// Damages the record of a pattern or, if it has live contents and the serial number is even,
    /// its contents. Contents in rows of their own are damaged together with the record.
    fn damage(&mut self, slot: usize, key: usize, clock: Clock) {
        self.book.past[self.processes[slot].node].lost_state = true;
        let has_content = !self.processes[slot].row(key).live().is_empty();
        let (id, content) = (name(key), has_content && self.serial.is_multiple_of(2));
        self.restart(slot, clock, |disk| {
            disk.spoil(|table, row, value| {
                // A content is at the end of the row of its record, or in a row of its own.
                let rots = match table {
                    Table::Records => row.ends_with(id.as_bytes()),
                    Table::Contents => {
                        content && value.windows(id.len()).any(|part| part == id.as_bytes())
                    }
                    _ => false,
                };
                if rots {
                    let at = if content { value.len() - 1 } else { 20 };
                    value[at] ^= 0x10;
                }
                true
            });
        });
    }

    fn restore(&mut self, clock: Clock) {
        let Some(saved) = &self.saved else { return };
        self.book.past[0].lost_state = true;
        let disk = saved.machine.disk.copy();
        let process = self.started(0, disk, clock);
        self.replace(0, process);
    }

    fn resume(&mut self) {
        let Some(saved) = &self.saved else { return };
        self.book.past[0].lost_state = true;
        self.processes[0] = Process::resume(&saved.machine, self.processes[0].clock);
        self.waiting[0] = saved.waiting;
        self.reseed(0);
    }

    pub(super) fn evict(&mut self, node: usize) {
        self.evicted.insert(node);
        self.announce_members();
    }

    pub(crate) fn admit(&mut self, node: usize) {
        self.evicted.remove(&node);
        self.announce_members();
    }

    fn announce_members(&mut self) {
        let members = self.members();
        for process in 0..self.processes.len() {
            self.put(process, Input::Members(members.clone()));
        }
    }

    /// Ends all faults: clocks are correct, disks have room, no record is in transit, and no node
    /// is evicted.
    pub(crate) fn heal(&mut self) {
        let suppressed = self.suppressed();
        (self.letter, self.saved) = (None, None);
        self.settle(suppressed);
        for process in 0..self.processes.len() {
            self.processes[process].clock = Clock::Right;
            self.put(process, Input::DiskFull(false));
        }
        self.evicted.clear();
        self.announce_members();
    }

    /// Advances time until every version is plausible.
    pub(crate) const fn wait_for_the_future(&mut self) {
        self.now += 100 * YEAR;
    }

    fn suppressed(&self) -> [Values; KEYS] {
        let mut suppressed = [Values::NONE; KEYS];
        for process in &self.processes {
            for (key, row) in process.rows().into_iter().enumerate() {
                suppressed[key] |= row.suppressed;
            }
        }
        if let Some(letter) = &self.letter {
            suppressed[letter.key] |= letter.row.suppressed;
        }
        if let Some(saved) = &self.saved {
            for (key, row) in saved.machine.rows.iter().enumerate() {
                suppressed[key] |= row.suppressed;
            }
        }
        suppressed
    }

    fn settle(&mut self, suppressed: [Values; KEYS]) {
        let (slots, left) = (self.slots(), self.suppressed());
        let mut rows: Vec<_> = self.processes.iter().map(Process::rows).collect();
        if let Some(letter) = &self.letter {
            let mut row = [Row::default(); KEYS];
            row[letter.key] = letter.row;
            rows.push(row);
        }
        let Self { book, processes, .. } = self;
        let remembered = |serial| processes.iter().any(|process| process.remembers(serial));
        book.settle_destroyed(&slots, &rows, remembered);
        let joined = self.joined();
        self.book.settle_suppression(suppressed, left, &joined);
    }

    /// The join of the rows of all processes and of the record in transit.
    fn joined(&self) -> [Row; KEYS] {
        let future = self.now + 200 * YEAR;
        let listener = environment(move || future, || 0);
        let listener = Store::new(store_config(LISTENER), listener);
        let space = only_space(&listener);
        for process in &self.processes {
            SpaceView::pin(&space).apply(everything(&process.space()));
        }
        if let Some(letter) = &self.letter {
            SpaceView::pin(&space).apply(letter.delivery.clone());
        }
        std::array::from_fn(|key| Row::held(&space, key))
    }
}
