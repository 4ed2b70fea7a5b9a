//! The exchange of records: requests, records to send, their order, and budgets.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use super::delta::Deltas;
use super::descent::NodeRef;
use super::directory::Directory;
use super::key_set::KeySet;
use super::pieces::{Batch, Cut, Omitted, Pieces};
use super::receive::{Arriving, Carried};
use super::turn::Allowance;
use super::unsent::Unsent;
use crate::codec::{NodeTable, Size};
use crate::limits::{MAX_PENDING, MAX_UNASKED, MAX_WANT_CONTEXT, MAX_WANT_HOLDS, MAX_WANTS};
use crate::message::{PatternRequest, PatternSync, Want};
use crate::tag::{KEY_LEN, SessionKey, TAG_LEN, Tag};
use crate::{Message, Prefix, Record, View, Wire, short};

/// Maximum number of entries of a subtree that is unfolded at once. A larger subtree is unfolded
/// child by child, so that the queue stays short.
const UNFOLDED_AT_ONCE: u64 = 4_096;
/// Size of the wants, in bytes, at which a frame is closed.
const FRAME_TARGET: usize = 64 << 10;

/// Maximum sizes of a node and of an entry in a request, in bytes.
const WANT_NODE: usize = NodeTable::<32>::NODE_WIRE;
const WANT_ENTRY: usize = NodeTable::<32>::ENTRY_WIRE;

/// A content with the digest that names it.
pub(super) type Named<C> = ([u8; 32], C);

/// An item to send.
enum SendItem {
    /// All records below a node.
    Subtree(NodeRef),
    /// One record.
    Record(QueuedRecord),
}

/// One record to send.
pub(super) struct QueuedRecord {
    pub(super) space_index: u32,
    pub(super) key: [u8; 32],
    /// The tags of the contents that the peer holds, ascending.
    pub(super) known: Vec<Tag>,
    /// Whether this record must be sent if the previous one was sent, because both have the same
    /// version.
    pub(super) follows: bool,
    /// Whether the peer can most likely find the record's digests by their tags.
    pub(super) short: bool,
}

impl QueuedRecord {
    /// Creates an item that is sent with digests and does not depend on the previous record.
    fn whole(space_index: u32, key: [u8; 32], known: Vec<Tag>) -> Self {
        Self { space_index, key, known, follows: false, short: false }
    }
}

/// A key whose records this side wants. The records held under it are looked up when the request is
/// made.
pub(super) struct Wanted {
    pub(super) space_index: u32,
    pub(super) key: [u8; KEY_LEN],
    pub(super) order: Order,
}

/// The order of the records of both sides under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Unknown,
    /// The context of the peer's record covers that of this side's only record.
    PeerIsNewer,
}

/// The state of the exchange.
pub(super) struct Transfer<C> {
    /// Records to request.
    wants: VecDeque<Wanted>,
    /// Keys whose records the peer may send in its turn: this side requested them in its last turn,
    /// or in the turn before if the peer then requested them too.
    pub(super) awaited: BTreeSet<(u32, [u8; KEY_LEN])>,
    /// Awaited keys that the peer also requests, because its record is older. The peer then sends
    /// its record only if the joined record differs from this side's, or if it has refused this
    /// side's record, whole or in part.
    asked_back: BTreeSet<(u32, [u8; KEY_LEN])>,
    pushes: VecDeque<SendItem>,
    /// Number of records to send that the peer did not request; `u64::MAX` if no more are allowed.
    unasked: u64,
    /// The record being sent.
    sending: Option<Pieces<C>>,
    pub(super) carried: Carried<C>,
    pub(super) arriving: Option<Arriving>,
    /// The key at which sending begins.
    start: u64,
    /// The key at which the next session begins, if a budget or a cap stopped this one at a key.
    cursor: Option<u64>,
    arranged: bool,
    kept_back: bool,
    /// Whether the peer accepts no records in this session.
    closed: bool,
    /// Keys of records sent by clocks. If the peer still lacks such a record, the peer has refused
    /// or dropped it, so the descent only offers it.
    pub(super) sent: KeySet,
    /// Keys of records that this side has refused and does not request again in this session.
    pub(super) refused: KeySet,
}

