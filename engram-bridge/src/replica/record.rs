//! The replicated state of one pattern id: a record.

use std::collections::{BTreeMap, BTreeSet};

use engram_gossip_proto::{self as wire, Rejection};
use engram_merkle::{AnyHasher, Digest};
use engram_vclock::{Dot, VectorClock};

use crate::replica::content::validate_id;
use crate::replica::encoding::{hash, put_bytes};

/// The maximum number of live dots of one node in one record.
pub use engram_vclock::MAX_NODE_DOTS;
/// The maximum number of digests that one record may suppress.
pub use engram_vclock::MAX_SUPPRESSED;

const TAG: &[u8; 8] = b"ecb3reco";

pub(crate) type Siblings = engram_vclock::Siblings<Digest>;
pub(crate) type Suppression = engram_vclock::Suppression<Digest>;
pub(crate) type LastWrite = engram_vclock::LastWrite<Digest>;

/// The writes of all nodes under one id, and the suppressed contents.
///
/// A record consists of one independent part for each node, with the entry and the dots of the
/// node: any subset of the parts is a record, too, and joining the parts one by one equals joining
/// the whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) siblings: Siblings,
    pub(crate) suppression: Suppression,
}

impl Record {
    /// The live contents, suppressed ones included.
    pub(crate) fn live(&self) -> BTreeSet<Digest> {
        self.siblings.values().copied().collect()
    }

    /// The live contents that are not suppressed: the candidates of the strategy.
    pub(crate) fn shown(&self) -> BTreeSet<Digest> {
        let shown = self.siblings.values().filter(|digest| !self.suppression.is_suppressed(digest));
        shown.copied().collect()
    }

    /// Whether no dot is live.
    pub(crate) fn is_deletion(&self) -> bool {
        self.siblings.is_empty()
    }

    /// The live dots of `node`, each with its content.
    pub(crate) fn of_node(&self, node: &[u8; 32]) -> impl Iterator<Item = (u64, Digest)> {
        self.siblings.of_node(node).iter().map(|(dot, digest)| (dot.version, *digest))
    }

    /// The digest of the record under `id`. It covers every dot, the context and the suppression.
    pub(crate) fn digest(&self, id: &str, hasher: &AnyHasher) -> Digest {
        let mut bytes = Vec::with_capacity(256);
        put_bytes(&mut bytes, id.as_bytes());
        self.encode(&mut bytes);
        hash(hasher, TAG, &bytes)
    }

    /// Appends the canonical bytes, as hashed and stored.
    pub(crate) fn encode(&self, bytes: &mut Vec<u8>) {
        self.to_wire("").encode(bytes);
    }

    /// Decodes the output of [`encode`](Self::encode) from the front of `bytes`; returns the record
    /// and the bytes that follow, or `None` if they are not canonical.
    pub(crate) fn decode(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (record, rest) = wire::Record::decode(String::new(), bytes).ok()?;
        Some((Self::of_wire(&record)?, rest))
    }

    /// The record with new digests for the same contents. Suppressed digests without a new one are
    /// left out and returned.
    pub(crate) fn renamed(&self, digests: &BTreeMap<Digest, Digest>) -> (Self, Vec<Digest>) {
        let name = |digest: &Digest| digests.get(digest).copied();
        let live =
            self.siblings.iter().map(|(dot, digest)| (*dot, name(digest).unwrap_or(*digest)));
        let context = self.siblings.context().iter().map(|(node, entry)| (*node, entry));
        let (mut lengths, mut left_out) = (BTreeMap::<Digest, u32>::new(), Vec::new());
        for (digest, length) in self.suppression.iter() {
            match name(digest) {
                Some(digest) => {
                    let known = lengths.entry(digest).or_default();
                    *known = length.max(*known);
                }
                None => left_out.push(*digest),
            }
        }
        let lengths = lengths.into_iter().collect();
        let renamed = Self::from_parts(live.collect(), context.collect(), lengths);
        (renamed.expect("dots, contexts and lengths are those of a record"), left_out)
    }

    fn from_parts(
        live: Vec<(Dot, Digest)>,
        context: Vec<([u8; 32], u64)>,
        lengths: Vec<(Digest, u32)>,
    ) -> Option<Self> {
        let context = VectorClock::from_sorted(context).ok()?;
        let siblings = Siblings::from_parts(live, context).ok()?;
        Some(Self { siblings, suppression: Suppression::from_sorted(lengths).ok()? })
    }

    /// The wire form of the record.
    pub(crate) fn to_wire(&self, id: &str) -> wire::Record {
        let parts = self.siblings.parts().map(|part| wire::Part {
            node: *part.node,
            entry: part.entry,
            dots: part.live.iter().map(|(dot, digest)| (dot.version, (*digest).into())).collect(),
        });
        let suppressed = self.suppression.iter().map(|(digest, length)| ((*digest).into(), length));
        wire::Record { id: id.to_owned(), parts: parts.collect(), suppressed: suppressed.collect() }
    }

    /// Decodes a record from a peer; returns it with its id.
    ///
    /// # Errors
    /// [`Rejection::InvalidRecord`] if it is not canonical, or if its id has an invalid length.
    pub(crate) fn from_wire(record: wire::Record) -> Result<(String, Self), Rejection> {
        validate_id(&record.id).map_err(|_| Rejection::InvalidRecord)?;
        let taken = Self::of_wire(&record).ok_or(Rejection::InvalidRecord)?;
        Ok((record.id, taken))
    }

    /// Returns the record that a wire form encodes, without its id; `None` if the form is not canonical.
    fn of_wire(record: &wire::Record) -> Option<Self> {
        let context = record.parts.iter().map(|part| (part.node, part.entry)).collect();
        let live = record.parts.iter().flat_map(|part| {
            let dot = |(version, digest): &(u64, [u8; 32])| {
                (Dot::new(part.node, *version), Digest::from(*digest))
            };
            part.dots.iter().map(dot)
        });
        let lengths = record.suppressed.iter().map(|(digest, length)| ((*digest).into(), *length));
        Self::from_parts(live.collect(), context, lengths.collect())
    }
}

#[cfg(test)]
mod tests;
