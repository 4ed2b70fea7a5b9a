//! Records: the replicated state of pattern ids.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use crate::check::within;
use crate::limits::{MAX_NODE_DOTS, MAX_SUPPRESSED, MAX_SUPPRESSION_LENGTH};
use crate::tag::{SessionKey, TAG_LEN, Tag};
use crate::{DecodeError, check_id};

/// The id of a node: the SHA-256 of its certificate's public key.
pub(crate) type NodeId = [u8; 32];

/// The replicated state of one pattern id, whole or restricted to some of its nodes.
///
/// A record is a product over nodes: every subset of its parts is itself a record, and joining
/// subsets that together contain all parts gives the same result as joining the whole record.
///
/// `N` is the number of bytes that name a content or a node: 32 for a digest or a node id. See also
/// [`ShortRecord`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record<const N: usize = 32> {
    /// The pattern id, 1 to 128 bytes, unique within its space.
    pub id: String,
    /// One part for each node that wrote or deleted the id, strictly ascending by node.
    pub parts: Vec<Part<N>>,
    /// The contents that have ever been suppressed, each with its digest and the length of its
    /// causal-length set. A content is suppressed while this length is odd.
    ///
    /// Strictly ascending by digest, at most [`MAX_SUPPRESSED`] entries, with lengths from 1 to
    /// [`MAX_SUPPRESSION_LENGTH`].
    pub suppressed: Vec<([u8; N], u32)>,
}

/// A record that names its contents and its nodes by [`Tag`]s.
///
/// Its receiver finds the digests among those of the contents in the same message or ahead of it,
/// and those in its own record of the id. It finds the nodes among those of the version summary
/// that it has sent, and those that the message introduces.
pub type ShortRecord = Record<TAG_LEN>;

/// One node's part of a record: its context entry and its live dots.
///
/// The join of two parts of one node has the greater entry. A dot remains if both sides hold it, or
/// if its version is above the entry of the side that lacks it: a side that lacks a dot although
/// its entry covers it has seen the dot replaced or deleted. The part with the greater entry is not
/// always the join: a write by another node removes dots and leaves the entry as it is. A side
/// without a part for the node counts as having entry 0 and no dots.
///
/// Every write and every deletion takes a new version from the node that makes it. A write replaces
/// the dots that its writer sees with a single new dot. A deletion removes these dots and raises
/// its node's entry to the new version, but adds no dot. If a host removes dots without a new
/// version, no context changes, so [`Clocks`](crate::Clocks) do not transfer the removal: only a
/// comparison of the trees finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<const N: usize = 32> {
    /// The id of the node, the SHA-256 of its certificate's public key; or the tag of this id.
    pub node: [u8; N],
    /// The context entry, at least 1: it covers all versions of the node up to this one.
    pub entry: u64,
    /// The live dots, each with its version and content digest, strictly ascending; at most
    /// [`MAX_NODE_DOTS`]. Each version is between 1 and `entry`.
    pub dots: Vec<(u64, [u8; N])>,
}

impl<const N: usize> Record<N> {
    /// The context: node and entry, ascending by node.
    pub(crate) fn context(&self) -> impl ExactSizeIterator<Item = ([u8; N], u64)> {
        self.parts.iter().map(|part| (part.node, part.entry))
    }

    /// Checks the rules and limits that decoders enforce, except the limit on the number of parts.
    pub(crate) fn check(&self) -> Result<(), DecodeError> {
        check_id(&self.id)?;
        self.check_state()
    }

    /// Checks everything that [`check`](Self::check) does, except the id.
    pub(crate) fn check_state(&self) -> Result<(), DecodeError> {
        if !self.parts.is_sorted_by(|a, b| a.node < b.node) {
            return Err(DecodeError::NotCanonical("the order of parts"));
        }
        self.parts.iter().try_for_each(Part::check)?;
        within("suppressed digests of a record", self.suppressed.len(), MAX_SUPPRESSED)?;
        if !self.suppressed.is_sorted_by(|(a, _), (b, _)| a < b) {
            return Err(DecodeError::NotCanonical("the order of suppressed digests"));
        }
        if self.suppressed.iter().any(|(_, length)| *length == 0) {
            return Err(DecodeError::Invalid("the length of a suppression"));
        }
        let longest = self.suppressed.iter().map(|(_, length)| *length).max();
        let (longest, cap) = (longest.unwrap_or(0) as usize, MAX_SUPPRESSION_LENGTH as usize);
        Ok(within("the length of a suppression", longest, cap)?)
    }
}

