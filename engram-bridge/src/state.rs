//! The state of one memory space: records, contents, tree, and what is seen of them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use engram_conflict::Strategy;
use engram_gossip_net::NodeId;
use engram_gossip_proto::Summary;
use engram_merkle::{AnyHasher, BaseDepth, Digest, Edit, Tree};

use crate::belief::{Cause, RecentUpdates};
use crate::content::{Content, Contents};
use crate::explain::PatternExplanation;
use crate::record::{self, Record};
use crate::rows::{RecordRow, Root};
use crate::visible::visible;
use crate::{CROWDED, Retention, SemanticPattern, SpaceStats, Timestamp};

/// What all nodes of a cluster must agree on, and how this one shows it.
#[derive(Clone)]
pub(crate) struct Rules {
    pub(crate) hasher: AnyHasher,
    pub(crate) depth: BaseDepth,
    pub(crate) dimension: usize,
    pub(crate) strategy: Arc<dyn Strategy>,
    pub(crate) retention: Retention,
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hasher, depth, dimension, strategy, retention } = self;
        let strategy = strategy.id().to_string();
        write!(f, "{hasher:?}, {depth:?}, {dimension} dimensions, {strategy}, {retention:?}")
    }
}

/// One pattern id.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    pub(crate) record: Record,
    /// The content that this node's own engine submitted last, whatever became of it since.
    pub(crate) last_submitted: Option<Digest>,
    visible: Option<Arc<SemanticPattern>>,
}

/// The live state of a space.
///
/// Everything that changes it is a list of [`Change`]s. They are [prepared](Self::prepare), made
/// durable, and [installed](Self::install): records, contents, tree and view never disagree.
pub(crate) struct SpaceState {
    rules: Rules,
    entries: BTreeMap<Arc<str>, Entry>,
    contents: Contents,
    tree: Tree<Arc<str>, AnyHasher>,
    updates: RecentUpdates,
    generation: u64,
    visible: u64,
    view_changed_at: Timestamp,
}

/// What one operation leaves of one pattern id.
pub(crate) struct Change {
    pub(crate) id: Arc<str>,
    /// The new record, if it changed.
    pub(crate) record: Option<Record>,
    /// Contents that the new record names; those already held are left as they are.
    pub(crate) contents: Vec<Content>,
    pub(crate) last_submitted: Option<Digest>,
    /// The node that wrote the change, if it came from a peer.
    pub(crate) origin: Option<NodeId>,
}

/// Where changes lead to, before anybody sees it.
pub(crate) struct Prepared {
    settled: Vec<Settled>,
    tree: Tree<Arc<str>, AnyHasher>,
}

/// Where one change leads to.
pub(crate) struct Settled {
    pub(crate) id: Arc<str>,
    /// The new record, if it changed.
    pub(crate) record: Option<Record>,
    pub(crate) last_submitted: Option<Digest>,
    /// Contents that the record names and that were not held.
    pub(crate) added: Vec<Content>,
    /// Contents that were held and that no record names any more.
    pub(crate) dropped: Vec<Digest>,
    origin: Option<NodeId>,
}

impl Prepared {
    pub(crate) fn settled(&self) -> &[Settled] {
        &self.settled
    }

    /// The root that the state will have.
    pub(crate) fn stored_root(&self) -> Root {
        Root { root: self.tree.root(), count: self.tree.len() as u64 }
    }
}

