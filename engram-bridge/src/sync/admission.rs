//! Admission: decides which parts of an arrived record may be joined.
//!
//! A record has a separate part for each node, so usually only the parts that may not be joined are
//! left out: the other parts and the suppression are joined. A record of a new id that would exceed
//! a cap on records, deletions or contents is refused as a whole.

use std::collections::{BTreeMap, BTreeSet};

use engram_gossip_net::NodeId;
use engram_gossip_proto::Rejection;
use engram_merkle::Digest;

use crate::replica::canonical;
use crate::replica::caps::{Cap, MAX_UNLISTED_NODES, Usage};
use crate::replica::content::Content;
use crate::replica::record::Record;
use crate::replica::state::SpaceState;
use crate::spaces::shared::Shared;

/// The contents of a delivery, each with the outcome of its validation.
pub(crate) type VerifiedContents = BTreeMap<Digest, Result<Content, Rejection>>;

/// The reason why a part of a record, or all of it, is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The versions in the part of the given node are too far in the future.
    Implausible(NodeId),
    /// A content that a part names is missing or invalid.
    Content(Rejection),
    /// A cap is reached.
    OverCap(Cap),
}

impl Refusal {
    pub(crate) const fn rejection(&self) -> Rejection {
        match self {
            Self::Implausible(_) => Rejection::ImplausibleVersion,
            Self::Content(rejection) => *rejection,
            Self::OverCap(_) => Rejection::OverCap,
        }
    }
}

/// Restricts the records of one delivery to the parts that may be joined.
pub(crate) struct Admission<'a> {
    state: &'a SpaceState,
    shared: &'a Shared,
    contents: &'a VerifiedContents,
    /// The node's usage, including the records of this delivery that were admitted so far.
    usage: Usage,
    unlisted: u64,
}

impl<'a> Admission<'a> {
    pub(crate) fn new(
        state: &'a SpaceState,
        shared: &'a Shared,
        contents: &'a VerifiedContents,
    ) -> Self {
        let (usage, unlisted) = (shared.usage(), state.tallies().unlisted());
        Self { state, shared, contents, usage, unlisted }
    }

    /// Removes from `arrived` the parts that may not be joined with `held`. Returns the reasons.
    pub(crate) fn restrict(
        &mut self,
        id: &str,
        held: Option<&Record>,
        arrived: &mut Record,
    ) -> Vec<Refusal> {
        let mut refusals = self.restrict_versions(arrived);
        refusals.extend(self.restrict_contents(id, held, arrived));
        refusals.extend(self.restrict_names(held, arrived));
        refusals.extend(match held {
            None => self.restrict_record(arrived),
            Some(_) => self.restrict_bytes(arrived),
        });
        refusals
    }

