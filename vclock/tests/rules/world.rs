//! All machines, the record in flight, and the effect of each step of a history.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::action::Action;
use crate::ledger::Ledger;
use crate::machine::{Machine, Time};
use crate::record::{Dot, FIRST_NEW_KEY, IDS, Part, Record, STRANGER, Set, WHOLE};
use crate::rules::{Rules, Weaker};

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) rules: Rules,
    pub(crate) now: Time,
    /// Nodes first, then clones of node 0.
    pub(crate) machines: Vec<Machine>,
    /// The number of nodes, not counting clones.
    pub(crate) nodes: usize,
    pub(crate) saved: Option<Box<Machine>>,
    /// A record in flight, with its pattern id. It may arrive at any time and repeatedly.
    pub(crate) mail: Option<(usize, Record)>,
    /// The node number of the next new key.
    next_key: usize,
    pub(crate) ledger: Ledger,
}

impl World {
    /// Creates a cluster in which every machine has completed its first contact.
    pub(crate) fn new(nodes: usize, rules: Rules) -> Self {
        let now = 1000;
        let mut machines: Vec<_> =
            (0..nodes).map(|node| Machine::new(node, now, 0, &rules)).collect();
        for machine in &mut machines {
            (machine.memory.is_waiting, machine.store.met_peer) = (false, true);
        }
        let ledger = Ledger::new(nodes);
        // New keys have the node numbers 4 and 5, whether there are three nodes or four.
        Self {
            rules,
            now,
            machines,
            nodes,
            saved: None,
            mail: None,
            next_key: FIRST_NEW_KEY,
            ledger,
        }
    }

    /// Runs a history. Panics if a step is not possible.
    pub(crate) fn run(nodes: usize, rules: Rules, history: &[Action]) -> Self {
        let mut world = Self::new(nodes, rules);
        for action in history {
            assert!(world.allows(action), "{action:?} is not possible");
            world.apply(action);
        }
        world
    }

    /// The members: every node that a machine runs.
    pub(crate) fn listed(&self) -> Set {
        self.machines.iter().fold(0, |set, machine| set | 1 << machine.node)
    }

    pub(crate) fn allows(&self, action: &Action) -> bool {
        use Action::*;
        let up = |m: usize| m < self.machines.len();
        match *action {
            Submit(m, ..) | Withdraw(m, _) | Resolve(m, ..) | Restart(m, _) | LoseDisk(m, _) => {
                up(m)
            }
            Take(m) | DropImplausible(m) | SetClock(m, _) | Lie(m, _) | Forge(m, _) => up(m),
            Read(m) | Return(m) | ReturnOne(m, _) => {
                up(m) && self.machines[m].memory.engine.is_some()
            }
            Fill(m) => up(m) && !self.machines[m].is_full,
            WithdrawOf(m, id, node) => {
                up(m)
                    && self.machines[m].node != node
                    && self.machines[m].store.records[id].parts[node].live() != 0
            }
            Forget(m, id) => up(m) && self.machines[m].store.records[id].live() != 0,
            Damage(m, id, _) => up(m) && self.machines[m].store.records[id].is_held(),
            NewKey(m, _) | RenewKey(m, _) => up(m) && m < self.nodes && self.next_key < STRANGER,
            Save => true,
            Restore(_) | ResumeMemory => self.saved.is_some(),
            Fork | Clone(_) => !up(self.nodes),
            CloneAgain(_) => up(self.nodes) && !up(self.nodes + 1),
            StopClone => up(self.nodes),
            TimeOut(m) => up(m) && self.machines[m].memory.is_waiting,
            Reap(id) => self.is_reapable(id),
            Send(m, _) => up(m),
            Deliver(m) | DeliverSome(m, _) => up(m) && self.mail.is_some(),
            OneWay(i, j, _) | OneWaySome(i, j, ..) | Session(i, j) => up(i) && up(j) && i != j,
        }
    }

    fn is_reapable(&self, id: usize) -> bool {
        let first = &self.machines[0].store.records;
        self.rules.has(Weaker::DeletionsReaped)
            && self.mail.is_none()
            && self.saved.is_none()
            && self.machines.iter().all(|machine| &machine.store.records == first)
            && first[id].is_held()
            && first[id].live() == 0
    }

