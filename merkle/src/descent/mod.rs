//! Comparison of a local tree with a remote one, without I/O.

mod message;
mod tag;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::fmt;

pub use message::{Line, MAX_LINES, MAX_PATHS, MessageError, Request, Response, Seen};
pub use tag::{Tag, TagKey};

use crate::hasher::Hasher;
use crate::{Digest, Entry, Key, Path, Tree};

/// The deepest level of a descent. Keys whose hashes share the first 64 bits are reported as one
/// place.
const LAST_LEVEL: u16 = 64;
/// The maximum number of entries below a node that is answered with a listing instead of its children. A node at
/// [`LAST_LEVEL`] is always answered with a listing.
const LISTED: u64 = 12;
/// The default limit on the nodes that a [`Descent`] may request.
const DEFAULT_LIMIT: u64 = 1 << 20;

/// Finds the places where a remote tree differs from a local one, through requests and responses
/// that the caller transports.
///
/// One side holds a `Descent`; the other answers with [`Tree::answer`] and keeps no state. The first request names the
/// root, and each further one up to [`MAX_PATHS`] nodes that differ. A descent takes about one round trip for each
/// factor of 16 in the number of entries (four for 10,000 entries, six for a million), and one more for each further
/// [`MAX_PATHS`] nodes that differ at a level. Digests are sent as [`Tag`]s of 3 bytes.
///
/// Exchange the names of the hashers, the base depths and the roots first: a descent compares entries
/// only. It finds no difference between equal entries at different depths, and reports every entry if the
/// hashers or the tag keys differ.
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
/// let key = TagKey::of([0x5e; 8], [0xa1; 8]); // Each side draws a new half for each descent.
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
/// Two different digests have equal tags with a probability of 2^-24, and the descent then misses the difference:
/// compare the roots after resolving the differences, and descend again under another key if they differ.
#[derive(Clone)]
pub struct Descent<K, H> {
    tree: Tree<K, H>,
    key: TagKey,
    /// A stack of the nodes that differ and have not been requested yet.
    pending: Vec<Path>,
    /// The nodes of the unanswered request.
    asked: Vec<Path>,
    /// The number of nodes that the descent may request in total.
    limit: u64,
    /// The number of nodes that the descent may still request.
    left: u64,
    is_failed: bool,
    found: VecDeque<RemoteDifference>,
}

/// A place where two trees differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteDifference {
    /// The first 64 bits of a key hash. Two keys almost never share them.
    ///
    /// [`Tree::entries`] with this path returns the local entries; send the path to the other side to get its
    /// entries.
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

/// The error for a response that a [`Descent`] cannot use. Differences found earlier remain valid.
/// Begin another descent; if the peer repeats the error, choose another peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DescentError {
    /// The response covers more or fewer nodes than the request named.
    #[error("the response covers {answered} nodes, but the request named {asked}")]
    Count {
        /// The number of nodes in the unanswered request; 0 if there is none.
        asked: usize,
        /// The number of nodes in the response.
        answered: usize,
    },
    /// A listing contains an entry that does not lie below the listed node.
    #[error("a listed entry does not lie below its node")]
    ForeignEntry,
    /// The response contains the children of a node at the deepest level, which must be listed, or
    /// a listing is too long.
    #[error(
        "the response contains the children of a node that must be listed, or lists too many entries"
    )]
    Form,
    /// The answers lead to more nodes than the limit of this descent allows.
    #[error(
        "the descent exceeds its limit of {limit} nodes; raise the limit if the peer is trusted"
    )]
    Limit {
        /// The limit, from [`Descent::with_limit`].
        limit: u64,
    },
}

impl<K: Key, H: Hasher + Clone> Descent<K, H> {
    /// Creates a descent that begins at the root of a snapshot of `tree`; later changes do not affect it. Taking the
    /// snapshot only increments a reference count.
    ///
    /// The other side must answer under the same `key`.
    pub fn new(tree: &Tree<K, H>, key: TagKey) -> Self {
        Self {
            tree: tree.clone(),
            key,
            pending: Vec::from([Path::ROOT]),
            asked: Vec::new(),
            limit: DEFAULT_LIMIT,
            left: DEFAULT_LIMIT,
            is_failed: false,
            found: VecDeque::new(),
        }
    }
}

impl<K: Key, H: Hasher> Descent<K, H> {
    /// Limits the number of nodes that the descent may request; 0 counts as 1. The default is 2^20.
    ///
    /// The limit bounds the memory that a peer can consume if it invents tags: each requested node adds at most 16
    /// nodes to compare, of 34 bytes each, or 12 differences without a local entry, of 36 bytes each. With the default
    /// limit, this is about 570 MB.
    #[must_use]
    pub fn with_limit(self, nodes: u64) -> Self {
        let nodes = nodes.max(1);
        Self { limit: nodes, left: nodes, ..self }
    }

    /// Returns the next request, or `None` while a request is unanswered and after the descent has
    /// finished or failed.
    pub fn next_request(&mut self) -> Option<Request> {
        if self.is_failed || !self.asked.is_empty() {
            return None;
        }
        let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(MAX_PATHS);
        let from = self.pending.len().saturating_sub(room);
        self.asked = self.pending.split_off(from);
        self.asked.reverse();
        self.left -= self.asked.len() as u64;
        (!self.asked.is_empty()).then(|| Request { paths: self.asked.clone() })
    }

    /// Whether the comparison is complete. Always false after [`handle`](Self::handle) has returned
    /// an error.
    pub fn is_finished(&self) -> bool {
        !self.is_failed && self.asked.is_empty() && self.pending.is_empty()
    }

    /// Returns the next of the differences found so far.
    pub fn next_difference(&mut self) -> Option<RemoteDifference> {
        self.found.pop_front()
    }

    /// Compares the nodes of a response with the local tree. Takes O(log n) steps for each node, a
    /// hash for each child or local entry that it compares, and one more for each child below a
    /// leaf.
    ///
    /// # Errors
    /// [`DescentError`] if the response does not match the request, or if it leads to more nodes
    /// than the limit allows. The descent then makes no further request.
    pub fn handle(&mut self, response: Response) -> Result<(), DescentError> {
        let handled = self.compare(response);
        self.is_failed |= handled.is_err();
        handled
    }

    fn compare(&mut self, response: Response) -> Result<(), DescentError> {
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
        // The tags of both sides at each place.
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

/// The place of an entry: the first 64 bits of its key hash.
fn place<K>(entry: &Entry<K>) -> Path {
    Path::leading(&entry.key_hash, LAST_LEVEL)
}

impl<K: Key, H: Hasher> Tree<K, H> {
    /// Answers a request of a remote [`Descent`] under the key of that descent.
    ///
    /// The answering side keeps no state. If its tree changes between two requests, the descent may
    /// report differences from either state. Costs at most 32 hashes and 135 bytes of response for
    /// each node of the request, and more only if over 12 key hashes share their first 64 bits.
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

/// Extends the first 8 bytes of a key hash with zeros.
fn padded(key: &[u8; 8]) -> Digest {
    let mut bits = [0; 32];
    bits[..8].copy_from_slice(key);
    Digest::from(bits)
}
