//! Sessions, and records in transit.

use engram_bridge::sync::SpaceView;
use engram_gossip_proto::{Greeting, Record, SessionConfig, View};
use engram_merkle::Digest;

use super::{Letter, World};
use crate::history::process::{Input, Process};
use crate::history::row::{KEYS, Row, hash};
use crate::history::step::YEAR;
use crate::session::{Handover, Taken};
use crate::support::{Delivery, with_contents};

impl World {
    /// Runs a whole session, which ends the first contacts of its two ends if it is complete.
    /// Returns whether a root changed.
    pub(crate) fn session(&mut self, one: usize, other: usize) -> bool {
        let ends = [one, other];
        let (roots, rows) = (self.roots(ends), self.rows(ends));
        let mut handover = self.handover(ends);
        let report = handover.finish();
        self.note_session(ends, &rows, handover.drain());
        if report.is_complete() {
            ends.into_iter().for_each(|end| self.take_in(end));
        }
        self.roots(ends) != roots
    }

    /// Runs a session that breaks after a number of frames.
    pub(super) fn cut(&mut self, one: usize, other: usize, frames: usize) {
        let (ends, rows) = ([one, other], self.rows([one, other]));
        let mut handover = self.handover(ends);
        handover.pass(frames);
        self.note_session(ends, &rows, handover.drain());
    }

    /// Runs a session during which the opener submits a value.
    pub(super) fn amid(&mut self, one: usize, other: usize, frames: usize, key: usize, value: u8) {
        let (ends, rows) = ([one, other], self.rows([one, other]));
        let mut handover = self.handover(ends);
        handover.pass(frames);
        self.note_session(ends, &rows, handover.drain());
        self.submit(one, key, value);
        let rows = self.rows(ends);
        handover.finish();
        self.note_session(ends, &rows, handover.drain());
    }

    fn handover(&mut self, ends: [usize; 2]) -> Handover {
        self.sessions += 1;
        for end in ends {
            let process = &self.processes[end];
            process.set_time(self.now + process.clock.offset());
        }
        let [one, other] = ends.map(|end| &self.processes[end].store);
        Handover::keyed(one, other, SessionConfig::default(), self.serial)
    }

    fn roots(&self, ends: [usize; 2]) -> [Digest; 2] {
        ends.map(|end| self.processes[end].store.root())
    }

    fn rows(&self, ends: [usize; 2]) -> [[Row; KEYS]; 2] {
        ends.map(|end| self.processes[end].rows())
    }

    /// Records the inputs that a session gave its two ends, whose rows were `before`.
    fn note_session(
        &mut self,
        ends: [usize; 2],
        before: &[[Row; KEYS]; 2],
        taken: [Vec<Taken>; 2],
    ) {
        for (end, (taken, before)) in ends.into_iter().zip(taken.into_iter().zip(before)) {
            for input in taken {
                self.serial += 1;
                self.processes[end].log(self.serial, Input::from(input));
            }
            self.note_joins(end, before);
        }
    }

    fn note_joins(&mut self, process: usize, before: &[Row; KEYS]) {
        let (slots, after) = (self.slots(), self.processes[process].rows());
        for key in 0..KEYS {
            self.book.note_join(&slots, key, &before[key], &after[key]);
        }
    }

    /// Passes only the hellos of a session between two processes.
    pub(super) fn greet(&mut self, one: usize, other: usize) {
        let greeting = |from: &Process, to: &Process| from.store.greeting(&to.store.node());
        let (first, second) = (&self.processes[one], &self.processes[other]);
        for process in [first, second] {
            process.set_time(self.now + process.clock.offset());
        }
        let (to_other, to_one) = (greeting(first, second), greeting(second, first));
        self.put(one, Input::Greet(to_one));
        self.put(other, Input::Greet(to_other));
    }

    /// Passes a hello that claims a version of the receiver from the far future.
    pub(super) fn lie(&mut self, process: usize) {
        let (known, clock) = ((self.now + 90 * YEAR) as u64, self.now as u64);
        self.put(process, Input::Greet(Greeting { known, clock }));
    }

    /// Sends those parts of a record for which `sent` is true; `None` stands for the suppression.
    pub(super) fn send_part(
        &mut self,
        from: usize,
        to: usize,
        key: usize,
        sent: impl Fn(Option<usize>) -> bool,
    ) {
        let view = SpaceView::pin(&self.processes[from].space());
        let Some(mut record) = view.record(&hash(key)) else { return };
        record.parts.retain(|part| sent(Some(usize::from(part.node[0]) - 1)));
        if !sent(None) {
            record.suppressed.clear();
        }
        let delivery = with_contents(&view, record);
        self.receive(to, delivery);
    }

    pub(super) fn send(&mut self, from: usize, key: usize) {
        let view = SpaceView::pin(&self.processes[from].space());
        let Some(record) = view.record(&hash(key)) else { return };
        let row = Row::of(&record);
        self.letter = Some(Letter { from, key, row, delivery: with_contents(&view, record) });
    }

    pub(super) fn receive(&mut self, to: usize, delivery: Delivery) {
        if delivery.records.iter().all(is_empty) {
            return;
        }
        let before = self.processes[to].rows();
        self.put(to, Input::Deliver(delivery));
        self.note_joins(to, &before);
    }
}

fn is_empty(record: &Record) -> bool {
    record.parts.is_empty() && record.suppressed.is_empty()
}