impl<C: Wire> Transfer<C> {
    pub(super) fn new(start: Option<u64>) -> Self {
        Self {
            wants: VecDeque::new(),
            awaited: BTreeSet::new(),
            asked_back: BTreeSet::new(),
            pushes: VecDeque::new(),
            unasked: 0,
            sending: None,
            carried: Carried::default(),
            arriving: None,
            start: start.unwrap_or(0),
            cursor: None,
            arranged: false,
            kept_back: false,
            closed: false,
            sent: KeySet::default(),
            refused: KeySet::default(),
        }
    }

    pub(super) fn kept_back(&self) -> bool {
        self.kept_back
    }

    pub(super) fn cursor(&self) -> Option<u64> {
        self.cursor
    }

    /// The rank of a key in the sending order, which ascends from `start` and wraps around.
    pub(super) fn rank(&self, key: &[u8; 32]) -> u64 {
        u64::from_be_bytes(short(key)).wrapping_sub(self.start)
    }

    /// Whether this side may send `records` more records that the peer did not request.
    ///
    /// Once this method has returned false, it never returns true again. The records sent without a
    /// request are therefore contiguous in the sending order, and a later session can continue
    /// where they end.
    pub(super) fn may_send_unasked(&mut self, records: u64) -> bool {
        let may = self.unasked.saturating_add(records) <= MAX_UNASKED;
        self.unasked = if may { self.unasked + records } else { u64::MAX };
        may
    }

    /// Makes this side offer each record that the comparison of trees finds, because the peer asks
    /// for listings. It sends only the records that the peer then requests.
    pub(super) fn offer_all(&mut self) {
        self.unasked = u64::MAX;
    }

    /// Leaves all records to a later session, because the peer accepts none in this one.
    pub(super) fn keep_back(&mut self) {
        self.closed = true;
    }

    /// Whether the peer accepts no records in this session.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Queues all records below a node; the peer lacks them.
    pub(super) fn push_subtree(&mut self, at: NodeRef) {
        self.push(SendItem::Subtree(at));
    }

    /// Queues a record; the peer lacks it, or holds only the contents in `known`.
    pub(super) fn push_record(&mut self, space_index: u32, key: [u8; 32], known: Vec<Tag>) {
        self.push(SendItem::Record(QueuedRecord::whole(space_index, key, known)));
    }

    fn push(&mut self, push: SendItem) {
        if self.pushes.len() < MAX_PENDING && !self.closed {
            self.pushes.push_back(push);
            self.arranged = false;
        } else {
            self.kept_back = true;
        }
    }

    /// Notes that the peer requests a key. If this side requested the key too, the peer's record
    /// may still arrive.
    pub(super) fn on_want(&mut self, space_index: u32, key: [u8; KEY_LEN]) {
        if self.awaits(space_index, &key) {
            self.asked_back.insert((space_index, key));
        }
    }

    /// Queues a request for the peer's records under a key, unless this side has refused one of
    /// them.
    pub(super) fn want(&mut self, wanted: Wanted) {
        if self.refused.contains(wanted.space_index, wanted.key) {
            return;
        }
        if self.wants.len() < MAX_PENDING {
            self.wants.push_back(wanted);
        } else {
            self.kept_back = true;
        }
    }

    /// Whether requests wait to be sent.
    pub(super) fn wants_any(&self) -> bool {
        !self.wants.is_empty()
    }

    /// Whether the peer may send its records under a key in its turn because this side requested
    /// them.
    pub(super) fn awaits(&self, space_index: u32, key: &[u8; KEY_LEN]) -> bool {
        self.awaited.contains(&(space_index, *key))
    }

    /// Ends the peer's turn: of the requested records, only those whose keys the peer requested too
    /// may still arrive.
    pub(super) fn end_of_peers_turn<V: View<Content = C>>(
        &mut self,
        directory: &Directory<V>,
        session_key: SessionKey,
    ) {
        self.finish_arriving(directory, session_key);
        self.awaited = core::mem::take(&mut self.asked_back);
        self.carried = Carried::default();
    }

