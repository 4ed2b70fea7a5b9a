//! Previews: compute the changes that a sync with a peer would make, without making them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use engram_gossip_proto::{Delivery, PatternContent, Receipt, Record, Rejection, SpaceId};

use crate::engram::pattern::SemanticPattern;
use crate::replica::content::Contents;
use crate::replica::record;
use crate::replica::state::SpaceState;
use crate::replica::visible::visible;
use crate::spaces::space::Space;
use crate::sync::admission::{Admission, VerifiedContents};
use crate::sync::apply::verify;

/// The changes that a sync with one peer would make, as of the time of the preview.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SyncPreview {
    /// The spaces in which anything would change or be refused, keyed by name.
    pub spaces: BTreeMap<SpaceId, SpacePreview>,
    /// Whether the preview is complete. If not, the session left some differences out: it reached a
    /// limit, the peer accepted no records, or another session was already transferring them.
    pub complete: bool,
}

/// The changes that a sync would make in one space.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SpacePreview {
    /// The patterns whose records would change on this node, by id.
    pub here: BTreeMap<String, PlannedChange>,
    /// The ids of the patterns whose records would change at the peer.
    pub there: BTreeSet<String>,
    /// The ids of the patterns that this node would refuse, at least in part, with one reason each.
    pub refused: BTreeMap<String, Rejection>,
}

/// The change to a pattern on this node. The two fields are equal if the record would change but the
/// visible pattern would not.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedChange {
    /// The pattern that is visible now.
    pub before: Option<Arc<SemanticPattern>>,
    /// The pattern that would be visible after the sync.
    pub after: Option<Arc<SemanticPattern>>,
}

impl PlannedChange {
    /// Whether a different pattern would be visible.
    pub fn is_visible(&self) -> bool {
        self.before != self.after
    }
}

/// The intermediate state of a preview.
#[derive(Debug, Default)]
pub(crate) struct Preview(Mutex<Notes>);

#[derive(Debug, Default)]
struct Notes {
    plan: SyncPreview,
    /// The records that the peer sent.
    came: BTreeSet<(SpaceId, String)>,
}

impl Preview {
    /// The preview so far.
    pub(crate) fn so_far(&self) -> SyncPreview {
        self.notes().plan.clone()
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().expect("no code panics while it holds this lock")
    }

    /// Returns the record to send in place of this node's record of `id`; `None` if the peer has
    /// already sent its own record. The returned record is empty, so that the peer sends its own; a
    /// peer without one has nothing to join.
    pub(crate) fn ask(&self, space: &SpaceId, id: &str) -> Option<Record> {
        let Notes { plan, came } = &mut *self.notes();
        if came.contains(&(space.clone(), id.to_owned())) {
            return None;
        }
        plan.spaces.entry(space.clone()).or_default().there.insert(id.to_owned());
        Some(Record { id: id.to_owned(), parts: Vec::new(), suppressed: Vec::new() })
    }

    /// Computes the effect of the peer's records, without joining them.
    pub(crate) fn take(&self, space: &Space, delivery: Delivery<PatternContent>) -> Receipt {
        let contents = verify(space, delivery.contents, None);
        let state = space.state();
        let mut admission = Admission::new(&state, &space.shared, &contents);
        let Notes { plan, came } = &mut *self.notes();
        let planned = plan.spaces.entry(space.id().clone()).or_default();
        let mut receipt = Receipt::default();
        for wire in delivery.records {
            let id = wire.id.clone();
            planned.there.remove(&id);
            came.insert((space.id().clone(), id.clone()));
            let (id, theirs) = match record::Record::from_wire(wire) {
                Ok(record) => record,
                Err(rejection) => {
                    planned.refused.insert(id, rejection);
                    continue;
                }
            };
            let (held, mut admitted) = (state.record(&id), theirs.clone());
            for refusal in admission.restrict(&id, held, &mut admitted) {
                planned.refused.insert(id.clone(), refusal.rejection());
            }
            receipt.stale += 1;
            let before = held.cloned().unwrap_or_default();
            let mut joined = before.clone();
            _ = joined.siblings.join(&admitted.siblings);
            joined.suppression.join(&admitted.suppression);
            joined.suppression.bound();
            if joined != theirs {
                planned.there.insert(id.clone());
            }
            if joined != before {
                let change = preview_change(&state, &id, &joined, &contents);
                planned.here.insert(id, change);
            }
        }
        receipt
    }
}

/// Returns the visible pattern before and after a change to the record.
fn preview_change(
    state: &SpaceState,
    id: &str,
    record: &record::Record,
    arrived: &VerifiedContents,
) -> PlannedChange {
    let content = |digest| match state.held(&digest) {
        Some(held) => Some((digest, held.clone())),
        None => Some((digest, arrived.get(&digest)?.as_ref().ok()?.clone().into_held())),
    };
    let contents: Contents = record.live().into_iter().filter_map(content).collect();
    let after = visible(record, &contents, state.strategy());
    PlannedChange { before: state.shown(id), after: after.first().cloned() }
}
