//! A naive tree: sorted entries, digests by hashing a whole range.

use std::ops::Range;
use std::vec::Vec;

use sha2::{Digest as _, Sha256};

use crate::{Entry, Prefix};

/// The entries of a state, ascending by key.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree(Vec<Entry>);

impl Tree {
    /// Creates the tree of `entries`, which ascend by key.
    pub(super) fn new(entries: Vec<Entry>) -> Self {
        Self(entries)
    }

    pub(super) fn entries(&self, prefix: &Prefix) -> &[Entry] {
        &self.0[self.range(prefix)]
    }

    /// SHA-256 of all entries below `prefix`; `None` if there are none.
    pub(super) fn digest(&self, prefix: &Prefix) -> Option<[u8; 32]> {
        let entries = self.entries(prefix);
        let mut hash = Sha256::new();
        entries.iter().for_each(|entry| hash.update([entry.key, entry.record].as_flattened()));
        (!entries.is_empty()).then(|| hash.finalize().into())
    }

    /// The digest of all entries; 32 zero bytes if the tree is empty.
    pub(super) fn root(&self) -> [u8; 32] {
        self.digest(&Prefix::ROOT).unwrap_or_default()
    }

    fn range(&self, prefix: &Prefix) -> Range<usize> {
        let start = self.0.partition_point(|entry| entry.key < *prefix.bits());
        let len = self.0[start..].partition_point(|entry| prefix.contains(&entry.key));
        start..start + len
    }
}
