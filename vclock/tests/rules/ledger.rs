//! Acknowledged writes, and the writes that operations withdrew: a ledger that no rule reads.

use crate::action::Action;
use crate::operations::Outcome;
use crate::record::{CONTENTS, IDS, NODES, Record, SUBMITTED, Set, Version, contains, members};
use crate::world::World;

/// An acknowledged write that no operation has superseded or withdrawn.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Owed {
    pub(crate) content: u8,
    /// The node under which the write was acknowledged.
    node: usize,
    /// The context entry of that node at the time of the acknowledgement.
    version: Version,
    /// Whether a join removed the write on some machine.
    dropped: bool,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Ledger {
    /// The last acknowledged write, for each machine and id.
    pub(crate) owed: Vec<[Option<Owed>; IDS]>,
    /// The live contents and the visible pattern that a *forget* removed.
    pub(crate) forgotten: [Set; IDS],
    pub(crate) resolved: [Set; IDS],
    /// The number of times that each content was forgotten.
    forgets: [[u8; CONTENTS as usize]; IDS],
    /// The contents that a *resolve* chose on a machine that knew of their only *forget*.
    pub(crate) released: [Set; IDS],
    /// For each node, the contents that an operation withdrew while they were live, except those
    /// written again since.
    pub(crate) taken_back: [[Set; IDS]; NODES],
    /// Like `taken_back`, but including the contents written again since.
    ever_taken_back: [[Set; IDS]; NODES],
    /// V6: the suppressed digests that the limit removed on some machine.
    pub(crate) suppressions_cut: [Set; IDS],
    /// Whether a submission was "unchanged" although the machine did not hold its content and no
    /// operation had withdrawn it.
    pub(crate) unheard: bool,
    /// V9: whether an operation took effect before a waiting submission that preceded it.
    pub(crate) reordered: bool,
    /// Whether a blend that no engine wrote became a write.
    pub(crate) wrote_echo: bool,
    /// Whether a fault destroyed the last copy of a write that a join had dropped elsewhere.
    pub(crate) dropped_then_destroyed: bool,
    pub(crate) counts: Counts,
}

/// Counts for the tables; none of them is a violation.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Counts {
    /// The number of owed writes whose last copy a fault destroyed.
    pub(crate) destroyed: u32,
    /// The number of owed writes that the limit on own dots removed.
    pub(crate) writes_cut: u32,
    pub(crate) reissued: u32,
    pub(crate) refused: u32,
}

impl Ledger {
    pub(crate) fn new(nodes: usize) -> Self {
        Self {
            owed: vec![[None; IDS]; nodes + 2],
            forgotten: [0; IDS],
            resolved: [0; IDS],
            forgets: Default::default(),
            released: [0; IDS],
            taken_back: Default::default(),
            ever_taken_back: Default::default(),
            suppressions_cut: [0; IDS],
            unheard: false,
            reordered: false,
            wrote_echo: false,
            dropped_then_destroyed: false,
            counts: Counts::default(),
        }
    }

    fn take_back(&mut self, node: usize, id: usize, contents: Set) {
        self.taken_back[node][id] |= contents;
        self.ever_taken_back[node][id] |= contents;
    }

    /// Settles the writes of `node` under `id` whose contents are in `live`: they are no longer owed.
    fn settle(&mut self, node: usize, id: usize, live: Set) {
        for owed in self.owed.iter_mut().map(|owed| &mut owed[id]) {
            if owed.is_some_and(|o| o.node == node && contains(live, o.content)) {
                *owed = None;
            }
        }
    }
}

impl World {
    /// Returns the contents that any copy suppresses before the step.
    pub(crate) fn begin_step(&self) -> [Set; IDS] {
        std::array::from_fn(|id| {
            let stores = self.machines.iter().chain(self.saved.as_deref()).map(|m| &m.store);
            let known = stores.fold(0, |set, store| set | store.records[id].suppressed());
            known | self.mailed(id).map_or(0, Record::suppressed)
        })
    }

    pub(crate) fn end_step(&mut self, action: &Action, suppressed: &[Set; IDS]) {
        (0..self.machines.len()).for_each(|m| self.take_notes(m));
        if destroys(action) {
            self.settle_destroyed(suppressed);
        }
    }

