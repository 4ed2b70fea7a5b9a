//! A last-writer-wins map of byte strings in memory, over a naive tree.

use std::collections::{BTreeMap, BTreeSet};
use std::string::{String, ToString};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::vec::Vec;

use sha2::{Digest as _, Sha256};

use super::join::join;
use super::tree::Tree;
use crate::{
    Delivery, Entry, IdError, OpaqueContent, Part, Prefix, Receipt, Record, Rejection, Summary,
    View, check_id,
};

/// A replicated map from ids to byte strings. Concurrent writes under one id resolve to the write
/// with the greatest version; if versions are equal, the greatest node id wins.
///
/// Clones share their state. The map keeps everything in memory and hashes the whole state for each
/// tree, so it suits tests, prototypes, and maps of a few thousand ids.
///
/// ```
/// use engram_gossip_proto::testing::ByteMap;
///
/// let map = ByteMap::new([1; 32]);
/// map.insert("greeting", "hello")?;
/// assert_eq!(map.get("greeting").as_deref(), Some(&b"hello"[..]));
/// map.remove("greeting");
/// assert!(map.to_map().is_empty());
/// # Ok::<(), engram_gossip_proto::IdError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ByteMap(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    node: [u8; 32],
    records: BTreeMap<[u8; 32], Record>,
    contents: BTreeMap<[u8; 32], OpaqueContent>,
    generation: u64,
}

impl ByteMap {
    /// Creates an empty map on the node with this id. Each node needs a unique id.
    #[must_use]
    pub fn new(node: [u8; 32]) -> Self {
        let (records, contents) = Default::default();
        Self(Arc::new(Mutex::new(State { node, records, contents, generation: 0 })))
    }

    /// Writes `bytes` under `id`, and replaces the previous value.
    ///
    /// # Errors
    /// [`IdError`] if `id` is not 1 to 128 bytes long; nothing was written.
    pub fn insert(&self, id: &str, bytes: impl Into<Vec<u8>>) -> Result<(), IdError> {
        check_id(id)?;
        let content = OpaqueContent::new(bytes.into());
        self.state().write(id, Some(content));
        Ok(())
    }

    /// Removes the value under `id`. Concurrent writes that this replica has not received are kept.
    pub fn remove(&self, id: &str) {
        if self.get(id).is_some() {
            self.state().write(id, None);
        }
    }

    /// Returns the bytes under `id`, if there are any.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Vec<u8>> {
        let state = self.state();
        state.records.get(&key_of(id)).and_then(|record| state.shown(record))
    }

    /// Returns all ids with their bytes.
    #[must_use]
    pub fn to_map(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.state();
        let shown = state.records.values().filter_map(|r| Some((r.id.clone(), state.shown(r)?)));
        shown.collect()
    }

    /// Pins the current state in a view for one session.
    #[must_use]
    pub fn pin(&self) -> ByteMapView {
        ByteMapView { tree: self.state().tree(), map: self.clone() }
    }

    /// Returns the root, count and generation of the current state.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let state = self.state();
        state.summary(&state.tree())
    }

    /// Locks the state, even if a thread panicked while it held the lock: a panic leaves no partial
    /// change.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn write(&mut self, id: &str, content: Option<OpaqueContent>) {
        let greatest = self.records.values().flat_map(|record| &record.parts);
        let version = greatest.map(|part| part.entry).max().unwrap_or(0) + 1;
        let named = content.map(|content| (digest(content.as_bytes()), content));
        let dots = named.iter().map(|(digest, _)| (version, *digest)).collect();
        let empty = || Record { id: id.to_string(), ..Record::default() };
        let record = self.records.entry(key_of(id)).or_insert_with(empty);
        record.parts.iter_mut().for_each(|part| part.dots.clear());
        record.parts.retain(|part| part.node != self.node);
        record.parts.push(Part { node: self.node, entry: version, dots });
        record.parts.sort_by_key(|part| part.node);
        self.contents.extend(named);
        self.changed();
    }

    /// The content of the live dot with the greatest version; if versions are equal, the greatest
    /// node id wins.
    fn shown(&self, record: &Record) -> Option<Vec<u8>> {
        let dots =
            record.parts.iter().flat_map(|part| part.dots.iter().map(|dot| (dot, part.node)));
        let ((_, digest), _) = dots.max_by_key(|((version, _), node)| (*version, *node))?;
        self.contents.get(digest).map(|content| content.as_bytes().to_vec())
    }

    fn tree(&self) -> Tree {
        let entry = |(key, record): (&[u8; 32], &Record)| Entry {
            key: *key,
            record: record_digest(record),
        };
        Tree::new(self.records.iter().map(entry).collect())
    }

    fn summary(&self, tree: &Tree) -> Summary {
        let count = self.records.len() as u64;
        Summary { root: tree.root(), count, generation: self.generation }
    }

    /// Joins one record whose contents must all be in `contents` or held. Returns whether the state
    /// changed.
    fn join(
        &mut self,
        record: Record,
        contents: &BTreeMap<[u8; 32], OpaqueContent>,
    ) -> Result<bool, Rejection> {
        record.check().map_err(|_| Rejection::InvalidRecord)?;
        let known =
            |digest: &[u8; 32]| contents.contains_key(digest) || self.contents.contains_key(digest);
        if !record.contents().all(known) {
            return Err(Rejection::MissingContent);
        }
        let brought = record.contents().filter_map(|digest| Some((*digest, contents.get(digest)?)));
        self.contents.extend(brought.map(|(digest, content)| (digest, content.clone())));
        let key = key_of(&record.id);
        let empty = || Record { id: record.id.clone(), ..Record::default() };
        let held = self.records.entry(key).or_insert_with(empty);
        let before = held.clone();
        join(held, record);
        let changed = *held != before;
        self.changed();
        Ok(changed)
    }

    /// Counts a write or a join, and drops the contents that no live dot names any more.
    fn changed(&mut self) {
        self.generation += 1;
        let live: BTreeSet<&[u8; 32]> = self.records.values().flat_map(Record::contents).collect();
        self.contents.retain(|digest, _| live.contains(digest));
    }
}

