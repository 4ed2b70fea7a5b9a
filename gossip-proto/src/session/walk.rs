//! The comparison of two trees: which subtrees differ, one level (four bits) a turn.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::directory::Directory;
use crate::limits::{MAX_DEPTH, MAX_LINES, MAX_PENDING, NODES_PER_TURN};
use crate::message::{Line, Listing, Node, SubtreeRequest, SubtreeResponse};
use crate::prefix::nibble;
use crate::{Message, Prefix, View, short};

/// A subtree of at most so many entries is listed instead of walked.
///
/// A listing of 16 costs 256 bytes. One more level costs about 80 bytes and a listing of one or two
/// entries, so walking on would save bytes; but it takes half a round trip more. Above 16 a listing
/// is dearer than walking until more than half of the entries differ.
const LISTED: u64 = 16;
/// Bytes of nodes or listings after which a frame is closed.
const FRAME_TARGET: usize = 64 << 10;

/// A node of the tree of one space.
pub(super) type At = (u32, Prefix);

/// The state of the comparison.
#[derive(Default)]
pub(super) struct Walk {
    /// Subtrees that differ and that this side has to answer; the last comes first, so that what
    /// was begun is finished before more is begun, which bounds the list.
    pending: Vec<At>,
    /// What this side sent, and what the peer may still answer to it.
    said: BTreeMap<At, Said>,
    /// Spaces whose root the peer may still send.
    roots: BTreeSet<u32>,
    sent_this_turn: usize,
    kept_back: bool,
}

/// One node or listing that this side sent.
struct Said {
    /// Children that the peer may still answer with a node or a listing.
    unanswered: u16,
    /// Children below which the peer may send records unasked: this side told what it has there.
    told: u16,
}

impl Walk {
    /// The peer will answer for these spaces from the root.
    pub(super) fn expect_roots(&mut self, places: impl IntoIterator<Item = u32>) {
        self.roots.extend(places);
    }

    /// This side has to answer a subtree.
    pub(super) fn push(&mut self, at: At) {
        if self.pending.len() < MAX_PENDING {
            self.pending.push(at);
        } else {
            self.kept_back = true;
        }
    }

    pub(super) fn kept_back(&self) -> bool {
        self.kept_back || !self.pending.is_empty()
    }

    /// Gives up what is left.
    pub(super) fn stop(&mut self) {
        self.kept_back |= !self.pending.is_empty();
        self.pending.clear();
    }

    pub(super) fn begin_turn(&mut self) {
        self.sent_this_turn = 0;
    }

    /// Whether the peer may send this node now; each at most once.
    pub(super) fn admit(&mut self, (place, prefix): At) -> Result<(), &'static str> {
        let admitted = match prefix.parent() {
            None => self.roots.remove(&place),
            Some((parent, nibble)) => self.said.get_mut(&(place, parent)).is_some_and(|said| {
                let open = said.unanswered & 1 << nibble != 0;
                said.unanswered &= !(1 << nibble);
                open
            }),
        };
        if admitted { Ok(()) } else { Err("a subtree that was not asked for, or asked for once") }
    }

    /// Whether this side told the peer what it has around `key`, so that records may come unasked.
    pub(super) fn told(&self, place: u32, key: &[u8; 32]) -> bool {
        (0..=MAX_DEPTH).any(|depth| {
            Prefix::of(key, depth)
                .and_then(|prefix| self.said.get(&(place, prefix)))
                .is_some_and(|said| said.told & 1 << nibble(key, depth) != 0)
        })
    }

    /// The next frame of nodes or listings of this turn.
    pub(super) fn next<V: View>(&mut self, directory: &Directory<V>) -> Option<Message> {
        let (place, _) = *self.pending.last()?;
        let view = &directory.at(place)?.view;
        let mut nodes = Vec::new();
        let mut listings = Vec::new();
        let mut bytes = 0;
        while let Some(&(at, prefix)) = self.pending.last() {
            let full = self.sent_this_turn == NODES_PER_TURN || bytes > FRAME_TARGET;
            if at != place || full || self.said.len() == MAX_PENDING {
                break;
            }
            let lists = is_listed(view, &prefix);
            // One frame holds one kind: the other kind begins the next frame.
            if if lists { !nodes.is_empty() } else { !listings.is_empty() } {
                break;
            }
            self.pending.pop();
            self.sent_this_turn += 1;
            if lists {
                let listing = list(view, prefix);
                bytes += 16 * listing.lines.len();
                self.said.insert((at, prefix), Said { unanswered: 0, told: u16::MAX });
                listings.push(listing);
            } else {
                let node = Node { prefix, children: view.children(&prefix) };
                bytes += 132;
                let told = mask(&node, |child| child.is_none());
                self.said.insert((at, prefix), Said { unanswered: u16::MAX, told });
                nodes.push(node);
            }
        }
        if self.said.len() == MAX_PENDING {
            self.stop();
        }
        if !nodes.is_empty() {
            Some(Message::SubtreeRequest(SubtreeRequest { space: place, nodes }))
        } else if !listings.is_empty() {
            Some(Message::SubtreeResponse(SubtreeResponse { space: place, listings }))
        } else {
            None
        }
    }
}

fn is_listed(view: &impl View, prefix: &Prefix) -> bool {
    prefix.nibbles() == MAX_DEPTH || view.count(prefix) <= LISTED
}

fn list(view: &impl View, prefix: Prefix) -> Listing {
    let entries = view.entries(&prefix);
    let mut lines: Vec<Line> = entries
        .iter()
        .take(MAX_LINES)
        .map(|entry| Line { key: short(&entry.key), record: short(&entry.record) })
        .collect();
    lines.sort_unstable();
    lines.dedup();
    Listing { prefix, lines }
}

fn mask(node: &Node, wanted: impl Fn(&Option<[u8; 8]>) -> bool) -> u16 {
    (node.children.iter().enumerate())
        .fold(0, |mask, (nibble, child)| mask | u16::from(wanted(child)) << nibble)
}
