use crate::Digest;

/// A key in a tree, with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry<K> {
    /// The hash of the key, which determines the place of the entry in the tree.
    pub key_hash: Digest,
    /// The digest of the value. The tree does not interpret it.
    pub value: Digest,
    /// The key.
    pub key: K,
}

impl<K> Entry<K> {
    /// The part of the entry that a leaf hashes.
    pub(crate) fn line(&self) -> [&Digest; 2] {
        [&self.key_hash, &self.value]
    }
}

/// One change in a batch, for [`Tree::update`](crate::Tree::update).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit<K> {
    /// Sets the value of the key, whether or not the tree holds the key.
    Upsert(K, Digest),
    /// Removes the key, if the tree holds it.
    Remove(K),
}
