//! The end of a history: all faults end, sessions run until nothing changes, and the laws are checked.

use std::collections::BTreeSet;

use crate::ledger::Counts;
use crate::record::{IDS, NODES, Record, contains};
use crate::world::World;

/// A law that a history breaks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Violation {
    /// S1: two replicas differ after all sessions.
    Diverged,
    /// S1: a plausible part that no cap refuses did not reach every machine before caps were lifted
    /// and time passed.
    Withheld,
    /// S2: an acknowledged write is neither live nor suppressed.
    Lost,
    /// S2: a join dropped a write, and then a fault destroyed its last copy.
    DroppedThenDestroyed,
    /// S2: a live write is suppressed although it was never forgotten, or was released afterwards.
    Hidden,
    /// S2: a submission was "unchanged", but the machine did not hold its content and no operation
    /// had withdrawn it.
    Unheard,
    /// S3: a forgotten content is visible.
    ForgottenVisible,
    /// S3: a write that a *withdraw*, *forget* or *resolve* removed is live again.
    TakenBackLive,
    /// S4: a node has more live dots than the limit.
    TooWide,
    /// S5: sessions never stop changing records.
    Endless,
    /// S5: engines that return handed-out patterns never stop writing.
    EchoEndless,
    /// Echo: a blend that no engine wrote became a write.
    EchoWritten,
    /// V9: an operation took effect before a waiting submission that preceded it.
    Reordered,
}

#[derive(Clone, Default)]
pub(crate) struct Verdict {
    pub(crate) violations: BTreeSet<Violation>,
    /// Whether the replicas still differed after all clocks had been corrected and sessions had run,
    /// before caps were lifted and time passed.
    pub(crate) is_late: bool,
    /// The greatest number of rounds of pairwise sessions after which nothing changed.
    pub(crate) rounds: usize,
    /// The greatest number of live dots of one node under one id.
    pub(crate) dots: usize,
    pub(crate) counts: Counts,
}

/// The maximum number of rounds: more than any terminating history needs.
const ROUNDS: usize = 24;

impl World {
    /// Ends all faults, syncs, and checks the laws.
    pub(crate) fn judge(mut self) -> Verdict {
        let suppressed = self.begin_step();
        (self.mail, self.saved) = (None, None);
        self.settle_destroyed(&suppressed);
        let mut verdict = Verdict::default();
        self.machines.iter_mut().for_each(|machine| machine.memory.clock_error = 0);
        let mut ended = self.converge(&mut verdict);
        verdict.is_late = !self.is_equal();
        verdict.note(Violation::Withheld, self.withholds());
        self.end_refusals();
        ended = ended && self.converge(&mut verdict);
        verdict.note(Violation::Endless, !ended);
        verdict.note(Violation::Diverged, !self.is_equal());
        self.judge_writes(&mut verdict);
        self.judge_ledger(&mut verdict);
        if self.machines.iter().any(|machine| machine.memory.engine.is_some()) {
            verdict.note(Violation::EchoEndless, self.echoes_endlessly());
        }
        verdict
    }

    /// Corrects clocks, lifts caps, and lets time pass until no version is implausible.
    pub(crate) fn end_refusals(&mut self) {
        for machine in &mut self.machines {
            (machine.memory.clock_error, machine.is_full) = (0, false);
        }
        self.now += self.rules.max_ahead + 2000;
    }

    fn is_equal(&self) -> bool {
        let first = &self.machines[0].store.records;
        self.machines.iter().all(|machine| &machine.store.records == first)
    }

    /// Runs rounds of all pairwise sessions. Returns whether they terminate.
    fn converge(&mut self, verdict: &mut Verdict) -> bool {
        for round in 0..ROUNDS {
            self.now += 1;
            let mut changed = self.sync_all();
            for m in 0..self.machines.len() {
                changed |= self.machines[m].memory.is_waiting;
                self.take_in(m, 0..IDS);
            }
            if !changed {
                verdict.rounds = verdict.rounds.max(round);
                return true;
            }
        }
        false
    }

