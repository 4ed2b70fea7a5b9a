//! A store that loses something, such as a change to a record, a part of the record, or its place
//! in the clocks.

use std::cell::{RefCell, RefMut};
use std::collections::BTreeMap;
use std::rc::Rc;

use engram_gossip_proto::testing::Replica;
use engram_gossip_proto::{
    ClockIndex, Clocks, Delivery, Entry, OpaqueContent, Part, Prefix, Receipt, Record, Rejection,
    Summary, View,
};
use sha2::{Digest, Sha256};

use crate::common::{Tree, join, key_of};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    Nothing,
    DigestOfTheKey,
    DigestOfTheContext,
    DigestWithoutSuppression,
    ArrivalReplacesTheRecord,
    OlderArrivalIsIgnored,
    NewestEntryWins,
    DeletionIsForgotten,
    SuppressionIsDropped,
    WriteForgetsOtherNodes,
    WriteKeepsOtherContents,
    ClocksMissWrites,
    ClocksMissArrivals,
    ArrivalsCountAsHandled,
    OwnWritesAreNotHandled,
    OneRefusalRefusesAll,
    LastRecordOfAnIdWins,
    LastSuppressionWins,
    CountsWithoutDeletions,
    IdsAreCut,
    IdsAreLowerCase,
    IdsAreTrimmed,
    RestartLosesARecord,
    RestartLosesClocks,
    RestartForgetsTheVersion,
}

use Loss::*;

/// The store of one node. Clones share it.
#[derive(Clone)]
pub(super) struct Lossy(Rc<RefCell<State>>);

struct State {
    loss: Loss,
    node: [u8; 32],
    version: u64,
    records: BTreeMap<[u8; 32], Record>,
    contents: BTreeMap<[u8; 32], OpaqueContent>,
    clocks: ClockIndex,
}

/// A pinned tree over the live store.
pub(super) struct LossyView {
    tree: Rc<Tree>,
    store: Lossy,
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn entry(record: &Record, node: &[u8; 32]) -> u64 {
    record.parts.iter().find(|part| part.node == *node).map_or(0, |part| part.entry)
}

impl Lossy {
    pub(super) fn new(loss: Loss, node: [u8; 32]) -> Self {
        let (records, contents, clocks) = Default::default();
        Self(Rc::new(RefCell::new(State { loss, node, version: 0, records, contents, clocks })))
    }

    fn state(&self) -> RefMut<'_, State> {
        self.0.borrow_mut()
    }
}

impl State {
    fn write(&mut self, id: &str, content: OpaqueContent) {
        self.version += 1;
        let named = digest(content.as_bytes());
        let written =
            Part { node: self.node, entry: self.version, dots: vec![(self.version, named)] };
        let mut record = self.held(id);
        match self.loss {
            WriteForgetsOtherNodes => record.parts.clear(),
            WriteKeepsOtherContents => record.parts.retain(|part| part.node != self.node),
            _ => {
                record.parts.retain(|part| part.node != self.node);
                record.parts.iter_mut().for_each(|part| part.dots.clear());
            }
        }
        record.parts.push(written);
        record.parts.sort_by_key(|part| part.node);
        self.contents.insert(named, content);
        self.replace(record, self.loss != ClocksMissWrites);
        let node = *self.node.first_chunk().unwrap();
        if self.loss != OwnWritesAreNotHandled {
            self.clocks.raise(node, self.version);
        }
    }

    /// Rebuilds the clocks from the kept records. Three of the losses occur here.
    fn restart(&mut self) {
        self.clocks = ClockIndex::new();
        match self.loss {
            RestartLosesARecord => _ = self.records.pop_last(),
            RestartForgetsTheVersion => self.version = 0,
            RestartLosesClocks => return,
            _ => {}
        }
        for (key, record) in &self.records {
            record.parts.iter().for_each(|part| self.clocks.change(key, &part.node, 0, part.entry));
        }
        self.clocks.restart();
    }

    fn stored(&self, id: &str) -> String {
        match self.loss {
            IdsAreCut => id.chars().take(20).collect(),
            IdsAreLowerCase => id.to_lowercase(),
            IdsAreTrimmed => id.trim().into(),
            _ => id.into(),
        }
    }

    fn is_counted(&self, key: &[u8; 32]) -> bool {
        let is_live = |record: &Record| record.parts.iter().any(|part| !part.dots.is_empty());
        self.loss != CountsWithoutDeletions || self.records.get(key).is_none_or(is_live)
    }

    fn join(
        &mut self,
        record: &Record,
        brought: &BTreeMap<[u8; 32], OpaqueContent>,
    ) -> Result<bool, Rejection> {
        let mut new = Vec::new();
        for (_, named) in record.parts.iter().flat_map(|part| &part.dots) {
            match brought.get(named) {
                Some(content) => new.push((*named, content.clone())),
                None if self.contents.contains_key(named) => {}
                None => return Err(Rejection::MissingContent),
            }
        }
        let held = self.held(&record.id);
        let joined = self.joined(&held, record);
        let changed = joined != held;
        self.contents.extend(new);
        self.replace(joined, self.loss != ClocksMissArrivals);
        if self.loss == ArrivalsCountAsHandled {
            self.clocks.restart();
        }
        Ok(changed)
    }

