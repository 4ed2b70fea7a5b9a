//! Counts over the contexts of a space's records.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::replica::members::Members;
use crate::replica::record::Record;

/// For each node that any record names, or has named since the last recount: its greatest context
/// entry, and the number of its entries.
///
/// The greatest entry decreases only in a recount. Before a recount, it may be an entry that has
/// been replaced.
#[derive(Debug, Default)]
pub(crate) struct Tallies {
    nodes: BTreeMap<[u8; 32], Tally>,
    members: Arc<Members>,
    entries: u64,
    unlisted: u64,
}

#[derive(Debug, Default)]
struct Tally {
    greatest: u64,
    entries: u64,
}

impl Tallies {
    /// Updates the counts when `after` replaces `before`. O((n + m) log N), where the two records
    /// name n and m nodes, and all records together name N.
    pub(crate) fn replace(&mut self, before: &Record, after: &Record) {
        let (before, after) = (before.siblings.context(), after.siblings.context());
        for (node, entry) in after.iter() {
            let tally = self.nodes.entry(*node).or_default();
            tally.greatest = tally.greatest.max(entry);
            if before.get(node) == 0 {
                tally.entries += 1;
                self.entries += 1;
                self.unlisted += u64::from(!self.members.contains(node));
            }
        }
        for (node, _) in before.iter().filter(|(node, _)| after.get(node) == 0) {
            if let Some(tally) = self.nodes.get_mut(node) {
                tally.entries -= 1;
                self.entries -= 1;
                self.unlisted -= u64::from(!self.members.contains(node));
            }
        }
    }

    /// Recounts all records. The greatest entries may decrease.
    pub(crate) fn recount<'r>(&mut self, records: impl Iterator<Item = &'r Record>) {
        let members = Arc::clone(&self.members);
        *self = Self { members, ..Self::default() };
        records.for_each(|record| self.replace(&Record::default(), record));
    }

    /// Sets the members.
    pub(crate) fn set_members(&mut self, members: &Arc<Members>) {
        self.members = Arc::clone(members);
        let unlisted = self.nodes.iter().filter(|(node, _)| !self.members.contains(node));
        self.unlisted = unlisted.map(|(_, tally)| tally.entries).sum();
    }

    /// The greatest version of `node` that a record of this space covered since the last recount; 0
    /// if none did.
    pub(crate) fn greatest(&self, node: &[u8; 32]) -> u64 {
        self.nodes.get(node).map_or(0, |tally| tally.greatest)
    }

    /// Whether `node` counts as a member: it [is listed](Self::is_listed), or the roster lists no
    /// node other than this one.
    pub(crate) fn is_member(&self, node: &[u8; 32]) -> bool {
        !self.members.lists_others() || self.is_listed(node)
    }

    /// Whether the roster lists `node`, or `node` is this node.
    pub(crate) fn is_listed(&self, node: &[u8; 32]) -> bool {
        self.members.contains(node)
    }

    /// Context entries of all records.
    pub(crate) const fn entries(&self) -> u64 {
        self.entries
    }

    /// Context entries of nodes that the roster does not list.
    pub(crate) const fn unlisted(&self) -> u64 {
        self.unlisted
    }
}
