//! Keys and encodings of the rows of a state store.
//!
//! Damage to a row is detected, unless it affects only the mark of a content's origin. The digest of a
//! content protects the content: it is the key of the content's row, or the record in the same row names it.
//! Checksums protect everything else.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use engram_gossip_net::NodeId;
use engram_gossip_proto::SpaceId;
use engram_merkle::{AnyHasher, Digest};

use crate::durable::storage::{Batch, Table};
use crate::engram::precision::Precision;
use crate::engram::timestamp::Timestamp;
use crate::replica::canonical;
use crate::replica::change::StoredRoot;
use crate::replica::content::{Content, Introducer, Shape};
use crate::replica::encoding::{Cursor, hash, put_bytes};
use crate::replica::placement::Placement;
use crate::replica::record::Record;
use crate::replica::rules::Rules;
use crate::replica::state::StoredRow;

/// The version of the stored format. A node refuses a store of another version.
pub(crate) const SCHEMA: u32 = 6;

/// The keys of the two rows that name the owner; the rows differ only in their checksums. A non-empty store in which
/// both are missing or damaged cannot be read.
pub(crate) const OWNERS: [&[u8]; 2] = [b"owner", b"owner copy"];
const ROOT: &[u8] = b"root";
const SETTLED: &[u8] = b"settled";
const GENERATED: &[u8] = b"generated";

const CHECK: &[u8; 8] = b"ecb1chck";
const CHECK_LEN: usize = 8;

/// The node that owns a store, and the parameters with which the store was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) node: [u8; 32],
    pub(crate) hash: String,
    pub(crate) depth: u8,
    pub(crate) dimension: u64,
    pub(crate) precision: Precision,
}

impl Owner {
    pub(crate) fn new(node: [u8; 32], rules: &Rules) -> Self {
        let hash = engram_merkle::Hasher::name(&rules.hasher).to_owned();
        let Shape { dimension, precision } = rules.shape;
        Self { node, hash, depth: rules.depth.levels(), dimension: dimension as u64, precision }
    }

    /// Appends both rows of the owner.
    pub(crate) fn put(&self, batch: &mut Batch) {
        OWNERS.iter().for_each(|key| batch.put(Table::Meta, key.to_vec(), self.encode(key)));
    }

    pub(crate) fn encode(&self, key: &[u8]) -> Vec<u8> {
        let mut bytes = SCHEMA.to_le_bytes().to_vec();
        bytes.extend(self.node);
        put_bytes(&mut bytes, self.hash.as_bytes());
        bytes.push(self.depth);
        bytes.extend(self.dimension.to_le_bytes());
        bytes.push(match self.precision {
            Precision::F32 => 0,
            Precision::F16 => 1,
        });
        checked(key, bytes)
    }

    /// Reads the schema from an owner row. All versions store it at the same position.
    pub(crate) fn schema(bytes: &[u8]) -> Option<u32> {
        bytes.first_chunk().map(|schema| u32::from_le_bytes(*schema))
    }

    /// Decodes an owner row of this schema; `None` if it is damaged or of another schema.
    pub(crate) fn decode(key: &[u8], bytes: &[u8]) -> Option<Self> {
        let mut bytes = Cursor::new(unchecked(key, bytes)?);
        if bytes.array()? != SCHEMA.to_le_bytes() {
            return None;
        }
        let node = bytes.array()?;
        let hash = bytes.text()?.to_owned();
        let depth = bytes.byte()?;
        let dimension = bytes.number()?;
        let precision = match bytes.byte()? {
            0 => Precision::F32,
            1 => Precision::F16,
            _ => return None,
        };
        bytes.end(Self { node, hash, depth, dimension, precision })
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hash, depth, dimension, precision, .. } = self;
        write!(f, "{hash}, depth {depth} and {dimension} dimensions of {precision}")
    }
}

/// The key of a space's root.
pub(crate) fn root_key(space: &SpaceId) -> Vec<u8> {
    [ROOT, space.as_str().as_bytes()].concat()
}

/// The space whose root is stored under `key`.
pub(crate) fn root_space(key: &[u8]) -> Option<SpaceId> {
    space_of(ROOT, key)
}

