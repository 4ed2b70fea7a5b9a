//! Tracks the spaces of one side, and which of them the peer also hosts.

use alloc::sync::Arc;
use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use super::outcome::SpaceOutcome;
use crate::limits::MAX_SPACES;
use crate::message::WalkedRoot;
use crate::tag::SessionKey;
use crate::{ProtocolViolation, SetupError, SpaceId, SpaceRoot, Spaces, Summary, Tag, View};

/// Domain separator of [`digest_of`].
const DIGEST_TAG: &[u8] = b"engram-gossip/spaces/1";
/// Maximum number of spaces that the first hello lists. A list of this length usually takes only a
/// few dozen bytes more than a digest.
const TABLE_IN_HELLO: usize = 2;
/// Maximum number of spaces that a side lists in answer to a digest.
const TABLE_AT_ONCE: usize = 16;

/// All spaces of this side, ascending by name.
pub(super) struct Directory<V> {
    hosted: Vec<Hosted<V>>,
    /// The table of the session: for each place, the index in `hosted`, if this side hosts the
    /// space.
    places: Option<Vec<Option<usize>>>,
    /// Spaces that the peer named and this side does not host, in the order of arrival.
    unhosted: Vec<SpaceId>,
}

/// One space of this side.
pub(super) struct Hosted<V> {
    pub(super) id: SpaceId,
    pub(super) view: V,
    /// The summary of the tree when the session began.
    pub(super) pinned: Summary,
    /// Whether the peer hosts the space too.
    shared: bool,
    /// Whether the roots differed at the beginning, as far as this side knows.
    differed: bool,
    theirs: Option<[u8; 32]>,
}

impl<V: View> Directory<V> {
    pub(super) fn new(spaces: Vec<(SpaceId, V)>) -> Result<Self, SetupError> {
        if spaces.len() > MAX_SPACES {
            return Err(SetupError::TooManySpaces(spaces.len()));
        }
        let mut hosted: Vec<_> = spaces
            .into_iter()
            .map(|(id, view)| {
                let pinned = view.summary();
                Hosted { id, view, pinned, shared: false, differed: false, theirs: None }
            })
            .collect();
        hosted.sort_by(|a, b| a.id.cmp(&b.id));
        if let Some(pair) = hosted.windows(2).find(|pair| pair[0].id == pair[1].id) {
            return Err(SetupError::DuplicateSpace(pair[0].id.as_str().into()));
        }
        Ok(Self { hosted, places: None, unhosted: Vec::new() })
    }

    /// Whether any space accepts records now; true if this side hosts no space.
    pub(super) fn accepts_records(&self) -> bool {
        self.hosted.is_empty() || self.hosted.iter().any(|space| space.view.accepts_records())
    }

    pub(super) fn into_spaces(self) -> impl Iterator<Item = (SpaceId, V)> {
        self.hosted.into_iter().map(|space| (space.id, space.view))
    }

    /// The spaces in the opener's hello.
    pub(super) fn opening(&mut self) -> Spaces {
        if self.hosted.len() <= TABLE_IN_HELLO { self.own_table(u16::MAX) } else { self.digest() }
    }

    /// The acceptor's answer to a digest, unless everything is equal.
    pub(super) fn narrowing(&mut self, session_key: SessionKey) -> Spaces {
        if self.hosted.len() <= TABLE_AT_ONCE {
            self.own_table(u16::MAX)
        } else {
            Spaces::Buckets(self.buckets(session_key))
        }
    }

    pub(super) fn digest(&self) -> Spaces {
        let roots = self.hosted.iter().map(|space| (&space.id, space.pinned.root));
        Spaces::Digest { count: self.hosted.len() as u32, digest: digest_of(roots) }
    }

    /// The digest over the live roots of the spaces that both sides host.
    pub(super) fn shared_digest(&self) -> [u8; 32] {
        let shared = self.hosted.iter().filter(|space| space.shared);
        digest_of(shared.map(|space| (&space.id, space.view.live_summary().root)))
    }

    /// Whether the sides share exactly `count` spaces.
    pub(super) fn shares(&self, count: usize) -> bool {
        self.hosted.iter().filter(|space| space.shared).count() == count
    }

    /// The digest over the peer's roots, if the sides share exactly `count` spaces and the peer's
    /// root of each is known.
    pub(super) fn told_digest(&self, count: usize) -> Option<[u8; 32]> {
        if !self.shares(count) {
            return None;
        }
        let shared = self.hosted.iter().filter(|space| space.shared);
        let told: Option<Vec<_>> = shared.map(|space| Some((&space.id, space.theirs?))).collect();
        told.map(|told| digest_of(told.into_iter()))
    }

