//! A custom view of dotted records: an `engram_vclock::Siblings` holds the values of each record,
//! an `engram_merkle::Tree` finds the records that differ, and the law suite for views checks the
//! view.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use engram_gossip_proto::testing::{Replica, check_view};
use engram_gossip_proto::{
    Delivery, Entry, OpaqueContent, Part, Prefix, Receipt, Record, Rejection, Summary, View,
};
use engram_merkle::{Digest, HEADER_LEN, Hasher, Path, Sha256, Tree};
use engram_vclock::{Dot, Siblings, VectorClock};

/// The values of an id, as content digests.
type Values = Siblings<[u8; 32]>;

/// The state of an id.
#[derive(Clone, Default, PartialEq)]
struct Stored {
    values: Values,
    /// The digests that peers have suppressed, each with its causal length. This store suppresses
    /// nothing itself.
    suppressed: BTreeMap<[u8; 32], u32>,
}

/// The store of one node. Clones share its state.
#[derive(Clone)]
struct Store(Arc<Mutex<State>>);

struct State {
    node: [u8; 32],
    clock: u64,
    records: BTreeMap<Arc<str>, Stored>,
    contents: BTreeMap<[u8; 32], OpaqueContent>,
    tree: Tree<Arc<str>, Sha256>,
}

/// The live store, and a pinned tree that shares its nodes with the live tree.
struct StoreView {
    tree: Tree<Arc<str>, Sha256>,
    store: Store,
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256.hash(&[0; HEADER_LEN], bytes).into()
}

