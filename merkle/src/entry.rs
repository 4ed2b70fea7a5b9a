use crate::Digest;

/// One key of a tree with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry<K> {
    /// The hash of the key, which places the entry in the tree.
    pub key_hash: Digest,
    /// What the key stands for, as a digest; the tree does not look behind it.
    pub value: Digest,
    /// The key.
    pub key: K,
}

impl<K> Entry<K> {
    /// What a leaf hashes of the entry.
    pub(crate) fn line(&self) -> [&Digest; 2] {
        [&self.key_hash, &self.value]
    }
}

/// One change of a batch, for [`Tree::update`](crate::Tree::update).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit<K> {
    /// Gives the key this value, whether or not the tree holds the key.
    Upsert(K, Digest),
    /// Removes the key, if the tree holds it.
    Remove(K),
}