    /// The next request of this turn.
    pub(super) fn next_request<V: View<Content = C>>(
        &mut self,
        directory: &Directory<V>,
        session_key: SessionKey,
    ) -> Option<PatternRequest> {
        let space = self.wants.front()?.space_index;
        let view = &directory.at(space)?.view;
        let mut wants: Vec<Want> = Vec::new();
        let mut bytes = 0;
        while wants.len() < MAX_WANTS && bytes < FRAME_TARGET {
            if self.wants.front().is_none_or(|wanted| wanted.space_index != space) {
                break;
            }
            let Some(wanted) = self.wants.pop_front() else { break };
            let want = want_of(view, &wanted, session_key);
            bytes += KEY_LEN + 4 + TAG_LEN * want.holds.len();
            bytes += (WANT_NODE + WANT_ENTRY) * want.context.len();
            self.awaited.insert((space, want.key));
            wants.push(want);
        }
        wants.sort_unstable_by_key(|want| want.key);
        wants.dedup_by(|a, b| a.key == b.key);
        Some(PatternRequest { space, wants })
    }

    /// The next message of this turn that holds records, contents or declared versions.
    pub(super) fn next_records<V: View<Content = C>>(
        &mut self,
        directory: &Directory<V>,
        deltas: &mut Deltas,
        allowance: &Allowance,
        unsent: &mut Unsent,
    ) -> Option<Message> {
        self.arrange();
        let terms = allowance.terms;
        let mut batch = Batch::default();
        let mut size = Size::default();
        let mut space = None;
        loop {
            // Look up the next record even if this message is full, because the lookup marks the
            // previous record as sent.
            if self.sending.is_none() {
                self.sending = self.next_pieces(directory, deltas, terms.session_key, unsent);
            }
            let Some(pieces) = &mut self.sending else { break };
            let hosted = directory.at(pieces.space_index)?;
            let is_full = batch.records() == allowance.records;
            if is_full || space.is_some_and(|space| space != pieces.space_index) {
                break;
            }
            let (at, id) = ((pieces.space_index, hosted), pieces.id.clone());
            let mut left = false;
            let omit = |why| match why {
                Omitted::Unsendable(error) => unsent.note(at, &id, &error),
                Omitted::KeptBack => left = true,
            };
            let piece = pieces.next(&hosted.view, terms, omit);
            if left {
                self.kept_back = true;
                self.cursor.get_or_insert_with(|| u64::from_be_bytes(short(&pieces.key)));
            }
            let Some(piece) = piece else {
                self.sending = None;
                continue;
            };
            let wire = size.wire + piece.size.wire;
            let is_spent = match pieces.begun {
                true => allowance.exceeds_peer(wire),
                false => allowance.is_spent(wire) || allowance.exceeds_peer(piece.ahead),
            };
            if !piece.must_follow && is_spent {
                let key = pieces.key;
                self.give_up(&key);
                deltas.stop();
                break;
            }
            let is_ahead = !matches!(&piece.cut, Cut::Batch(one) if one.records() > 0);
            let fits = (size + piece.size).fits_a_frame() && !is_ahead;
            if space.is_some() && !fits {
                pieces.put_back(piece);
                break;
            }
            space = Some(pieces.space_index);
            pieces.begun = true;
            if pieces.is_empty() {
                self.sending = None;
            }
            size = size + piece.size;
            match piece.cut {
                Cut::Batch(one) => batch.extend(one),
                Cut::Slice(part) => return Some(Message::ContentPart(part)),
            }
            if is_ahead {
                break;
            }
        }
        let space = space.or_else(|| deltas.undeclared())?;
        let declared = deltas.declare(space);
        let Batch { delivery, short, mut nodes } = batch;
        nodes.extend(declared.iter().map(|(node, _)| *node));
        nodes.retain(|node| !deltas.peer_knows(space, node));
        let declared = declared.iter().map(|(node, upper)| (terms.session_key.tag(node), *upper));
        let declared = declared.collect::<BTreeMap<_, _>>().into_iter().collect();
        let sync = PatternSync::new(space, delivery, declared, terms.compression);
        let introduced = nodes.into_iter().collect();
        Some(Message::PatternSync(PatternSync { introduced, short, ..sync }))
    }