impl SpaceState {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            tree: Tree::with_depth(rules.hasher, rules.depth),
            rules,
            entries: BTreeMap::new(),
            contents: Contents::new(),
            updates: RecentUpdates::default(),
            generation: 0,
            visible: 0,
            view_changed_at: Timestamp::EPOCH,
        }
    }

    /// The state that is made of stored records, and of the contents that they name.
    pub(crate) fn restore(
        rules: Rules,
        records: Vec<(Arc<str>, RecordRow)>,
        contents: Contents,
    ) -> Self {
        let mut state = Self { contents, ..Self::new(rules) };
        let edits = records.iter().map(|(id, row)| {
            Edit::Upsert(Arc::clone(id), record::digest(id, &row.record, &state.rules.hasher))
        });
        state.tree.update(edits.collect::<Vec<_>>());
        for (id, RecordRow { record, last_submitted }) in records {
            let visible = visible(&id, &record, &state.contents, &*state.rules.strategy);
            state.visible += u64::from(visible.is_some());
            state.entries.insert(id, Entry { record, last_submitted, visible });
        }
        state
    }

    pub(crate) fn tree(&self) -> &Tree<Arc<str>, AnyHasher> {
        &self.tree
    }

    /// The root as it is stored beside the records.
    pub(crate) fn stored_root(&self) -> Root {
        Root { root: self.tree.root(), count: self.tree.len() as u64 }
    }

    pub(crate) fn summary(&self) -> Summary {
        Summary {
            root: self.tree.root().into(),
            count: self.tree.len() as u64,
            generation: self.generation,
        }
    }

    /// How the space stands. O(records).
    pub(crate) fn stats(&self) -> SpaceStats {
        let contents = |entry: &Entry| match entry.record.len() {
            0 | 1 => 1,
            _ => record::contents(&entry.record).len(),
        };
        let (mut conflicting, mut crowded) = (0, 0);
        for count in self.entries.values().map(contents) {
            conflicting += u64::from(count > 1);
            crowded += u64::from(count >= CROWDED);
        }
        let (root, records) = (self.tree.root(), self.tree.len() as u64);
        let (generation, visible) = (self.generation, self.visible);
        SpaceStats { root, generation, records, visible, conflicting, crowded }
    }

    pub(crate) fn record(&self, id: &str) -> Option<&Record> {
        self.entries.get(id).map(|entry| &entry.record)
    }

    /// One pattern id.
    pub(crate) fn entry(&self, id: &str) -> Option<(&Arc<str>, &Entry)> {
        self.entries.get_key_value(id)
    }

    /// Whether `pattern` is what is visible, and was put together here or received from a peer. No
    /// engine can hold that allocation, however equal what it finds may be.
    pub(crate) fn made_by_gossip(&self, entry: &Entry, pattern: &Arc<SemanticPattern>) -> bool {
        let is_it = |other: &Arc<SemanticPattern>| Arc::ptr_eq(other, pattern);
        let live = record::contents(&entry.record);
        let mut own = live.iter().filter_map(|digest| self.contents.get(digest));
        entry.visible.as_ref().is_some_and(is_it)
            && !own.any(|held| !held.received && is_it(&held.pattern))
    }

    /// What this node's own engine submitted last under `id`, if it is held.
    pub(crate) fn last_submitted(&self, id: &str) -> Option<Content> {
        let digest = self.entries.get(id)?.last_submitted?;
        self.contents.get(&digest).map(|held| Content::of_held(digest, held))
    }

    pub(crate) fn content(&self, digest: &Digest) -> Option<&Arc<SemanticPattern>> {
        self.contents.get(digest).map(|held| &held.pattern)
    }

    /// When what is visible changed last.
    pub(crate) fn view_changed_at(&self) -> Timestamp {
        self.view_changed_at
    }

    /// How many patterns are visible.
    pub(crate) fn visible_len(&self) -> u64 {
        self.visible
    }

    /// The visible patterns in ascending order of their ids.
    pub(crate) fn visible(&self) -> Vec<Arc<SemanticPattern>> {
        self.entries.values().filter_map(|entry| entry.visible.clone()).collect()
    }

    /// The ids with more than one live content, ascending.
    pub(crate) fn conflicting(&self) -> impl Iterator<Item = &Arc<str>> {
        let several = |record: &Record| record.len() > 1 && record::contents(record).len() > 1;
        self.entries.iter().filter(move |(_, entry)| several(&entry.record)).map(|(id, _)| id)
    }

    /// All that is known of `id`; `None` if it was never heard of.
    pub(crate) fn explain(&self, id: &str) -> Option<PatternExplanation> {
        let Entry { record, last_submitted, visible } = self.entries.get(id)?;
        let strategy = &*self.rules.strategy;
        let (visible, submitted) = (visible.clone(), *last_submitted);
        Some(PatternExplanation::new(record, &self.contents, strategy, visible, submitted))
    }

    pub(crate) fn updates(&self) -> &RecentUpdates {
        &self.updates
    }

    /// Works out what the changes lead to, at most one per id, and changes nothing yet.
    pub(crate) fn prepare(&self, changes: Vec<Change>) -> Prepared {
        let mut edits = Vec::with_capacity(changes.len());
        let settled: Vec<Settled> =
            changes.into_iter().map(|change| self.settle(change, &mut edits)).collect();
        let mut tree = self.tree.clone();
        tree.update(edits);
        Prepared { settled, tree }
    }

    fn settle(&self, change: Change, edits: &mut Vec<Edit<Arc<str>>>) -> Settled {
        let Change { id, record, contents, last_submitted, origin } = change;
        let entry = self.entries.get(&id);
        let last_submitted =
            last_submitted.or_else(|| entry.and_then(|entry| entry.last_submitted));
        let (mut added, mut dropped) = (Vec::new(), Vec::new());
        if let Some(record) = &record {
            let digest = record::digest(&id, record, &self.rules.hasher);
            edits.push(Edit::Upsert(Arc::clone(&id), digest));
            let live = record::contents(record);
            added.extend(contents.into_iter().filter(|content| {
                let digest = content.digest();
                live.contains(&digest) && !self.contents.contains_key(&digest)
            }));
            // A digest covers the id, so no other record can name what this one no longer does.
            let before = entry.map(|entry| record::contents(&entry.record)).unwrap_or_default();
            dropped.extend(before.difference(&live));
        }
        Settled { id, record, last_submitted, added, dropped, origin }
    }

    /// Makes visible what was prepared on this very state. Returns whether the visible patterns
    /// changed.
    pub(crate) fn install(&mut self, prepared: Prepared, cause: Cause) -> bool {
        let Prepared { settled, tree } = prepared;
        self.generation += u64::from(tree.root() != self.tree.root());
        self.tree = tree;
        let mut view_changed = false;
        for Settled { id, record, last_submitted, added, dropped, origin } in settled {
            let entry = self.entries.entry(Arc::clone(&id)).or_default();
            entry.last_submitted = last_submitted;
            let Some(record) = record else { continue };
            entry.record = record;
            for digest in dropped {
                self.contents.remove(&digest);
            }
            for content in added {
                self.contents.insert(content.digest(), content.into_held());
            }
            view_changed |= self.show(&id, origin, cause);
        }
        if view_changed {
            self.view_changed_at = cause.generated_at;
        }
        view_changed
    }

    /// Looks anew at what is visible of `id`; returns whether that changed.
    fn show(&mut self, id: &str, origin: Option<NodeId>, cause: Cause) -> bool {
        let entry = self.entries.get_mut(id).expect("the id was just committed");
        let after = visible(id, &entry.record, &self.contents, &*self.rules.strategy);
        let before = std::mem::replace(&mut entry.visible, after);
        let after = entry.visible.as_deref();
        self.visible = self.visible + u64::from(after.is_some()) - u64::from(before.is_some());
        let changed = before.as_deref() != after;
        if changed {
            self.updates.push(cause.update(id, before.as_deref(), after, origin));
        }
        changed
    }
}
