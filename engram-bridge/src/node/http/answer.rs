//! Answers about a node and its spaces, as JSON.

mod across_ids;
mod explained;
mod overview;
mod planned;

use engram_gossip_net::{NodeId, PeerStatus};
use engram_merkle::Path;
use serde::Serialize;

pub(super) use explained::Explained;
pub(super) use overview::{Node, warnings};
pub(super) use planned::Planned;

use self::across_ids::AcrossIds;
use super::limits::MAX_IDS;
use crate::engram::ports::{BeliefUpdateRecord, ConsolidationCacheSource};
use crate::node::telemetry::Telemetry;
use crate::spaces::space::Space;

/// The answer to `/cluster/consolidation/diff`.
#[derive(Serialize)]
pub(super) struct Diff {
    peer: String,
    space: String,
    /// Whether this process has recorded a state of this space in which both nodes were equal; if
    /// not, the whole space may differ.
    ever_equal: bool,
    slots: Vec<u32>,
    patterns: usize,
    /// The ids of the first patterns, at most [`MAX_IDS`].
    ids: Vec<String>,
}

impl Diff {
    pub(super) fn of(node: &Telemetry, space: &Space, peer: &PeerStatus) -> Self {
        let divergence = node.divergence(&peer.member.id, space);
        Self {
            peer: peer.member.name.clone(),
            space: space.id().to_string(),
            ever_equal: divergence.is_known(),
            slots: divergence.slots().iter().copied().collect(),
            patterns: divergence.ids().len(),
            ids: divergence.ids().iter().take(MAX_IDS).map(|id| id.to_string()).collect(),
        }
    }
}

/// The answer to `/cluster/consolidation/map`.
#[derive(Serialize)]
pub(super) struct Map {
    space: String,
    /// The number of leading bits of a key's hash that select a slot: the depth of the tree, at
    /// most 12.
    bits: u8,
    /// The number of records in each slot: `.` for none, then 1 to 9, a to z; z means 35 or more.
    fill: String,
    /// For each peer, the slots that changed here since the two nodes were last equal.
    peers: Vec<Differing>,
}

#[derive(Serialize)]
struct Differing {
    peer: String,
    ever_equal: bool,
    slots: Vec<u32>,
}

/// The maximum number of bits that select a slot of the map: a finer map would not fit on a screen.
const MAP_BITS: u8 = 12;

impl Map {
    pub(super) fn of(node: &Telemetry, space: &Space) -> Self {
        let tree = space.tree();
        let bits = tree.depth().levels().min(MAP_BITS);
        let fill = (0..1_u32 << bits).map(|slot| letter(tree.count(&path(slot, bits))));
        let mut peers = node.gossip().peers();
        peers.sort_by(|a, b| a.member.name.cmp(&b.member.name));
        let coarser = tree.depth().levels() - bits;
        let differing = |peer: PeerStatus| {
            let divergence = node.divergence(&peer.member.id, space);
            let mut slots: Vec<_> = divergence.slots().iter().map(|slot| slot >> coarser).collect();
            slots.dedup();
            Differing { peer: peer.member.name, ever_equal: divergence.is_known(), slots }
        };
        Self {
            space: space.id().to_string(),
            bits,
            fill: fill.collect(),
            peers: peers.into_iter().map(differing).collect(),
        }
    }
}

fn letter(count: u64) -> char {
    match u32::try_from(count).map_or(35, |count| count.min(35)) {
        0 => '.',
        count => char::from_digit(count, 36).expect("35 is the last digit of base 36"),
    }
}

/// The path of the tree node that corresponds to slot `slot` of 2^`bits`.
fn path(slot: u32, bits: u8) -> Path {
    let mut hash = [0; 32];
    hash[..4].copy_from_slice(&(slot << (32 - u32::from(bits))).to_be_bytes());
    Path::of(&hash.into(), u16::from(bits)).expect("a slot is above the last level")
}

