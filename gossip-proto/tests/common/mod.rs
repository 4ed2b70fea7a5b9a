//! A naive store in memory.
#![allow(dead_code, unreachable_pub, unused_imports)]

pub mod pair;
pub mod real;
pub mod samples;
pub mod sparse;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use engram_gossip_proto::{
    Actor, Body, Content, Delivery, Dot, Entry, Parameters, Precision, Prefix, Receipt, Record,
    Rejection, SpaceId, Summary, View,
};
use sha2::{Digest, Sha256};

pub use pair::{Contact, Pair, sync, sync_with};

pub const DIMENSION: usize = 8;

pub fn parameters() -> Parameters {
    Parameters {
        hash: "sha256".into(),
        depth: 12,
        dimension: DIMENSION as u32,
        precision: Precision::F32,
        strategy: "confidence-voting".into(),
    }
}

pub fn space(name: &str) -> SpaceId {
    SpaceId::new(name).unwrap()
}

pub fn actor(node: u8) -> Actor {
    Actor { node: [node; 32], incarnation: 0x0123_4567_89ab_cdef ^ u64::from(node) }
}

/// A small content; equal arguments make equal contents.
pub fn content(id: &str, seed: u32) -> Content {
    Content {
        id: id.into(),
        embedding: (0..DIMENSION).map(|i| ((seed as usize * 31 + i) % 97) as f32 / 97.0).collect(),
        source_episodes: vec![format!("episode-{seed:04}"), format!("episode-{:04}", seed + 1)],
        strength: 0.75,
        schema_confidence: 0.5,
        last_consolidated: 1_740_000_000_000_000_000 + i64::from(seed),
    }
}

pub fn content_digest(content: &Content) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update((content.id.len() as u32).to_le_bytes());
    hash.update(&content.id);
    for value in content.embedding.iter() {
        hash.update(value.to_bits().to_le_bytes());
    }
    for episode in &content.source_episodes {
        hash.update((episode.len() as u32).to_le_bytes());
        hash.update(episode);
    }
    hash.update(content.strength.to_bits().to_le_bytes());
    hash.update(content.schema_confidence.to_bits().to_le_bytes());
    hash.update(content.last_consolidated.to_le_bytes());
    hash.finalize().into()
}

fn record_digest(record: &Record) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix((record.context.len() as u32).to_le_bytes());
    let mut put_actor = |actor: &Actor, counter: u64| {
        hash.update(actor.node);
        hash.update(actor.incarnation.to_le_bytes());
        hash.update(counter.to_le_bytes());
    };
    record.context.iter().for_each(|(actor, counter)| put_actor(actor, *counter));
    record.siblings.iter().for_each(|(dot, _)| put_actor(&dot.actor, dot.counter));
    for (_, body) in &record.siblings {
        let (tag, digests) = match body {
            Body::Content(digest) => (0, core::slice::from_ref(digest)),
            Body::Tombstone { buried } => (1, &buried[..]),
        };
        hash.update([tag]);
        hash.update((digests.len() as u32).to_le_bytes());
        hash.update(digests.as_flattened());
    }
    hash.update(&record.id);
    hash.finalize().into()
}

/// Ids of the form `clash-<group>-<rest>` have keys that agree in the first 6 bytes of their group,
/// and so cannot be told apart by a shortened key; those of the form `crowd-<group>-<rest>` agree in
/// 4 bytes, so that they are told apart deep in the tree.
pub fn key_of(id: &str) -> [u8; 32] {
    let mut key: [u8; 32] = Sha256::digest(id).into();
    for (form, shared) in [("clash-", 6), ("crowd-", 4)] {
        if let Some(group) = id.strip_prefix(form).and_then(|rest| rest.split('-').next()) {
            key[..shared].copy_from_slice(&Sha256::digest(group)[..shared]);
        }
    }
    key
}

/// The join of two records of one id, as the model defines it.
pub fn join(a: &Record, b: &Record) -> Record {
    let covers = |r: &Record, dot: &Dot| {
        r.context.iter().any(|(actor, counter)| *actor == dot.actor && dot.counter <= *counter)
    };
    let has = |r: &Record, dot: &Dot| r.siblings.iter().any(|(d, _)| d == dot);
    let mut siblings: BTreeMap<Dot, Body> = BTreeMap::new();
    for (ours, other) in [(a, b), (b, a)] {
        for (dot, body) in &ours.siblings {
            if has(other, dot) || !covers(other, dot) {
                siblings.insert(*dot, body.clone());
            }
        }
    }
    let mut context: BTreeMap<Actor, u64> = BTreeMap::new();
    for (actor, counter) in a.context.iter().chain(&b.context) {
        let highest = context.entry(*actor).or_default();
        *highest = (*highest).max(*counter);
    }
    Record {
        id: a.id.clone(),
        siblings: siblings.into_iter().collect(),
        context: context.into_iter().collect(),
    }
}

