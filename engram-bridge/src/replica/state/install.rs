//! Changes of the state: staged, then installed.

use std::sync::Arc;

use engram_gossip_net::NodeId;
use engram_merkle::{Digest, Edit};

use super::{SpaceState, edit, index, versions};
use crate::engram::belief::Cause;
use crate::replica::caps::Usage;
use crate::replica::change::{Change, PlannedWrite, Staged};
use crate::replica::content::{self, Content};
use crate::replica::record::Record;
use crate::replica::visible::visible;

impl SpaceState {
    /// Computes the effect of the changes, at most one per id, without any effect yet.
    pub(crate) fn stage(&self, changes: Vec<Change>) -> Staged {
        let mut edits = Vec::with_capacity(changes.len());
        let plan = |change| self.plan_write(change, &mut edits);
        let writes = changes.into_iter().map(plan).collect();
        let mut tree = self.tree.clone();
        tree.update(edits);
        Staged { writes, tree, generated_at: self.generated_at }
    }

    fn plan_write(&self, change: Change, edits: &mut Vec<Edit<Arc<str>>>) -> PlannedWrite {
        let Change { id, record, contents, last_submitted, last_write, origin } = change;
        let entry = self.entries.get(&id);
        let resubmitted = entry.filter(|entry| entry.last_submitted != last_submitted);
        let record = record.or_else(|| resubmitted.map(|entry| entry.record.clone()));
        let (mut added, mut dropped) = (Vec::new(), Vec::new());
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
        }
        PlannedWrite { id, record, last_submitted, last_write, added, dropped, origin }
    }

    /// Makes visible what was staged on this very state. Returns whether the visible patterns
    /// changed.
    pub(crate) fn install(&mut self, staged: Staged, cause: Cause) -> bool {
        self.generation += u64::from(staged.tree.root() != self.tree.root());
        self.tree = staged.tree;
        self.note_generated(staged.generated_at);
        let mut view_changed = false;
        for write in staged.writes {
            let PlannedWrite { id, record, last_submitted, last_write, added, dropped, origin } =
                write;
            let entry = self.entries.entry(Arc::clone(&id)).or_default();
            (entry.last_submitted, entry.last_write) = (last_submitted, last_write);
            let Some(record) = record else { continue };
            self.usage.replace(Usage::of(&entry.record), Usage::of(&record));
            self.tallies.replace(&entry.record, &record);
            self.conflicts_met += u64::from(versions(&record) > 1 && versions(&entry.record) <= 1);
            let key = self.tree.key_hash(id.as_bytes()).into();
            index(&mut self.clocks, &key, &entry.record, &record);
            entry.record = record;
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
                self.usage.bytes -= content::encoded_len(&held.pattern) as u64;
            }
        }
        for content in added {
            self.usage.bytes += content::encoded_len(content.pattern()) as u64;
            self.contents.insert(content.digest(), content.into_held());
        }
    }

    /// Computes the visible pattern of `id` anew; returns whether it changed.
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
