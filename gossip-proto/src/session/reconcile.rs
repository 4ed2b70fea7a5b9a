//! Compares the peer's digests and listings with this side's, to find missing records and the
//! subtrees to descend into.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::Session;
use super::descent::NodeRef;
use super::names::{Names, NodeNames};
use super::receive::Arrived;
use super::transfer::{Order, Wanted};
use crate::clocks::short_node;
use crate::limits::{MAX_DEPTH, MAX_LINES};
use crate::message::{
    ContentPart, Line, Listing, Node, PatternRequest, PatternSync, SubtreeRequest,
};
use crate::message::{SubtreeResponse, Want};
use crate::record::NodeId;
use crate::tag::{self, KEY_LEN};
use crate::view::ask;
use crate::{Entry, Event, Prefix, ProtocolViolation, Record, Rejection, SessionError, View};

/// Maximum number of entries that are compared with a listing at once. More entries are compared
/// child by child.
const COMPARED_AT_ONCE: u64 = 4_096;

impl<V: View> Session<V> {
    pub(super) fn on_subtree_request(
        &mut self,
        request: SubtreeRequest,
    ) -> Result<(), SessionError> {
        self.begin_descent(request.space)?;
        self.stats.hash_nodes += request.nodes.len() as u64;
        // Reversed, because the last pushed subtree is answered first.
        for node in request.nodes.iter().rev() {
            self.admit(request.space, node.prefix)?;
            self.compare_node(request.space, node);
        }
        Ok(())
    }

    pub(super) fn on_subtree_response(
        &mut self,
        response: SubtreeResponse,
    ) -> Result<(), SessionError> {
        self.begin_descent(response.space)?;
        self.stats.hash_nodes += response.listings.len() as u64;
        for Listing { prefix, lines } in &response.listings {
            let at = (response.space, *prefix);
            let listed = match self.descent.admit(at) {
                Ok(()) => Listed::All,
                Err(_) if self.descent.disclosed_all(at) => Listed::Offered,
                Err(unasked) => return Err(SessionError::Violation(unasked)),
            };
            self.compare_listing(at, lines, listed);
        }
        Ok(())
    }

    /// Serves keys that this side listed, requested or sent by clocks. While a space is synced by
    /// clocks, serves any key: the peer requests a record if it lacks a content that this side
    /// assumed it to hold.
    pub(super) fn on_pattern_request(
        &mut self,
        request: PatternRequest,
    ) -> Result<(), SessionError> {
        self.stats.hash_nodes += request.wants.len() as u64;
        for want in &request.wants {
            let below = Prefix::of_key(&want.key);
            self.transfer.on_want(request.space, want.key);
            let known = self.descent.disclosed(request.space, below.bits())
                || self.transfer.awaits(request.space, &want.key)
                || self.deltas.get(request.space).is_some()
                || self.transfer.sent.contains(request.space, want.key);
            if known {
                self.answer_want(request.space, want)?;
            } else {
                self.stats.unasked += 1;
            }
        }
        Ok(())
    }

    /// Answers a request for a key. Sends this side's records under the key, unless the request
    /// shows that the peer's record is newer: its context covers that of this side's only record
    /// and differs from it. This side then requests the peer's record, or does nothing if this node
    /// recently refused it in another session. It sends its own record nevertheless if it refused
    /// the peer's in this session.
    fn answer_want(&mut self, space_index: u32, want: &Want) -> Result<(), SessionError> {
        let view = self.view(space_index)?;
        let entries = view.entries(&Prefix::of_key(&want.key)).into_iter();
        let records: Vec<([u8; 32], Record)> =
            entries.filter_map(|entry| Some((entry.key, view.record(&entry.key)?))).collect();
        // A side that refused a record, in whole or in part, did not make the join that the peer
        // expects.
        let refused_here = self.transfer.refused.contains(space_index, want.key);
        let is_older = matches!(&records[..], [(_, record)] if record.is_older_than(&want.context));
        if is_older && !refused_here {
            if !self.has_refused(space_index, &want.key) {
                self.want(Wanted { space_index, key: want.key, order: Order::PeerIsNewer });
            }
            return Ok(());
        }
        for (key, record) in records {
            let mut known = self.session_key.tags(record.contents());
            known.retain(|tag| want.holds.binary_search(tag).is_ok());
            self.transfer.push_record(space_index, key, known);
        }
        Ok(())
    }

