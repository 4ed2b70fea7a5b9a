//! A naive store in memory, and its tree.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::BTreeSet;
use std::rc::Rc;

use engram_gossip_proto::{
    Clocks, Delivery, Entry, PatternContent, Prefix, Receipt, Record, ShortNode, Summary,
    VersionRange, View,
};
use sha2::{Digest, Sha256};

use super::indexed::{Indexed, Origin};
use super::model::record_digest;
use super::{State, content_digest, key_of};

/// Sorted entries with running fingerprints: digests of any range in logarithmic time.
pub(crate) struct Tree {
    entries: Vec<Entry>,
    sums: Vec<[u8; 32]>,
}

impl Tree {
    pub(crate) fn of(state: &State) -> Self {
        let entries = state.records.iter();
        Self::new(entries.map(|(key, r)| Entry { key: *key, record: record_digest(r) }).collect())
    }

    /// Creates the tree of `entries`, which must ascend by key.
    pub(crate) fn new(entries: Vec<Entry>) -> Self {
        let mut sums = vec![[0; 32]];
        let mut sum = [0; 32];
        for entry in &entries {
            let line = Sha256::digest([entry.key, entry.record].as_flattened());
            sum.iter_mut().zip(line).for_each(|(a, b)| *a ^= b);
            sums.push(sum);
        }
        Self { entries, sums }
    }

    fn range(&self, prefix: &Prefix) -> std::ops::Range<usize> {
        let start = self.entries.partition_point(|entry| entry.key < *prefix.bits());
        let len = self.entries[start..].partition_point(|entry| prefix.contains(&entry.key));
        start..start + len
    }

    pub(crate) fn digest(&self, prefix: &Prefix) -> Option<[u8; 32]> {
        let range = self.range(prefix);
        let mut sum = self.sums[range.end];
        sum.iter_mut().zip(self.sums[range.start]).for_each(|(a, b)| *a ^= b);
        (!range.is_empty()).then_some(sum)
    }

    pub(crate) fn root(&self) -> [u8; 32] {
        self.digest(&Prefix::ROOT).unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn count(&self, prefix: &Prefix) -> u64 {
        self.range(prefix).len() as u64
    }

    pub(crate) fn entries(&self, prefix: &Prefix) -> Vec<Entry> {
        self.entries[self.range(prefix)].to_vec()
    }

    pub(crate) fn children(&self, prefix: &Prefix) -> [Option<[u8; 32]>; 16] {
        std::array::from_fn(|nibble| self.digest(&prefix.child(nibble as u8)?))
    }
}

/// A shared store, its tree as of the last write, and its clocks if it has any.
#[derive(Clone, Default)]
pub(crate) struct Store {
    pub(crate) state: Rc<RefCell<State>>,
    tree: Rc<RefCell<Option<Rc<Tree>>>>,
    /// Whether the clocks lack the last writes.
    is_ahead: Rc<Cell<bool>>,
    clocks: Option<Rc<RefCell<Indexed>>>,
    /// The nodes whose ranges other sessions have claimed.
    pub(crate) left: Rc<RefCell<BTreeSet<ShortNode>>>,
}

impl Store {
    pub(crate) fn new(state: State) -> Self {
        let is_ahead = Rc::new(Cell::new(true));
        Self { state: Rc::new(RefCell::new(state)), is_ahead, ..Self::default() }
    }

    /// A store with clocks that treats `state` as its own writes.
    pub(crate) fn clocked(state: State) -> Self {
        Self { clocks: Some(Rc::default()), ..Self::new(state) }
    }

    /// An independent copy of the store with the same state and clocks.
    pub(crate) fn fork(&self) -> Self {
        let clocks =
            self.clocks.as_ref().map(|clocks| Rc::new(RefCell::new(clocks.borrow().clone())));
        Self { clocks, ..Self::new(self.state()) }
    }

    /// The clocks, with all writes so far.
    pub(crate) fn clocks(&self) -> RefMut<'_, Indexed> {
        let mut clocks = self.clocks.as_ref().expect("a store with clocks").borrow_mut();
        if self.is_ahead.take() {
            clocks.follow_writes(&self.state.borrow());
        }
        clocks
    }

    /// The tree of the live state, cached until the next change.
    pub(crate) fn tree(&self) -> Rc<Tree> {
        let mut known = self.tree.borrow_mut();
        known.get_or_insert_with(|| Rc::new(Tree::of(&self.state.borrow()))).clone()
    }

    /// The live state, to be changed.
    pub(crate) fn change(&self) -> RefMut<'_, State> {
        *self.tree.borrow_mut() = None;
        self.is_ahead.set(true);
        self.state.borrow_mut()
    }

    pub(crate) fn write<T>(&self, write: impl FnOnce(&mut State) -> T) -> T {
        write(&mut self.change())
    }

    pub(crate) fn pin(&self) -> Memory {
        Memory { tree: self.tree(), store: self.clone() }
    }

    pub(crate) fn state(&self) -> State {
        self.state.borrow().clone()
    }
}

/// A pinned tree over a live store.
#[derive(Clone)]
pub(crate) struct Memory {
    tree: Rc<Tree>,
    store: Store,
}

impl View for Memory {
    type Content = PatternContent;

    fn summary(&self) -> Summary {
        Summary { root: self.tree.root(), count: self.tree.len() as u64, generation: 7 }
    }

    fn count(&self, prefix: &Prefix) -> u64 {
        self.tree.count(prefix)
    }

    fn children(&self, prefix: &Prefix) -> [Option<[u8; 32]>; 16] {
        self.tree.children(prefix)
    }

    fn entries(&self, prefix: &Prefix) -> Vec<Entry> {
        self.tree.entries(prefix)
    }

    fn record(&self, key: &[u8; 32]) -> Option<Record> {
        self.store.state.borrow().records.get(key).cloned()
    }

    fn content(&self, digest: &[u8; 32]) -> Option<PatternContent> {
        self.store.state.borrow().contents.get(digest).cloned()
    }

    fn holds(&self, digest: &[u8; 32]) -> bool {
        self.store.state.borrow().contents.contains_key(digest)
    }

    fn key_of(&self, id: &str) -> [u8; 32] {
        key_of(id)
    }

    fn digest(&self, content: &PatternContent) -> [u8; 32] {
        content_digest(content)
    }

    fn apply(&mut self, delivery: Delivery<PatternContent>) -> Receipt {
        let keys: Vec<_> = delivery.records.iter().map(|record| key_of(&record.id)).collect();
        let clocks = self.store.clocks.is_some().then(|| self.store.clocks());
        let receipt = self.store.write(|state| state.take(delivery));
        if let Some(mut clocks) = clocks {
            clocks.follow(&self.store.state.borrow(), keys.iter(), Origin::Peer);
            self.store.is_ahead.set(false);
        }
        receipt
    }

    fn live_summary(&self) -> Summary {
        self.store.pin().summary()
    }

    fn accepts_records(&self) -> bool {
        !self.store.state.borrow().is_full
    }

    fn claim_range(&self, range: &VersionRange) -> bool {
        !self.store.left.borrow().contains(&range.node)
    }

    fn with_clocks(&self, work: &mut dyn FnMut(&mut dyn Clocks)) -> bool {
        if self.store.clocks.is_some() {
            work(&mut self.store.clocks().index);
        }
        self.store.clocks.is_some()
    }

    fn repin(&mut self) {
        self.tree = self.store.tree();
    }
}