impl Record {
    /// The digests of the live contents in the order of their dots, including repetitions.
    pub(crate) fn mentions(&self) -> impl Iterator<Item = &[u8; 32]> {
        self.parts.iter().flat_map(Part::contents)
    }

    /// The digests of the live and the suppressed contents.
    pub(crate) fn digests(&self) -> impl Iterator<Item = &[u8; 32]> {
        self.mentions().chain(self.suppressed.iter().map(|(digest, _)| digest))
    }

    /// The record with tags instead of digests and nodes; `None` if two of its digests, or two of
    /// its nodes, have the same tag.
    pub(crate) fn shorten(&self, session_key: SessionKey) -> Option<ShortRecord> {
        let digests: BTreeSet<_> = self.digests().collect();
        if session_key.tags(digests.iter().copied()).len() < digests.len() {
            return None;
        }
        let part = |part: &Part| {
            let dot = |(version, digest): &(u64, _)| (*version, session_key.tag(digest));
            let mut dots: Vec<(u64, Tag)> = part.dots.iter().map(dot).collect();
            dots.sort_unstable();
            Part { node: session_key.tag(&part.node), entry: part.entry, dots }
        };
        let mut parts: Vec<_> = self.parts.iter().map(part).collect();
        parts.sort_unstable_by_key(|part| part.node);
        if !parts.is_sorted_by(|a, b| a.node < b.node) {
            return None;
        }
        let tagged = |(digest, length): &(_, u32)| (session_key.tag(digest), *length);
        let mut suppressed: Vec<(Tag, u32)> = self.suppressed.iter().map(tagged).collect();
        suppressed.sort_unstable();
        Some(Record { id: self.id.clone(), parts, suppressed })
    }

    /// The digests of the live contents, ascending, each once.
    pub(crate) fn contents(&self) -> impl Iterator<Item = &[u8; 32]> {
        self.mentions().collect::<BTreeSet<_>>().into_iter()
    }

    /// Whether `context` covers the context of this record and differs from it.
    ///
    /// Returns false for equal contexts: the records may still differ in their suppressed digests.
    pub(crate) fn is_older_than(&self, context: &[(NodeId, u64)]) -> bool {
        let covered = |(node, entry): (NodeId, u64)| {
            let at = context.binary_search_by_key(&node, |(other, _)| *other);
            at.is_ok_and(|at| entry <= context[at].1)
        };
        !self.context().eq(context.iter().copied()) && self.context().all(covered)
    }

    /// Adds the parts and the suppressed digests of another piece of the same record.
    pub(crate) fn absorb(&mut self, piece: Self) {
        self.parts.extend(piece.parts);
        self.parts.sort_by_key(|part| part.node);
        self.parts.dedup_by_key(|part| part.node);
        self.suppressed.extend(piece.suppressed);
        self.suppressed.sort_unstable();
        self.suppressed.dedup_by_key(|(digest, _)| *digest);
    }
}

impl ShortRecord {
    /// Replaces the tags with the digests that `digest_of` returns and the nodes that `node_of`
    /// returns, for a join with `held`.
    ///
    /// Leaves out the dots that `held` has seen replaced or deleted, because the join drops them.
    /// Also leaves out every part and every suppression with any other tag that `digest_of` or
    /// `node_of` does not know; returns false if it left out any of these.
    pub(crate) fn restore(
        self,
        held: Option<&Record>,
        digest_of: impl Fn(&Tag) -> Option<[u8; 32]>,
        node_of: impl Fn(&Tag) -> Option<NodeId>,
    ) -> (Record, bool) {
        let (named_parts, named_suppressed) = (self.parts.len(), self.suppressed.len());
        let restore = |Part { node, entry, dots }: Part<TAG_LEN>| {
            let node = node_of(&node)?;
            let held = held.and_then(|held| held.parts.iter().find(|part| part.node == node));
            let is_seen = |version| held.is_some_and(|held| held.has_dropped(version));
            let dots = dots.iter().filter(|(version, _)| !is_seen(*version));
            let dots = dots.map(|(version, tag)| Some((*version, digest_of(tag)?)));
            let mut dots = dots.collect::<Option<Vec<_>>>()?;
            dots.sort_unstable();
            Some(Part { node, entry, dots })
        };
        let mut parts: Vec<Part> = self.parts.into_iter().filter_map(restore).collect();
        parts.sort_unstable_by_key(|part| part.node);
        let suppressed = self.suppressed.iter();
        let mut suppressed: Vec<_> =
            suppressed.filter_map(|(tag, length)| Some((digest_of(tag)?, *length))).collect();
        suppressed.sort_unstable();
        let is_whole = parts.len() == named_parts && suppressed.len() == named_suppressed;
        (Record { id: self.id, parts, suppressed }, is_whole)
    }
}