    /// The next record to send, split into parts.
    fn next_pieces<V: View<Content = C>>(
        &mut self,
        directory: &Directory<V>,
        deltas: &mut Deltas,
        session_key: SessionKey,
        unsent: &mut Unsent,
    ) -> Option<Pieces<C>> {
        loop {
            let queued = match deltas.next_queued(directory, session_key) {
                Some(queued) => {
                    self.sent.insert(queued.space_index, &queued.key);
                    queued
                }
                None => self.next_queued(directory)?,
            };
            let hosted = directory.at(queued.space_index)?;
            let Some(record) = hosted.view.record(&queued.key) else { continue };
            let (space_index, id) = (queued.space_index, record.id.clone());
            match Pieces::new(queued, record, session_key) {
                Ok(pieces) => return Some(pieces),
                Err(error) => unsent.note((space_index, hosted), &id, &error),
            }
        }
    }

    /// Drops the queue because the budget is spent; the next session begins at `key`.
    fn give_up(&mut self, key: &[u8; 32]) {
        self.kept_back = true;
        self.cursor.get_or_insert_with(|| u64::from_be_bytes(short(key)));
        self.sending = None;
        self.pushes.clear();
    }

    /// Leaves a difference to a later session.
    pub(super) fn leave(&mut self) {
        self.kept_back = true;
    }

    /// Leaves the records from `key` on to the next session.
    pub(super) fn begin_next_at(&mut self, key: &[u8; 32]) {
        self.kept_back = true;
        self.cursor.get_or_insert_with(|| u64::from_be_bytes(short(key)));
    }

    /// Stops requesting and sending.
    pub(super) fn stop(&mut self, deltas: &mut Deltas) {
        self.kept_back |= deltas.stop() || !(self.wants.is_empty() && self.pushes.is_empty());
        deltas.keep_back();
        self.wants.clear();
        self.pushes.clear();
    }

    /// Sorts the queue by space, then by key from `start` on.
    fn arrange(&mut self) {
        if self.arranged {
            return;
        }
        self.arranged = true;
        let start = self.start;
        let rank = |key: &[u8; 32]| u64::from_be_bytes(short(key)).wrapping_sub(start);
        self.pushes.make_contiguous().sort_by_cached_key(|push| match push {
            SendItem::Record(queued) => (queued.space_index, rank(&queued.key)),
            SendItem::Subtree((space_index, prefix)) => (*space_index, rank(prefix.bits())),
        });
    }

    /// The next record to send; unfolds subtrees on the way.
    fn next_queued<V: View>(&mut self, directory: &Directory<V>) -> Option<QueuedRecord> {
        loop {
            let (space_index, prefix) = match self.pushes.pop_front()? {
                SendItem::Record(queued) => return Some(queued),
                SendItem::Subtree(at) => at,
            };
            let view = &directory.at(space_index)?.view;
            let unfolded: Vec<SendItem> = if view.count(&prefix) > UNFOLDED_AT_ONCE {
                let mut children: Vec<Prefix> =
                    (0..16).filter_map(|nibble| prefix.child(nibble)).collect();
                children.sort_by_key(|child| self.rank(child.bits()));
                children.into_iter().map(|child| SendItem::Subtree((space_index, child))).collect()
            } else {
                let mut keys: Vec<[u8; 32]> =
                    view.entries(&prefix).into_iter().map(|entry| entry.key).collect();
                keys.sort_by_key(|key| self.rank(key));
                let queued =
                    |key| SendItem::Record(QueuedRecord::whole(space_index, key, Vec::new()));
                keys.into_iter().map(queued).collect()
            };
            unfolded.into_iter().rev().for_each(|push| self.pushes.push_front(push));
        }
    }
}

/// Builds the request for a key, with the contents held under it, and with the context of the
/// record held under it if the peer needs it to tell which record is newer.
fn want_of(view: &impl View, wanted: &Wanted, session_key: SessionKey) -> Want {
    let Wanted { key, order, .. } = *wanted;
    let entries = view.entries(&Prefix::of_key(&key));
    let records: Vec<Record> = entries.iter().filter_map(|entry| view.record(&entry.key)).collect();
    let mut holds = session_key.tags(records.iter().flat_map(Record::contents));
    holds.truncate(MAX_WANT_HOLDS);
    let context = match &records[..] {
        [record] if order == Order::Unknown && record.parts.len() <= MAX_WANT_CONTEXT => {
            record.context().collect()
        }
        _ => Vec::new(),
    };
    Want { key, holds, context }
}
