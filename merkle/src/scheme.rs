//! The hash inputs of keys, leaves, inner nodes and the root. All hashing of the tree happens here.

use alloc::vec;

use crate::block::SPAN;
use crate::hasher::{HEADER_LEN, Hasher};
use crate::path::bit;
use crate::{BaseDepth, Digest};

/// The maximum number of entries in a leaf. A node at or below the base depth that has more entries
/// splits.
pub const LEAF_CAPACITY: usize = 8;

// A tag consists of the version of the scheme (`emt1`) and the kind of input. Any change to the
// inputs below requires a new version.
const PARAMETERS: &[u8; 8] = b"emt1para";
const KEY: &[u8; 8] = b"emt1key ";
const LEAF: &[u8; 8] = b"emt1leaf";
const NODE: &[u8; 8] = b"emt1node";
const ROOT: &[u8; 8] = b"emt1root";

/// Two digests of a hash input: the halves of a node, or the key hash and the value of an entry.
type Line = [[u8; Digest::LEN]; 2];

/// The hash function and the base depth: two trees must share them to be comparable.
#[derive(Clone)]
pub(crate) struct Scheme<H> {
    pub(crate) hasher: H,
    pub(crate) depth: BaseDepth,
    /// Half of a digest of the hash function, the base depth and the leaf capacity. Every root
    /// depends on it. It fits into a header, so a root costs no more than an inner node.
    parameters: [u8; 16],
}

impl<H: Hasher> Scheme<H> {
    pub(crate) fn new(hasher: H, depth: BaseDepth) -> Self {
        let mut body = vec![depth.levels(), LEAF_CAPACITY as u8];
        body.extend_from_slice(hasher.name().as_bytes());
        let hash = hasher.hash(&header(PARAMETERS, 0, body.len()), &body);
        let mut parameters = [0; 16];
        parameters.copy_from_slice(&hash.as_bytes()[..16]);
        Self { hasher, depth, parameters }
    }

    pub(crate) fn matches(&self, other: &Self) -> bool {
        self.parameters == other.parameters
    }

    /// Whether a node at `level` with `count` entries is a leaf.
    pub(crate) fn is_leaf(&self, level: u16, count: u64) -> bool {
        level >= u16::from(self.depth.levels()) && count <= LEAF_CAPACITY as u64
    }

    /// Whether the block at `level` may be a leaf block, which requires that its slots are deep
    /// enough to be leaves.
    pub(crate) fn may_be_leaf_block(&self, level: u16) -> bool {
        level + SPAN >= u16::from(self.depth.levels())
    }

    pub(crate) fn key(&self, key: &[u8]) -> Digest {
        self.hasher.hash(&header(KEY, 0, key.len()), key)
    }

    /// Computes the digest of a leaf from its sorted entries (key hash and value), at most
    /// [`LEAF_CAPACITY`].
    pub(crate) fn leaf<'a>(
        &self,
        level: u16,
        entries: impl IntoIterator<Item = [&'a Digest; 2]>,
    ) -> Digest {
        let mut body = [Line::default(); LEAF_CAPACITY];
        let mut count = 0;
        for (line, [key_hash, value]) in body.iter_mut().zip(entries) {
            *line = line_of(key_hash, value);
            count += 1;
        }
        if count == 0 {
            return Digest::EMPTY;
        }
        let body = body[..count].as_flattened().as_flattened();
        self.hasher.hash(&header(LEAF, level, body.len()), body)
    }

    /// Computes the digest of an inner node that is not empty. `level` must not be 0.
    pub(crate) fn node(&self, level: u16, [left, right]: [Digest; 2]) -> Digest {
        self.node_of(level, &line_of(&left, &right))
    }

    fn node_of(&self, level: u16, halves: &Line) -> Digest {
        let halves = halves.as_flattened();
        self.hasher.hash(&header(NODE, level, halves.len()), halves)
    }

    /// Computes the digest of the node at level 0.
    pub(crate) fn root(&self, [left, right]: [Digest; 2]) -> Digest {
        self.root_of(&line_of(&left, &right))
    }

    /// Hashes the halves together with the parameters. In the header, the parameters replace the
    /// level and the length, which are the same for every root.
    fn root_of(&self, halves: &Line) -> Digest {
        let mut header = [0; HEADER_LEN];
        header[..8].copy_from_slice(ROOT);
        header[8..].copy_from_slice(&self.parameters);
        self.hasher.hash(&header, halves.as_flattened())
    }

    /// Computes the root of a tree in which the leaf on the path to `key_hash` has the digest
    /// `leaf`.
    ///
    /// `beside` holds the digests of the siblings, from level 1 down to the leaf. The function
    /// replaces each of them with the digest of the node on the path at the same level.
    pub(crate) fn climb(&self, key_hash: &Digest, leaf: Digest, beside: &mut [Digest]) -> Digest {
        let mut digest = leaf;
        for (level, beside) in beside.iter_mut().enumerate().rev() {
            let level = level as u16;
            // An index is faster than a branch here, because the side is unpredictable.
            let mut halves = [*beside.as_bytes(); 2];
            halves[usize::from(bit(key_hash, level))] = *digest.as_bytes();
            *beside = digest;
            digest = match level {
                0 => self.root_of(&halves),
                _ => self.node_of(level, &halves),
            };
        }
        digest
    }
}

fn header(tag: &[u8; 8], level: u16, len: usize) -> [u8; HEADER_LEN] {
    let mut header = [0; HEADER_LEN];
    header[..8].copy_from_slice(tag);
    header[8..16].copy_from_slice(&u64::from(level).to_be_bytes());
    header[16..].copy_from_slice(&(len as u64).to_be_bytes());
    header
}

fn line_of(first: &Digest, second: &Digest) -> Line {
    [*first.as_bytes(), *second.as_bytes()]
}