/// The key of a space's first-contact mark, which records that the first contact is over.
pub(crate) fn settled_key(space: &SpaceId) -> Vec<u8> {
    [SETTLED, space.as_str().as_bytes()].concat()
}

/// The space whose first-contact mark is stored under `key`.
pub(crate) fn settled_space(key: &[u8]) -> Option<SpaceId> {
    space_of(SETTLED, key)
}

pub(crate) fn encode_settled(space: &SpaceId) -> Vec<u8> {
    checked(&settled_key(space), Vec::new())
}

pub(crate) fn is_settled(key: &[u8], bytes: &[u8]) -> bool {
    unchecked(key, bytes).is_some_and(<[u8]>::is_empty)
}

/// The key of a space's `generated_at`.
pub(crate) fn generated_key(space: &SpaceId) -> Vec<u8> {
    [GENERATED, space.as_str().as_bytes()].concat()
}

/// The space whose `generated_at` is stored under `key`.
pub(crate) fn generated_space(key: &[u8]) -> Option<SpaceId> {
    space_of(GENERATED, key)
}

pub(crate) fn encode_generated(space: &SpaceId, at: Timestamp) -> Vec<u8> {
    checked(&generated_key(space), at.as_nanoseconds().to_le_bytes().to_vec())
}

pub(crate) fn decode_generated(key: &[u8], bytes: &[u8]) -> Option<Timestamp> {
    let mut bytes = Cursor::new(unchecked(key, bytes)?);
    let at = Timestamp::from_nanoseconds(i64::from_le_bytes(bytes.array()?));
    bytes.end(at)
}

fn space_of(prefix: &[u8], key: &[u8]) -> Option<SpaceId> {
    let space = std::str::from_utf8(key.strip_prefix(prefix)?).ok()?;
    SpaceId::new(space).ok()
}

pub(crate) fn encode_root(space: &SpaceId, root: &StoredRoot) -> Vec<u8> {
    let mut bytes = root.root.as_bytes().to_vec();
    bytes.extend(root.count.to_le_bytes());
    checked(&root_key(space), bytes)
}

pub(crate) fn decode_root(key: &[u8], bytes: &[u8]) -> Option<StoredRoot> {
    let mut bytes = Cursor::new(unchecked(key, bytes)?);
    let (root, count) = (bytes.array::<32>()?.into(), bytes.number()?);
    bytes.end(StoredRoot { root, count })
}

/// The key of a record, where `name` is the pattern id, or of a content, where `name` is the digest.
pub(crate) fn key(space: &SpaceId, name: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(4 + space.as_str().len() + name.len());
    put_bytes(&mut key, space.as_str().as_bytes());
    key.extend(name);
    key
}

/// Splits a key that [`key`] built into its two parts.
pub(crate) fn split_key(key: &[u8]) -> Option<(SpaceId, &[u8])> {
    let mut bytes = Cursor::new(key);
    let space = bytes.text()?;
    Some((SpaceId::new(space).ok()?, &key[4 + space.len()..]))
}

/// Encodes a mark of the content's origin, followed by the content. The digest protects the content but not the
/// mark: damage to the mark may change the origin or lose the content, but never changes the content.
pub(crate) fn encode_content(content: &Content) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(content_room(content));
    put_content(&mut bytes, content);
    bytes
}

fn put_content(bytes: &mut Vec<u8>, content: &Content) {
    match content.introducer() {
        Introducer::Engine => bytes.push(ENGINE),
        Introducer::Peer(None) => bytes.push(SOME_PEER),
        Introducer::Peer(Some(peer)) => {
            bytes.push(PEER);
            bytes.extend(peer.as_bytes());
        }
    }
    canonical::put(bytes, content.pattern());
}

/// The maximum length of an encoded content.
fn content_room(content: &Content) -> usize {
    1 + 32 + canonical::encoded_len(content.pattern())
}

// The marks of a content's origin.
const ENGINE: u8 = 0;
const SOME_PEER: u8 = 1;
const PEER: u8 = 2;

/// The interned ids of peers that introduced contents.
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