    pub(super) fn on_pattern_sync(&mut self, mut sync: PatternSync) -> Result<(), SessionError> {
        self.stats.records_in += (sync.records.len() + sync.short.len()) as u64;
        self.stats.contents_in += u64::from(sync.count);
        let (space_index, declared) = (sync.space, core::mem::take(&mut sync.declared));
        let space = self.directory.at_mut(space_index).ok_or(NOT_SHARED)?;
        let introduced = Names::of(sync.introduced.iter(), self.session_key);
        let told = match sync.short.is_empty() && declared.is_empty() {
            true => &Names::default(),
            false => self.deltas.nodes_told(space_index, &space.view, self.session_key),
        };
        let nodes = NodeNames { told, introduced };
        let declared: Vec<_> = declared
            .iter()
            .filter_map(|(tag, upper)| Some((short_node(&nodes.find(tag)?), *upper)))
            .collect();
        let (arrived, contents) =
            self.transfer.open(sync, &space.view, &nodes, self.session_key)?;
        let came = greatest_entries(&arrived);
        if let Some(delta) = self.deltas.get_mut(space_index) {
            arrived.iter().for_each(|arrived| delta.note(&arrived.key, &arrived.context));
        }
        let delta = self.deltas.get(space_index);
        let told = |arrived: &Arrived| {
            self.descent.disclosed(space_index, &arrived.key)
                || delta.is_some_and(|delta| delta.awaits(arrived))
        };
        let received = self.transfer.receive(space_index, arrived, contents, space, told);
        self.stats.applied += u64::from(received.receipt.applied);
        self.stats.stale += u64::from(received.receipt.stale);
        self.stats.rejected += received.receipt.rejected.len() as u64;
        self.stats.unasked += u64::from(received.unasked);
        let rejected = &received.receipt.rejected;
        let unstored = |(_, why): &&(_, Rejection)| *why == Rejection::StorageUnavailable;
        self.stats.unstored += rejected.iter().filter(unstored).count() as u64;
        let is_handled = !rejected.is_empty() && rejected.iter().all(|(_, why)| why.is_final());
        for (id, reason) in received.receipt.rejected {
            if reason != Rejection::MissingContent {
                self.transfer.refused.insert(space_index, &space.view.key_of(&id));
            }
            self.events.push(Event::Rejected { space: space.id.clone(), id, reason });
        }
        if received.unasked > 0 {
            let (space, records) = (space.id.clone(), received.unasked);
            self.events.push(Event::Unasked { space, records });
        }
        if delta.is_some() {
            ask(&space.view, |clocks| {
                if is_handled {
                    came.iter().for_each(|(node, entry)| clocks.refuse(node, *entry));
                }
                declared.iter().for_each(|(node, upper)| clocks.raise(*node, *upper));
            });
        }
        for key in received.lacking {
            self.want(Wanted { space_index, key: tag::key(&key), order: Order::Unknown });
        }
        for piece in received.requested {
            self.transfer.arrive(space_index, piece, &self.directory, self.session_key);
        }
        Ok(())
    }

    pub(super) fn on_content_part(&mut self, part: ContentPart) -> Result<(), SessionError> {
        self.stats.contents_in += u64::from(part.offset == 0);
        let view = &self.directory.at(part.space).ok_or(NOT_SHARED)?.view;
        self.transfer.receive_part(part, view)
    }

    fn view(&self, space_index: u32) -> Result<&V, SessionError> {
        Ok(&self.directory.at(space_index).ok_or(NOT_SHARED)?.view)
    }

    fn begin_descent(&mut self, space_index: u32) -> Result<(), SessionError> {
        let space = self.directory.at_mut(space_index).ok_or(NOT_SHARED)?;
        space.differs();
        if self.deltas.end(space_index) {
            space.view.repin();
            self.stats.descents += 1;
        }
        Ok(())
    }