    pub(crate) fn apply(&mut self, action: &Action) {
        use Action::*;
        self.now += 1;
        let before = self.begin_step();
        match *action {
            Submit(m, id, c) => self.submit(m, id, c),
            Withdraw(m, id) => self.withdraw(m, id),
            WithdrawOf(m, id, node) => self.withdraw_of(m, id, node),
            Forget(m, id) => self.forget(m, id),
            Resolve(m, id, c) => self.resolve(m, id, c),
            Take(m) => {
                let handed = self.machines[m].hand_out();
                self.machines[m].memory.engine = Some(handed);
            }
            Read(m) => _ = self.machines[m].hand_out(),
            Return(m) => self.return_all(m),
            ReturnOne(m, id) => self.return_one(m, id),
            TimeOut(m) => self.take_in(m, 0..IDS),
            Send(m, id) => self.mail = Some((id, self.machines[m].store.records[id])),
            Deliver(m) => self.deliver(m, WHOLE),
            DeliverSome(m, subset) => self.deliver(m, subset),
            OneWay(i, j, id) => self.one_way(i, j, id, WHOLE),
            OneWaySome(i, j, id, subset) => self.one_way(i, j, id, subset),
            Session(i, j) => {
                self.session(i, j);
                self.take_in(i, 0..IDS);
                self.take_in(j, 0..IDS);
            }
            Lie(m, version) => self.machines[m].hear_version(self.now, version, &self.rules),
            Forge(m, id) => self.forge(m, id),
            Fill(m) => self.machines[m].is_full = true,
            DropImplausible(m) => self.drop_implausible(m),
            SetClock(m, error) => self.machines[m].memory.clock_error = error,
            _ => self.fault(action),
        }
        self.end_step(action, &before);
    }

    /// Applies a step that starts, copies or stops a machine's process, or that reaps a deletion.
    fn fault(&mut self, action: &Action) {
        use Action::*;
        let (now, rules) = (self.now, self.rules);
        match *action {
            Restart(m, error) => self.machines[m].start(now, error, &rules),
            LoseDisk(m, error) => self.lose_disk(m, error),
            Damage(m, id, error) => {
                let machine = &mut self.machines[m];
                machine.store.records[id] = Record::default();
                machine.store.last_submitted[id] = None;
                machine.store.met_peer = false;
                machine.start(now, error, &rules);
            }
            Save => self.saved = Some(Box::new(self.machines[0].clone())),
            Restore(error) => {
                // The store contains neither the key nor the roster.
                self.machines[0].store = self.saved.clone().expect("a copy was saved").store;
                self.machines[0].start(now, error, &rules);
            }
            ResumeMemory => {
                let error = self.machines[0].memory.clock_error;
                self.machines[0] = *self.saved.clone().expect("a copy was saved");
                self.machines[0].memory.clock_error = error;
            }
            Fork => self.machines.push(self.machines[0].clone()),
            Clone(error) | CloneAgain(error) => {
                let mut clone = self.machines[0].clone();
                clone.start(now, error, &rules);
                self.machines.push(clone);
            }
            StopClone => _ = self.machines.pop(),
            NewKey(m, error) => {
                self.lose_disk(m, error);
                self.renew_key(m, error);
            }
            RenewKey(m, error) => self.renew_key(m, error),
            Reap(id) => self.reap(id),
            _ => unreachable!("{action:?} is not a fault of a machine"),
        }
    }

    fn lose_disk(&mut self, m: usize, error: Time) {
        let (node, replaces) = (self.machines[m].node, self.machines[m].replaces);
        self.machines[m] = Machine::new(node, self.now, error, &self.rules);
        self.machines[m].replaces = replaces;
    }

    fn renew_key(&mut self, m: usize, error: Time) {
        self.machines[m].take_key(self.next_key, &self.rules);
        self.machines[m].start(self.now, error, &self.rules);
        self.next_key += 1;
    }

    fn reap(&mut self, id: usize) {
        for machine in &mut self.machines {
            let record = std::mem::take(&mut machine.store.records[id]);
            for (reaped, part) in machine.store.reaped.iter_mut().zip(&record.parts) {
                *reaped = (*reaped).max(part.entry);
            }
        }
    }

    /// Delivers a part for an unlisted node, which any member may send.
    fn forge(&mut self, m: usize, id: usize) {
        let mut record = Record::default();
        let version = self.now as u32 * 256;
        record.parts[STRANGER] = Part::new(version, &[Dot { version, content: 2 }]);
        self.join(m, id, &record);
    }

    /// V9: applies the waiting submissions of `ids` like any others. The wait ends if `ids` contains all ids.
    pub(crate) fn take_in(&mut self, m: usize, ids: std::ops::Range<usize>) {
        if !self.machines[m].memory.is_waiting {
            return;
        }
        let is_all = ids == (0..IDS);
        self.machines[m].memory.is_waiting = false;
        for (id, content) in self.machines[m].take_waiting(ids) {
            self.submit(m, id, content);
        }
        self.machines[m].memory.is_waiting = !is_all;
        self.machines[m].store.met_peer |= is_all;
    }

