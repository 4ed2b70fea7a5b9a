//! The book of a history: acknowledged writes that were not replaced, and forgotten values.

use std::ops::AddAssign;

use engram_bridge::replica::MAX_NODE_DOTS;

use super::row::{KEYS, NODES, Row, Values};
use super::step::Clock;

/// An acknowledged write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwedWrite {
    pub(crate) value: u8,
    /// The context entry of its node when the write was acknowledged.
    pub(crate) entry: u64,
    pub(crate) acknowledged: Acknowledged,
    /// The serial number of its input.
    pub(crate) serial: u64,
    /// The clock under which it was written.
    pub(crate) clock: Clock,
    /// Whether a join at some process removed it.
    pub(crate) removed: bool,
}

/// How a write was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acknowledged {
    Written,
    /// The submission equalled the last one.
    Unchanged,
}

/// The numbers of writes that were lost as documented, by case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// A fault destroyed the last copy.
    pub(crate) destroyed: u32,
    /// D1: an unchanged submission of a stale write, then the end of the process before a sync.
    pub(crate) unchanged: u32,
    /// D2: a write under a clock that was behind, after the loss of the versions before it, then
    /// the end of the process.
    pub(crate) behind: u32,
    /// D3: a write that followed a write under a clock that was ahead.
    pub(crate) ahead: u32,
    /// D4: a write of one of several processes under one key.
    pub(crate) clones: u32,
    /// Writes beyond the cap of dots of one node.
    pub(crate) capped: u32,
}

impl AddAssign for Accepted {
    fn add_assign(&mut self, other: Self) {
        self.destroyed += other.destroyed;
        self.unchanged += other.unchanged;
        self.behind += other.behind;
        self.ahead += other.ahead;
        self.clones += other.clones;
        self.capped += other.capped;
    }
}

/// The faults of a node that explain a loss.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Past {
    /// The node lost versions: with a disk, with a row, or because an older copy replaced them.
    pub(crate) lost_state: bool,
    /// The node's clock was ahead.
    pub(crate) was_ahead: bool,
    /// Several processes ran under the node's key.
    pub(crate) was_cloned: bool,
}

/// The book of a history.
#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    /// For each process slot and pattern, the write that must not be lost.
    pub(crate) owed: Vec<[Option<OwedWrite>; KEYS]>,
    /// The forgotten values of each pattern.
    pub(crate) forgotten: [Values; KEYS],
    /// The values of resolutions, which may be visible again.
    pub(crate) resolved: [Values; KEYS],
    /// Values that were forgotten exactly once, and then released: a process that had seen the
    /// deletion resolved the pattern to the value.
    pub(crate) released: [Values; KEYS],
    /// Per node: values that an operation saw and removed, and that have not been written again.
    pub(crate) taken_back: [[Values; KEYS]; NODES],
    /// Per node: values that an operation saw and removed, even if they have been written again.
    pub(crate) ever_taken_back: [[Values; KEYS]; NODES],
    forgettings: [[u8; 32]; KEYS],
    pub(crate) past: [Past; NODES],
    pub(crate) accepted: Accepted,
    /// Writes whose loss no documented case explains.
    pub(crate) lost: u32,
}

impl Book {
    /// Records a new write of the process `slot`. It replaces the writes of the process's node that
    /// `row` contains, and the latest write of the process.
    pub(crate) fn settle_own(&mut self, nodes: &[usize], slot: usize, key: usize, row: &Row) {
        let known = row.parts[nodes[slot]].live;
        for (other, owed) in self.owed.iter_mut().enumerate() {
            let replaced = |write: &OwedWrite| {
                other == slot || nodes[other] == nodes[slot] && known.contains(write.value)
            };
            owed[key].take_if(|write| replaced(write));
        }
    }

    /// Records an operation of a process that holds `row`. The operation replaces those writes in
    /// `row` whose nodes satisfy `of`.
    pub(crate) fn settle(
        &mut self,
        nodes: &[usize],
        key: usize,
        row: &Row,
        of: impl Fn(usize) -> bool,
    ) {
        for (slot, owed) in self.owed.iter_mut().enumerate() {
            let known = row.parts[nodes[slot]].live;
            owed[key].take_if(|write| of(nodes[slot]) && known.contains(write.value));
        }
        for node in (0..NODES).filter(|node| of(*node)) {
            self.taken_back[node][key] |= row.parts[node].live;
            self.ever_taken_back[node][key] |= row.parts[node].live;
        }
    }

