//! The descent: digests of subtrees, and the entries of small ones.

use alloc::vec::Vec;

use super::hello::{put_children, take_children};
use crate::limits::{MAX_DEPTH, MAX_LINES, MAX_LISTINGS, MAX_NODES};
use crate::tag::{self, KEY_LEN, SHORT_TAG_LEN, ShortTag};
use crate::wire::{Reader, put, put_count};
use crate::{DecodeError, Prefix};

/// Digests of the sender's subtrees in one space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubtreeRequest {
    /// Index of the space in the table.
    pub space: u32,
    /// The nodes, at most [`MAX_NODES`].
    pub nodes: Vec<Node>,
}

/// One inner node with the digests of its sixteen children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// The prefix of the node, at most 11 nibbles.
    pub prefix: Prefix,
    /// The short tags of its children's digests; `None` for a child without entries.
    pub children: [Option<ShortTag>; 16],
}

/// The entries of small subtrees in one space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubtreeResponse {
    /// Index of the space in the table.
    pub space: u32,
    /// The listings, at most [`MAX_LISTINGS`].
    pub listings: Vec<Listing>,
}

/// Entries below one node: all of them, or those that the sender offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The prefix of the node, at most 12 nibbles.
    pub prefix: Prefix,
    /// The entries, ascending, at most [`MAX_LINES`]. Empty if the sender has none below the node.
    pub lines: Vec<Line>,
}

/// One entry, abbreviated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// The first bytes of the key hash.
    pub key: [u8; KEY_LEN],
    /// The short tag of the record's digest.
    pub record: ShortTag,
}

impl SubtreeRequest {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put(out, &self.space);
        put_count(out, self.nodes.len());
        for node in &self.nodes {
            put_prefix(out, &node.prefix);
            put_children(out, &node.children);
        }
    }

    pub(super) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let space = r.take("the space of a subtree request")?;
        let nodes = r.list("nodes of a subtree request", MAX_NODES, 3, |r| {
            let prefix = take_prefix(r, MAX_DEPTH - 1)?;
            Ok(Node { prefix, children: take_children(r)? })
        })?;
        Ok(Self { space, nodes })
    }
}

impl SubtreeResponse {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put(out, &self.space);
        put_count(out, self.listings.len());
        for listing in &self.listings {
            put_prefix(out, &listing.prefix);
            put_count(out, listing.lines.len());
            for line in &listing.lines {
                out.extend_from_slice(&line.key[known_bytes(&listing.prefix)..]);
                out.extend_from_slice(&line.record);
            }
        }
    }

    pub(super) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let space = r.take("the space of a subtree response")?;
        let listings = r.list("listings of a subtree response", MAX_LISTINGS, 2, take_listing)?;
        Ok(Self { space, listings })
    }
}

fn take_listing(r: &mut Reader<'_>) -> Result<Listing, DecodeError> {
    let prefix = take_prefix(r, MAX_DEPTH)?;
    let known = known_bytes(&prefix);
    let lines = r.list("lines of a listing", MAX_LINES, KEY_LEN + SHORT_TAG_LEN - known, |r| {
        let mut key = tag::key(prefix.bits());
        key[known..].copy_from_slice(r.raw("the key of a line", KEY_LEN - known)?);
        Ok(Line { key, record: r.array("the digest of a line")? })
    })?;
    if !lines.is_sorted_by(|a, b| a < b) {
        return Err(DecodeError::NotCanonical("the order of a listing"));
    }
    if !lines.iter().all(|line| prefix.contains_key(&line.key)) {
        return Err(DecodeError::Invalid("the key of a line"));
    }
    Ok(Listing { prefix, lines })
}

/// Number of whole bytes that all keys below `prefix` share.
fn known_bytes(prefix: &Prefix) -> usize {
    usize::from(prefix.nibbles() / 2)
}

/// Appends the number of nibbles, then the nibbles, two per byte.
fn put_prefix(out: &mut Vec<u8>, prefix: &Prefix) {
    out.push(prefix.nibbles());
    out.extend_from_slice(&prefix.bits()[..usize::from(prefix.nibbles().div_ceil(2))]);
}

fn take_prefix(r: &mut Reader<'_>, deepest: u8) -> Result<Prefix, DecodeError> {
    let nibbles: u8 = r.take("a prefix")?;
    if nibbles > deepest {
        let (value, cap) = (nibbles.into(), deepest.into());
        return Err(DecodeError::OverLimit { what: "nibbles of a prefix", value, cap });
    }
    let bytes = r.raw("a prefix", usize::from(nibbles.div_ceil(2)))?;
    let mut bits = [0; 32];
    bits[..bytes.len()].copy_from_slice(bytes);
    let prefix = Prefix::of(&bits, nibbles).expect("at most 12 nibbles");
    if *prefix.bits() == bits { Ok(prefix) } else { Err(DecodeError::NotCanonical("a prefix")) }
}