    /// Submits the snapshot that the engine received. Echo: a snapshot that equals the last one
    /// handed out writes nothing.
    fn return_all(&mut self, m: usize) {
        let memory = &self.machines[m].memory;
        let is_echo = memory.engine == Some(memory.handed);
        if is_echo && !self.rules.has(Weaker::EchoWritten) {
            return;
        }
        (0..IDS).for_each(|id| self.return_one(m, id));
    }

    pub(crate) fn return_one(&mut self, m: usize, id: usize) {
        if let Some(content) = self.machines[m].memory.engine.and_then(|engine| engine[id]) {
            self.submit(m, id, content);
        }
    }

    fn submit(&mut self, m: usize, id: usize, content: u8) {
        let writes = self.machines[m].writes(id);
        let outcome = self.machines[m].submit(self.now, id, content, &self.rules);
        self.book_submission(m, id, content, outcome, writes);
    }

    /// V9: applies the waiting submission of an id before an operation on that id.
    fn prepare(&mut self, m: usize, id: usize) {
        if !self.rules.has(Weaker::OperationPassesWaiting) {
            self.take_in(m, id..id + 1);
        }
        let memory = &self.machines[m].memory;
        self.ledger.reordered |= memory.is_waiting && memory.waiting[id].is_some();
    }

    fn withdraw(&mut self, m: usize, id: usize) {
        self.prepare(m, id);
        self.book_withdrawal(m, id);
        self.machines[m].withdraw(self.now, id, &self.rules);
    }

    fn withdraw_of(&mut self, m: usize, id: usize, node: usize) {
        self.prepare(m, id);
        self.book_withdrawal_of(m, id, node);
        self.machines[m].withdraw_of(self.now, id, node, &self.rules);
    }

    fn forget(&mut self, m: usize, id: usize) {
        self.prepare(m, id);
        self.book_forget(m, id);
        self.machines[m].forget(self.now, id, &self.rules);
    }

    fn resolve(&mut self, m: usize, id: usize, content: u8) {
        self.prepare(m, id);
        self.book_resolution(m, id, content);
        self.machines[m].resolve(self.now, id, content, &self.rules);
        self.owe(m, id, content);
    }

    fn drop_implausible(&mut self, m: usize) {
        self.book_drop(m);
        self.machines[m].drop_implausible(self.now, &self.rules);
    }

    fn deliver(&mut self, m: usize, subset: u8) {
        let (id, record) = self.mail.expect("a record is in flight");
        self.join(m, id, &record.subset(subset, &self.rules));
    }

    fn one_way(&mut self, i: usize, j: usize, id: usize, subset: u8) {
        self.exchange_hellos(i, j);
        let record = self.machines[i].store.records[id].subset(subset, &self.rules);
        self.join(j, id, &record);
    }

    pub(crate) fn join(&mut self, m: usize, id: usize, record: &Record) {
        let before = self.machines[m].store.records[id];
        let listed = self.listed();
        self.machines[m].join(self.now, id, record, listed, &self.rules);
        self.take_notes(m);
        self.book_join(m, id, &before);
    }

    /// V1: exchanges hellos. Each contains the greatest known version of the receiver's node, and
    /// the sender's clock.
    pub(crate) fn exchange_hellos(&mut self, i: usize, j: usize) {
        let (a, b) = (&self.machines[i], &self.machines[j]);
        let told_to_a = (b.greatest_known(a.node), b.memory.clock_error);
        let told_to_b = (a.greatest_known(b.node), a.memory.clock_error);
        self.machines[i].hear(self.now, told_to_a.0, told_to_a.1, &self.rules);
        self.machines[j].hear(self.now, told_to_b.0, told_to_b.1, &self.rules);
    }

    /// Runs a whole session. Returns whether it changed a record.
    pub(crate) fn session(&mut self, i: usize, j: usize) -> bool {
        let records = |world: &Self| [i, j].map(|m| world.machines[m].store.records);
        let before = records(self);
        self.exchange_hellos(i, j);
        let pinned = records(self);
        for id in (0..IDS).filter(|id| pinned[0][*id] != pinned[1][*id]) {
            self.join(i, id, &pinned[1][id]);
            self.join(j, id, &pinned[0][id]);
        }
        before != records(self)
    }

    /// A digest of the state that future steps and the verdict depend on.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for machine in self.machines.iter().chain(self.saved.as_deref()) {
            (machine.node, machine.replaces, machine.is_full).hash(&mut hasher);
            (&machine.store, &machine.memory).hash(&mut hasher);
        }
        (self.saved.is_some(), &self.mail, self.next_key, &self.ledger).hash(&mut hasher);
        hasher.finish()
    }
}