    fn buckets(&self, session_key: SessionKey) -> [Option<Tag>; 16] {
        core::array::from_fn(|bucket| {
            let within = || self.hosted.iter().filter(|space| bucket_of(&space.id) == bucket);
            let digest = digest_of(within().map(|space| (&space.id, space.pinned.root)));
            within().next().map(|_| session_key.tag(&digest))
        })
    }

    /// Builds the session's table from this side's spaces in `buckets`.
    fn own_table(&mut self, buckets: u16) -> Spaces {
        let indices = 0..self.hosted.len();
        let named = indices.filter(|&index| covers(buckets, &self.hosted[index].id));
        let places: Vec<_> = named.map(Some).collect();
        let spaces = places.iter().flatten().map(|&index| &self.hosted[index]);
        let spaces = spaces.map(|space| SpaceRoot::new(&space.id, &space.pinned)).collect();
        self.places = Some(places);
        Spaces::Table { buckets, spaces }
    }

    /// Lists the spaces whose bucket differs from the peer's, and marks the others as shared and
    /// equal.
    pub(super) fn answer_buckets(
        &mut self,
        theirs: &[Option<Tag>; 16],
        session_key: SessionKey,
    ) -> Spaces {
        let pairs = self.buckets(session_key).into_iter().zip(theirs).enumerate();
        let differing = pairs.fold(0, |mask, (bucket, (a, b))| mask | u16::from(a != *b) << bucket);
        self.share_outside(differing);
        self.own_table(differing)
    }

    /// Marks the spaces outside `buckets` as shared and equal.
    fn share_outside(&mut self, buckets: u16) {
        let outside = self.hosted.iter_mut().filter(|space| !covers(buckets, &space.id));
        outside.for_each(|space| space.share(space.pinned.root));
    }

    /// Whether the peer's table names exactly this side's spaces, with equal roots.
    pub(super) fn equals(&self, table: &[SpaceRoot]) -> bool {
        self.hosted.len() == table.len()
            && (self.hosted.iter().zip(table))
                .all(|(ours, theirs)| ours.id == theirs.space && ours.pinned.root == theirs.root)
    }

    /// Adopts the peer's table as the table of the session. Returns the answer, which marks the
    /// spaces that this side hosts, and the places of the spaces that differ. If the peer asks for
    /// other spaces (`learns`), the answer also names this side's spaces that the table lacks.
    pub(super) fn adopt(
        &mut self,
        buckets: u16,
        table: &[SpaceRoot],
        learns: bool,
    ) -> Result<(Spaces, Vec<u32>), ProtocolViolation> {
        if !table.iter().all(|entry| covers(buckets, &entry.space)) {
            return Err(ProtocolViolation::SpaceOutsideBuckets);
        }
        self.share_outside(buckets);
        let mut bits = alloc::vec![0; table.len().div_ceil(8)];
        let mut differing = Vec::new();
        let mut places = Vec::with_capacity(table.len());
        for (space_index, entry) in table.iter().enumerate() {
            let index = self.hosted.binary_search_by(|space| space.id.cmp(&entry.space)).ok();
            places.push(index);
            if let Some(index) = index {
                bits[space_index / 8] |= 1 << (space_index % 8);
                self.hosted[index].share(entry.root);
                if self.hosted[index].differed {
                    differing.push(space_index as u32);
                }
            } else {
                self.unhosted.push(entry.space.clone());
            }
        }
        self.places = Some(places);
        let answer = match learns {
            false => Spaces::Hosts(bits),
            true => Spaces::HostsAndOthers { hosts: bits, others: self.others(buckets, table) },
        };
        Ok((answer, differing))
    }

    /// This side's spaces in `buckets` that the table does not name.
    fn others(&self, buckets: u16, table: &[SpaceRoot]) -> Vec<SpaceId> {
        let is_named = |id: &SpaceId| table.binary_search_by(|entry| entry.space.cmp(id)).is_ok();
        let ids = self.hosted.iter().map(|space| &space.id);
        ids.filter(|id| covers(buckets, id) && !is_named(id)).cloned().collect()
    }

    /// Notes the peer's spaces that this side's table does not name.
    pub(super) fn learn(&mut self, others: Vec<SpaceId>) -> Result<(), ProtocolViolation> {
        let hosts = |id: &SpaceId| self.hosted.binary_search_by(|space| space.id.cmp(id)).is_ok();
        if others.iter().any(hosts) {
            return Err(ProtocolViolation::SpaceIsHosted);
        }
        self.unhosted.extend(others);
        Ok(())
    }

    /// Spaces that the peer named and that this side does not host.
    pub(super) fn unhosted(&self) -> Arc<[SpaceId]> {
        self.unhosted.as_slice().into()
    }

