use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;
use core::iter::{FusedIterator, Peekable};

use crate::block::Node;
use crate::digests::{Digests, Heap, SLOTS};
use crate::hasher::Hasher;
use crate::slots::Slots;
use crate::{BaseDepth, Digest, Entries, Entry, Key, Tree};

/// A key whose value differs between two trees.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference<'a, K> {
    /// The key.
    pub key: &'a K,
    /// The hash of the key.
    pub key_hash: Digest,
    /// The value in the tree that [`Tree::diff`] was called on, or `None` if that tree does not hold the key.
    pub left: Option<Digest>,
    /// The value in the other tree, or `None` if that tree does not hold the key.
    pub right: Option<Digest>,
}

/// The error for two trees that cannot be compared because their hash functions or base depths
/// differ.
///
/// To compare them, rebuild one tree with the parameters of the other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "trees with different parameters cannot be compared: \
     {} with base depth {} and {} with base depth {}",
    left.0, left.1.levels(), right.0, right.1.levels()
)]
#[non_exhaustive]
pub struct Incomparable {
    /// The hash function and the base depth of the tree that [`Tree::diff`] was called on.
    pub left: (&'static str, BaseDepth),
    /// The hash function and the base depth of the other tree.
    pub right: (&'static str, BaseDepth),
}

impl<K: Key, H: Hasher> Tree<K, H> {
    /// Returns a lazy iterator over the keys at which this tree and `other` differ, ordered by key
    /// hash.
    ///
    /// The iterator skips blocks whose digests are equal: d differences cost O(d log n) steps and no
    /// hash.
    ///
    /// ```
    /// use engram_merkle::{Digest, Sha256, Tree};
    ///
    /// let mut left = Tree::new(Sha256);
    /// left.extend((0..100_u8).map(|n| ([n], Digest::from([n; 32]))));
    /// let mut right = left.clone();
    /// right.remove(&[42]);
    ///
    /// let differences: Vec<_> = left.diff(&right)?.collect();
    /// assert_eq!(differences.len(), 1);
    /// assert_eq!(differences[0].key, &[42]);
    /// assert_eq!(differences[0].left, Some(Digest::from([42; 32])));
    /// assert_eq!(differences[0].right, None);
    /// # Ok::<(), engram_merkle::Incomparable>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Incomparable`] if the hash functions or base depths differ.
    pub fn diff<'a>(&'a self, other: &'a Self) -> Result<Diff<'a, K>, Incomparable> {
        if !self.scheme.matches(&other.scheme) {
            let parameters = |tree: &Self| (tree.hasher().name(), tree.depth());
            return Err(Incomparable { left: parameters(self), right: parameters(other) });
        }
        let mut diff = Diff {
            pending: Vec::new(),
            left: Entries::empty().peekable(),
            right: Entries::empty().peekable(),
        };
        if self.root() != other.root() {
            diff.pending.push((self.top.as_ref(), other.top.as_ref()));
        }
        Ok(diff)
    }
}

/// The differences between two trees, in the order of their key hashes.
///
/// Created by [`Tree::diff`].
#[must_use = "iterators are lazy and do nothing unless consumed"]
pub struct Diff<'a, K> {
    /// A stack of pairs of blocks that are at the same path and may differ.
    pending: Vec<Pair<'a, K>>,
    /// The remaining entries of the current pair, on the left side.
    left: Peekable<Entries<'a, K>>,
    /// The remaining entries of the current pair, on the right side.
    right: Peekable<Entries<'a, K>>,
}

type Pair<'a, K> = (Option<&'a Node<K>>, Option<&'a Node<K>>);

impl<'a, K> Diff<'a, K> {
    /// Continues with the entries of both trees below one node.
    fn compare(&mut self, left: Entries<'a, K>, right: Entries<'a, K>) {
        self.left = left.peekable();
        self.right = right.peekable();
    }

    /// Continues with the slots that may differ between two branches at the same path.
    fn follow(&mut self, digests: [&Digests; 2], slots: [&'a Slots<K>; 2]) {
        for nibble in (0..16).rev() {
            let [left, right] = digests.map(|digests| digests.get(SLOTS + Heap::from(nibble)));
            if left.is_some() && left == right {
                continue;
            }
            let [left, right] = slots.map(|slots| slots.get(nibble));
            self.pending.push((left, right));
        }
    }

    /// Returns the left and the right entry of the next key; one of them may be missing.
    fn next_pair(&mut self) -> Option<[Option<&'a Entry<K>>; 2]> {
        let order = match (self.left.peek(), self.right.peek()) {
            (None, None) => return None,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(left), Some(right)) => left.key_hash.cmp(&right.key_hash),
        };
        let left = if order.is_le() { self.left.next() } else { None };
        let right = if order.is_ge() { self.right.next() } else { None };
        Some([left, right])
    }
}

impl<'a, K> Iterator for Diff<'a, K> {
    type Item = Difference<'a, K>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            while let Some(pair) = self.next_pair() {
                let [left, right] = pair.map(|entry| entry.map(|entry| entry.value));
                if let Some(Entry { key, key_hash, .. }) = pair[0].or(pair[1])
                    && left != right
                {
                    return Some(Difference { key, key_hash: *key_hash, left, right });
                }
            }
            match self.pending.pop()? {
                (Some(Node::Branch(left)), Some(Node::Branch(right))) => {
                    self.follow([&left.digests, &right.digests], [&left.body, &right.body]);
                }
                (left, right) => self.compare(entries(left), entries(right)),
            }
        }
    }
}

fn entries<K>(node: Option<&Node<K>>) -> Entries<'_, K> {
    node.map_or_else(Entries::empty, Node::entries)
}

impl<K> FusedIterator for Diff<'_, K> {}

impl<K> Clone for Diff<'_, K> {
    fn clone(&self) -> Self {
        let (left, right) = (self.left.clone(), self.right.clone());
        Self { pending: self.pending.clone(), left, right }
    }
}

impl<K> fmt::Debug for Diff<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Diff").field("pending", &self.pending.len()).finish_non_exhaustive()
    }
}