/// Records, and the contents that they name.
type Essence<'a> = (&'a BTreeMap<[u8; 32], Record>, BTreeMap<[u8; 32], &'a Content>);

/// What a session is opened over.
pub type Spaces<V> = Vec<(SpaceId, V)>;

/// The live state of one space.
#[derive(Clone, Default, Debug, PartialEq)]
pub struct State {
    pub records: BTreeMap<[u8; 32], Record>,
    pub contents: BTreeMap<[u8; 32], Content>,
    pub recent: Vec<[u8; 32]>,
    /// Ids whose records are refused, as if they broke a rule.
    pub poison: BTreeSet<String>,
}

impl State {
    /// One write by `node`, which supersedes its own older writes of the id.
    pub fn submit(&mut self, node: u8, counter: u64, content: Content) {
        let key = key_of(&content.id);
        let digest = content_digest(&content);
        let record = self.records.entry(key).or_insert_with(|| Record {
            id: content.id.clone(),
            siblings: Vec::new(),
            context: Vec::new(),
        });
        record.siblings.retain(|(dot, _)| dot.actor != actor(node));
        record.siblings.push((Dot { actor: actor(node), counter }, Body::Content(digest)));
        record.siblings.sort_by_key(|(dot, _)| *dot);
        record.context.retain(|(a, _)| *a != actor(node));
        record.context.push((actor(node), counter));
        record.context.sort_unstable();
        self.contents.insert(digest, content);
        self.recent.insert(0, key);
    }

    /// A deletion by `node` of all that is live here.
    pub fn delete(&mut self, node: u8, counter: u64, id: &str) {
        let record = self.records.entry(key_of(id)).or_insert_with(|| Record {
            id: id.into(),
            siblings: Vec::new(),
            context: Vec::new(),
        });
        // A dot names one body, whichever replica asks: here the deletion buries a digest of the id.
        let buried = vec![key_of(id)];
        let dot = Dot { actor: actor(node), counter };
        record.siblings = vec![(dot, Body::Tombstone { buried })];
        record.context.retain(|(a, _)| *a != actor(node));
        record.context.push((actor(node), counter));
        record.context.sort_unstable();
    }

    /// Joins the record of one id, as another replica has it.
    pub fn learn(&mut self, other: &Self, id: &str) {
        let key = key_of(id);
        let theirs = &other.records[&key];
        let joined =
            self.records.get(&key).map_or_else(|| theirs.clone(), |ours| join(ours, theirs));
        self.records.insert(key, joined);
        self.contents.extend(other.contents.clone());
    }

    /// Whether every content that a record names is held, and every dot covered.
    pub fn is_whole(&self) -> bool {
        self.records.values().all(|record| {
            record.siblings.iter().all(|(dot, body)| {
                let held = match body {
                    Body::Content(digest) => self.contents.contains_key(digest),
                    _ => true,
                };
                let covered = (record.context.iter())
                    .any(|(actor, counter)| *actor == dot.actor && dot.counter <= *counter);
                held && covered
            })
        })
    }

    /// Only what the wire can carry.
    pub fn essence(&self) -> Essence<'_> {
        let live = self.records.values().flat_map(|record| &record.siblings);
        let contents = live.filter_map(|(_, body)| match body {
            Body::Content(digest) => Some((*digest, self.contents.get(digest)?)),
            _ => None,
        });
        (&self.records, contents.collect())
    }

    pub fn merged(&self, other: &Self) -> Self {
        let mut merged = self.clone();
        for (key, record) in &other.records {
            let joined =
                merged.records.get(key).map_or_else(|| record.clone(), |r| join(r, record));
            merged.records.insert(*key, joined);
        }
        merged.contents.extend(other.contents.clone());
        merged
    }

    pub fn root(&self) -> [u8; 32] {
        Tree::of(self).root()
    }

    /// How many keys differ between two states.
    pub fn difference(&self, other: &Self) -> usize {
        let keys: BTreeSet<_> = self.records.keys().chain(other.records.keys()).collect();
        keys.into_iter().filter(|k| self.records.get(*k) != other.records.get(*k)).count()
    }

    fn take(&mut self, delivery: Delivery) -> Receipt {
        let mut receipt = Receipt::default();
        let offered: BTreeMap<_, _> = delivery.contents.into_iter().collect();
        for record in delivery.records {
            match self.take_record(&record, &offered) {
                Ok(true) => receipt.applied += 1,
                Ok(false) => receipt.stale += 1,
                Err(reason) => receipt.rejected.push((record.id, reason)),
            }
        }
        receipt
    }

    fn take_record(
        &mut self,
        record: &Record,
        offered: &BTreeMap<[u8; 32], Content>,
    ) -> Result<bool, Rejection> {
        if self.poison.contains(&record.id) {
            return Err(Rejection::OverLimit);
        }
        let mut new = Vec::new();
        for (_, body) in &record.siblings {
            let Body::Content(digest) = body else { continue };
            match offered.get(digest) {
                Some(c) if content_digest(c) != *digest => return Err(Rejection::WrongDigest),
                Some(c) => new.push((*digest, c.clone())),
                None if self.contents.contains_key(digest) => {}
                None => return Err(Rejection::MissingContent),
            }
        }
        let key = key_of(&record.id);
        let joined = self.records.get(&key).map_or_else(|| record.clone(), |r| join(r, record));
        let changed = self.records.get(&key) != Some(&joined);
        self.records.insert(key, joined);
        self.contents.extend(new);
        Ok(changed)
    }
}

