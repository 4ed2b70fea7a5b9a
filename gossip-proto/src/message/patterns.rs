//! Requests for records, and the records themselves.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::codec::{self, Entries as _, NodeTable};
use crate::limits::{
    MAX_BODY, MAX_CONTENT_LEN, MAX_UNFOLDED, MAX_WANT_CONTEXT, MAX_WANT_HOLDS, MAX_WANTS,
};
use crate::tag::{KEY_LEN, TAG_LEN, Tag};
use crate::wire::{Reader, put, put_bytes, put_count};
use crate::{Compression, DecodeError, Delivery, Record, ShortRecord, Wire};

/// Keys of one space whose records the sender wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternRequest {
    /// Index of the space in the table.
    pub space: u32,
    /// The keys, strictly ascending, at most [`MAX_WANTS`].
    pub wants: Vec<Want>,
}

/// One wanted record, with the contents and the context that the sender already holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// The first bytes of the key hash.
    pub key: [u8; KEY_LEN],
    /// The tags of the contents that the sender holds under this key, strictly ascending, at most
    /// [`MAX_WANT_HOLDS`].
    pub holds: Vec<Tag>,
    /// The context of the record that the sender holds under this key: node and entry, ascending by
    /// node, at most [`MAX_WANT_CONTEXT`]. If it covers the receiver's context and differs from it,
    /// the receiver requests the sender's record instead of sending its own. Empty in answer to a
    /// want, or if the sender holds no record or several under this key, or if the context is
    /// longer.
    pub context: Vec<([u8; 32], u64)>,
}

/// Records of one space, whole or in pieces, with contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternSync {
    /// Index of the space in the table.
    pub space: u32,
    /// The records.
    pub records: Vec<Record>,
    /// The nodes that the short records or the declared versions name, and that the receiver's
    /// version summary lacks; strictly ascending.
    pub introduced: Vec<[u8; 32]>,
    /// Records that are sent by clocks, and name their nodes and contents by tags.
    pub short: Vec<ShortRecord>,
    /// Tags of nodes, and versions, strictly ascending by tag: every record of the node above the
    /// receiver's version summary, up to this version, has been sent.
    pub declared: Vec<(Tag, u64)>,
    /// Number of contents.
    pub count: u32,
    /// The contents that the receiver is not known to hold, encoded by their codec; empty if there
    /// are none. Their digests do not travel: the receiver computes them.
    pub contents: Vec<u8>,
}

/// One part of a content that is too large for a single frame. The record that names the content
/// follows its last part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentPart {
    /// Index of the space in the table.
    pub space: u32,
    /// Length of the content's whole encoding in bytes, at most [`MAX_CONTENT_LEN`].
    pub total: u32,
    /// Number of bytes of the encoding in earlier parts.
    pub offset: u32,
    /// The next bytes of the encoding, at least one.
    pub bytes: Vec<u8>,
}

impl PatternRequest {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put(out, &self.space);
        let nodes = self.nodes();
        nodes.put(out);
        put_count(out, self.wants.len());
        for want in &self.wants {
            out.extend_from_slice(&want.key);
            put_count(out, want.holds.len());
            for digest in &want.holds {
                out.extend_from_slice(digest);
            }
            put_count(out, want.context.len());
            for (node, entry) in &want.context {
                nodes.put_entry(out, node, *entry);
            }
        }
    }

    fn nodes(&self) -> NodeTable {
        NodeTable::of(self.wants.iter().flat_map(|want| want.context.iter().copied()))
    }

    pub(super) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let space = r.take("the space of a pattern request")?;
        let nodes = NodeTable::take(r, || Ok(()))?;
        let wants = r.list("keys of a pattern request", MAX_WANTS, KEY_LEN + 2, |r| {
            let key = r.array("a wanted key")?;
            let holds =
                r.list("held digests", MAX_WANT_HOLDS, TAG_LEN, |r| r.array("a held digest"))?;
            if !holds.is_sorted_by(|a: &Tag, b| a < b) {
                return Err(DecodeError::NotCanonical("the order of held digests"));
            }
            let context: Vec<_> =
                r.list("entries of a want", MAX_WANT_CONTEXT, 2, |r| nodes.take_entry(r))?;
            if !context.is_sorted_by(|(a, _), (b, _)| a < b) {
                return Err(DecodeError::NotCanonical("the order of a context"));
            }
            Ok(Want { key, holds, context })
        })?;
        if !wants.is_sorted_by(|a, b| a.key < b.key) {
            return Err(DecodeError::NotCanonical("the order of wanted keys"));
        }
        let request = Self { space, wants };
        if nodes != request.nodes() {
            return Err(DecodeError::NotCanonical("the list of nodes of a request"));
        }
        Ok(request)
    }
}

impl PatternSync {
    /// Builds a message of records and contents with the given [`declared`](Self::declared)
    /// versions. Each content is encoded once.
    pub fn new<C: Wire>(
        space: u32,
        delivery: Delivery<C>,
        declared: Vec<(Tag, u64)>,
        compression: Compression,
    ) -> Self {
        let Delivery { records, contents } = delivery;
        let mut encoded = BTreeSet::new();
        let distinct = contents.iter().filter(|(digest, _)| encoded.insert(digest));
        let distinct: Vec<&C> = distinct.map(|(_, content)| content).collect();
        let mut bytes = Vec::new();
        if !distinct.is_empty() {
            C::encode(&distinct, compression, &mut bytes);
        }
        let count = u32::try_from(distinct.len()).expect("a message has few contents");
        let (introduced, short) = (Vec::new(), Vec::new());
        Self { space, records, introduced, short, declared, count, contents: bytes }
    }

    /// Decodes the contents.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes do not encode exactly [`count`](Self::count) contents.
    pub fn decode_contents<C: Wire>(&self) -> Result<Vec<C>, DecodeError> {
        let contents = match self.count {
            0 => Vec::new(),
            count => C::decode(&self.contents, count as usize, MAX_UNFOLDED)?,
        };
        if contents.len() != self.count as usize {
            return Err(DecodeError::Invalid("the number of contents"));
        }
        Ok(contents)
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>, compression: Compression) {
        put(out, &self.space);
        codec::encode(out, self, compression);
    }

    pub(super) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let space = r.take("the space of a pattern sync")?;
        codec::decode(space, r)
    }
}

impl ContentPart {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put(out, &self.space);
        put(out, &(self.total, self.offset));
        put_bytes(out, &self.bytes);
    }

    pub(super) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let space = r.take("the space of a part")?;
        let total = r.count("bytes of a content", MAX_CONTENT_LEN, 0)? as u32;
        let offset = r.count("the offset of a part", MAX_CONTENT_LEN, 0)? as u32;
        let bytes = r.bytes("the bytes of a part", MAX_BODY)?;
        if bytes.is_empty() || offset as usize + bytes.len() > total as usize {
            return Err(DecodeError::Invalid("the length of a part"));
        }
        Ok(Self { space, total, offset, bytes: bytes.into() })
    }
}
