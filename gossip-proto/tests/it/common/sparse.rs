//! A large tree in which only the differing records exist.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use engram_gossip_proto::{
    Delivery, Entry, Part, PatternContent, Prefix, Receipt, Record, Rejection, Summary, View,
};
use sha2::{Digest, Sha256};

use super::{State, Tree, content, content_digest, key_of, node_id};

/// A pinned tree without a store; it counts received records and drops them.
#[derive(Clone)]
pub(crate) struct Sparse {
    tree: Rc<Tree>,
    records: Rc<BTreeMap<[u8; 32], Record>>,
    contents: Rc<BTreeMap<[u8; 32], PatternContent>>,
    /// Number of entries read.
    pub(crate) read: Rc<Cell<usize>>,
}

/// Two trees of about `entries` entries that differ in exactly `differences` keys: the records of
/// half of these keys (rounded up) are changed, the others are missing on alternating sides.
pub(crate) fn pair(entries: usize, differences: usize, seed: u64) -> (Sparse, Sparse) {
    let id = |i: usize| format!("pattern_{seed}_{i}");
    let same = (0..entries)
        .map(|i| Entry { key: key_of(&id(i)), record: Sha256::digest(i.to_le_bytes()).into() });
    let base: BTreeMap<[u8; 32], [u8; 32]> = same.map(|e| (e.key, e.record)).collect();
    let (mut a, mut b) = (base.clone(), base);
    let (mut state_a, mut state_b) = (State::default(), State::default());
    for i in 0..differences {
        let key = key_of(&id(i));
        let write = |tree: &mut BTreeMap<_, _>, state: &mut State, node: u8| {
            state.submit(node, i as u64 + 1, content(&id(i), i as u32 + u32::from(node)));
            tree.insert(key, [node; 32]);
        };
        match i % 4 {
            0 | 2 => {
                write(&mut a, &mut state_a, 1);
                write(&mut b, &mut state_b, 2);
            }
            1 => {
                b.remove(&key);
                write(&mut a, &mut state_a, 1);
            }
            _ => {
                a.remove(&key);
                write(&mut b, &mut state_b, 2);
            }
        }
    }
    (Sparse::new(a, state_a), Sparse::new(b, state_b))
}

impl Sparse {
    fn new(entries: BTreeMap<[u8; 32], [u8; 32]>, state: State) -> Self {
        let entries = entries.into_iter().map(|(key, record)| Entry { key, record });
        Self {
            tree: Rc::new(Tree::new(entries.collect())),
            records: Rc::new(state.records),
            contents: Rc::new(state.contents),
            read: Rc::default(),
        }
    }
}

impl Sparse {
    /// Adds a record for each content. The entries added before remain, without their records.
    #[allow(dead_code, reason = "for benches/size.rs")]
    pub(crate) fn add(&mut self, contents: Vec<PatternContent>) {
        let mut state = State::default();
        for (at, content) in contents.into_iter().enumerate() {
            state.submit(1, at as u64 + 1, content);
        }
        let old = self.tree.entries(&Prefix::ROOT).into_iter();
        let mut entries: BTreeMap<_, _> = old.map(|entry| (entry.key, entry.record)).collect();
        entries.extend(state.records.keys().map(|key| (*key, *key)));
        *self = Self::new(entries, state);
    }
}

impl Sparse {
    /// Adds `nodes` nodes without live dots to every record.
    #[allow(dead_code, reason = "for tests/memory.rs")]
    pub(crate) fn widen(&mut self, nodes: u8) {
        for record in Rc::make_mut(&mut self.records).values_mut() {
            let part = |n| Part { node: node_id(100 + n), entry: 1, dots: vec![] };
            record.parts.extend((0..nodes).map(part));
            record.parts.sort_by_key(|part| part.node);
        }
    }
}

impl View for Sparse {
    type Content = PatternContent;

    fn summary(&self) -> Summary {
        Summary { root: self.tree.root(), count: self.tree.len() as u64, generation: 1_000 }
    }

    fn count(&self, prefix: &Prefix) -> u64 {
        self.tree.count(prefix)
    }

    fn children(&self, prefix: &Prefix) -> [Option<[u8; 32]>; 16] {
        self.tree.children(prefix)
    }

    fn entries(&self, prefix: &Prefix) -> Vec<Entry> {
        let entries = self.tree.entries(prefix);
        self.read.set(self.read.get() + entries.len());
        entries
    }

    fn record(&self, key: &[u8; 32]) -> Option<Record> {
        self.records.get(key).cloned()
    }

    fn content(&self, digest: &[u8; 32]) -> Option<PatternContent> {
        self.contents.get(digest).cloned()
    }

    fn holds(&self, digest: &[u8; 32]) -> bool {
        self.contents.contains_key(digest)
    }

    fn key_of(&self, id: &str) -> [u8; 32] {
        key_of(id)
    }

    fn digest(&self, content: &PatternContent) -> [u8; 32] {
        content_digest(content)
    }

    fn apply(&mut self, delivery: Delivery<PatternContent>) -> Receipt {
        let mut receipt = Receipt::default();
        for record in delivery.records {
            let mut named = record.parts.iter().flat_map(|part| &part.dots);
            let came = |named| delivery.contents.iter().any(|(digest, _)| digest == named);
            if named.all(|(_, digest)| came(digest)) {
                receipt.applied += 1;
            } else {
                receipt.rejected.push((record.id, Rejection::MissingContent));
            }
        }
        receipt
    }

    fn live_summary(&self) -> Summary {
        self.summary()
    }
}
