//! Shared test code: a naive model of a node, a session between two nodes, and sample data.

mod indexed;
mod memory;
mod model;
pub(crate) mod pair;
pub(crate) mod real;
pub(crate) mod samples;
pub(crate) mod sparse;

use engram_gossip_proto::{
    DecodeError, FrameHeader, KeyHalf, Message, Parameters, PatternContent, SpaceId, Tag,
    WIRE_VERSION,
};
use sha2::{Digest, Sha256};

pub(crate) use memory::{Memory, Store, Tree};
pub(crate) use model::{LiveDot, State, content_digest, dots, join};
pub(crate) use pair::{Contact, Pair, sync, sync_with};

pub(crate) const DIMENSION: usize = 8;

pub(crate) fn parameters() -> Parameters {
    parameters_of("sha256", 12)
}

pub(crate) fn parameters_of(hash: &str, depth: u8) -> Parameters {
    Parameters::new(hash, depth)
        .require("dimension", DIMENSION.to_string())
        .report("strategy", "confidence-voting")
}

pub(crate) fn space(name: &str) -> SpaceId {
    SpaceId::new(name).unwrap()
}

/// The id of a node.
pub(crate) fn node_id(node: u8) -> [u8; 32] {
    [node; 32]
}

/// The tag of a node in a session with these halves of the key.
pub(crate) fn tag_of(node: &[u8; 32], opener: KeyHalf, acceptor: KeyHalf) -> Tag {
    let hash: [u8; 32] = Sha256::digest([&opener[..], &acceptor, node].concat()).into();
    *hash.first_chunk().unwrap()
}

/// A version as a hybrid clock mints it: about `count` milliseconds after a fixed time.
pub(crate) fn version(count: u64) -> u64 {
    1_740_000_000_000_000_000 + count * 1_000_000 + count % 1_009
}

/// A small content; equal arguments make equal contents.
pub(crate) fn content(id: &str, seed: u32) -> PatternContent {
    PatternContent {
        id: id.into(),
        embedding: (0..DIMENSION).map(|i| ((seed as usize * 31 + i) % 97) as f32 / 97.0).collect(),
        source_episodes: vec![format!("episode-{seed:04}"), format!("episode-{:04}", seed + 1)],
        strength: 0.75,
        schema_confidence: 0.5,
        last_consolidated: 1_740_000_000_000_000_000 + i64::from(seed),
    }
}

/// Returns the key of an id. The keys of ids `clash-<group>-<rest>` agree in their first 6 bytes
/// within a group, so a shortened key does not distinguish them; the keys of ids
/// `crowd-<group>-<rest>` agree in the first 4 bytes, so they differ only deep in the tree.
pub(crate) fn key_of(id: &str) -> [u8; 32] {
    let mut key: [u8; 32] = Sha256::digest(id).into();
    for (form, shared) in [("clash-", 6), ("crowd-", 4)] {
        if let Some(group) = id.strip_prefix(form).and_then(|rest| rest.split('-').next()) {
            key[..shared].copy_from_slice(&Sha256::digest(group)[..shared]);
        }
    }
    key
}

/// The numbers of all kinds of frames.
pub(crate) fn kinds() -> impl Iterator<Item = u8> {
    let header = |kind| [b'E', b'G', WIRE_VERSION, kind, 1, 0, 0, 0, 0];
    (0..=u8::MAX).take_while(move |kind| FrameHeader::parse(&header(*kind)).is_ok())
}

/// Decodes a frame and the contents in it.
pub(crate) fn read(frame: &[u8]) -> Result<Message, DecodeError> {
    let (message, _) = Message::decode(frame)?;
    if let Message::PatternSync(sync) = &message {
        sync.decode_contents::<PatternContent>()?;
    }
    Ok(message)
}

/// The spaces of a session.
pub(crate) type Spaces<V> = Vec<(SpaceId, V)>;