    fn mailed(&self, id: usize) -> Option<&Record> {
        self.mail.as_ref().filter(|mail| mail.0 == id).map(|mail| &mail.1)
    }

    /// Settles the write of machine `m` under `id`, and the writes under the machine's names whose
    /// contents are in `writes`.
    fn settle_writes(&mut self, m: usize, id: usize, writes: Set) {
        self.ledger.owed[m][id] = None;
        for node in members(self.machines[m].names()) {
            self.ledger.settle(usize::from(node), id, writes);
        }
    }

    /// Settles all writes that are live on machine `m`: an operation there withdraws them.
    fn settle_all(&mut self, m: usize, id: usize) {
        for node in 0..NODES {
            let live = self.machines[m].store.records[id].parts[node].live();
            self.ledger.settle(node, id, live);
            self.ledger.take_back(node, id, live);
        }
    }

    pub(crate) fn owe(&mut self, m: usize, id: usize, content: u8) {
        let node = self.machines[m].node;
        self.owe_as(m, id, content, node);
        self.ledger.taken_back[node][id] &= !(1 << content);
    }

    fn owe_as(&mut self, m: usize, id: usize, content: u8, node: usize) {
        let version = self.machines[m].store.records[id].parts[node].entry;
        self.ledger.owed[m][id] = Some(Owed { content, node, version, dropped: false });
    }

    /// Records the outcome of a submission. `writes` are the contents that were live under the node's
    /// names before it.
    pub(crate) fn book_submission(
        &mut self,
        m: usize,
        id: usize,
        content: u8,
        outcome: Outcome,
        writes: Set,
    ) {
        match outcome {
            Outcome::Written => {
                self.settle_writes(m, id, writes);
                self.owe(m, id, content);
            }
            Outcome::Unchanged => self.book_unchanged(m, id, content),
            Outcome::Suppressed => self.settle_writes(m, id, writes & !(1 << content)),
            Outcome::Echo | Outcome::Waits => {}
        }
    }

    /// Records the outcome "unchanged", which acknowledges a live write with this content that no
    /// operation withdrew. If there is none, checks whether the submission is unheard.
    fn book_unchanged(&mut self, m: usize, id: usize, content: u8) {
        let machine = &self.machines[m];
        let record = &machine.store.records[id];
        let promises = |node: &usize| {
            let live = record.parts[*node].live() & !self.ledger.taken_back[*node][id];
            contains(machine.names(), *node) && contains(live, content)
        };
        // This node's own dot is tried first.
        if let Some(node) = [machine.node].into_iter().chain(0..NODES).find(promises) {
            return self.owe_as(m, id, content, node);
        }
        let names = members(machine.names()).map(usize::from);
        let taken_back = names.fold(0, |set, node| set | self.ledger.ever_taken_back[node][id]);
        let settled = record.live() | record.suppressed() | taken_back | self.ledger.forgotten[id];
        self.ledger.unheard |= !contains(settled, content);
    }

    pub(crate) fn book_withdrawal(&mut self, m: usize, id: usize) {
        self.settle_writes(m, id, self.machines[m].writes(id));
        for node in members(self.machines[m].names()).map(usize::from) {
            let live = self.machines[m].store.records[id].parts[node].live();
            self.ledger.take_back(node, id, live);
        }
    }

    pub(crate) fn book_withdrawal_of(&mut self, m: usize, id: usize, node: usize) {
        let live = self.machines[m].store.records[id].parts[node].live();
        self.ledger.settle(node, id, live);
        self.ledger.take_back(node, id, live);
    }

    /// Settles the writes of the parts that an operator drops.
    pub(crate) fn book_drop(&mut self, m: usize) {
        let machine = &self.machines[m];
        for id in 0..IDS {
            for (node, part) in machine.store.records[id].parts.iter().enumerate() {
                if machine.is_implausible(self.now, part.entry, &self.rules) {
                    self.ledger.settle(node, id, part.live());
                }
            }
        }
    }