    fn joined(&self, held: &Record, arrived: &Record) -> Record {
        let mut arrived = arrived.clone();
        let is_held = |part: &Part| entry(held, &part.node) >= part.entry;
        match self.loss {
            ArrivalReplacesTheRecord => return arrived,
            // Only a record whose entries are all known is ignored; a concurrent one is joined.
            OlderArrivalIsIgnored if arrived.parts.iter().all(is_held) => return held.clone(),
            NewestEntryWins => arrived.parts.retain(|part| !is_held(part)),
            SuppressionIsDropped => arrived.suppressed.clear(),
            _ => {}
        }
        let mut joined = join(held, &arrived);
        if self.loss == LastSuppressionWins && !arrived.suppressed.is_empty() {
            joined.suppressed = arrived.suppressed;
        }
        joined
    }

    fn held(&self, id: &str) -> Record {
        let none = || Record { id: id.into(), ..Record::default() };
        self.records.get(&key_of(id)).cloned().unwrap_or_else(none)
    }

    fn replace(&mut self, record: Record, in_clocks: bool) {
        let (key, old) = (key_of(&record.id), self.held(&record.id));
        for part in record.parts.iter().filter(|_| in_clocks) {
            self.clocks.change(&key, &part.node, entry(&old, &part.node), part.entry);
        }
        let is_deleted = record.parts.iter().all(|part| part.dots.is_empty());
        if is_deleted && self.loss == DeletionIsForgotten {
            self.records.remove(&key);
        } else {
            let id = self.stored(&record.id);
            self.records.insert(key, Record { id, ..record });
        }
    }

    fn tree(&self) -> Tree {
        let entry = |(key, record): (&[u8; 32], &Record)| Entry {
            key: *key,
            record: self.record_digest(key, record),
        };
        Tree::new(self.records.iter().map(entry).collect())
    }

    fn record_digest(&self, key: &[u8; 32], record: &Record) -> [u8; 32] {
        let mut covered = record.clone();
        match self.loss {
            DigestOfTheKey => return *key,
            DigestOfTheContext => covered.parts.iter_mut().for_each(|part| part.dots.clear()),
            DigestWithoutSuppression => covered.suppressed.clear(),
            _ => {}
        }
        digest(format!("{covered:?}").as_bytes())
    }
}

impl Replica for Lossy {
    type View = LossyView;

    fn write(&mut self, id: &str, number: u64) {
        self.state().write(id, OpaqueContent::new(number.to_be_bytes()));
    }

    fn pin(&self) -> LossyView {
        LossyView { tree: Rc::new(self.state().tree()), store: self.clone() }
    }

    fn reopen(&mut self) -> bool {
        self.state().restart();
        true
    }
}

fn summary(tree: &Tree) -> Summary {
    Summary { root: tree.root(), count: tree.len() as u64, generation: 0 }
}

impl View for LossyView {
    type Content = OpaqueContent;

    fn summary(&self) -> Summary {
        Summary { count: self.count(&Prefix::ROOT), ..summary(&self.tree) }
    }

    fn count(&self, prefix: &Prefix) -> u64 {
        let (entries, state) = (self.tree.entries(prefix), self.store.state());
        entries.iter().filter(|entry| state.is_counted(&entry.key)).count() as u64
    }

    fn children(&self, prefix: &Prefix) -> [Option<[u8; 32]>; 16] {
        self.tree.children(prefix)
    }

    fn entries(&self, prefix: &Prefix) -> Vec<Entry> {
        self.tree.entries(prefix)
    }

    fn record(&self, key: &[u8; 32]) -> Option<Record> {
        self.store.state().records.get(key).cloned()
    }

    fn content(&self, digest: &[u8; 32]) -> Option<OpaqueContent> {
        self.store.state().contents.get(digest).cloned()
    }

    fn holds(&self, digest: &[u8; 32]) -> bool {
        self.store.state().contents.contains_key(digest)
    }

    fn key_of(&self, id: &str) -> [u8; 32] {
        key_of(id)
    }

    fn digest(&self, content: &OpaqueContent) -> [u8; 32] {
        digest(content.as_bytes())
    }

    fn apply(&mut self, delivery: Delivery<OpaqueContent>) -> Receipt {
        let (brought, mut receipt) = (delivery.contents.into_iter().collect(), Receipt::default());
        let mut state = self.store.state();
        let (mut records, before) = (delivery.records, state.records.clone());
        if state.loss == LastRecordOfAnIdWins {
            let last: BTreeMap<_, _> = records.into_iter().map(|r| (key_of(&r.id), r)).collect();
            records = last.into_values().collect();
        }
        for record in &records {
            match state.join(record, &brought) {
                Ok(true) => receipt.applied += 1,
                Ok(false) => receipt.stale += 1,
                Err(reason) => receipt.rejected.push((record.id.clone(), reason)),
            }
        }
        if let (OneRefusalRefusesAll, Some((_, reason))) = (state.loss, receipt.rejected.first()) {
            let refused = records.iter().map(|record| (record.id.clone(), *reason)).collect();
            receipt = Receipt { rejected: refused, ..Receipt::default() };
            state.records = before;
        }
        receipt
    }

    fn live_summary(&self) -> Summary {
        summary(&self.store.state().tree())
    }

    /// Keeps the store borrowed while `work` runs.
    fn with_clocks(&self, work: &mut dyn FnMut(&mut dyn Clocks)) -> bool {
        work(&mut self.store.state().clocks);
        true
    }

    fn repin(&mut self) {
        self.tree = Rc::new(self.store.state().tree());
    }
}