    fn admit(&mut self, space_index: u32, prefix: Prefix) -> Result<(), SessionError> {
        self.descent.admit((space_index, prefix)).map_err(SessionError::Violation)
    }

    /// Descends into each child that differs; if the peer has no entries below it, sends or offers
    /// this side's entries instead.
    fn compare_node(&mut self, space_index: u32, node: &Node) {
        let Some(space) = self.directory.at(space_index) else { return };
        let ours = self.session_key.children(space.view.children(&node.prefix));
        let mut differing: Vec<(Prefix, Side)> = (0..16u8)
            .zip(ours.iter().zip(&node.children))
            .filter(|(_, (ours, theirs))| ours != theirs)
            .filter_map(|(nibble, (_, theirs))| {
                let side = if theirs.is_none() { Side::OursOnly } else { Side::Both };
                Some((node.prefix.child(nibble)?, side))
            })
            .collect();
        differing.sort_by_key(|(child, _)| self.transfer.rank(child.bits()));
        for (child, side) in &differing {
            if *side == Side::OursOnly {
                self.give_subtree((space_index, *child));
            }
        }
        // Reversed, because the last pushed subtree is answered first.
        for (child, side) in differing.into_iter().rev() {
            if side == Side::Both {
                self.descent.push((space_index, child));
            }
        }
    }

    /// Compares the peer's entries below a node with this side's.
    fn compare_listing(&mut self, at: NodeRef, theirs: &[Line], listed: Listed) {
        let (space_index, prefix) = at;
        let Some(space) = self.directory.at(space_index) else { return };
        let count = space.view.count(&prefix);
        if count <= COMPARED_AT_ONCE {
            let entries = space.view.entries(&prefix);
            let lacking = self.compare_entries(at, &entries, theirs);
            if listed == Listed::All {
                self.give_entries(at, &lacking);
            }
        } else if !theirs.is_empty() {
            let mut rest = theirs;
            for child in (0..16).filter_map(|nibble| prefix.child(nibble)) {
                let within = rest.partition_point(|line| child.contains_key(&line.key));
                let (lines, others) = rest.split_at(within);
                self.compare_listing((space_index, child), lines, listed);
                rest = others;
            }
        } else if listed == Listed::All {
            self.give_subtree(at);
        }
    }

    /// Compares both lists key by key; returns the entries that the peer lacks.
    fn compare_entries(&mut self, at: NodeRef, ours: &[Entry], theirs: &[Line]) -> Vec<Entry> {
        let (mut ours, mut theirs) = (ours, theirs);
        let mut lacking = Vec::new();
        loop {
            let next_ours = ours.first().map(|entry| tag::key(&entry.key));
            let next_theirs = theirs.first().map(|line| line.key);
            let Some(key) = next_ours.into_iter().chain(next_theirs).min() else { return lacking };
            let (same_ours, rest) =
                ours.split_at(ours.partition_point(|entry| tag::key(&entry.key) <= key));
            ours = rest;
            let (same_theirs, rest) =
                theirs.split_at(theirs.partition_point(|line| line.key <= key));
            theirs = rest;
            lacking.extend(self.compare_key(at, key, same_ours, same_theirs));
        }
    }

    /// Compares the records of both sides under a shortened key; returns the entries that the peer
    /// lacks. Each side nearly always has at most one record there.
    fn compare_key(
        &mut self,
        at: NodeRef,
        key: [u8; KEY_LEN],
        ours: &[Entry],
        theirs: &[Line],
    ) -> Vec<Entry> {
        let session_key = self.session_key;
        let equal =
            |entry: &Entry, line: &Line| session_key.short_tag(&entry.record) == line.record;
        let here = |line: &Line| ours.iter().any(|entry| equal(entry, line));
        let there = |entry: &Entry| theirs.iter().any(|line| equal(entry, line));
        if !theirs.iter().all(here) && self.has_refused(at.0, &key) {
            // The peer may lack something that this side holds, so this side offers its records.
            self.offer(at, ours);
            return Vec::new();
        }
        if !theirs.iter().all(here) {
            // It is unknown whose record is newer. The request names the context and the contents
            // held here, so that the peer sends only missing contents, or requests this side's
            // record if the peer's is older.
            self.want(Wanted { space_index: at.0, key, order: Order::Unknown });
            return Vec::new();
        }
        ours.iter().filter(|entry| !there(entry)).copied().collect()
    }

