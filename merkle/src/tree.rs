use alloc::vec::Vec;
use core::fmt;

use crate::block::{Node, Place};
use crate::change::{Change, in_order};
use crate::hasher::Hasher;
use crate::merkle_path::MerklePath;
use crate::scheme::Scheme;
use crate::{BaseDepth, Digest, Edit, Entries, Entry, Key, Path};

/// A map from keys to digests that maintains the Merkle root of its entries.
///
/// Two trees with the same hash function and base depth have the same root if and only if they
/// hold the same entries, regardless of their history. The tree stores digests of values; the
/// caller keeps the values themselves.
///
/// A clone is a snapshot: later changes to the original do not affect it. Cloning only increments a
/// reference count. The first change to a shared part of the tree copies the blocks on the path to
/// the change: three to five blocks in a tree of the default base depth with up to a million
/// entries.
///
/// The costs below are for n entries. Here, log n is the number of levels: with the default base
/// depth, 12 up to about 20,000 entries, and one more for each further doubling. If k crafted keys
/// share a slot, they add about log2(k / 8) levels.
///
/// ```
/// use engram_merkle::{Digest, Sha256, Tree};
///
/// let mut tree = Tree::new(Sha256);
/// let before = tree.root();
/// tree.upsert("key", Digest::from([1; 32]));
/// assert_ne!(tree.root(), before);
///
/// let snapshot = tree.clone();
/// tree.remove(b"key");
/// assert_eq!(tree.root(), before);
/// assert_eq!(snapshot.get(b"key"), Some(Digest::from([1; 32])));
/// ```
#[derive(Clone)]
pub struct Tree<K, H> {
    pub(crate) scheme: Scheme<H>,
    /// The block at level 0, unless the tree is empty.
    pub(crate) top: Option<Node<K>>,
    root: Digest,
    len: usize,
}

impl<K: Key, H: Hasher> Tree<K, H> {
    /// Creates an empty tree of the default base depth, 12. An empty tree uses no heap memory.
    #[must_use]
    pub fn new(hasher: H) -> Self {
        Self::with_depth(hasher, BaseDepth::default())
    }

    /// Creates an empty tree of the given base depth. An empty tree uses no heap memory.
    #[must_use]
    pub fn with_depth(hasher: H, depth: BaseDepth) -> Self {
        let scheme = Scheme::new(hasher, depth);
        let root = scheme.root([Digest::EMPTY; 2]);
        Self { scheme, top: None, root, len: 0 }
    }