    pub(crate) fn owe(&mut self, node: usize, slot: usize, key: usize, write: OwedWrite) {
        self.owed[slot][key] = Some(write);
        self.taken_back[node][key] -= Values::of(write.value);
    }

    pub(crate) fn forget(&mut self, key: usize, row: &Row) {
        let live = row.live();
        self.forgotten[key] |= live;
        self.released[key] -= live;
        for value in live.iter() {
            self.forgettings[key][usize::from(value)] += 1;
        }
    }

    pub(crate) fn resolve(&mut self, key: usize, value: u8, row: &Row) {
        self.resolved[key] |= Values::of(value);
        let once = self.forgettings[key][usize::from(value)] == 1;
        if once && row.suppressed.contains(value) {
            self.released[key] |= Values::of(value);
        }
    }

    /// Records that a join at one process replaced `before` with `after`.
    pub(crate) fn note_join(&mut self, nodes: &[usize], key: usize, before: &Row, after: &Row) {
        for (slot, owed) in self.owed.iter_mut().enumerate() {
            let Some(write) = &mut owed[key] else { continue };
            let (before, after) = (before.parts[nodes[slot]], after.parts[nodes[slot]]);
            let was_live = before.live.contains(write.value) && before.entry >= write.entry;
            write.removed |= was_live && !after.live.contains(write.value);
        }
    }

    /// Accounts for the writes that a fault destroyed: those that neither a process nor a record in
    /// transit holds. A write that a join had already removed elsewhere is judged like any other
    /// loss.
    pub(crate) fn settle_destroyed(
        &mut self,
        nodes: &[usize],
        left: &[[Row; KEYS]],
        is_remembered: impl Fn(u64) -> bool,
    ) {
        for (slot, &node) in nodes.iter().enumerate() {
            for key in 0..KEYS {
                let Some(write) = self.owed[slot][key] else { continue };
                let holds = |rows: &[Row; KEYS]| {
                    let part = rows[key].parts[node];
                    part.live.contains(write.value) && part.entry >= write.entry
                };
                if left.iter().any(holds) {
                    continue;
                }
                self.owed[slot][key] = None;
                match write.removed {
                    true => self.lose(node, key, &write, left, is_remembered(write.serial)),
                    false => self.accepted.destroyed += 1,
                }
            }
        }
    }

    /// Counts a lost write under the case that explains it, if any; `left` contains the remaining
    /// rows.
    pub(crate) fn lose(
        &mut self,
        node: usize,
        key: usize,
        write: &OwedWrite,
        left: &[[Row; KEYS]],
        is_remembered: bool,
    ) {
        let past = self.past[node];
        // Clones whose clocks stand still or are behind may write under the same versions, and
        // replace each other's writes.
        let same_versions = past.was_cloned && write.clock == Clock::Behind;
        let behind = past.lost_state && write.clock == Clock::Behind;
        let unchanged = past.lost_state && write.acknowledged == Acknowledged::Unchanged;
        let capped = left.iter().any(|rows| rows[key].parts[node].dots == MAX_NODE_DOTS);
        let case = match () {
            () if capped => &mut self.accepted.capped,
            () if is_remembered && !same_versions => &mut self.lost,
            () if past.was_cloned => &mut self.accepted.clones,
            () if unchanged => &mut self.accepted.unchanged,
            () if past.was_ahead => &mut self.accepted.ahead,
            () if behind => &mut self.accepted.behind,
            () => &mut self.lost,
        };
        *case += 1;
    }

    /// Stops treating a value as forgotten if a fault destroyed every suppression of it. `before`
    /// and `left` are the values that were suppressed anywhere before and after the fault. Removals
    /// and releases that contradict `joined`, the join of the remaining rows, were destroyed, too.
    pub(crate) fn settle_suppression(
        &mut self,
        before: [Values; KEYS],
        left: [Values; KEYS],
        joined: &[Row; KEYS],
    ) {
        for key in 0..KEYS {
            self.forgotten[key] -= before[key] - left[key];
            self.released[key] -= joined[key].suppressed;
            for node in 0..NODES {
                self.taken_back[node][key] -= joined[key].parts[node].live;
            }
        }
    }
}