impl Store {
    fn new(node: [u8; 32]) -> Self {
        let tree = Tree::new(Sha256);
        let (records, contents) = Default::default();
        Self(Arc::new(Mutex::new(State { node, clock: 0, records, contents, tree })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no holder panics")
    }
}

impl State {
    /// Replaces all values of `id` that this node holds with one content.
    fn write(&mut self, id: &str, bytes: &[u8]) {
        self.clock += 1;
        let digest = sha256(bytes);
        let stored = self.records.entry(id.into()).or_default();
        let written = stored.values.resolve(Dot::new(self.node, self.clock), digest);
        written.expect("the clock is above all writes of this node");
        self.contents.insert(digest, OpaqueContent::new(bytes));
        self.place(id);
    }

    /// Joins one record, and returns whether the state of its id changed. Refuses a record that is
    /// not canonical, and one that names a content that is neither in `brought` nor stored.
    fn join(
        &mut self,
        record: &Record,
        brought: &BTreeMap<[u8; 32], OpaqueContent>,
    ) -> Result<bool, Rejection> {
        let theirs = values(record).ok_or(Rejection::InvalidRecord)?;
        for digest in theirs.values() {
            let content = brought.get(digest).or_else(|| self.contents.get(digest));
            content.ok_or(Rejection::MissingContent)?;
        }
        let named =
            theirs.values().filter_map(|digest| Some((*digest, brought.get(digest)?.clone())));
        self.contents.extend(named);
        let ours = self.records.entry(record.id.as_str().into()).or_default();
        let before = ours.clone();
        ours.values.join(&theirs);
        for (digest, length) in &record.suppressed {
            let longest = ours.suppressed.entry(*digest).or_default();
            *longest = (*length).max(*longest);
        }
        let changed = *ours != before;
        self.place(&record.id);
        Ok(changed)
    }

    /// Updates the tree after a change to `id`.
    fn place(&mut self, id: &str) {
        let record = record(id, &self.records[id]);
        let mut bytes = (record.parts.len() as u64).to_be_bytes().to_vec();
        for part in &record.parts {
            bytes.extend([&part.node[..], &part.entry.to_be_bytes()].concat());
            bytes.extend((part.dots.len() as u64).to_be_bytes());
            part.dots.iter().for_each(|(version, digest)| {
                bytes.extend([&version.to_be_bytes()[..], digest].concat());
            });
        }
        for (digest, length) in &record.suppressed {
            bytes.extend([&digest[..], &length.to_be_bytes()].concat());
        }
        self.tree.upsert(id.into(), Digest::from(sha256(&bytes)));
    }
}

/// The wire form of an id's record: one part per node, and the suppressed digests.
fn record(id: &str, stored: &Stored) -> Record {
    let parts = stored.values.parts().map(|part| Part {
        node: *part.node,
        entry: part.entry,
        dots: part.live.iter().map(|(dot, digest)| (dot.version, *digest)).collect(),
    });
    let suppressed = stored.suppressed.iter().map(|(digest, length)| (*digest, *length));
    Record { id: id.into(), parts: parts.collect(), suppressed: suppressed.collect() }
}

/// The values of a record; `None` if its parts are not canonical.
fn values(record: &Record) -> Option<Values> {
    let context = record.parts.iter().map(|part| (part.node, part.entry));
    let live = record.parts.iter().flat_map(|part| {
        part.dots.iter().map(|(version, digest)| (Dot::new(part.node, *version), *digest))
    });
    Siblings::from_parts(live.collect(), VectorClock::from_sorted(context).ok()?).ok()
}

fn path(prefix: &Prefix) -> Path {
    let level = u16::from(prefix.nibbles()) * 4;
    Path::of(&Digest::from(*prefix.bits()), level).expect("a prefix has at most 256 bits")
}

fn summary(tree: &Tree<Arc<str>, Sha256>) -> Summary {
    Summary { root: tree.root().into(), count: tree.len() as u64, generation: 0 }
}

impl View for StoreView {
    type Content = OpaqueContent;

    fn summary(&self) -> Summary {
        summary(&self.tree)
    }

    fn count(&self, prefix: &Prefix) -> u64 {
        self.tree.count(&path(prefix))
    }

    fn children(&self, prefix: &Prefix) -> [Option<[u8; 32]>; 16] {
        self.tree.children(&path(prefix)).map(|child| child.map(Into::into))
    }

    fn entries(&self, prefix: &Prefix) -> Vec<Entry> {
        let entries = self.tree.entries(&path(prefix));
        entries.map(|e| Entry { key: e.key_hash.into(), record: e.value.into() }).collect()
    }

    fn record(&self, key: &[u8; 32]) -> Option<Record> {
        let id = &self.tree.entry(&Digest::from(*key))?.key;
        self.store.state().records.get(id).map(|stored| record(id, stored))
    }

    fn content(&self, digest: &[u8; 32]) -> Option<OpaqueContent> {
        self.store.state().contents.get(digest).cloned()
    }

    fn holds(&self, digest: &[u8; 32]) -> bool {
        self.store.state().contents.contains_key(digest)
    }

    fn key_of(&self, id: &str) -> [u8; 32] {
        self.tree.key_hash(id).into()
    }

    fn digest(&self, content: &OpaqueContent) -> [u8; 32] {
        sha256(content.as_bytes())
    }

    fn apply(&mut self, delivery: Delivery<OpaqueContent>) -> Receipt {
        let (brought, mut receipt) = (delivery.contents.into_iter().collect(), Receipt::default());
        let mut state = self.store.state();
        for record in delivery.records {
            match state.join(&record, &brought) {
                Ok(true) => receipt.applied += 1,
                Ok(false) => receipt.stale += 1,
                Err(reason) => receipt.rejected.push((record.id, reason)),
            }
        }
        receipt
    }

    fn live_summary(&self) -> Summary {
        summary(&self.store.state().tree)
    }

    fn repin(&mut self) {
        self.tree = self.store.state().tree.clone();
    }
}

impl Replica for Store {
    type View = StoreView;

    fn write(&mut self, id: &str, number: u64) {
        self.state().write(id, &number.to_be_bytes());
    }

    fn pin(&self) -> StoreView {
        StoreView { tree: self.state().tree.clone(), store: self.clone() }
    }
}

fn main() -> Result<(), engram_gossip_proto::testing::BrokenView> {
    check_view(Store::new)?;
    println!("the view of dotted records satisfies the laws");
    Ok(())
}