    fn sync_all(&mut self) -> bool {
        let mut changed = false;
        for i in 0..self.machines.len() {
            for j in i + 1..self.machines.len() {
                changed |= self.session(i, j);
            }
        }
        changed
    }

    /// Whether a machine lacks a plausible part that its caps do not refuse.
    fn withholds(&self) -> bool {
        (0..IDS).any(|id| {
            let records = || self.machines.iter().map(|machine| &machine.store.records[id]);
            let all = records().fold(Record::default(), |all, record| all.join(record));
            (0..NODES).any(|node| {
                let is_implausible = |part: &Record| {
                    let entry = part.parts[node].entry;
                    self.machines.iter().any(|m| m.is_implausible(self.now, entry, &self.rules))
                };
                let lacks = self.machines.iter().any(|machine| {
                    let held = &machine.store.records[id];
                    let is_known = contains(self.listed() | machine.names(), node);
                    let is_due = !machine.is_full || held.is_held() && is_known;
                    is_due && held.parts[node] != all.parts[node]
                });
                lacks && !records().any(is_implausible)
            })
        })
    }

    fn judge_writes(&self, verdict: &mut Verdict) {
        for id in 0..IDS {
            let record = &self.machines[0].store.records[id];
            let (live, visible) = (record.live(), record.visible());
            for owed in self.ledger.owed.iter().filter_map(|owed| owed[id]) {
                let lacks =
                    |record: &Record| !contains(record.live() | record.suppressed(), owed.content);
                let lost = self.machines.iter().any(|m| lacks(&m.store.records[id]));
                verdict.note(Violation::Lost, lost);
                let is_hidden = contains(live & !visible, owed.content);
                let is_forgotten = contains(self.ledger.forgotten[id], owed.content);
                verdict.note(Violation::Hidden, is_hidden && !is_forgotten);
            }
            let cut = self.ledger.suppressions_cut[id];
            let released = live & !visible & self.ledger.released[id];
            verdict.note(Violation::Hidden, released != 0);
            let forgotten = self.ledger.forgotten[id] & !self.ledger.resolved[id] & !cut;
            verdict.note(Violation::ForgottenVisible, visible & forgotten != 0);
            for node in 0..NODES {
                let part = &record.parts[node];
                let taken_back = self.ledger.taken_back[node][id] & !cut;
                let is_back = part.live() & taken_back & !record.suppressed() != 0;
                verdict.note(Violation::TakenBackLive, is_back);
                verdict.dots = verdict.dots.max(part.dots().count());
            }
        }
        verdict.note(Violation::TooWide, verdict.dots > self.rules.max_dots);
    }

    fn judge_ledger(&self, verdict: &mut Verdict) {
        verdict.note(Violation::DroppedThenDestroyed, self.ledger.dropped_then_destroyed);
        verdict.note(Violation::Unheard, self.ledger.unheard);
        verdict.note(Violation::Reordered, self.ledger.reordered);
        verdict.note(Violation::EchoWritten, self.ledger.wrote_echo);
        verdict.counts = self.ledger.counts;
    }

    /// Whether records never stop changing if every engine returns, in each round, the patterns that it received one
    /// round before.
    fn echoes_endlessly(mut self) -> bool {
        for _ in 0..ROUNDS {
            self.now += 1;
            let before: Vec<_> = self.machines.iter().map(|m| m.store.records).collect();
            for m in 0..self.machines.len() {
                (0..IDS).for_each(|id| self.return_one(m, id));
                let handed = self.machines[m].hand_out();
                self.machines[m].memory.engine = Some(handed);
            }
            self.sync_all();
            if self.machines.iter().map(|m| m.store.records).eq(before) {
                return false;
            }
        }
        true
    }
}

impl Verdict {
    pub(crate) fn has(&self, violation: Violation) -> bool {
        self.violations.contains(&violation)
    }

    fn note(&mut self, violation: Violation, is_broken: bool) {
        if is_broken {
            self.violations.insert(violation);
        }
    }
}
