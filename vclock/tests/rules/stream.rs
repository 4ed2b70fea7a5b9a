//! One direction of a session: the records above the receiver's version summary.

use std::collections::BTreeSet;

use crate::record::{IDS, NODES, Record, Version};
use crate::rules::Weaker;
use crate::world::World;

/// The records that one side sends by version summaries. All fields except `sent` are fixed at the
/// hello.
pub(crate) struct Stream {
    pub(crate) to: usize,
    records: [Record; IDS],
    /// The receiver's summary.
    base: [Version; NODES],
    /// Whether the receiver accepts the range of each node.
    takes: [bool; NODES],
    /// For each node, the version up to which the sender declares that it sends all records.
    upper: [Version; NODES],
    order: Vec<usize>,
    pub(crate) sent: usize,
    /// Whether nothing was left out, except records above the sender's own summary entry.
    pub(crate) is_whole: bool,
}

impl Stream {
    pub(crate) fn open(
        world: &World,
        from: usize,
        to: usize,
        budget: usize,
        claimed: &BTreeSet<usize>,
    ) -> Self {
        let sender = &world.machines[from];
        let mut stream = Self {
            to,
            records: sender.store.records,
            base: world.machines[to].memory.summary,
            takes: std::array::from_fn(|node| !claimed.contains(&node)),
            upper: [0; NODES],
            order: Vec::new(),
            sent: 0,
            is_whole: false,
        };
        stream.plan(&sender.memory.summary, budget, world);
        stream
    }

    /// Orders the records, cuts them at the budget, and declares complete ranges.
    fn plan(&mut self, own: &[Version; NODES], budget: usize, world: &World) {
        let by_live_dot = world.rules.has(Weaker::SelectByLiveDot);
        let like_others = world.rules.has(Weaker::AboveOwnEntryFirst);
        let (mut above_own, mut all_taken) = (BTreeSet::new(), true);
        for (node, own_entry) in own.iter().enumerate() {
            for id in self.above(node) {
                if by_live_dot && self.records[id].parts[node].live() == 0 {
                    continue;
                }
                if !self.takes[node] {
                    all_taken = false;
                } else if !like_others && self.records[id].parts[node].entry > *own_entry {
                    above_own.insert(id);
                } else if !self.order.contains(&id) {
                    self.order.push(id);
                }
            }
        }
        // No range can cover records above the sender's summary entry. They are sent last, and only
        // if all of them fit.
        above_own.retain(|id| !self.order.contains(id));
        if self.order.len() + above_own.len() <= budget {
            self.order.extend(above_own);
        }
        let cut = self.cut(budget, world);
        self.is_whole = all_taken && cut == self.order.len();
        self.order.truncate(cut);
        self.upper = std::array::from_fn(|node| {
            let left_out = self.above(node).into_iter().filter(|id| !self.order.contains(id));
            let left_out = left_out.map(|id| self.records[id].parts[node].entry - 1).min();
            let upper = own[node].min(left_out.unwrap_or(Version::MAX));
            if self.takes[node] { upper } else { 0 }
        });
    }

    /// The ids whose context entry for `node` is above the receiver's summary, in ascending order of
    /// that entry.
    fn above(&self, node: usize) -> Vec<usize> {
        let entry = |id: &usize| self.records[*id].parts[node].entry;
        let mut ids: Vec<_> = (0..IDS).filter(|id| entry(id) > self.base[node]).collect();
        ids.sort_by_key(entry);
        ids
    }

    /// The number of records to send: the budget, extended so that records of equal version are sent together.
    fn cut(&self, budget: usize, world: &World) -> usize {
        let mut cut = budget.min(self.order.len());
        let are_equal = |a: usize, b: usize| {
            (0..NODES).any(|node| {
                let entry = |id: usize| self.records[id].parts[node].entry;
                self.takes[node] && entry(a) > self.base[node] && entry(a) == entry(b)
            })
        };
        let separates = |cut: usize| {
            let (sent, left) = self.order.split_at(cut);
            left.iter().any(|b| sent.iter().any(|a| are_equal(*a, *b)))
        };
        let keeps_together = !world.rules.has(Weaker::EqualVersionsSeparated);
        while keeps_together && cut > 0 && separates(cut) {
            cut += 1;
        }
        cut
    }

    /// Returns the next record.
    pub(crate) fn next(&self) -> Option<(usize, Record)> {
        self.order.get(self.sent).map(|id| (*id, self.records[*id]))
    }

    /// The nodes with unsent records.
    pub(crate) fn on_its_way(&self) -> impl Iterator<Item = usize> + '_ {
        (0..NODES).filter(|node| {
            let mut open = self.order[self.sent..].iter();
            self.takes[*node]
                && open.any(|id| self.records[*id].parts[*node].entry > self.base[*node])
        })
    }

    /// Raises the receiver's summary for the ranges without unsent records.
    pub(crate) fn raise(&self, world: &mut World) {
        for node in (0..NODES).filter(|node| self.takes[*node]) {
            let range = self.base[node] + 1..=self.upper[node];
            let mut open = self.order[self.sent..].iter();
            if !open.any(|id| range.contains(&self.records[*id].parts[node].entry)) {
                world.machines[self.to].raise_summary(node, self.upper[node]);
            }
        }
    }
}