    /// The root: a digest of all entries, the hash function and the base depth. It is stored, so
    /// reading it costs no hash.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.root
    }

    /// The number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the tree has no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The hash function.
    #[must_use]
    pub fn hasher(&self) -> &H {
        &self.scheme.hasher
    }

    /// The base depth.
    #[must_use]
    pub fn depth(&self) -> BaseDepth {
        self.scheme.depth
    }

    /// The hash of `key`, which determines its place in the tree. Costs one hash.
    #[must_use]
    pub fn key_hash(&self, key: impl AsRef<[u8]>) -> Digest {
        self.scheme.key(key.as_ref())
    }

    /// Returns the value of the key with these bytes: `"key"` for a string, `7_u64.to_be_bytes()` for an integer. Costs
    /// one hash and O(log n) steps.
    #[must_use]
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<Digest> {
        self.entry(&self.key_hash(key)).map(|entry| entry.value)
    }

    /// Whether the tree holds the key with these bytes. Costs one hash and O(log n) steps.
    #[must_use]
    pub fn contains_key(&self, key: impl AsRef<[u8]>) -> bool {
        self.get(key).is_some()
    }

    /// Returns the entry whose key has this hash. Costs O(log n) steps and no hash.
    #[must_use]
    pub fn entry(&self, key_hash: &Digest) -> Option<&Entry<K>> {
        self.top.as_ref()?.find(0, key_hash)
    }

    /// Sets the value of `key` and returns the previous one.
    ///
    /// Costs O(log n) hashes: one for the key, one for its leaf, and one for each node above; more
    /// if the leaf splits. An upsert of the current value changes nothing and copies nothing.
    pub fn upsert(&mut self, key: K, value: Digest) -> Option<Digest> {
        let key_hash = self.key_hash(key.as_bytes());
        let previous = self.replace(&key_hash, value);
        if previous.is_none() {
            self.apply(&mut [Change { key_hash, outcome: Some((key, value)) }]);
        }
        previous
    }

    /// Removes `key` and returns its value. The new root is the same as if the tree had never held
    /// the key. Costs O(log n) hashes, or one hash if the tree does not hold the key.
    pub fn remove(&mut self, key: impl AsRef<[u8]>) -> Option<Digest> {
        let key_hash = self.key_hash(key);
        let previous = self.entry(&key_hash)?.value;
        self.apply(&mut [Change { key_hash, outcome: None }]);
        Some(previous)
    }

    /// Applies edits in order, but hashes each affected node only once.
    ///
    /// This is also the way to build a tree from scratch. If a key occurs more than once, only its
    /// last edit takes effect. For m edits, the cost is O(m log m) comparisons and at most O(m log
    /// n) hashes.
    ///
    /// ```
    /// use engram_merkle::{Digest, Edit, Sha256, Tree};
    ///
    /// let value = Digest::from([7; 32]);
    /// let mut tree = Tree::new(Sha256);
    /// tree.update((0..1000_u32).map(|n| Edit::Upsert(n.to_be_bytes(), value)));
    /// tree.update([Edit::Remove([0; 4]), Edit::Upsert([0xff; 4], value)]);
    /// assert_eq!(tree.len(), 1000);
    /// ```
    pub fn update(&mut self, edits: impl IntoIterator<Item = Edit<K>>) {
        let change = |edit| {
            let (key, value) = match edit {
                Edit::Upsert(key, value) => (key, Some(value)),
                Edit::Remove(key) => (key, None),
            };
            let key_hash = self.key_hash(K::as_bytes(&key));
            Change { key_hash, outcome: value.map(|value| (key, value)) }
        };
        let mut changes = in_order(edits.into_iter().map(change).collect());
        changes.retain(|change| {
            let value = self.entry(&change.key_hash).map(|entry| entry.value);
            value != change.value()
        });
        self.apply(&mut changes);
    }

    /// Removes all entries and frees the blocks that no clone shares. Costs one hash.
    pub fn clear(&mut self) {
        (self.top, self.len) = (None, 0);
        self.root = self.scheme.root([Digest::EMPTY; 2]);
    }

    /// Removes the entries for which `keep` returns false. Hashes each affected node only once, and takes O(n) steps.
    ///
    /// ```
    /// use engram_merkle::{Digest, Sha256, Tree};
    ///
    /// let mut tree = Tree::new(Sha256);
    /// tree.extend((0..10_u32).map(|n| (n, Digest::from([n as u8; 32]))));
    /// tree.retain(|key, _| key % 2 == 0);
    /// assert_eq!(tree.len(), 5);
    /// ```
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &Digest) -> bool) {
        let removed = self.iter().filter(|entry| !keep(&entry.key, &entry.value));
        let mut changes: Vec<_> =
            removed.map(|entry| Change { key_hash: entry.key_hash, outcome: None }).collect();
        self.apply(&mut changes);
    }

    /// Sets the value of a key that the tree holds and returns the previous one. Changes only the
    /// digests on the path to the key; the shape of the tree does not change.
    fn replace(&mut self, key_hash: &Digest, value: Digest) -> Option<Digest> {
        let top = self.top.as_mut()?;
        let MerklePath { siblings: mut path, leaf } = top.merkle_path(key_hash);
        let previous = leaf.clone().find(|entry| entry.key_hash == *key_hash)?.value;
        if previous == value {
            return Some(previous);
        }
        let lines = leaf.map(|entry| match entry.key_hash == *key_hash {
            true => [&entry.key_hash, &value],
            false => entry.line(),
        });
        let leaf = self.scheme.leaf(path.len() as u16, lines);
        self.root = self.scheme.climb(key_hash, leaf, &mut path);
        top.replace(key_hash, value, &path);
        Some(previous)
    }

    /// Applies changes that are sorted by [`in_order`] and all have an effect.
    fn apply(&mut self, changes: &mut [Change<K>]) {
        let grown = match &mut self.top {
            _ if changes.is_empty() => return,
            Some(top) => top.apply(&self.scheme, 0, changes),
            None => {
                self.top = Some(Node::from_changes(&self.scheme, 0, changes));
                changes.len() as isize
            }
        };
        self.refresh(grown);
    }

    /// Updates the root and the length after changes that added `grown` entries.
    fn refresh(&mut self, grown: isize) {
        self.len = self.len.wrapping_add_signed(grown);
        if self.len == 0 {
            self.top = None;
        }
        let halves = self.top.as_ref().map_or([Digest::EMPTY; 2], Node::halves);
        self.root = self.scheme.root(halves);
    }
}

