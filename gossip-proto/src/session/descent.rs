//! The comparison of two trees: finds the subtrees that differ, one level (four bits) per turn.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use super::directory::Directory;
use crate::limits::{MAX_DEPTH, MAX_LINES, MAX_PENDING, NODES_PER_TURN};
use crate::message::{Line, Listing, Node, SubtreeRequest, SubtreeResponse};
use crate::prefix::nibble;
use crate::tag::{self, KEY_LEN, SHORT_TAG_LEN, SessionKey};
use crate::{Entry, Message, Prefix, ProtocolViolation, View};

/// Maximum number of entries in a subtree that is listed instead of being descended into. A subtree
/// at [`MAX_DEPTH`] is always listed.
///
/// If one of twelve entries differs, a listing costs about 95 bytes. One more level and a listing
/// of one or two entries cost only 50 bytes, but half a round trip more. A longer listing pays off
/// only if more than half of its entries differ, and then the records outweigh the hashes by far.
const LISTED: u64 = 12;
/// Total size of the nodes and listings, in bytes, at which their frames are closed.
const FRAME_TARGET: usize = 64 << 10;
/// Maximum size of a line in bytes.
const LINE_LEN: usize = KEY_LEN + SHORT_TAG_LEN;
/// Maximum size of a node in bytes.
const NODE_LEN: usize = 9 + 16 * SHORT_TAG_LEN;

/// A node of the tree of one space.
pub(super) type NodeRef = (u32, Prefix);

/// The state of the comparison.
#[derive(Default)]
pub(super) struct Descent {
    /// Subtrees that differ and that this side has to answer, last in first out, which keeps the
    /// list short.
    pending: Vec<NodeRef>,
    /// The nodes and listings that this side sent, each with the answers that the peer may still
    /// send.
    sent: BTreeMap<NodeRef, Sent>,
    /// Spaces whose root node or listing the peer may still send.
    roots: BTreeSet<u32>,
    sent_this_turn: usize,
    /// Messages that were built together with the previous one and have not been sent yet.
    ready: VecDeque<Message>,
    /// Listings that wait to be sent as offers.
    offers: VecDeque<(u32, Listing)>,
    /// Number of entries offered in the session.
    offered: usize,
    kept_back: bool,
}

/// One node or listing that this side sent.
struct Sent {
    /// Children that the peer may still answer with a node or a listing.
    unanswered: u16,
    /// Children below which the peer may send records without a request: this side listed or
    /// offered entries there, or has none.
    disclosed: u16,
}

impl Descent {
    /// Allows the peer to begin at the roots of these spaces.
    pub(super) fn expect_roots(&mut self, places: impl IntoIterator<Item = u32>) {
        self.roots.extend(places);
    }

    /// Queues a subtree that this side has to answer.
    pub(super) fn push(&mut self, at: NodeRef) {
        if self.pending.len() < MAX_PENDING {
            self.pending.push(at);
        } else {
            self.kept_back = true;
        }
    }

    pub(super) fn kept_back(&self) -> bool {
        self.kept_back || !self.pending.is_empty() || !self.offers.is_empty()
    }

    /// Leaves all pending subtrees and offers to the next session.
    pub(super) fn stop(&mut self) {
        self.kept_back = self.kept_back();
        self.pending.clear();
        self.offers.clear();
    }

    /// Offers entries below a node; the peer requests those that it wants.
    ///
    /// Returns false if the offer would exceed a limit, so that these entries have to wait for the
    /// next session.
    pub(super) fn offer(
        &mut self,
        (space_index, prefix): NodeRef,
        entries: &[Entry],
        session_key: SessionKey,
    ) -> bool {
        if self.offered + entries.len() > MAX_PENDING || self.sent.len() == MAX_PENDING {
            self.kept_back = true;
            return false;
        }
        self.offered += entries.len();
        self.sent.insert((space_index, prefix), Sent { unanswered: 0, disclosed: u16::MAX });
        self.offers
            .push_back((space_index, Listing { prefix, lines: lines(entries, session_key) }));
        true
    }

    pub(super) fn begin_turn(&mut self) {
        self.sent_this_turn = 0;
    }

    /// Checks that the peer may send this node or listing now, and admits each at most once.
    pub(super) fn admit(
        &mut self,
        (space_index, prefix): NodeRef,
    ) -> Result<(), ProtocolViolation> {
        let admitted = match prefix.parent() {
            None => self.roots.remove(&space_index),
            Some((parent, nibble)) => {
                self.sent.get_mut(&(space_index, parent)).is_some_and(|sent| {
                    let open = sent.unanswered & 1 << nibble != 0;
                    sent.unanswered &= !(1 << nibble);
                    open
                })
            }
        };
        if admitted { Ok(()) } else { Err(ProtocolViolation::UnsolicitedSubtree) }
    }

