//! The rows of a state store: what each is called, and what its bytes mean.
//!
//! Every row can be told from a damaged one by itself: contents by the digest that is their key, the
//! others by a check at their end.

use std::fmt;
use std::sync::Arc;

use engram_gossip_proto::SpaceId;
use engram_merkle::{AnyHasher, Digest};
use engram_vclock::{Actor, Dot, Siblings, VectorClock};

use crate::content::{self, Content};
use crate::encoding::{Cursor, hash, put_bytes, put_count};
use crate::record::{Body, Record};
use crate::state::Rules;
use crate::storage::Seal;

/// The version of all that is stored. A program refuses what a newer one wrote.
pub(crate) const SCHEMA: u32 = 1;

pub(crate) const OWNER: &[u8] = b"owner";
pub(crate) const LIFE: &[u8] = b"life";
const ROOT: &[u8] = b"root";

const CHECK: &[u8; 8] = b"ecb1chck";
const CHECK_LEN: usize = 8;
const CONTENT: u8 = 0;
const TOMBSTONE: u8 = 1;
/// What a live write takes at least: actor, counter and the kind of its body.
const LEAST_SIBLING: usize = 40 + 8 + 1;

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
        let name = std::str::from_utf8(key.strip_prefix(ROOT)?).ok()?;
        SpaceId::new(name).ok()
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

/// The inverse of [`key`].
pub(crate) fn split_key(key: &[u8]) -> Option<(SpaceId, &[u8])> {
    let mut bytes = Cursor::new(key);
    let space = bytes.text()?;
    Some((SpaceId::new(space).ok()?, &key[4 + space.len()..]))
}

/// A content, with a mark of its origin before it.
pub(crate) fn encode_content(content: &Content) -> Vec<u8> {
    let mut bytes = vec![u8::from(content.is_received())];
    bytes.extend(content::encode(content.pattern()));
    bytes
}

pub(crate) fn decode_content(digest: &[u8], bytes: &[u8], hasher: &AnyHasher) -> Option<Content> {
    let digest: [u8; 32] = digest.try_into().ok()?;
    let (received, bytes) = bytes.split_first()?;
    Content::from_stored(bytes, *received != 0, digest.into(), hasher)
}

pub(crate) fn encode_record(
    key: &[u8],
    record: &Record,
    last_submitted: Option<&Digest>,
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    bytes.push(u8::from(last_submitted.is_some()));
    bytes.extend(last_submitted.iter().flat_map(|digest| *digest.as_bytes()));
    put_count(&mut bytes, record.len());
    for (dot, body) in record.iter() {
        put_count_of(&mut bytes, &dot.actor, dot.counter);
        match body {
            Body::Content(digest) => {
                bytes.push(CONTENT);
                bytes.extend(digest.as_bytes());
            }
            Body::Tombstone(buried) => {
                bytes.push(TOMBSTONE);
                put_count(&mut bytes, buried.len());
                bytes.extend(buried.iter().flat_map(|digest| *digest.as_bytes()));
            }
        }
    }
    put_count(&mut bytes, record.context().len());
    for (actor, counter) in record.context().iter() {
        put_count_of(&mut bytes, actor, counter);
    }
    checked(key, bytes)
}

fn put_count_of(bytes: &mut Vec<u8>, actor: &Actor, counter: u64) {
    bytes.extend(actor.node);
    bytes.extend(actor.incarnation.to_le_bytes());
    bytes.extend(counter.to_le_bytes());
}

pub(crate) fn decode_record(key: &[u8], bytes: &[u8]) -> Option<RecordRow> {
    let mut bytes = Cursor::new(unchecked(key, bytes)?);
    let last_submitted = match bytes.byte()? {
        0 => None,
        _ => Some(bytes.array::<32>()?.into()),
    };
    let count = bytes.count(LEAST_SIBLING)?;
    let mut live = Vec::with_capacity(count);
    for _ in 0..count {
        let (actor, counter) = count_of(&mut bytes)?;
        let body = match bytes.byte()? {
            CONTENT => Body::Content(bytes.array::<32>()?.into()),
            TOMBSTONE => Body::Tombstone(digests(&mut bytes)?),
            _ => return None,
        };
        live.push((Dot::new(actor, counter), body));
    }
    let count = bytes.count(48)?;
    let mut context = Vec::with_capacity(count);
    for _ in 0..count {
        context.push(count_of(&mut bytes)?);
    }
    let context = VectorClock::from_sorted(context).ok()?;
    let record = Siblings::from_parts(live, context).ok()?;
    bytes.end(RecordRow { record, last_submitted })
}

fn count_of(bytes: &mut Cursor<'_>) -> Option<(Actor, u64)> {
    let actor = Actor { node: bytes.array()?, incarnation: bytes.number()? };
    Some((actor, bytes.number()?))
}

fn digests(bytes: &mut Cursor<'_>) -> Option<Arc<[Digest]>> {
    let count = bytes.count(32)?;
    let (digests, _) = bytes.take(32 * count)?.as_chunks::<32>();
    Some(digests.iter().map(|digest| Digest::from(*digest)).collect())
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
