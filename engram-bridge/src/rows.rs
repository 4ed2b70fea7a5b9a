//! The rows of a state store: what each is called, and what its bytes mean.
//!
//! Every row can be told from a damaged one by itself: contents by the digest that is their key, the
//! others by a check at their end.

mod deletions;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use engram_gossip_net::NodeId;
use engram_gossip_proto::SpaceId;
use engram_merkle::{AnyHasher, Digest};

use crate::content::{self, Content, Introducer};
use crate::encoding::{Cursor, hash, put_bytes};
use crate::record::{self, Record};
use crate::state::Rules;
use crate::storage::Seal;
pub(crate) use deletions::{decode_floor, decode_since, encode_floor, encode_since, floor_key};

/// The version of all that is stored. A program refuses what a newer one wrote.
pub(crate) const SCHEMA: u32 = 1;

pub(crate) const OWNER: &[u8] = b"owner";
pub(crate) const LIFE: &[u8] = b"life";
const ROOT: &[u8] = b"root";
const FLOOR: &[u8] = b"floor";

const CHECK: &[u8; 8] = b"ecb1chck";
const CHECK_LEN: usize = 8;

/// Whose store it is, and by which rules it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) node: [u8; 32],
    pub(crate) hash: String,
    pub(crate) depth: u8,
    pub(crate) dimension: u64,
}

/// The life of the node that wrote the store last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) incarnation: u64,
    /// No counter above this one was ever used in that life.
    pub(crate) lease: u64,
    /// Whether the store was closed on purpose after that.
    pub(crate) closed: bool,
    pub(crate) seal: Seal,
}

/// How a space stood after the last batch that changed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Root {
    pub(crate) root: Digest,
    pub(crate) count: u64,
}

/// What is kept of one pattern id.
pub(crate) struct RecordRow {
    pub(crate) record: Record,
    pub(crate) last_submitted: Option<Digest>,
}

impl Owner {
    pub(crate) fn new(node: [u8; 32], rules: &Rules) -> Self {
        let hash = engram_merkle::Hasher::name(&rules.hasher).to_owned();
        Self { node, hash, depth: rules.depth.levels(), dimension: rules.dimension as u64 }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = SCHEMA.to_le_bytes().to_vec();
        bytes.extend(self.node);
        put_bytes(&mut bytes, self.hash.as_bytes());
        bytes.push(self.depth);
        bytes.extend(self.dimension.to_le_bytes());
        checked(OWNER, bytes)
    }

    /// The schema under which the row was written: the one thing that never moves.
    pub(crate) fn schema(bytes: &[u8]) -> Option<u32> {
        bytes.first_chunk().map(|schema| u32::from_le_bytes(*schema))
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut bytes = Cursor::new(unchecked(OWNER, bytes)?);
        bytes.take(4)?;
        let node = bytes.array()?;
        let hash = bytes.text()?.to_owned();
        let depth = bytes.byte()?;
        let dimension = bytes.number()?;
        bytes.end(Self { node, hash, depth, dimension })
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hash, depth, dimension, .. } = self;
        write!(f, "{hash}, depth {depth} and {dimension} dimensions")
    }
}

impl Life {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = self.incarnation.to_le_bytes().to_vec();
        bytes.extend(self.lease.to_le_bytes());
        bytes.push(u8::from(self.closed));
        put_bytes(&mut bytes, self.seal.place.as_bytes());
        put_bytes(&mut bytes, self.seal.boot.as_bytes());
        checked(LIFE, bytes)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut bytes = Cursor::new(unchecked(LIFE, bytes)?);
        let (incarnation, lease) = (bytes.number()?, bytes.number()?);
        let closed = bytes.byte()? == 1;
        let seal = Seal { place: bytes.text()?.to_owned(), boot: bytes.text()?.to_owned() };
        bytes.end(Self { incarnation, lease, closed, seal })
    }
}

impl Root {
    pub(crate) fn key(space: &SpaceId) -> Vec<u8> {
        [ROOT, space.as_str().as_bytes()].concat()
    }

    /// The space whose root is stored under `key`.
    pub(crate) fn space(key: &[u8]) -> Option<SpaceId> {
        named(key.strip_prefix(ROOT)?)
    }

    pub(crate) fn encode(&self, space: &SpaceId) -> Vec<u8> {
        let mut bytes = self.root.as_bytes().to_vec();
        bytes.extend(self.count.to_le_bytes());
        checked(&Self::key(space), bytes)
    }