    /// Whether this node recently refused the peer's record under a key.
    fn has_refused(&self, space_index: u32, key: &[u8; KEY_LEN]) -> bool {
        self.directory.at(space_index).is_some_and(|space| space.view.has_refused(key))
    }

    /// Requests the peer's records under a key, unless this space accepts none or another session
    /// is fetching them.
    fn want(&mut self, wanted: Wanted) {
        let Some(space) = self.directory.at(wanted.space_index) else { return };
        let view = &space.view;
        if !view.accepts_records() {
            self.transfer.leave();
            return;
        }
        if !view.claim(&wanted.key) {
            self.stats.left_to_others += 1;
            return;
        }
        self.transfer.want(wanted);
    }

    /// Sends the records that the peer lacks below a node; offers them instead if there are many,
    /// or if they were already sent by clocks.
    fn give_entries(&mut self, at: NodeRef, lacking: &[Entry]) {
        let was_sent = |entry: &Entry| self.transfer.sent.contains(at.0, tag::key(&entry.key));
        let (sent, unsent): (Vec<Entry>, Vec<Entry>) = lacking.iter().copied().partition(was_sent);
        self.offer(at, &sent);
        if self.transfer.may_send_unasked(unsent.len() as u64) {
            unsent.iter().for_each(|entry| self.transfer.push_record(at.0, entry.key, Vec::new()));
        } else {
            self.offer(at, &unsent);
        }
    }

    /// Sends or offers all records below a node, where the peer has none.
    fn give_subtree(&mut self, at: NodeRef) {
        let Some(space) = self.directory.at(at.0) else { return };
        let count = space.view.count(&at.1);
        if !self.transfer.sent.any_below(at) && self.transfer.may_send_unasked(count) {
            self.transfer.push_subtree(at);
        } else {
            self.offer_subtree(at);
        }
    }

    /// Offers the entries below a node until some must be left to the next session; returns false
    /// in that case.
    fn offer_subtree(&mut self, (space_index, prefix): NodeRef) -> bool {
        let Some(space) = self.directory.at(space_index) else { return true };
        if space.view.count(&prefix) <= MAX_LINES as u64 || prefix.nibbles() == MAX_DEPTH {
            let entries = space.view.entries(&prefix);
            return self.offer((space_index, prefix), &entries);
        }
        let mut children: Vec<Prefix> = (0..16).filter_map(|nibble| prefix.child(nibble)).collect();
        children.sort_by_key(|child| self.transfer.rank(child.bits()));
        children.into_iter().all(|child| self.offer_subtree((space_index, child)))
    }

    /// Offers entries; returns false if they are left to the next session.
    fn offer(&mut self, at: NodeRef, entries: &[Entry]) -> bool {
        let offered = entries.is_empty() || self.descent.offer(at, entries, self.session_key);
        if !offered {
            self.transfer.begin_next_at(at.1.bits());
        }
        offered
    }
}

/// The meaning of a listing from the peer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Listed {
    /// All entries of the peer below the node.
    All,
    /// Entries that the peer offers; it may hold others below the node.
    Offered,
}

/// The sides that have entries below a child that differs; a child without entries on this side
/// counts as [`Both`](Self::Both).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    OursOnly,
    Both,
}

const NOT_SHARED: SessionError = SessionError::Violation(ProtocolViolation::UnsharedSpace);

/// The greatest context entry of each node in `records`.
fn greatest_entries(records: &[Arrived]) -> BTreeMap<NodeId, u64> {
    let mut greatest = BTreeMap::new();
    for (node, entry) in records.iter().flat_map(|arrived| &arrived.context) {
        let known: &mut u64 = greatest.entry(*node).or_default();
        *known = (*entry).max(*known);
    }
    greatest
}