impl<K: Key, H: Hasher> Tree<K, H> {
    /// Iterates over all entries in the order of their key hashes.
    pub fn iter(&self) -> Entries<'_, K> {
        self.entries(&Path::ROOT)
    }

    /// Iterates over the entries below a node, in the order of their key hashes. Finding the first
    /// entry takes O(log n) steps.
    pub fn entries(&self, path: &Path) -> Entries<'_, K> {
        self.locate(path).map_or_else(Entries::empty, |place| place.entries)
    }

    /// The number of entries below a node. Costs O(log n) steps and no hash.
    #[must_use]
    pub fn count(&self, path: &Path) -> u64 {
        self.locate(path).map_or(0, |place| place.entries.len() as u64)
    }

    /// The digest of a node, or [`Digest::EMPTY`] if no entry lies below it. The digest of
    /// [`Path::ROOT`] is the [root](Self::root), even if the tree is empty.
    ///
    /// A digest depends only on the path, the entries below it, the hash function and the base
    /// depth. It is defined for all paths, including paths below a leaf, so a peer can ask for any
    /// node, even if its tree has another shape. Costs O(log n) steps, and one hash if the path lies
    /// below a leaf.
    #[must_use]
    pub fn digest(&self, path: &Path) -> Digest {
        if path.level() == 0 {
            return self.root;
        }
        let Some(Place { entries, digest }) = self.locate(path) else {
            return Digest::EMPTY;
        };
        // A node without a stored digest is empty, or lies below a leaf and is hashed like a leaf.
        digest.unwrap_or_else(|| self.scheme.leaf(path.level(), entries.map(Entry::line)))
    }

    fn locate(&self, path: &Path) -> Option<Place<'_, K>> {
        self.top.as_ref()?.locate(path)
    }

    /// The digests of the sixteen nodes four levels below `path`, in the order of
    /// [`Path::descendant`]; `None` for an empty node, or if that level does not exist.
    #[must_use]
    pub fn children(&self, path: &Path) -> [Option<Digest>; 16] {
        core::array::from_fn(|nibble| {
            let digest = self.digest(&path.descendant(nibble as u8)?);
            (digest != Digest::EMPTY).then_some(digest)
        })
    }
}

/// Compares the roots: trees are equal if they have the same entries, hash function and base depth.
impl<K: Key, H: Hasher> PartialEq for Tree<K, H> {
    fn eq(&self, other: &Self) -> bool {
        self.root == other.root
    }
}

impl<K: Key, H: Hasher> Eq for Tree<K, H> {}

impl<K: Key, H: Hasher> Extend<(K, Digest)> for Tree<K, H> {
    fn extend<I: IntoIterator<Item = (K, Digest)>>(&mut self, entries: I) {
        self.update(entries.into_iter().map(|(key, value)| Edit::Upsert(key, value)));
    }
}

impl<'a, K: Key, H: Hasher> IntoIterator for &'a Tree<K, H> {
    type Item = &'a Entry<K>;
    type IntoIter = Entries<'a, K>;

    fn into_iter(self) -> Entries<'a, K> {
        self.iter()
    }
}

impl<K, H: Hasher> fmt::Debug for Tree<K, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tree")
            .field("hash", &self.scheme.hasher.name())
            .field("depth", &self.scheme.depth)
            .field("len", &self.len)
            .field("root", &self.root)
            .finish()
    }
}