    pub(crate) fn decode(key: &[u8], bytes: &[u8]) -> Option<Self> {
        let mut bytes = Cursor::new(unchecked(key, bytes)?);
        let (root, count) = (bytes.array::<32>()?.into(), bytes.number()?);
        bytes.end(Self { root, count })
    }
}

/// The key of a pattern id, or of a content by its digest.
pub(crate) fn key(space: &SpaceId, name: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(4 + space.as_str().len() + name.len());
    put_bytes(&mut key, space.as_str().as_bytes());
    key.extend(name);
    key
}

fn named(space: &[u8]) -> Option<SpaceId> {
    SpaceId::new(std::str::from_utf8(space).ok()?).ok()
}

/// The inverse of [`key`].
pub(crate) fn split_key(key: &[u8]) -> Option<(SpaceId, &[u8])> {
    let mut bytes = Cursor::new(key);
    let space = bytes.text()?;
    Some((SpaceId::new(space).ok()?, &key[4 + space.len()..]))
}

/// A content, with a mark of its origin before it. The digest guards the content, and nothing the mark:
/// a damaged one may name another origin, but never costs a content.
pub(crate) fn encode_content(content: &Content) -> Vec<u8> {
    let mut bytes = match content.introducer() {
        Introducer::Engine => vec![ENGINE],
        Introducer::Peer(None) => vec![SOME_PEER],
        Introducer::Peer(Some(peer)) => [&[PEER][..], peer.as_bytes()].concat(),
    };
    bytes.extend(content::encode(content.pattern()));
    bytes
}

/// The marks of origin.
const ENGINE: u8 = 0;
const SOME_PEER: u8 = 1;
const PEER: u8 = 2;

/// Names that many contents have in common, each once.
pub(crate) type Names = BTreeSet<Arc<NodeId>>;

pub(crate) fn decode_content(
    digest: &[u8],
    bytes: &[u8],
    hasher: &AnyHasher,
    names: &mut Names,
) -> Option<Content> {
    let digest: [u8; 32] = digest.try_into().ok()?;
    let (introducer, bytes) = match bytes.split_first()? {
        (&ENGINE, bytes) => (Introducer::Engine, bytes),
        (&SOME_PEER, bytes) => (Introducer::Peer(None), bytes),
        (&PEER, bytes) => {
            let (peer, bytes) = bytes.split_first_chunk::<32>()?;
            (Introducer::Peer(Some(shared(NodeId::from(*peer), names))), bytes)
        }
        _ => return None,
    };
    Content::from_stored(bytes, introducer, digest.into(), hasher)
}

fn shared(name: NodeId, names: &mut Names) -> Arc<NodeId> {
    if let Some(known) = names.get(&name) {
        return Arc::clone(known);
    }
    let name = Arc::new(name);
    names.insert(Arc::clone(&name));
    name
}

pub(crate) fn encode_record(
    key: &[u8],
    record: &Record,
    last_submitted: Option<&Digest>,
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    bytes.push(u8::from(last_submitted.is_some()));
    bytes.extend(last_submitted.iter().flat_map(|digest| *digest.as_bytes()));
    record::encode(&mut bytes, record);
    checked(key, bytes)
}

pub(crate) fn decode_record(key: &[u8], bytes: &[u8]) -> Option<RecordRow> {
    let mut bytes = Cursor::new(unchecked(key, bytes)?);
    let last_submitted = match bytes.byte()? {
        0 => None,
        _ => Some(bytes.array::<32>()?.into()),
    };
    let record = record::decode(&mut bytes)?;
    bytes.end(RecordRow { record, last_submitted })
}

/// Appends a check of the row and of its key. It is there against accidents, not against enemies.
fn checked(key: &[u8], mut bytes: Vec<u8>) -> Vec<u8> {
    let check = check(key, &bytes);
    bytes.extend(check);
    bytes
}

/// The row without its check, if that is right.
fn unchecked<'b>(key: &[u8], bytes: &'b [u8]) -> Option<&'b [u8]> {
    let (bytes, found) = bytes.split_last_chunk::<CHECK_LEN>()?;
    (check(key, bytes) == *found).then_some(bytes)
}

fn check(key: &[u8], bytes: &[u8]) -> [u8; CHECK_LEN] {
    let mut all = Vec::with_capacity(4 + key.len() + bytes.len());
    put_bytes(&mut all, key);
    all.extend(bytes);
    // Always by the same hash: which one the configuration names is among what is checked.
    let digest = hash(&AnyHasher::Sha256, CHECK, &all);
    *digest.as_bytes().first_chunk().expect("a digest has 32 bytes")
}

#[cfg(test)]
mod tests;
