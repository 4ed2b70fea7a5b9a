//! The state of one memory space: records, contents, tree, and the view computed from them.

mod contact;
mod counts;
mod install;
mod present;
mod uncompared;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engram_conflict::Strategy;
use engram_gossip_proto::{ClockIndex, Clocks as _, ShortNode, Summary};
use engram_merkle::{AnyHasher, Digest, Edit, Tree};

use crate::engram::belief::RecentUpdates;
use crate::engram::pattern::SemanticPattern;
use crate::engram::ports::BeliefUpdateRecord;
use crate::engram::timestamp::Timestamp;
use crate::replica::canonical;
use crate::replica::caps::Usage;
use crate::replica::change::StoredRoot;
use crate::replica::content::{Content, Contents, Held};
use crate::replica::entry::Entry;
use crate::replica::explain::PatternExplanation;
use crate::replica::first_contact::Waiting;
use crate::replica::members::Members;
use crate::replica::record::Record;
use crate::replica::refused::Refused;
use crate::replica::rules::Rules;
use crate::replica::stats::SpaceStats;
use crate::replica::tally::Tallies;
use crate::replica::visible::visible;

use self::counts::Counts;

/// A stored row.
pub(crate) struct StoredRow {
    pub(crate) record: Record,
    pub(crate) last_submitted: Option<Digest>,
}

/// The live state of a space.
///
/// Every change to records is a list of [`Change`]s. They are [staged](Self::stage), made durable, and
/// [installed](Self::install), so that records, contents, tree and view always agree.
pub(crate) struct SpaceState {
    rules: Rules,
    /// The entries are boxed, because the nodes of the map are up to half empty.
    entries: BTreeMap<Arc<str>, Box<Entry>>,
    contents: Contents,
    tree: Tree<Arc<str>, AnyHasher>,
    tallies: Tallies,
    clocks: ClockIndex,
    usage: Usage,
    counts: Counts,
    updates: RecentUpdates,
    generation: u64,
    /// How often a pattern acquired more than one version since the process started.
    conflicts_met: u64,
    visible: u64,
    /// Ids whose visible patterns changed since the last comparison across ids; `None` if
    /// comparisons are off.
    uncompared: Option<BTreeSet<Arc<str>>>,
    view_changed_at: Timestamp,
    /// The time of the latest snapshot or change. Stored with each change and when the store is closed.
    generated_at: Timestamp,
    refused: Refused,
    /// Ids whose stored rows are unknown, since a failed commit may have taken effect.
    in_doubt: BTreeSet<Arc<str>>,
    /// Whether the first contact is over, in this process or in an earlier one with the same store.
    settled: bool,
    /// Submissions that wait for the first contact.
    waiting: Option<Waiting>,
}