    /// Handles the peer's answer to this side's table; returns the places of the spaces that the
    /// peer hosts.
    pub(super) fn hosts(&mut self, bits: &[u8]) -> Result<Vec<u32>, ProtocolViolation> {
        let table = self.places.as_deref().unwrap_or_default();
        let places = table.len();
        if bits.len() != places.div_ceil(8) {
            return Err(ProtocolViolation::HostsCount);
        }
        let is_set = |space_index: usize| bits[space_index / 8] & 1 << (space_index % 8) != 0;
        if (places..bits.len() * 8).any(is_set) {
            return Err(ProtocolViolation::HostsBeyondTable);
        }
        let shared: Vec<u32> = (0..places).filter(|&p| is_set(p)).map(|p| p as u32).collect();
        for &space_index in &shared {
            if let Some(index) = table[space_index as usize] {
                let root = self.hosted[index].pinned.root;
                self.hosted[index].share(root);
            }
        }
        Ok(shared)
    }

    /// Marks all spaces as shared and equal.
    pub(super) fn all_equal(&mut self) {
        self.hosted.iter_mut().for_each(|space| space.share(space.pinned.root));
    }

    /// Whether the session has its table.
    pub(super) fn has_table(&self) -> bool {
        self.places.is_some()
    }

    pub(super) fn shares_nothing(&self) -> bool {
        !self.hosted.iter().any(|space| space.shared)
    }

    /// The space at a place of the table, if both sides host it.
    pub(super) fn at(&self, space_index: u32) -> Option<&Hosted<V>> {
        let index = (*self.places.as_ref()?.get(space_index as usize)?)?;
        self.hosted.get(index).filter(|space| space.shared)
    }

    /// The space at a place of the table, if this side hosts it.
    pub(super) fn named(&self, space_index: u32) -> Option<&Hosted<V>> {
        self.hosted.get((*self.places.as_ref()?.get(space_index as usize)?)?)
    }

    pub(super) fn named_mut(&mut self, space_index: u32) -> Option<&mut Hosted<V>> {
        self.hosted.get_mut((*self.places.as_ref()?.get(space_index as usize)?)?)
    }

    /// The places of these spaces in the table.
    pub(super) fn places_of(&self, spaces: &[SpaceId]) -> Vec<u32> {
        let places = self.places.iter().flatten().enumerate();
        let named = places.filter(|(_, index)| {
            index.is_some_and(|index| spaces.contains(&self.hosted[index].id))
        });
        named.map(|(space_index, _)| space_index as u32).collect()
    }

    pub(super) fn at_mut(&mut self, space_index: u32) -> Option<&mut Hosted<V>> {
        let index = (*self.places.as_ref()?.get(space_index as usize)?)?;
        self.hosted.get_mut(index).filter(|space| space.shared)
    }

    /// The live roots of the spaces that differed at the beginning.
    pub(super) fn walked_roots(&self) -> Vec<WalkedRoot> {
        let places = self.places.as_ref().map_or(0, Vec::len) as u32;
        (0..places)
            .filter_map(|space_index| {
                let space = self.at(space_index).filter(|space| space.differed)?;
                Some(WalkedRoot { space: space_index, root: space.view.live_summary().root })
            })
            .collect()
    }

    pub(super) fn outcomes(&self) -> Arc<[SpaceOutcome]> {
        let shared = self.hosted.iter().filter(|space| space.shared);
        shared
            .map(|space| SpaceOutcome {
                space: space.id.clone(),
                ours: space.view.live_summary().root,
                theirs: space.theirs,
                differed: space.differed,
            })
            .collect()
    }
}

impl<V> Hosted<V> {
    fn share(&mut self, theirs: [u8; 32]) {
        self.shared = true;
        self.theirs = Some(theirs);
        self.differed = theirs != self.pinned.root;
    }

    pub(super) fn differed(&self) -> bool {
        self.differed
    }

    pub(super) fn theirs(&self) -> Option<[u8; 32]> {
        self.theirs
    }

    /// Notes that the peer begins to compare this space: the peer's root differs and is unknown
    /// here.
    pub(super) fn differs(&mut self) {
        if !self.differed {
            self.differed = true;
            self.theirs = None;
        }
    }

    /// Notes the peer's final root.
    pub(super) fn told(&mut self, root: [u8; 32]) {
        self.theirs = Some(root);
    }
}

fn covers(buckets: u16, id: &SpaceId) -> bool {
    buckets == u16::MAX || buckets & 1 << bucket_of(id) != 0
}

fn bucket_of(id: &SpaceId) -> usize {
    usize::from(Sha256::digest(id.as_str().as_bytes())[0] >> 4)
}

fn digest_of<'a>(roots: impl Iterator<Item = (&'a SpaceId, [u8; 32])>) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix(DIGEST_TAG);
    for (id, root) in roots {
        // Names have at most 64 bytes; the length prefix makes the hashed bytes unambiguous.
        hash.update([id.as_str().len() as u8]);
        hash.update(id.as_str());
        hash.update(root);
    }
    hash.finalize().into()
}
