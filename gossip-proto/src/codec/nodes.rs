//! A table of nodes in a message: each node is named once, and entries refer to it by its index.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::record::Entries;
use crate::DecodeError;
use crate::limits::MAX_NODE_IDS;
use crate::wire::{Reader, put, put_count};

/// Nodes of a message, ascending, each with its greatest entry in the message. `N` is the number of
/// bytes that name a node: 32 for an id, 5 for a tag.
///
/// An entry is encoded as its distance below the node's greatest entry: the versions in a message
/// are usually close together, so the distance takes fewer bytes than the version itself.
#[derive(PartialEq, Eq)]
pub(crate) struct NodeTable<const N: usize = 32>(Vec<([u8; N], u64)>);

impl<const N: usize> NodeTable<N> {
    /// Size of one node in the table, in bytes.
    pub(crate) const NODE_WIRE: usize = N + size_of::<u64>();
    /// Upper bound for the size of an index and a difference, in bytes.
    pub(crate) const ENTRY_WIRE: usize = 13;

    /// The table of all entries of a message.
    pub(crate) fn of(entries: impl Iterator<Item = ([u8; N], u64)>) -> Self {
        let mut greatest: BTreeMap<[u8; N], u64> = BTreeMap::new();
        for (node, entry) in entries {
            let known = greatest.entry(node).or_insert(entry);
            *known = entry.max(*known);
        }
        Self(greatest.into_iter().collect())
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put_count(out, self.0.len());
        for (node, greatest) in &self.0 {
            out.extend_from_slice(node);
            out.extend_from_slice(&greatest.to_le_bytes());
        }
    }

    /// Takes a table; calls `count` before it allocates each node.
    ///
    /// The caller compares the result with the table of the decoded message, so that only the
    /// canonical table is accepted.
    pub(crate) fn take(
        r: &mut Reader<'_>,
        mut count: impl FnMut() -> Result<(), DecodeError>,
    ) -> Result<Self, DecodeError> {
        let nodes = r.list("nodes of a message", MAX_NODE_IDS, Self::NODE_WIRE, |r| {
            count()?;
            Ok((r.array("a node")?, u64::from_le_bytes(r.array("the greatest entry of a node")?)))
        })?;
        Ok(Self(nodes))
    }
}

impl<const N: usize> Entries<N> for NodeTable<N> {
    const LEAST: usize = 2;

    /// Appends the index of `node`, which must be in the table, and its `entry`.
    fn put_entry(&self, out: &mut Vec<u8>, node: &[u8; N], entry: u64) {
        let place = self.0.binary_search_by_key(node, |(node, _)| *node);
        let place = place.expect("the table has every node of its message");
        put(out, &(place as u32, self.0[place].1 - entry));
    }

    fn take_entry(&self, r: &mut Reader<'_>) -> Result<([u8; N], u64), DecodeError> {
        let (place, below) = r.take::<(u32, u64)>("an entry")?;
        let (node, greatest) =
            self.0.get(place as usize).ok_or(DecodeError::Invalid("the index of a node"))?;
        match greatest.checked_sub(below) {
            None | Some(0) => Err(DecodeError::Invalid("an entry")),
            Some(entry) => Ok((*node, entry)),
        }
    }
}