/// Sorted entries with running fingerprints: digests of any range in logarithmic time.
pub struct Tree {
    entries: Vec<Entry>,
    sums: Vec<[u8; 32]>,
}

impl Tree {
    pub fn of(state: &State) -> Self {
        let entries = state.records.iter();
        Self::new(entries.map(|(key, r)| Entry { key: *key, record: record_digest(r) }).collect())
    }

    /// `entries` must ascend by key.
    pub fn new(entries: Vec<Entry>) -> Self {
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

    pub fn digest(&self, prefix: &Prefix) -> Option<[u8; 32]> {
        let range = self.range(prefix);
        let mut sum = self.sums[range.end];
        sum.iter_mut().zip(self.sums[range.start]).for_each(|(a, b)| *a ^= b);
        (!range.is_empty()).then_some(sum)
    }

    pub fn root(&self) -> [u8; 32] {
        self.digest(&Prefix::ROOT).unwrap_or_default()
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn count(&self, prefix: &Prefix) -> u64 {
        self.range(prefix).len() as u64
    }

    pub fn entries(&self, prefix: &Prefix) -> Vec<Entry> {
        self.entries[self.range(prefix)].to_vec()
    }

    pub fn children(&self, prefix: &Prefix) -> [Option<[u8; 8]>; 16] {
        std::array::from_fn(|nibble| {
            let digest = self.digest(&prefix.child(nibble as u8)?)?;
            Some(digest[..8].try_into().unwrap())
        })
    }
}

/// A store that lives as long as somebody holds it.
#[derive(Clone, Default)]
pub struct Store(pub Rc<RefCell<State>>);

impl Store {
    pub fn new(state: State) -> Self {
        Self(Rc::new(RefCell::new(state)))
    }

    pub fn pin(&self) -> Memory {
        Memory { tree: Rc::new(Tree::of(&self.0.borrow())), store: self.clone() }
    }

    pub fn state(&self) -> State {
        self.0.borrow().clone()
    }
}

/// A pinned tree over a live store.
#[derive(Clone)]
pub struct Memory {
    tree: Rc<Tree>,
    store: Store,
}

impl View for Memory {
    fn summary(&self) -> Summary {
        Summary { root: self.tree.root(), count: self.tree.len() as u64, generation: 7 }
    }

    fn count(&self, prefix: &Prefix) -> u64 {
        self.tree.count(prefix)
    }

    fn children(&self, prefix: &Prefix) -> [Option<[u8; 8]>; 16] {
        self.tree.children(prefix)
    }

    fn entries(&self, prefix: &Prefix) -> Vec<Entry> {
        self.tree.entries(prefix)
    }

    fn record(&self, key: &[u8; 32]) -> Option<Record> {
        self.store.0.borrow().records.get(key).cloned()
    }

    fn content(&self, digest: &[u8; 32]) -> Option<Content> {
        self.store.0.borrow().contents.get(digest).cloned()
    }

    fn holds(&self, digest: &[u8; 32]) -> bool {
        self.store.0.borrow().contents.contains_key(digest)
    }

    fn key_of(&self, id: &str) -> [u8; 32] {
        key_of(id)
    }

    fn apply(&mut self, delivery: Delivery) -> Receipt {
        self.store.0.borrow_mut().take(delivery)
    }

    fn live_summary(&self) -> Summary {
        let state = self.store.0.borrow();
        Summary { root: state.root(), count: state.records.len() as u64, generation: 7 }
    }

    fn recent(&self) -> Vec<[u8; 32]> {
        self.store.0.borrow().recent.clone()
    }
}