impl<const N: usize> Part<N> {
    pub(crate) fn contents(&self) -> impl Iterator<Item = &[u8; N]> {
        self.dots.iter().map(|(_, name)| name)
    }

    /// Whether the entry covers `version`, and no live dot has it.
    fn has_dropped(&self, version: u64) -> bool {
        version <= self.entry && self.dots.iter().all(|(live, _)| *live != version)
    }

    fn check(&self) -> Result<(), DecodeError> {
        within("dots of a node", self.dots.len(), MAX_NODE_DOTS)?;
        if !self.dots.is_sorted_by(|a, b| a < b) {
            return Err(DecodeError::NotCanonical("the order of dots"));
        }
        let possible = |(version, _): &(u64, [u8; N])| (1..=self.entry).contains(version);
        if self.entry == 0 || !self.dots.iter().all(possible) {
            return Err(DecodeError::Invalid("a version"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn key() -> SessionKey {
        SessionKey::of([1; 8], [2; 8])
    }

    fn digest(n: u8) -> [u8; 32] {
        [n; 32]
    }

    fn part(node: u8, entry: u64, dots: &[(u64, u8)]) -> Part {
        let dots = dots.iter().map(|(version, n)| (*version, digest(*n))).collect();
        Part { node: [node; 32], entry, dots }
    }

    fn record(parts: Vec<Part>, suppressed: &[u8]) -> Record {
        let suppressed = suppressed.iter().map(|n| (digest(*n), 1)).collect();
        Record { id: "p".into(), parts, suppressed }
    }

    /// Restores `record` at a node that holds `held` and the digests `known`.
    fn restored(record: &Record, held: Option<&Record>, known: &[u8]) -> (Record, bool) {
        let digest_of =
            |tag: &Tag| known.iter().map(|n| digest(*n)).find(|digest| key().tag(digest) == *tag);
        record.shorten(key()).unwrap().restore(held, digest_of, node_of)
    }

    /// Nodes 1 and 2 are known.
    fn node_of(tag: &Tag) -> Option<NodeId> {
        [[1; 32], [2; 32]].into_iter().find(|node| key().tag(node) == *tag)
    }

    #[test]
    fn a_part_of_an_unknown_node_is_left_out() {
        let whole = record(vec![part(1, 7, &[(7, 1)]), part(3, 4, &[])], &[]);
        let expected = record(vec![part(1, 7, &[(7, 1)])], &[]);
        assert_eq!(restored(&whole, None, &[1]), (expected, false));
    }

    #[test]
    fn a_short_record_restores_to_the_whole_one() {
        let dots = &[(3, 9), (3, 200), (5, 1)];
        let whole = record(vec![part(1, 7, dots), part(2, 4, &[])], &[3, 4, 250]);
        whole.shorten(key()).unwrap().check().unwrap();
        assert_eq!(restored(&whole, None, &[1, 3, 4, 9, 200, 250, 77]), (whole, true));
    }

    #[test]
    fn whatever_lacks_a_digest_is_left_out() {
        let whole = record(vec![part(1, 7, &[(7, 1), (7, 2)]), part(2, 4, &[(4, 3)])], &[4, 5]);
        let expected = record(vec![part(2, 4, &[(4, 3)])], &[5]);
        assert_eq!(restored(&whole, None, &[1, 3, 5]), (expected, false));
    }

    #[test]
    fn dots_that_were_seen_dropped_need_no_digest() {
        let arrived = record(vec![part(1, 9, &[(4, 1), (5, 2), (9, 3)])], &[]);
        let held = record(vec![part(1, 5, &[(5, 2)])], &[]);
        let expected = record(vec![part(1, 9, &[(5, 2), (9, 3)])], &[]);
        assert_eq!(restored(&arrived, Some(&held), &[2, 3]), (expected.clone(), true));
        // If a held live dot has the same version, the arrived dot is kept: its content may differ.
        let (rest, is_whole) = restored(&arrived, Some(&held), &[3]);
        assert_eq!((rest.parts.len(), is_whole), (0, false));
        // The held part has seen no version above its entry.
        let (_, is_whole) = restored(&arrived, Some(&held), &[2]);
        assert!(!is_whole);
    }
}