    fn restrict_versions(&self, arrived: &mut Record) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        arrived.siblings.retain_nodes(|node, entry| {
            let plausible = self.shared.is_plausible(entry);
            if !plausible {
                refusals.push(Refusal::Implausible(NodeId::from(*node)));
            }
            plausible
        });
        refusals
    }

    /// Leaves out the parts that name a content that is neither held under this id nor delivered and valid.
    fn restrict_contents(
        &self,
        id: &str,
        held: Option<&Record>,
        arrived: &mut Record,
    ) -> Vec<Refusal> {
        let (mut refusals, mut refused) = (Vec::new(), BTreeSet::new());
        for (dot, digest) in arrived.siblings.iter() {
            // The join drops a dot that is covered here and not live, so it needs no content.
            let superseded = held.is_some_and(|held| {
                held.siblings.context().covers(dot)
                    && !held.of_node(&dot.node).any(|(version, _)| version == dot.version)
            });
            if superseded {
                continue;
            }
            if let Err(reason) = self.content_of(id, digest)
                && refused.insert(dot.node)
            {
                refusals.push(Refusal::Content(reason));
            }
        }
        if !refused.is_empty() {
            arrived.siblings.retain_nodes(|node, _| !refused.contains(node));
        }
        refusals
    }

    /// Looks for the content of a dot of `id` among the held and the delivered contents. A content
    /// of a different id does not count: it would later be dropped together with the dot, although
    /// the record of the content's own id still names it.
    fn content_of(&self, id: &str, digest: &Digest) -> Result<(), Rejection> {
        let came = || Some(self.contents.get(digest)?.as_ref().map(Content::pattern));
        match self.state.content(digest).map(Ok).or_else(came) {
            Some(Ok(pattern)) if pattern.id == id => Ok(()),
            Some(Ok(_)) => Err(Rejection::InvalidContent),
            Some(Err(rejection)) => Err(*rejection),
            None => Err(Rejection::MissingContent),
        }
    }

    /// Applies the caps to the parts of nodes that are neither in the roster nor named by the held
    /// record: leaves out the parts in excess, those without live dots first.
    fn restrict_names(&mut self, held: Option<&Record>, arrived: &mut Record) -> Option<Refusal> {
        let tallies = self.state.tallies();
        let is_held = |node| held.is_some_and(|held| held.siblings.context().get(node) > 0);
        let unlisted = |node: &[u8; 32]| !tallies.is_listed(node);
        let mut new: Vec<([u8; 32], usize)> = (arrived.siblings.parts())
            .filter(|part| unlisted(part.node) && !is_held(part.node))
            .map(|part| (*part.node, part.live.len()))
            .collect();
        if new.is_empty() {
            return None;
        }
        let context = held.map(|held| held.siblings.context().iter());
        let named = context.map_or(0, |nodes| nodes.filter(|(node, _)| unlisted(node)).count());
        let in_record = MAX_UNLISTED_NODES.saturating_sub(named);
        let in_space = self.shared.caps.unlisted_entries.saturating_sub(self.unlisted);
        let room = in_record.min(usize::try_from(in_space).unwrap_or(usize::MAX));
        self.unlisted += new.len().min(room) as u64;
        if new.len() <= room {
            return None;
        }
        new.sort_by_key(|(_, live)| *live == 0);
        let refused: BTreeSet<[u8; 32]> = new[room..].iter().map(|(node, _)| *node).collect();
        arrived.siblings.retain_nodes(|node, _| !refused.contains(node));
        Some(Refusal::OverCap(Cap::UnlistedEntries))
    }

    /// Refuses a record of a new id if joining it would exceed a cap of the node.
    fn restrict_record(&mut self, arrived: &mut Record) -> Option<Refusal> {
        let mut usage = self.usage;
        usage.replace(Usage::default(), Usage::of(arrived));
        usage.bytes += self.new_bytes(&arrived.live());
        match usage.exceeds(&self.shared.caps) {
            None => {
                self.usage = usage;
                None
            }
            Some(cap) => {
                *arrived = Record::default();
                Some(Refusal::OverCap(cap))
            }
        }
    }

    /// Leaves out each part of a non-member whose new contents would exceed the cap on bytes of
    /// contents. Parts of members are always accepted.
    fn restrict_bytes(&mut self, arrived: &mut Record) -> Option<Refusal> {
        let mut refused = BTreeSet::new();
        for part in arrived.siblings.parts() {
            let contents = part.live.iter().map(|(_, digest)| *digest).collect();
            let (new, is_member) =
                (self.new_bytes(&contents), self.state.tallies().is_member(part.node));
            let room = self.shared.caps.content_bytes.saturating_sub(self.usage.bytes);
            match is_member || new <= room {
                true => self.usage.bytes += new,
                false => _ = refused.insert(*part.node),
            }
        }
        if refused.is_empty() {
            return None;
        }
        arrived.siblings.retain_nodes(|node, _| !refused.contains(node));
        Some(Refusal::OverCap(Cap::ContentBytes))
    }

    /// Bytes of the delivered `contents` that are not held.
    fn new_bytes(&self, contents: &BTreeSet<Digest>) -> u64 {
        let new = contents.iter().filter(|digest| self.state.content(digest).is_none());
        let came = new.filter_map(|digest| self.contents.get(digest)?.as_ref().ok());
        came.map(|content| canonical::max_encoded_len(content.pattern()) as u64).sum()
    }
}
