//! What a sync with a peer would change, without changing it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use engram_gossip_net::{Gossip, NodeId, SyncError};
use engram_gossip_proto::{Delivery, Ending, Receipt, Record, Rejection, SpaceId};

use crate::arrival::supply;
use crate::content::{Content, Contents};
use crate::record;
use crate::space::Space;
use crate::state::{Change, SpaceState};
use crate::visible::visible;
use crate::{SemanticPattern, Store};

/// What a sync with one peer would change, as of the moment at which it was asked for.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SyncPlan {
    /// The spaces in which anything would change, by their names.
    pub spaces: BTreeMap<SpaceId, SpacePlan>,
    /// Whether this is all. If not, there is more than fits one session.
    pub complete: bool,
}

/// What a sync would change in one space.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SpacePlan {
    /// The patterns whose records would change here, by their ids.
    pub here: BTreeMap<String, PlannedChange>,
    /// The ids of the patterns whose records would change there.
    pub there: BTreeSet<String>,
    /// The ids of the patterns that would be refused here, and why.
    pub refused: BTreeMap<String, Rejection>,
}

/// What would become of a pattern here. Both are equal if nothing would change but what is known of
/// who wrote it.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedChange {
    /// What is visible now.
    pub before: Option<Arc<SemanticPattern>>,
    /// What would be visible then.
    pub after: Option<Arc<SemanticPattern>>,
}

impl PlannedChange {
    /// Whether another pattern would be visible.
    pub fn is_visible(&self) -> bool {
        self.before != self.after
    }
}

impl Store {
    /// Asks `peer` for all in which it differs from this node, and tells what a sync would change on
    /// both sides. Nothing is changed on either, and no content is sent.
    /// `gossip` must have been bound to this store.
    ///
    /// The peer sends its differing records as in a real session, so it costs the bytes of one.
    /// Another session with the same peer that begins meanwhile is part of the rehearsal.
    ///
    /// # Errors
    /// [`SyncError`] if there was no session with it.
    pub async fn plan(&self, gossip: &Gossip, peer: NodeId) -> Result<SyncPlan, SyncError> {
        let stage = self.rehearsals.begin(peer);
        let session = gossip.sync_with(peer).await?;
        let mut plan = stage.rehearsal.notes().plan.clone();
        plan.complete = session.outcome.result != Ending::BudgetSpent;
        plan.spaces.retain(|_, space| *space != SpacePlan::default());
        Ok(plan)
    }
}

/// The sessions of a store that only rehearse, by the peer.
#[derive(Debug, Default)]
pub(crate) struct Rehearsals(Mutex<BTreeMap<NodeId, Arc<Rehearsal>>>);

/// One rehearsal, until it is dropped.
struct Stage<'s> {
    rehearsals: &'s Rehearsals,
    peer: NodeId,
    rehearsal: Arc<Rehearsal>,
}

impl Rehearsals {
    fn begin(&self, peer: NodeId) -> Stage<'_> {
        let rehearsal = Arc::<Rehearsal>::default();
        self.all().insert(peer, Arc::clone(&rehearsal));
        Stage { rehearsals: self, peer, rehearsal }
    }

    /// What a session with `peer` rehearses, if it does.
    pub(crate) fn with(&self, peer: &NodeId) -> Option<Arc<Rehearsal>> {
        self.all().get(peer).cloned()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<NodeId, Arc<Rehearsal>>> {
        self.0.lock().expect("no code panics while it holds this lock")
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        let mut all = self.rehearsals.all();
        // A later rehearsal with the same peer goes on.
        if all.get(&self.peer).is_some_and(|other| Arc::ptr_eq(other, &self.rehearsal)) {
            all.remove(&self.peer);
        }
    }
}

/// What came up in a rehearsal so far.
#[derive(Debug, Default)]
pub(crate) struct Rehearsal(Mutex<Notes>);

#[derive(Debug, Default)]
struct Notes {
    plan: SyncPlan,
    /// What the peer sent.
    came: BTreeSet<(SpaceId, String)>,
}

impl Rehearsal {
    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().expect("no code panics while it holds this lock")
    }

    /// What a session gets that would send the record of `id`, or tell the peer how it stands: one that
    /// has seen nothing, so that the peer sends its own, and has nothing to join if it has none.
    pub(crate) fn ask(&self, space: &SpaceId, id: &str) -> Option<Record> {
        let Notes { plan, came } = &mut *self.notes();
        if came.contains(&(space.clone(), id.to_owned())) {
            return None;
        }
        plan.spaces.entry(space.clone()).or_default().there.insert(id.to_owned());
        Some(Record { id: id.to_owned(), siblings: Vec::new(), context: Vec::new() })
    }

    /// Looks at what the peer sent, and leaves it.
    pub(crate) fn take(&self, space: &Space, delivery: Delivery) -> Receipt {
        let arrived = space.verify(delivery.contents, None);
        let state = space.state();
        let Notes { plan, came } = &mut *self.notes();
        let planned = plan.spaces.entry(space.id().clone()).or_default();
        let mut receipt = Receipt::default();
        for wire in delivery.records {
            let id = wire.id.clone();
            planned.there.remove(&id);
            came.insert((space.id().clone(), id.clone()));
            let joined = record::from_wire(wire).and_then(|(id, theirs)| {
                let change = match state.plan_join(&id, &theirs, None)? {
                    Some(mut change) => {
                        supply(&mut change, &state, &arrived)?;
                        Some(change)
                    }
                    None => None,
                };
                Ok((theirs, change))
            });
            match joined {
                Err(rejection) => _ = planned.refused.insert(id, rejection),
                Ok((theirs, change)) => {
                    receipt.stale += 1;
                    let ours = change.as_ref().and_then(|change| change.record.as_ref());
                    let joined = ours.or_else(|| state.record(&id));
                    if joined.is_some_and(|joined| *joined != theirs) {
                        planned.there.insert(id.clone());
                    }
                    if let Some(change) = change {
                        planned.here.insert(id, foresee(&state, &change));
                    }
                }
            }
        }
        receipt
    }
}

/// What `change` would make visible.
fn foresee(state: &SpaceState, change: &Change) -> PlannedChange {
    let before = state.shown(&change.id);
    let held = change.named().filter_map(|digest| Some((digest, state.held(&digest)?.clone())));
    let came = change.contents.iter().map(|content| (content.digest(), Content::clone(content)));
    let came = came.map(|(digest, content)| (digest, content.into_held()));
    let contents: Contents = held.chain(came).collect();
    let record = change.record.as_ref();
    let after = record.and_then(|record| visible(&change.id, record, &contents, state.strategy()));
    PlannedChange { before, after }
}
