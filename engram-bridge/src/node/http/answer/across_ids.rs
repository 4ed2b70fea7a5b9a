//! Conflicts across ids, as parts of other answers.

use serde::Serialize;

use crate::node::http::limits::MAX_IDS;
use crate::replica::across_ids::{AcrossIdsStats, ComparedPattern, PatternGroup, PatternRelation};
use crate::spaces::space::Space;

/// The conflicts across ids in a space.
#[derive(Serialize)]
pub(super) struct AcrossIds {
    groups_total: u64,
    /// Patterns in groups, not counting the representatives.
    members: u64,
    /// Patterns that dispute an episode with another pattern.
    disputed: u64,
    /// Changed patterns that have not been compared yet.
    pending: u64,
    /// Whether the space has too many patterns to be compared.
    over_limit: bool,
    /// The first groups, by descending confidence of their representatives.
    groups: Vec<Group>,
}

#[derive(Serialize)]
struct Group {
    representative: String,
    members_total: usize,
    /// The first members, the most confident first.
    members: Vec<Member>,
}

#[derive(Serialize)]
struct Member {
    id: String,
    #[serde(flatten)]
    compared: Compared,
}

/// The role of a pattern among patterns of other ids.
#[derive(Serialize)]
pub(super) struct Compared {
    /// `alone`, `representative`, `subset`, `superset` or `duplicate`.
    role: &'static str,
    confidence: f32,
    /// The confidence after the comparison across ids; never written back.
    adjusted_confidence: f32,
    /// The relation of a member to the representative of its group.
    representative: Option<Relation>,
    /// The relation to the pattern with the greatest overlap among those that dispute an episode
    /// with this pattern.
    rival: Option<Relation>,
    /// An explanation in words.
    reason: String,
}

#[derive(Serialize)]
struct Relation {
    id: String,
    cosine: Option<f32>,
    jaccard: f32,
    shared_episodes: usize,
}

impl AcrossIds {
    pub(super) fn of(space: &Space) -> Option<Self> {
        let AcrossIdsStats { groups, members, disputed, pending, over_limit } =
            space.across_ids_stats()?;
        let listed = space.groups(None, MAX_IDS);
        Some(Self {
            groups_total: groups,
            members,
            disputed,
            pending,
            over_limit,
            groups: listed.iter().map(|group| Group::of(space, group)).collect(),
        })
    }
}

impl Group {
    fn of(space: &Space, group: &PatternGroup) -> Self {
        let members = group.members.iter().filter_map(|id| {
            let compared = Compared::of(&space.compared(id)?);
            Some(Member { id: id.to_string(), compared })
        });
        Self {
            representative: group.representative.to_string(),
            members_total: group.members.len(),
            members: members.take(MAX_MEMBERS).collect(),
        }
    }
}

/// The maximum number of members that a group lists.
const MAX_MEMBERS: usize = 10;

impl Compared {
    pub(super) fn of(compared: &ComparedPattern) -> Self {
        Self {
            role: compared.role.name(),
            confidence: compared.confidence,
            adjusted_confidence: compared.adjusted_confidence,
            representative: compared.role.representative().map(Relation::of),
            rival: compared.rival.as_ref().map(Relation::of),
            reason: compared.to_string(),
        }
    }
}

impl Relation {
    fn of(PatternRelation { id, conflict }: &PatternRelation) -> Self {
        Self {
            id: id.to_string(),
            cosine: conflict.cosine,
            jaccard: conflict.overlap.jaccard(),
            shared_episodes: conflict.overlap.shared(),
        }
    }
}
