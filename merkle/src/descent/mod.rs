//! The comparison of two trees at two places, without any I/O.

mod message;
mod tag;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::fmt;

pub use message::{Line, MAX_LINES, MAX_PATHS, MessageError, Request, Response, Seen};
pub use tag::{Tag, TagKey};

use crate::hasher::Hasher;
use crate::{Digest, Entry, Key, Path, Tree};

/// The level at which two keys are taken for one place: the first 64 bits of a key hash.
const LAST_LEVEL: u16 = 64;
/// A node with at most so many entries is listed instead of opened.
const LISTED: u64 = 12;
/// The limit of a [`Descent`] that is not given one.
const DEFAULT_LIMIT: u64 = 1 << 20;

/// Finds the places where a tree elsewhere differs from this one, by requests and responses that the
/// caller carries.
///
/// One side holds a `Descent`; the other one answers by [`Tree::answer`] and keeps no state. Each
/// request names all nodes of a level that differ, up to [`MAX_PATHS`], so the number of round trips
/// depends on the depth of the trees, not on the number of differences: three for some 10,000 entries,
/// four for a million. Digests travel as [`Tag`]s of 5 bytes.
///
/// ```
/// use engram_merkle::descent::{Descent, Holder, Request, Response, TagKey};
/// use engram_merkle::{Digest, Sha256, Tree};
///
/// let mut here = Tree::new(Sha256);
/// here.extend((0..1_000_u32).map(|n| (n.to_be_bytes(), Digest::from([1; 32]))));
/// let mut there = here.clone();
/// there.upsert(7_u32.to_be_bytes(), Digest::from([2; 32]));
///
/// let key = TagKey::of([0x5e; 8], [0xa1; 8]); // Each side draws a half, for each descent anew.
/// let mut descent = Descent::new(&here, key);
/// while let Some(request) = descent.next_request() {
///     let request = Request::from_bytes(&request.to_bytes())?; // Over a network.
///     let response = there.answer(&request, key);
///     descent.handle(Response::from_bytes(&response.to_bytes())?)?;
/// }
/// let difference = descent.next_difference().expect("one key differs");
/// assert_eq!(difference.holder, Holder::Both);
/// let keys: Vec<_> = here.entries(&difference.path).map(|entry| entry.key).collect();
/// assert_eq!(keys, [7_u32.to_be_bytes()]);
/// assert_eq!(descent.next_difference(), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Two digests have equal tags with a probability of 2^-40, and the difference is then missed: compare
/// the roots when the differences are dealt with, and descend again under another key.
#[derive(Clone)]
pub struct Descent<K, H> {
    tree: Tree<K, H>,
    key: TagKey,
    /// Nodes that differ, the next one last.
    pending: Vec<Path>,
    /// The nodes of the request that is not answered yet.
    asked: Vec<Path>,
    /// How many nodes may be asked for, and how many of these may still be.
    limit: u64,
    left: u64,
    found: VecDeque<RemoteDifference>,
}

/// A place where two trees differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteDifference {
    /// The first 64 bits of the key hashes that differ; nearly always those of one key.
    ///
    /// [`Tree::entries`] of it are the entries of a side.
    pub path: Path,
    /// The side that holds entries there.
    pub holder: Holder,
}

/// The side that holds entries at a place where two trees differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    /// The tree of the [`Descent`].
    Here,
    /// The tree that answers.
    There,
    /// Both, with different values.
    Both,
}

/// A response that a [`Descent`] cannot use. What was found before stays valid; begin another descent,
/// with another peer if this one answers so again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DescentError {
    /// The response answers another number of nodes than the request named.
    #[error("{answered} nodes were answered, {asked} were asked for")]
    Count {
        /// Nodes of the last request; 0 if there was none.
        asked: usize,
        /// Nodes of the response.
        answered: usize,
    },
    /// A listing has an entry of another node.
    #[error("a listed entry does not lie below its node")]
    ForeignEntry,
    /// A node that is to be listed was opened, or a listing is longer than it may be.
    #[error("a node was answered in a form that it may not have")]
    Form,
    /// The other side leads to more nodes than the limit of this descent allows.
    #[error(
        "the descent exceeds its limit of {limit} nodes; raise the limit if the peer is trusted"
    )]
    Limit {
        /// The limit, from [`Descent::with_limit`].
        limit: u64,
    },
}

impl<K: Key, H: Hasher + Clone> Descent<K, H> {
    /// Begins at the root of `tree` as it is now; later changes of it do not matter. Free, as a clone is.
    ///
    /// `key` must be the key under which the other side answers.
    pub fn new(tree: &Tree<K, H>, key: TagKey) -> Self {
        Self {
            tree: tree.clone(),
            key,
            pending: Vec::from([Path::ROOT]),
            asked: Vec::new(),
            limit: DEFAULT_LIMIT,
            left: DEFAULT_LIMIT,
            found: VecDeque::new(),
        }
    }
}

impl<K: Key, H: Hasher> Descent<K, H> {
    /// Asks for at most `nodes` nodes, instead of a million.
    ///
    /// A side that answers with made-up tags can make a descent long; this bounds it.
    #[must_use]
    pub fn with_limit(self, nodes: u64) -> Self {
        Self { limit: nodes, left: nodes, ..self }
    }