/// Encodes the last submission, a record and a checksum, followed by the content in the same row, if any.
pub(crate) fn encode_record(
    key: &[u8],
    record: &Record,
    last_submitted: Option<&Digest>,
    beside: Option<&Content>,
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256 + beside.map_or(0, content_room));
    bytes.push(u8::from(last_submitted.is_some()));
    bytes.extend(last_submitted.iter().flat_map(|digest| *digest.as_bytes()));
    record.encode(&mut bytes);
    let mut bytes = checked(key, bytes);
    if let Some(content) = beside {
        put_content(&mut bytes, content);
    }
    bytes
}

/// Decodes a row that [`encode_record`] wrote; `None` if the record or the content is damaged.
pub(crate) fn decode_record(
    key: &[u8],
    bytes: &[u8],
    hasher: &AnyHasher,
    names: &mut Names,
) -> Option<(StoredRow, Option<Content>)> {
    let (row, content) = split_record(bytes)?;
    unchecked(key, &bytes[..bytes.len() - content.len()])?;
    let beside = match content {
        [] => None,
        content => Some(decode_beside(&row, content, hasher, names)?),
    };
    Some((row, beside))
}

/// Returns the id of the content in a record's row. Ignores the checksum, so that the id can be read even if the key of
/// the row is damaged.
pub(crate) fn id_beside(bytes: &[u8], hasher: &AnyHasher) -> Option<String> {
    let (row, content) = split_record(bytes)?;
    let content = decode_beside(&row, content, hasher, &mut Names::new())?;
    Some(content.pattern().id.clone())
}

/// Splits a row into its record and the bytes after the checksum. Does not verify the checksum.
fn split_record(bytes: &[u8]) -> Option<(StoredRow, &[u8])> {
    let mut bytes = Cursor::new(bytes);
    let last_submitted = match bytes.byte()? {
        0 => None,
        1 => Some(bytes.array::<32>()?.into()),
        _ => return None,
    };
    let (record, rest) = Record::decode(bytes.rest())?;
    let (_check, content) = rest.split_at_checked(CHECK_LEN)?;
    Some((StoredRow { record, last_submitted }, content))
}

/// Decodes the content in a record's row, which must be the only live content of the record.
fn decode_beside(
    row: &StoredRow,
    bytes: &[u8],
    hasher: &AnyHasher,
    names: &mut Names,
) -> Option<Content> {
    let live = row.record.live();
    let digest = live.first().filter(|_| live.len() == 1)?;
    decode_content(digest.as_bytes(), bytes, hasher, names)
}

/// Appends a checksum of the key and the row. It protects against accidental damage, not against an attacker.
fn checked(key: &[u8], mut bytes: Vec<u8>) -> Vec<u8> {
    let check = check(key, &bytes);
    bytes.extend(check);
    bytes
}

/// Returns the row without its checksum; `None` if the checksum is wrong.
fn unchecked<'b>(key: &[u8], bytes: &'b [u8]) -> Option<&'b [u8]> {
    let (bytes, found) = bytes.split_last_chunk::<CHECK_LEN>()?;
    (check(key, bytes) == *found).then_some(bytes)
}

fn check(key: &[u8], bytes: &[u8]) -> [u8; CHECK_LEN] {
    let mut all = Vec::with_capacity(4 + key.len() + bytes.len());
    put_bytes(&mut all, key);
    all.extend(bytes);
    // Always SHA-256, because the configured hash is itself a checked field.
    let digest = hash(&AnyHasher::Sha256, CHECK, &all);
    *digest.as_bytes().first_chunk().expect("a digest has 32 bytes")
}

/// Appends the edits of [`Table::Contents`] that `placement` requires.
pub(crate) fn put_own_rows(batch: &mut Batch, space: &SpaceId, placement: &Placement) {
    for content in &placement.own_rows {
        batch.put(
            Table::Contents,
            key(space, content.digest().as_bytes()),
            encode_content(content),
        );
    }
    for digest in &placement.removed {
        batch.remove(Table::Contents, key(space, digest.as_bytes()));
    }
}

#[cfg(test)]
mod tests;
