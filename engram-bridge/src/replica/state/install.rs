//! Changes to the state: staged, then installed.

use std::collections::BTreeSet;
use std::sync::Arc;

use engram_gossip_net::NodeId;
use engram_merkle::{Digest, Edit};

use super::{SpaceState, edit, index, versions};
use crate::engram::belief::Cause;
use crate::replica::canonical;
use crate::replica::caps::Usage;
use crate::replica::change::{Change, PlannedWrite, Staged};
use crate::replica::content::Content;
use crate::replica::placement::Placement;
use crate::replica::record::Record;
use crate::replica::visible::visible;

/// The maximum number of otherwise unchanged rows in doubt that one commit rewrites.
const MAX_RESTATED: usize = 2_048;

impl SpaceState {
    /// Computes the effect of the changes, at most one per id, without applying it.
    ///
    /// The staged writes also rewrite up to [`MAX_RESTATED`] other rows in doubt.
    pub(crate) fn stage(&self, changes: Vec<Change>) -> Staged {
        let mut edits = Vec::with_capacity(changes.len());
        let changed: BTreeSet<Arc<str>> =
            changes.iter().map(|change| Arc::clone(&change.id)).collect();
        let plan = |change| self.plan_write(change, &mut edits);
        let mut writes: Vec<PlannedWrite> = changes.into_iter().map(plan).collect();
        let restated = self.in_doubt.difference(&changed).take(MAX_RESTATED);
        writes.extend(restated.map(|id| self.restate(id)));
        let mut tree = self.tree.clone();
        tree.update(edits);
        Staged { writes, tree, generated_at: self.generated_at }
    }

    /// Plans to write the current row of `id` again, with all of its contents.
    fn restate(&self, id: &Arc<str>) -> PlannedWrite {
        let entry = self.entries.get(id).map(|entry| &**entry);
        let Change { id, last_submitted, last_write, .. } = Change::of(id, entry);
        let record = entry.map(|entry| entry.record.clone()).unwrap_or_default();
        PlannedWrite {
            placement: Placement::anew(&[], self.held_contents(&record.live()).collect()),
            record: Some(record),
            added: Vec::new(),
            dropped: Vec::new(),
            origin: None,
            id,
            last_submitted,
            last_write,
        }
    }

    fn held_contents(&self, digests: &BTreeSet<Digest>) -> impl Iterator<Item = Content> {
        let held = |digest: &Digest| Some(Content::of_held(*digest, self.contents.get(digest)?));
        digests.iter().filter_map(held)
    }

    /// Marks the rows of a failed commit as in doubt, because the commit may have taken effect.
    pub(crate) fn doubt(&mut self, staged: &Staged) {
        self.in_doubt.extend(staged.rows().map(|(write, _)| Arc::clone(&write.id)));
    }

    /// Whether the stored row of `id` is unknown.
    pub(crate) fn is_in_doubt(&self, id: &str) -> bool {
        self.in_doubt.contains(id)
    }

    fn plan_write(&self, change: Change, edits: &mut Vec<Edit<Arc<str>>>) -> PlannedWrite {
        let Change { id, record, contents, last_submitted, last_write, origin } = change;
        let entry = self.entries.get(&id).map(|entry| &**entry);
        let resubmitted = entry.filter(|entry| entry.last_submitted != last_submitted);
        let record = record.or_else(|| resubmitted.map(|entry| entry.record.clone()));
        let (mut added, mut dropped) = (Vec::new(), Vec::new());
        let mut placement = Placement::default();
        if let Some(record) = &record {
            edits.push(edit(&id, record, &self.rules.hasher));
            let live = record.live();
            added.extend(contents.into_iter().filter(|content| {
                let digest = content.digest();
                live.contains(&digest) && !self.contents.contains_key(&digest)
            }));
            // A digest covers the id, so no other record names a content that this one drops.
            let before = entry.map(|entry| entry.record.live()).unwrap_or_default();
            dropped.extend(before.difference(&live));
            let after = self.held_contents(&live).chain(added.iter().cloned()).collect();
            let before: Vec<_> = self.held_contents(&before).collect();
            placement = match self.in_doubt.contains(&id) {
                true => Placement::anew(&before, after),
                false => Placement::change(&before, after),
            };
        }
        PlannedWrite { id, record, last_submitted, last_write, added, dropped, placement, origin }
    }

    /// Applies changes that were staged on the current state. Returns whether the visible patterns
    /// changed.
    pub(crate) fn install(&mut self, staged: Staged, cause: Cause) -> bool {
        self.generation += u64::from(staged.tree.root() != self.tree.root());
        self.tree = staged.tree;
        self.note_generated(staged.generated_at);
        let mut view_changed = false;
        for write in staged.writes {
            let PlannedWrite { id, record, last_submitted, last_write, origin, .. } = write;
            let (added, dropped) = (write.added, write.dropped);
            let entry = self.entries.entry(Arc::clone(&id)).or_default();
            (entry.last_submitted, entry.last_write) = (last_submitted, last_write);
            let Some(record) = record else { continue };
            self.in_doubt.remove(&id);
            self.usage.replace(Usage::of(&entry.record), Usage::of(&record));
            self.counts.replace(&entry.record, &record);
            self.tallies.replace(&entry.record, &record);
            self.conflicts_met += u64::from(versions(&record) > 1 && versions(&entry.record) <= 1);
            let key = self.tree.key_hash(id.as_bytes()).into();
            index(&mut self.clocks, &key, &entry.record, &record);
            entry.record = record;
            entry.record.siblings.shrink_to_fit();
            self.exchange_contents(added, &dropped);
            view_changed |= self.show(&id, origin, cause);
            if self.entries[&id].record == Record::default() {
                self.entries.remove(&id);
            }
        }
        if view_changed {
            self.view_changed_at = cause.generated_at;
        }
        view_changed
    }

    fn exchange_contents(&mut self, added: Vec<Content>, dropped: &[Digest]) {
        for digest in dropped {
            if let Some(held) = self.contents.remove(digest) {
                self.usage.bytes -= canonical::max_encoded_len(&held.pattern) as u64;
            }
        }
        for content in added {
            let (digest, bytes) = (content.digest(), canonical::max_encoded_len(content.pattern()));
            if self.contents.insert(digest, content.into_held()).is_none() {
                self.usage.bytes += bytes as u64;
            }
        }
    }

    /// Recomputes the visible pattern of `id`; returns whether it changed.
    fn show(&mut self, id: &Arc<str>, origin: Option<NodeId>, cause: Cause) -> bool {
        let entry = self.entries.get_mut(id).expect("the row was just installed");
        let after = visible(&entry.record, &self.contents, &*self.rules.strategy);
        let before = std::mem::replace(&mut entry.visible, after);
        let (was, is) = (before.first(), entry.visible.first());
        self.visible = self.visible + u64::from(is.is_some()) - u64::from(was.is_some());
        let changed = before != entry.visible;
        if changed {
            let (was, is) = (was.map(|was| &**was), is.map(|is| &**is));
            self.updates.push(cause.update(id, was, is, origin));
            self.note_uncompared(id);
        }
        changed
    }
}