    pub(crate) fn book_forget(&mut self, m: usize, id: usize) {
        self.settle_writes(m, id, self.machines[m].writes(id));
        self.settle_all(m, id);
        let record = &self.machines[m].store.records[id];
        let live = record.live();
        self.ledger.forgotten[id] |= live | record.shown().map_or(0, |content| 1 << content);
        self.ledger.released[id] &= !live;
        for content in members(live) {
            self.ledger.forgets[id][usize::from(content)] += 1;
        }
    }

    pub(crate) fn book_resolution(&mut self, m: usize, id: usize, content: u8) {
        self.settle_writes(m, id, self.machines[m].writes(id));
        self.settle_all(m, id);
        self.ledger.resolved[id] |= 1 << content;
        let suppressed = self.machines[m].store.records[id].suppressed();
        if self.ledger.forgets[id][usize::from(content)] == 1 && contains(suppressed, content) {
            self.ledger.released[id] |= 1 << content;
        }
    }

    /// Marks the owed writes that the join removed on machine `m`.
    pub(crate) fn book_join(&mut self, m: usize, id: usize, before: &Record) {
        let after = &self.machines[m].store.records[id];
        for owed in self.ledger.owed.iter_mut().filter_map(|owed| owed[id].as_mut()) {
            let live = |record: &Record| contains(record.parts[owed.node].live(), owed.content);
            let held = live(before) && before.parts[owed.node].entry >= owed.version;
            owed.dropped |= held && !live(after);
        }
    }

    pub(crate) fn take_notes(&mut self, m: usize) {
        let notes = std::mem::take(&mut self.machines[m].notes);
        self.ledger.counts.reissued += notes.reissued;
        self.ledger.counts.refused += notes.refused;
        self.ledger.wrote_echo |= notes.wrote_echo;
        for id in 0..IDS {
            self.ledger.suppressions_cut[id] |= notes.suppressions_cut[id];
            for owed in self.ledger.owed.iter_mut().map(|owed| &mut owed[id]) {
                if owed.is_some_and(|o| contains(notes.writes_cut[id][o.node], o.content)) {
                    *owed = None;
                    self.ledger.counts.writes_cut += 1;
                }
            }
        }
    }

    /// Settles the writes, suppressions and withdrawals that no copy holds any more after a fault.
    pub(crate) fn settle_destroyed(&mut self, suppressed: &[Set; IDS]) {
        self.settle_destroyed_writes();
        let left = self.begin_step();
        for id in 0..IDS {
            let lost = suppressed[id] & !left[id];
            // The *forget* is destroyed, together with the pattern that its node had shown.
            let blends = if lost == 0 { 0 } else { Set::MAX << SUBMITTED };
            self.ledger.forgotten[id] &= !(lost | blends);
            let records = self.machines.iter().map(|machine| &machine.store.records[id]);
            let records = records.chain(self.mailed(id));
            let all = records.fold(Record::default(), |all, record| all.join(record));
            // If the write is live in the join of the remaining copies, the operation that withdrew
            // it is lost.
            for node in 0..NODES {
                self.ledger.taken_back[node][id] &= !all.parts[node].live();
            }
            self.ledger.released[id] &= !all.suppressed();
        }
    }

    fn settle_destroyed_writes(&mut self) {
        for j in 0..self.ledger.owed.len() {
            for id in 0..IDS {
                let Some(owed) = self.ledger.owed[j][id] else { continue };
                let has = |record: &Record| {
                    let part = &record.parts[owed.node];
                    contains(part.live(), owed.content) && part.entry >= owed.version
                };
                let held = self.machines.iter().any(|machine| has(&machine.store.records[id]));
                if held || self.mailed(id).is_some_and(has) {
                    continue;
                }
                self.ledger.owed[j][id] = None;
                self.ledger.counts.destroyed += 1;
                self.ledger.dropped_then_destroyed |= owed.dropped;
            }
        }
    }
}

/// Whether a step may destroy the last copy of a write.
fn destroys(action: &Action) -> bool {
    use Action::*;
    matches!(
        action,
        Restart(..)
            | LoseDisk(..)
            | Damage(..)
            | DropImplausible(_)
            | Save
            | Restore(_)
            | ResumeMemory
            | StopClone
            | NewKey(..)
            | RenewKey(..)
            | Send(..)
    )
}