    /// The next request; `None` while one is not answered, and when the descent is finished.
    ///
    pub fn next_request(&mut self) -> Option<Request> {
        if !self.asked.is_empty() || self.pending.is_empty() {
            return None;
        }
        let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(MAX_PATHS);
        let from = self.pending.len().saturating_sub(room);
        self.asked = self.pending.split_off(from);
        self.asked.reverse();
        self.left -= self.asked.len() as u64;
        (!self.asked.is_empty()).then(|| Request { paths: self.asked.clone() })
    }

    /// Whether everything was compared.
    pub fn is_finished(&self) -> bool {
        self.asked.is_empty() && self.pending.is_empty()
    }

    /// The next place that differs, of those that were found so far.
    pub fn next_difference(&mut self) -> Option<RemoteDifference> {
        self.found.pop_front()
    }

    /// Compares what the other side has. O(log n) steps and at most 16 hashes for each node.
    ///
    /// # Errors
    /// [`DescentError`] if the response does not fit the request, or leads beyond the limit.
    pub fn handle(&mut self, response: Response) -> Result<(), DescentError> {
        let asked = core::mem::take(&mut self.asked);
        if asked.is_empty() || asked.len() != response.seen.len() {
            let (asked, answered) = (asked.len(), response.seen.len());
            return Err(DescentError::Count { asked, answered });
        }
        let mut open = Vec::new();
        for (path, seen) in asked.into_iter().zip(response.seen) {
            match seen {
                Seen::Children(_) if path.level() >= LAST_LEVEL => return Err(DescentError::Form),
                Seen::Children(theirs) => self.compare_children(path, &theirs, &mut open),
                Seen::Entries(lines) => self.compare_entries(path, &lines)?,
            }
        }
        open.reverse();
        self.pending.extend(open);
        match self.left {
            0 if !self.pending.is_empty() => Err(DescentError::Limit { limit: self.limit }),
            _ => Ok(()),
        }
    }

    fn compare_children(&mut self, path: Path, theirs: &[Option<Tag>; 16], open: &mut Vec<Path>) {
        let ours = self.key.children(self.tree.children(&path));
        for (nibble, (ours, theirs)) in (0..16).zip(ours.iter().zip(theirs)) {
            let Some(child) = path.descendant(nibble).filter(|_| ours != theirs) else { continue };
            match theirs {
                Some(_) => open.push(child),
                None => self.only_here(&child),
            }
        }
    }

    fn only_here(&mut self, below: &Path) {
        let places: BTreeSet<Path> = self.tree.entries(below).map(place).collect();
        self.found.extend(places.into_iter().map(|path| Holder::Here.at(path)));
    }

    fn compare_entries(&mut self, path: Path, lines: &[Line]) -> Result<(), DescentError> {
        if lines.len() as u64 > LISTED && path.level() < LAST_LEVEL {
            return Err(DescentError::Form);
        }
        // The tags that each side has at a place.
        let mut places: BTreeMap<Path, [BTreeSet<Tag>; 2]> = BTreeMap::new();
        for entry in self.tree.entries(&path) {
            let [ours, _] = places.entry(place(entry)).or_default();
            ours.insert(self.key.tag(&entry.value));
        }
        for line in lines {
            let key = line.path();
            if key.ancestor(path.level()) != Some(path) {
                return Err(DescentError::ForeignEntry);
            }
            let [_, theirs] = places.entry(key).or_default();
            theirs.insert(line.tag);
        }
        for (path, [ours, theirs]) in places {
            let holder = match (ours.is_empty(), theirs.is_empty()) {
                _ if ours == theirs => continue,
                (false, true) => Holder::Here,
                (true, _) => Holder::There,
                (false, false) => Holder::Both,
            };
            self.found.push_back(holder.at(path));
        }
        Ok(())
    }
}

impl Holder {
    fn at(self, path: Path) -> RemoteDifference {
        RemoteDifference { path, holder: self }
    }
}

impl<K, H: Hasher> fmt::Debug for Descent<K, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Descent")
            .field("tree", &self.tree)
            .field("pending", &self.pending.len())
            .field("asked", &self.asked.len())
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

/// The place of an entry.
fn place<K>(entry: &Entry<K>) -> Path {
    Path::leading(&entry.key_hash, LAST_LEVEL)
}

impl<K: Key, H: Hasher> Tree<K, H> {
    /// Answers a request of a [`Descent`] elsewhere, under the key of that descent.
    ///
    /// Keeps no state: the tree may change between two requests, and the descent then finds what
    /// differs from either picture. At most 16 hashes for each node of the request.
    pub fn answer(&self, request: &Request, key: TagKey) -> Response {
        let see = |path: &Path| {
            if self.count(path) > LISTED && path.level() < LAST_LEVEL {
                return Seen::Children(key.children(self.children(path)));
            }
            let line = |entry: &Entry<K>| Line::new(&entry.key_hash, key.tag(&entry.value));
            Seen::Entries(self.entries(path).take(MAX_LINES).map(line).collect())
        };
        Response { seen: request.paths.iter().map(see).collect() }
    }
}

/// The digest that a key hash stands for in a listing.
fn padded(key: &[u8; 8]) -> Digest {
    let mut bits = [0; 32];
    bits[..8].copy_from_slice(key);
    Digest::from(bits)
}