fn key_of(id: &str) -> [u8; 32] {
    digest(id.as_bytes())
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Hashes every list with its length, so that no two records hash the same bytes.
fn record_digest(record: &Record) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut number = |number: u64| hash.update(number.to_be_bytes());
    number(record.parts.len() as u64);
    number(record.suppressed.len() as u64);
    for part in &record.parts {
        hash.update(part.node);
        hash.update(part.entry.to_be_bytes());
        hash.update((part.dots.len() as u64).to_be_bytes());
        for (version, digest) in &part.dots {
            hash.update(version.to_be_bytes());
            hash.update(digest);
        }
    }
    for (digest, length) in &record.suppressed {
        hash.update(digest);
        hash.update(length.to_be_bytes());
    }
    hash.update(&record.id);
    hash.finalize().into()
}

/// A pinned tree over a live [`ByteMap`].
#[derive(Clone, Debug)]
pub struct ByteMapView {
    tree: Tree,
    map: ByteMap,
}

impl View for ByteMapView {
    type Content = OpaqueContent;

    fn summary(&self) -> Summary {
        let count = self.tree.entries(&Prefix::ROOT).len() as u64;
        Summary { root: self.tree.root(), count, generation: self.map.state().generation }
    }

    fn count(&self, prefix: &Prefix) -> u64 {
        self.tree.entries(prefix).len() as u64
    }

    fn children(&self, prefix: &Prefix) -> [Option<[u8; 32]>; 16] {
        core::array::from_fn(|nibble| self.tree.digest(&prefix.child(nibble as u8)?))
    }

    fn entries(&self, prefix: &Prefix) -> Vec<Entry> {
        self.tree.entries(prefix).to_vec()
    }

    fn record(&self, key: &[u8; 32]) -> Option<Record> {
        self.map.state().records.get(key).cloned()
    }

    fn content(&self, digest: &[u8; 32]) -> Option<OpaqueContent> {
        self.map.state().contents.get(digest).cloned()
    }

    fn holds(&self, digest: &[u8; 32]) -> bool {
        self.map.state().contents.contains_key(digest)
    }

    fn key_of(&self, id: &str) -> [u8; 32] {
        key_of(id)
    }

    fn digest(&self, content: &OpaqueContent) -> [u8; 32] {
        digest(content.as_bytes())
    }

    fn apply(&mut self, delivery: Delivery<OpaqueContent>) -> Receipt {
        let contents = delivery.contents.into_iter().collect();
        let mut receipt = Receipt::default();
        let mut state = self.map.state();
        for record in delivery.records {
            let id = record.id.clone();
            match state.join(record, &contents) {
                Ok(true) => receipt.applied += 1,
                Ok(false) => receipt.stale += 1,
                Err(reason) => receipt.rejected.push((id, reason)),
            }
        }
        receipt
    }

    fn live_summary(&self) -> Summary {
        self.map.summary()
    }

    fn repin(&mut self) {
        self.tree = self.map.state().tree();
    }
}