impl SpaceState {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            tree: Tree::with_depth(rules.hasher, rules.depth),
            uncompared: rules.across_ids.map(|_| BTreeSet::new()),
            rules,
            entries: BTreeMap::new(),
            contents: Contents::new(),
            tallies: Tallies::default(),
            clocks: ClockIndex::new(),
            usage: Usage::default(),
            counts: Counts::default(),
            updates: RecentUpdates::default(),
            generation: 0,
            conflicts_met: 0,
            visible: 0,
            view_changed_at: Timestamp::EPOCH,
            generated_at: Timestamp::EPOCH,
            refused: Refused::default(),
            in_doubt: BTreeSet::new(),
            settled: false,
            waiting: None,
        }
    }

    /// Builds the state from stored rows and the contents that they name.
    pub(crate) fn restore(
        rules: Rules,
        rows: Vec<(Arc<str>, StoredRow)>,
        contents: Contents,
    ) -> Self {
        let mut state = Self { contents, ..Self::new(rules) };
        let hasher = state.rules.hasher;
        state.tree.update(rows.iter().map(|(id, row)| edit(id, &row.record, &hasher)));
        let clocks = rows.iter().flat_map(|(id, row)| {
            let key = state.tree.key_hash(id.as_bytes()).into();
            row.record.siblings.context().iter().map(move |(node, entry)| (key, *node, entry))
        });
        state.clocks = clocks.collect();
        state.clocks.restart();
        let mut entries = Vec::with_capacity(rows.len());
        for (id, StoredRow { record, last_submitted }) in rows {
            let visible = visible(&record, &state.contents, &*state.rules.strategy);
            state.visible += u64::from(visible.first().is_some());
            state.usage.replace(Usage::default(), Usage::of(&record));
            state.counts.replace(&Record::default(), &record);
            state.tallies.replace(&Record::default(), &record);
            let entry = Entry { record, last_submitted, visible, ..Entry::default() };
            entries.push((id, Box::new(entry)));
        }
        let lengths =
            state.contents.values().map(|held| canonical::max_encoded_len(&held.pattern) as u64);
        state.usage.bytes = lengths.sum();
        // Collect in one step: inserting in ascending order leaves the map's nodes half empty.
        state.entries = entries.into_iter().collect();
        state.compare_all();
        state
    }

    pub(crate) const fn rules(&self) -> &Rules {
        &self.rules
    }

    pub(crate) const fn tree(&self) -> &Tree<Arc<str>, AnyHasher> {
        &self.tree
    }

    pub(crate) const fn tallies(&self) -> &Tallies {
        &self.tallies
    }

    pub(crate) const fn usage(&self) -> Usage {
        self.usage
    }

    /// Sets the members. O(nodes ever seen).
    pub(crate) fn set_members(&mut self, members: &Arc<Members>) {
        self.tallies.set_members(members);
    }

    /// Recounts the contexts of all records after parts were removed. O(records).
    pub(crate) fn recount(&mut self) {
        let records = self.entries.values().map(|entry| &entry.record);
        self.tallies.recount(records);
    }

    pub(crate) fn stored_root(&self) -> StoredRoot {
        StoredRoot { root: self.tree.root(), count: self.tree.len() as u64 }
    }

    pub(crate) fn summary(&self) -> Summary {
        Summary {
            root: self.tree.root().into(),
            count: self.tree.len() as u64,
            generation: self.generation,
        }
    }

    /// The current statistics of the space.
    pub(crate) fn stats(&self) -> SpaceStats {
        let Counts { conflicting, crowded, deletions, suppressed } = self.counts;
        SpaceStats {
            root: self.tree.root(),
            generation: self.generation,
            records: self.tree.len() as u64,
            visible: self.visible,
            conflicting,
            crowded,
            deletions,
            suppressed,
            context_entries: self.tallies.entries(),
            unlisted_entries: self.tallies.unlisted(),
        }
    }

    pub(crate) fn record(&self, id: &str) -> Option<&Record> {
        self.entries.get(id).map(|entry| &entry.record)
    }

    pub(crate) fn entry(&self, id: &str) -> Option<(&Arc<str>, &Entry)> {
        self.entries.get_key_value(id).map(|(id, entry)| (id, &**entry))
    }

    /// All rows in ascending order of ids.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&Arc<str>, &Entry)> {
        self.entries.iter().map(|(id, entry)| (id, &**entry))
    }

    /// The content that this node's own engine submitted last under `id`, if it is held.
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

    /// The visible pattern of `id`.
    pub(crate) fn shown(&self, id: &str) -> Option<Arc<SemanticPattern>> {
        self.entries.get(id)?.visible().cloned()
    }

    pub(crate) fn strategy(&self) -> &dyn Strategy<Arc<SemanticPattern>> {
        &*self.rules.strategy
    }

    /// The time of the last change to the visible patterns.
    pub(crate) const fn view_changed_at(&self) -> Timestamp {
        self.view_changed_at
    }

    pub(crate) const fn visible_len(&self) -> u64 {
        self.visible
    }

    /// The visible blends, without those handed out last.
    pub(crate) fn new_blends(&self) -> Vec<(Arc<str>, Arc<SemanticPattern>)> {
        let several = self.entries().filter(|(_, entry)| entry.record.siblings.len() > 1);
        let new = several.filter_map(|(id, entry)| Some((id, entry.new_blend(&self.contents)?)));
        new.map(|(id, blend)| (Arc::clone(id), Arc::clone(blend))).collect()
    }

    /// Remembers that the blend with `digest` has been handed out.
    pub(crate) fn hand_out(&mut self, id: &str, blend: &Arc<SemanticPattern>, digest: Digest) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.blends.hand_out(blend, digest);
        }
    }

    /// The visible patterns in ascending order of ids; several of one id in the order of the
    /// strategy.
    pub(crate) fn visible(&self) -> Vec<Arc<SemanticPattern>> {
        self.entries.values().flat_map(|entry| entry.visible.iter().cloned()).collect()
    }

    /// The ids with more than one live content that is not suppressed, ascending.
    pub(crate) fn conflicting(&self) -> impl Iterator<Item = &Arc<str>> {
        let several = |(_, entry): &(&Arc<str>, &Entry)| versions(&entry.record) > 1;
        self.entries().filter(several).map(|(id, _)| id)
    }

    /// Explains `id`, without its comparison across ids; `None` if the node holds no record of it.
    pub(crate) fn explain(&self, id: &str) -> Option<PatternExplanation> {
        let entry = self.entries.get(id)?;
        Some(PatternExplanation::new(entry, &self.contents, &*self.rules.strategy))
    }

    pub(crate) fn begin_service(&mut self) -> bool {
        self.updates.begin_service()
    }

    pub(crate) fn end_service(&mut self) {
        self.updates.end_service();
    }

    pub(crate) fn take_collected(&mut self) -> (Vec<BeliefUpdateRecord>, u64) {
        self.updates.take_collected()
    }

    pub(crate) const fn conflicts_met(&self) -> u64 {
        self.conflicts_met
    }

    /// The time of the latest snapshot or change.
    pub(crate) const fn generated_at(&self) -> Timestamp {
        self.generated_at
    }

    /// Records the time of a snapshot or change.
    pub(crate) fn note_generated(&mut self, at: Timestamp) {
        self.generated_at = self.generated_at.max(at);
    }

    /// Lowers the time of the latest snapshot or change to at most `now`. A later time was stored
    /// under a clock that was ahead.
    pub(crate) fn limit_generated(&mut self, now: Timestamp) {
        self.generated_at = self.generated_at.min(now);
    }

    pub(crate) const fn refused(&self) -> &Refused {
        &self.refused
    }

    pub(crate) const fn refused_mut(&mut self) -> &mut Refused {
        &mut self.refused
    }

    pub(crate) const fn updates(&self) -> &RecentUpdates {
        &self.updates
    }

    /// The index of the records by version, which contains the version summary of the space.
    pub(crate) const fn clocks(&mut self) -> &mut ClockIndex {
        &mut self.clocks
    }

    /// Marks all versions of this node as held if the version summary covers those up to `foreign`:
    /// this process issued all later ones itself.
    pub(crate) fn raise_own(&mut self, node: &[u8; 32], foreign: u64) {
        let own: ShortNode = *node.first_chunk().expect("a node id has 32 bytes");
        if self.clocks.summary().get(&own) >= foreign {
            self.clocks.raise(own, u64::MAX);
        }
    }
}

/// The number of different contents that a strategy chooses from. A single live dot counts even if
/// its content is suppressed.
fn versions(record: &Record) -> usize {
    match record.siblings.len() {
        single @ (0 | 1) => single,
        _ => record.shown().len(),
    }
}

/// The tree edit for a record. The tree leaves out a record that names no node and suppresses
/// nothing.
fn edit(id: &Arc<str>, record: &Record, hasher: &AnyHasher) -> Edit<Arc<str>> {
    match *record == Record::default() {
        true => Edit::Remove(Arc::clone(id)),
        false => Edit::Upsert(Arc::clone(id), record.digest(id, hasher)),
    }
}

/// Indexes the context entries of `after`, which replaces `before`.
fn index(clocks: &mut ClockIndex, key: &[u8; 32], before: &Record, after: &Record) {
    let (before, after) = (before.siblings.context(), after.siblings.context());
    for (node, entry) in after.iter() {
        clocks.change(key, node, before.get(node), entry);
    }
    for (node, entry) in before.iter().filter(|(node, _)| after.get(node) == 0) {
        clocks.change(key, node, entry, 0);
    }
}
