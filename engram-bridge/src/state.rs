//! The state of one memory space: records, contents, tree, and what is seen of them.

mod change;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use engram_conflict::Strategy;
use engram_gossip_net::NodeId;
use engram_gossip_proto::Summary;
use engram_merkle::{AnyHasher, BaseDepth, Digest, Edit, Tree};
use engram_vclock::VectorClock;

use crate::belief::{Cause, RecentUpdates};
use crate::content::{Content, Contents, Held, Introducer};
use crate::deletions::{Deletions, Floor, Husk, Since};
use crate::explain::PatternExplanation;
use crate::record::{self, Record};
use crate::rows::{RecordRow, Root};
use crate::visible::visible;
use crate::{CROWDED, Retention, SemanticPattern, SpaceStats, Timestamp};
pub(crate) use change::{Change, Prepared, Settled};

/// What all nodes of a cluster must agree on, and how this one shows it.
#[derive(Clone)]
pub(crate) struct Rules {
    pub(crate) hasher: AnyHasher,
    pub(crate) depth: BaseDepth,
    pub(crate) dimension: usize,
    pub(crate) strategy: Arc<dyn Strategy>,
    pub(crate) retention: Retention,
    pub(crate) grace: Duration,
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hasher, depth, dimension, strategy, retention, grace: _ } = self;
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
    deletions: Deletions,
    updates: RecentUpdates,
    generation: u64,
    visible: u64,
    view_changed_at: Timestamp,
}

impl SpaceState {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            tree: Tree::with_depth(rules.hasher, rules.depth),
            rules,
            entries: BTreeMap::new(),
            contents: Contents::new(),
            deletions: Deletions::default(),
            updates: RecentUpdates::default(),
            generation: 0,
            visible: 0,
            view_changed_at: Timestamp::EPOCH,
        }
    }

    /// The state that is made of stored records, of the contents that they name, and of what is known
    /// of the deletions among them. One of which it is not known since when is as new as can be.
    pub(crate) fn restore(
        rules: Rules,
        records: Vec<(Arc<str>, RecordRow)>,
        contents: Contents,
        floor: Floor,
        since: &BTreeMap<Arc<str>, Since>,
        now: Timestamp,
    ) -> Self {
        let deletions = Deletions::restore(floor);
        let mut state = Self { contents, deletions, ..Self::new(rules) };
        let unknown = state.deletions.next(now);
        let mut entries = Vec::with_capacity(records.len());
        let hasher = state.rules.hasher;
        state.tree.update(records.iter().map(|(id, row)| edit(id, &row.record, &hasher)));
        for (id, RecordRow { record, last_submitted }) in records {
            let visible = visible(&id, &record, &state.contents, &*state.rules.strategy);
            state.visible += u64::from(visible.is_some());
            state.note_deletion(&id, &record, since.get(&id).copied().unwrap_or(unknown));
            entries.push((id, Entry { record, last_submitted, visible }));
        }
        // All at once: nodes that are filled one by one in order stay half empty.
        state.entries = entries.into_iter().collect();
        state
    }

    pub(crate) fn tree(&self) -> &Tree<Arc<str>, AnyHasher> {
        &self.tree
    }

    pub(crate) fn deletions(&self) -> &Deletions {
        &self.deletions
    }

    pub(crate) fn deletions_mut(&mut self) -> &mut Deletions {
        &mut self.deletions
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
        let (waiting, reaped) = (self.deletions.len() as u64, self.deletions.reaped());
        SpaceStats { root, generation, records, visible, conflicting, waiting, reaped, crowded }
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
            && !own.any(|held| held.introducer == Introducer::Engine && is_it(&held.pattern))
    }

    /// What this node's own engine submitted last under `id`, if it is held.
    pub(crate) fn last_submitted(&self, id: &str) -> Option<Content> {
        let digest = self.entries.get(id)?.last_submitted?;
        self.contents.get(&digest).map(|held| Content::of_held(digest, held))
    }

    pub(crate) fn content(&self, digest: &Digest) -> Option<&Arc<SemanticPattern>> {
        self.contents.get(digest).map(|held| &held.pattern)
    }

    pub(crate) fn held(&self, digest: &Digest) -> Option<&Held> {
        self.contents.get(digest)
    }

    /// What is visible of `id`.
    pub(crate) fn shown(&self, id: &str) -> Option<Arc<SemanticPattern>> {
        self.entries.get(id)?.visible.clone()
    }

    pub(crate) fn strategy(&self) -> &dyn Strategy {
        &*self.rules.strategy
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
    pub(crate) fn prepare(&self, changes: Vec<Change>, now: Timestamp) -> Prepared {
        let mut edits = Vec::with_capacity(changes.len());
        let mut raised = VectorClock::new();
        for change in &changes {
            if change.record.as_ref().is_some_and(record::is_bottom)
                && let Some(held) = self.record(&change.id)
            {
                raised.merge(held.context());
            }
        }
        let settled: Vec<Settled> =
            changes.into_iter().map(|change| self.settle(change, &mut edits)).collect();
        let mut tree = self.tree.clone();
        tree.update(edits);
        Prepared { settled, tree, since: self.deletions.next(now), raised }
    }

    fn settle(&self, change: Change, edits: &mut Vec<Edit<Arc<str>>>) -> Settled {
        let Change { id, record, contents, last_submitted, origin } = change;
        let entry = self.entries.get(&id);
        let last_submitted =
            last_submitted.or_else(|| entry.and_then(|entry| entry.last_submitted));
        let (mut added, mut dropped) = (Vec::new(), Vec::new());
        if let Some(record) = &record {
            edits.push(edit(&id, record, &self.rules.hasher));
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
        let Prepared { settled, tree, since, raised } = prepared;
        self.generation += u64::from(tree.root() != self.tree.root());
        self.tree = tree;
        self.deletions.advance();
        self.deletions.raise(&raised);
        let mut view_changed = false;
        for settled in settled {
            if let Some(record) = &settled.record {
                self.note_deletion(&settled.id, record, since);
            }
            if settled.is_gone() {
                self.entries.remove(&settled.id);
                continue;
            }
            let Settled { id, record, last_submitted, added, dropped, origin } = settled;
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

    /// Takes note of the record of an id, if it is a deletion, or was one.
    fn note_deletion(&mut self, id: &Arc<str>, record: &Record, since: Since) {
        if !record::is_deleted(record) && self.deletions.since(id).is_none() {
            return;
        }
        let digest = record::digest(id, record, &self.rules.hasher);
        let key = self.tree.key_hash(id.as_bytes());
        self.deletions.note(Husk { id: Arc::clone(id), digest }, key, record, since);
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

/// What a record makes of the tree: that of which nothing lives, not even a deletion, is not in it.
fn edit(id: &Arc<str>, record: &Record, hasher: &AnyHasher) -> Edit<Arc<str>> {
    match record.is_empty() {
        true => Edit::Remove(Arc::clone(id)),
        false => Edit::Upsert(Arc::clone(id), record::digest(id, record, hasher)),
    }
}
