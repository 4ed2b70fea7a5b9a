//! Asking for records, and handing them over.

use alloc::vec::Vec;

use crate::codec::{self, NodeTable};
use crate::limits::{MAX_WANT_CONTEXT, MAX_WANT_HOLDS, MAX_WANTS};
use crate::tag::{KEY_LEN, TAG_LEN, Tag};
use crate::wire::{Reader, put, put_count};
use crate::{Compression, DecodeError, Delivery};

/// Keys of one space whose records the sender wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternRequest {
    /// The space's place in the table.
    pub space: u32,
    /// The keys, strictly ascending, at most [`MAX_WANTS`].
    pub wants: Vec<Want>,
}

/// One wanted record, and what of it need not be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// The first bytes of the key hash.
    pub key: [u8; KEY_LEN],
    /// The tags of the contents that the sender holds under this key, strictly
    /// ascending, at most [`MAX_WANT_HOLDS`].
    pub holds: Vec<Tag>,
    /// The context of the record that the sender holds under this key: node and entry, ascending by
    /// node, at most [`MAX_WANT_CONTEXT`]. A receiver whose record has nothing beyond it asks for
    /// the sender's instead of answering. Empty if the sender holds none, or too long a one.
    pub context: Vec<([u8; 32], u64)>,
}

/// Whole records of one space.
#[derive(Clone, Debug, PartialEq)]
pub struct PatternSync {
    /// The space's place in the table.
    pub space: u32,
    /// The records, and the contents that the receiver is not known to hold.
    ///
    /// Contents come in the order in which the records first name them; contents that no record of
    /// this message names belong to a record of a later message and come last. All embeddings
    /// have the same length.
    pub delivery: Delivery,
    /// Nodes and versions, strictly ascending by node: everything of the node above the receiver's
    /// version summary, up to this version, has been sent. Each node is one of the records'.
    pub declared: Vec<([u8; 32], u64)>,
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
            return Err(DecodeError::NotCanonical("the nodes of a request"));
        }
        Ok(request)
    }
}

impl PatternSync {
    pub(super) fn encode(&self, out: &mut Vec<u8>, compression: Compression) {
        put(out, &self.space);
        codec::encode(out, &self.delivery, &self.declared, compression);
    }

    pub(super) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let space = r.take("the space of a pattern sync")?;
        let (delivery, declared) = codec::decode(r)?;
        Ok(Self { space, delivery, declared })
    }
}