    /// Whether this side listed or offered its entries at `prefix` or above, or sent a node that
    /// shows that it has none below `prefix`. The peer may then offer entries that are missing
    /// here.
    pub(super) fn disclosed_all(&self, (space_index, prefix): NodeRef) -> bool {
        let listed =
            self.sent.get(&(space_index, prefix)).is_some_and(|sent| sent.disclosed == u16::MAX);
        let mut above = prefix;
        let mut disclosed = listed;
        while let (false, Some((parent, nibble))) = (disclosed, above.parent()) {
            disclosed = self
                .sent
                .get(&(space_index, parent))
                .is_some_and(|sent| sent.disclosed & 1 << nibble != 0);
            above = parent;
        }
        disclosed
    }

    /// Whether this side listed or offered its entries around `key`, or showed that it has none
    /// there. The peer may then request these entries, and send records without a request.
    pub(super) fn disclosed(&self, space_index: u32, key: &[u8; 32]) -> bool {
        (0..=MAX_DEPTH).any(|depth| {
            Prefix::of(key, depth)
                .and_then(|prefix| self.sent.get(&(space_index, prefix)))
                .is_some_and(|sent| sent.disclosed & 1 << nibble(key, depth) != 0)
        })
    }

    /// The next frame of nodes or listings of this turn.
    pub(super) fn next<V: View>(
        &mut self,
        directory: &Directory<V>,
        session_key: SessionKey,
    ) -> Option<Message> {
        if self.ready.is_empty() {
            self.answer(directory, session_key);
        }
        self.ready.pop_front().or_else(|| self.next_offer())
    }

    /// The next frame of offers, all from one space.
    fn next_offer(&mut self) -> Option<Message> {
        let &(space, _) = self.offers.front()?;
        let (mut listings, mut bytes) = (Vec::new(), 0);
        while bytes < FRAME_TARGET && self.sent_this_turn < NODES_PER_TURN {
            if self.offers.front().is_none_or(|(space_index, _)| *space_index != space) {
                break;
            }
            let Some((_, listing)) = self.offers.pop_front() else { break };
            self.sent_this_turn += 1;
            bytes += NODE_LEN + LINE_LEN * listing.lines.len();
            listings.push(listing);
        }
        if listings.is_empty() {
            return None;
        }
        Some(Message::SubtreeResponse(SubtreeResponse { space, listings }))
    }

    /// Answers pending subtrees of one space with at most one frame of nodes and one of listings.
    fn answer<V: View>(&mut self, directory: &Directory<V>, session_key: SessionKey) {
        let Some(&(space, _)) = self.pending.last() else { return };
        let Some(view) = directory.at(space).map(|hosted| &hosted.view) else { return };
        let (mut nodes, mut listings, mut bytes) = (Vec::new(), Vec::new(), 0);
        while bytes < FRAME_TARGET && self.sent_this_turn < NODES_PER_TURN {
            if self.sent.len() == MAX_PENDING {
                self.stop();
            }
            let Some((_, prefix)) = self.pending.pop_if(|(space_index, _)| *space_index == space)
            else {
                break;
            };
            self.sent_this_turn += 1;
            let sent = if is_listed(view, &prefix) {
                let listing = list(view, prefix, session_key);
                bytes += NODE_LEN + LINE_LEN * listing.lines.len();
                listings.push(listing);
                Sent { unanswered: 0, disclosed: u16::MAX }
            } else {
                let node = Node { prefix, children: session_key.children(view.children(&prefix)) };
                bytes += NODE_LEN;
                nodes.push(node);
                Sent { unanswered: u16::MAX, disclosed: empty_children(&node) }
            };
            self.sent.insert((space, prefix), sent);
        }
        if !nodes.is_empty() {
            self.ready.push_back(Message::SubtreeRequest(SubtreeRequest { space, nodes }));
        }
        if !listings.is_empty() {
            self.ready.push_back(Message::SubtreeResponse(SubtreeResponse { space, listings }));
        }
    }
}

fn is_listed(view: &impl View, prefix: &Prefix) -> bool {
    prefix.nibbles() == MAX_DEPTH || view.count(prefix) <= LISTED
}

fn list(view: &impl View, prefix: Prefix, session_key: SessionKey) -> Listing {
    Listing { prefix, lines: lines(&view.entries(&prefix), session_key) }
}

fn lines(entries: &[Entry], session_key: SessionKey) -> Vec<Line> {
    let line = |entry: &Entry| Line {
        key: tag::key(&entry.key),
        record: session_key.short_tag(&entry.record),
    };
    let mut lines: Vec<Line> = entries.iter().take(MAX_LINES).map(line).collect();
    lines.sort_unstable();
    lines.dedup();
    lines
}

/// A mask of the children without entries.
fn empty_children(node: &Node) -> u16 {
    (node.children.iter().enumerate())
        .fold(0, |mask, (nibble, child)| mask | u16::from(child.is_none()) << nibble)
}