/// The answer to `/cluster/consolidation/slot`.
#[derive(Serialize)]
pub(super) struct Slot {
    slot: u32,
    patterns: u64,
    /// The ids of the first patterns, at most [`MAX_IDS`].
    ids: Vec<String>,
}

impl Slot {
    /// Returns the first pattern ids in a slot, and the number of all ids in it; `None` if the map
    /// of the space has no such slot.
    pub(super) fn of(space: &Space, slot: u32) -> Option<Self> {
        let tree = space.tree();
        let bits = tree.depth().levels().min(MAP_BITS);
        (slot < 1 << bits).then(|| {
            let path = path(slot, bits);
            let ids = tree.entries(&path).take(MAX_IDS).map(|entry| entry.key.to_string());
            Self { slot, patterns: tree.count(&path), ids: ids.collect() }
        })
    }
}

/// The answer to `/cluster/consolidation/conflicts`.
#[derive(Serialize)]
pub(super) struct Conflicts {
    space: String,
    total: u64,
    /// A part of the conflicts, ascending by id; pass the last id as `after=` for the next part.
    conflicts: Vec<Explained>,
    /// Conflicts across ids; `None` if the comparison is off.
    across_ids: Option<AcrossIds>,
}

impl Conflicts {
    pub(super) fn of(node: &Telemetry, space: &Space, after: Option<&str>, limit: usize) -> Self {
        let ids = space.conflicting(after, limit);
        let explained = ids.iter().filter_map(|id| {
            let known = space.explain(id)?;
            Some(Explained::of(node, space, id, &known))
        });
        Self {
            space: space.id().to_string(),
            total: space.stats().conflicting,
            conflicts: explained.collect(),
            across_ids: AcrossIds::of(space),
        }
    }
}

/// One entry of `/cluster/consolidation/updates`.
#[derive(Serialize)]
pub(super) struct Update {
    id: String,
    /// The time of the change, as RFC 3339.
    at: String,
    confidence_delta: f32,
    citation_delta: i32,
    strength_delta: f32,
    /// The source of the change: `scheduler`, `on_demand` or `gossip`.
    source: &'static str,
    /// The node that wrote the change, if it came by gossip.
    origin: Option<String>,
}

/// The latest changes to visible patterns, newest first.
pub(super) fn updates(node: &Telemetry, space: &Space) -> Vec<Update> {
    let updates = space.recent_updates();
    updates.into_iter().rev().take(MAX_IDS).map(|update| Update::of(node, update)).collect()
}

impl Update {
    fn of(node: &Telemetry, update: BeliefUpdateRecord) -> Self {
        Self {
            at: update.generated_at.to_string(),
            confidence_delta: update.confidence_delta,
            citation_delta: update.citation_delta,
            strength_delta: update.novelty,
            source: match update.source {
                ConsolidationCacheSource::Scheduler => "scheduler",
                ConsolidationCacheSource::OnDemand => "on_demand",
                ConsolidationCacheSource::Gossip => "gossip",
            },
            origin: update.origin.map(|origin| name_of(node, &origin)),
            id: update.pattern_id,
        }
    }
}

/// The display name of this node or of a member; the id of any other node.
fn name_of(node: &Telemetry, id: &NodeId) -> String {
    if *id == node.gossip().node_id() {
        return node.name().to_owned();
    }
    let roster = node.gossip().roster();
    roster.member(id).map_or_else(|| id.to_string(), |member| member.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn map_slot_is_the_tree_node_with_its_bits() {
        let path = path(0xabc, 12);
        assert_eq!((path.level(), path.bits().as_bytes()[..2].to_vec()), (12, vec![0xab, 0xc0]));
        assert_eq!(super::path(0xf, 4).bits().as_bytes()[0], 0xf0);
    }

    #[test]
    fn fill_is_one_character_per_slot() {
        let letters: String = [0, 1, 9, 10, 35, 36, u64::MAX].into_iter().map(letter).collect();
        assert_eq!(letters, ".19azzz");
    }
}
