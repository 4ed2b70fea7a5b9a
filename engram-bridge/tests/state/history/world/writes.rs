//! Writes of engines and operators, and their entries in the book.

use engram_bridge::replica::Submitted;

use super::World;
use crate::history::book::{Acknowledged, OwedWrite};
use crate::history::process::{Input, Output};
use crate::history::row::{KEYS, Row, Values};
use crate::history::step::Clock;
use crate::history::verdict::Fault;

impl World {
    pub(super) fn submit(&mut self, process: usize, key: usize, value: u8) {
        let before = self.processes[process].row(key);
        match self.tried(process, Input::Submit(key, value)) {
            Output::Submitted(Submitted::Waiting) => match &mut self.waiting[process] {
                Some(waiting) => waiting[key] = Some(value),
                None => self.note_fault(Fault::Waits),
            },
            Output::Submitted(submitted) => self.submitted(process, key, value, submitted, &before),
            _ => {}
        }
    }

    /// Enters the outcome of a submission into the book; `before` is the row before it.
    fn submitted(
        &mut self,
        process: usize,
        key: usize,
        value: u8,
        submitted: Submitted,
        before: &Row,
    ) {
        let (slots, node) = (self.slots(), self.node(process));
        let row = self.processes[process].row(key);
        match submitted {
            Submitted::Written => {
                self.book.settle_own(&slots, process, key, before);
                self.owe(process, key, value, Acknowledged::Written);
            }
            Submitted::Unchanged => {
                let (taken_back, ever) =
                    (self.book.taken_back[node][key], self.book.ever_taken_back[node][key]);
                let ours = row.parts[node].live - taken_back;
                let settled = taken_back | ever | self.book.forgotten[key] | row.suppressed;
                if ours.contains(value) {
                    self.owe(process, key, value, Acknowledged::Unchanged);
                } else if !(row.live() | settled).contains(value) {
                    self.note_fault(Fault::Unheard);
                }
            }
            Submitted::Suppressed if row.suppressed.contains(value) => {
                let mut replaced = *before;
                replaced.parts[node].live -= Values::of(value);
                self.book.settle_own(&slots, process, key, &replaced);
            }
            _ => self.note_fault(Fault::Unheard),
        }
    }

    fn owe(&mut self, process: usize, key: usize, value: u8, acknowledged: Acknowledged) {
        let node = self.node(process);
        let clock = match self.pace.ticks() {
            true => self.processes[process].clock,
            // A stopped clock counts as behind: it shows a time at which the node already wrote.
            false => Clock::Behind,
        };
        let entry = self.processes[process].row(key).parts[node].entry;
        let serial = self.serial;
        let write = OwedWrite { value, entry, acknowledged, serial, clock, removed: false };
        self.book.owe(node, process, key, write);
    }

    pub(super) fn withdraw(&mut self, process: usize, key: usize) {
        let (slots, node) = (self.slots(), self.node(process));
        if let Some(seen) = self.operate(process, key, Input::Withdraw(key)) {
            self.book.settle_own(&slots, process, key, &seen);
            self.book.settle(&slots, key, &seen, |of| of == node);
        }
    }

    pub(super) fn withdraw_node(&mut self, process: usize, node: usize) {
        let (slots, before) = (self.slots(), self.processes[process].rows());
        if self.tried(process, Input::WithdrawNode(node)) == Output::Changed(true) {
            for (key, before) in before.iter().enumerate() {
                self.book.settle(&slots, key, before, |of| of == node);
            }
        }
    }

    pub(super) fn forget(&mut self, process: usize, key: usize) {
        let slots = self.slots();
        if let Some(seen) = self.operate(process, key, Input::Forget(key)) {
            self.book.settle_own(&slots, process, key, &seen);
            self.book.settle(&slots, key, &seen, |_| true);
            self.book.forget(key, &seen);
        }
    }

    pub(super) fn resolve(&mut self, process: usize, key: usize, value: u8) {
        let slots = self.slots();
        if let Some(seen) = self.operate(process, key, Input::Resolve(key, value)) {
            self.book.settle_own(&slots, process, key, &seen);
            self.book.settle(&slots, key, &seen, |_| true);
            self.book.resolve(key, value, &seen);
            self.owe(process, key, value, Acknowledged::Written);
        }
    }

    /// Applies an operation to a pattern; the store first writes the waiting submission of the
    /// pattern, if there is one. Returns the row that the operation saw, if it changed anything.
    fn operate(&mut self, process: usize, key: usize, input: Input) -> Option<Row> {
        let (slots, node) = (self.slots(), self.node(process));
        let mut seen = self.processes[process].row(key);
        let output = self.tried(process, input);
        if output == Output::NotStored {
            return None;
        }
        let waited = self.waiting[process].as_mut().and_then(|waiting| waiting[key].take());
        if let Some(value) = waited.filter(|value| !seen.suppressed.contains(*value)) {
            self.book.settle_own(&slots, process, key, &seen);
            seen.parts[node].live = Values::of(value);
        }
        (output == Output::Changed(true)).then_some(seen)
    }

    /// Applies an operation, and reports a fault if the operation was not stored but changed
    /// something.
    fn tried(&mut self, process: usize, input: Input) -> Output {
        let before = self.processes[process].fingerprint();
        let output = self.put(process, input);
        if output == Output::NotStored && self.processes[process].fingerprint() != before {
            self.note_fault(Fault::HalfDone);
        }
        output
    }

    /// Ends the first contact of a process, unless its disk is full: its waiting values become
    /// ordinary submissions.
    pub(crate) fn take_in(&mut self, process: usize) {
        let Some(waiting) = self.waiting[process] else { return };
        let before = self.processes[process].rows();
        if self.put(process, Input::TakeIn) == Output::Done {
            self.waiting[process] = None;
            for key in 0..KEYS {
                self.taken_in(process, key, waiting[key], &before[key]);
            }
        }
    }

    fn taken_in(&mut self, process: usize, key: usize, value: Option<u8>, before: &Row) {
        let Some(value) = value else { return };
        let (node, after) = (self.node(process), self.processes[process].row(key));
        let submitted = if after.suppressed.contains(value) {
            Submitted::Suppressed
        } else if after.parts[node].entry > before.parts[node].entry {
            Submitted::Written
        } else {
            Submitted::Unchanged
        };
        self.submitted(process, key, value, submitted, before);
    }

    pub(super) fn note_fault(&mut self, fault: Fault) {
        self.faults.insert(fault);
    }
}
