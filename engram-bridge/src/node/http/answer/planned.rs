//! The answer to `/cluster/consolidation/plan`.

use engram_gossip_net::PeerStatus;
use serde::Serialize;

use super::explained::Shown;
use crate::node::http::limits::MAX_IDS;
use crate::sync::preview::{PlannedChange, SpacePreview, SyncPreview};

/// The changes that a sync with a peer would make.
#[derive(Serialize)]
pub(in crate::node::http) struct Planned {
    peer: String,
    /// Whether the preview is complete.
    complete: bool,
    spaces: Vec<PlannedSpace>,
}

#[derive(Serialize)]
struct PlannedSpace {
    space: String,
    /// The number of patterns whose records would change here.
    here: usize,
    /// The first of these changes.
    changes: Vec<Change>,
    /// The number of patterns whose records would change at the peer.
    there: usize,
    /// The ids of the first of these patterns.
    ids_there: Vec<String>,
    refused: Vec<Refused>,
}

#[derive(Serialize)]
struct Change {
    id: String,
    /// Whether a different pattern would be visible.
    visible: bool,
    before: Option<Shown>,
    after: Option<Shown>,
}

#[derive(Serialize)]
struct Refused {
    id: String,
    reason: String,
}

impl Planned {
    pub(in crate::node::http) fn of(peer: &PeerStatus, preview: &SyncPreview) -> Self {
        let space = |(id, space): (&engram_gossip_proto::SpaceId, &SpacePreview)| PlannedSpace {
            space: id.to_string(),
            here: space.here.len(),
            changes: space.here.iter().take(MAX_IDS).map(Change::of).collect(),
            there: space.there.len(),
            ids_there: space.there.iter().take(MAX_IDS).cloned().collect(),
            refused: space.refused.iter().take(MAX_IDS).map(Refused::of).collect(),
        };
        Self {
            peer: peer.member.name.clone(),
            complete: preview.complete,
            spaces: preview.spaces.iter().map(space).collect(),
        }
    }
}

impl Change {
    fn of((id, change): (&String, &PlannedChange)) -> Self {
        Self {
            id: id.clone(),
            visible: change.is_visible(),
            before: change.before.as_deref().map(Shown::of),
            after: change.after.as_deref().map(Shown::of),
        }
    }
}

impl Refused {
    fn of((id, reason): (&String, &engram_gossip_proto::Rejection)) -> Self {
        Self { id: id.clone(), reason: reason.to_string() }
    }
}
