//! Verifies and joins the records from peers, one by one, and creates the receipts.

use std::collections::BTreeMap;
use std::sync::Arc;

use engram_gossip_net::NodeId;
use engram_gossip_proto::{self as wire, Delivery, Receipt, Rejection};
use engram_merkle::Digest;

use crate::engram::ports::ConsolidationCacheSource;
use crate::replica::caps::Cap;
use crate::replica::change::Change;
use crate::replica::content::{Content, Introducer};
use crate::replica::issuer::DotIssuer;
use crate::replica::join::{JoinReport, Joined};
use crate::replica::record::Record;
use crate::replica::state::SpaceState;
use crate::spaces::event::StateEvent;
use crate::spaces::space::Space;
use crate::spaces::stats::WriteStats;
use crate::sync::admission::{Admission, Refusal, VerifiedContents};

/// Verifies and joins the records that a peer sent, one by one, and commits them together. Returns
/// the receipt.
pub(crate) fn apply(
    space: &Space,
    delivery: Delivery<wire::PatternContent>,
    from: Option<&Arc<NodeId>>,
) -> Receipt {
    let contents = verify(space, delivery.contents, from);
    let ids: Vec<String> = delivery.records.iter().map(|record| record.id.clone()).collect();
    let mut applied = Applied::default();
    let cause = space.cause(ConsolidationCacheSource::Gossip);
    let writer = space.writer();
    let committed = space.commit(&writer, cause, |state, issuer| {
        let mut batch = Batch {
            space,
            state,
            contents: &contents,
            admission: Admission::new(state, &space.shared, &contents),
            pending: BTreeMap::new(),
            applied: &mut applied,
        };
        for record in delivery.records {
            batch.take(record, issuer);
        }
        batch.pending.into_values().collect()
    });
    drop(writer);
    match committed {
        Ok(_) => report(space, applied),
        Err(_) => unavailable(applied.receipt, ids),
    }
}

/// Validates each delivered content.
pub(crate) fn verify(
    space: &Space,
    contents: Vec<([u8; 32], wire::PatternContent)>,
    from: Option<&Arc<NodeId>>,
) -> VerifiedContents {
    let shape = space.rules().shape;
    let verified = contents.into_iter().map(|(digest, content)| {
        let (digest, introducer) = (Digest::from(digest), Introducer::Peer(from.cloned()));
        let verified = Content::from_wire(content, digest, shape, introducer);
        (digest, verified.map_err(|_| Rejection::InvalidContent))
    });
    verified.collect()
}

/// Counts and publishes the events of a delivery. Returns the receipt.
fn report(space: &Space, applied: Applied) -> Receipt {
    let Applied { receipt, met, events } = applied;
    space.shared.count(|stats| met.add_to(stats));
    if met.reissued > 0 {
        space.shared.note_local_change();
    }
    events.into_iter().for_each(|event| space.shared.publish(event));
    receipt
}

/// Creates the receipt for a delivery whose records could not be stored.
fn unavailable(receipt: Receipt, ids: Vec<String>) -> Receipt {
    let mut rejected = receipt.rejected;
    rejected.extend(ids.into_iter().map(|id| (id, Rejection::StorageUnavailable)));
    Receipt { rejected, ..Receipt::default() }
}

/// The outcome of a delivery.
#[derive(Default)]
struct Applied {
    receipt: Receipt,
    met: Met,
    events: Vec<StateEvent>,
}

/// Counts of the events of a delivery.
#[derive(Default)]
struct Met {
    reissued: u64,
    given_up: u64,
    clashes: u64,
    dots_dropped: u64,
    suppressions_dropped: u64,
    implausible: u64,
    over_cap: BTreeMap<Cap, u64>,
}

impl Met {
    fn add_to(&self, stats: &mut WriteStats) {
        stats.reissued += self.reissued;
        stats.given_up += self.given_up;
        stats.clashes += self.clashes;
        stats.dots_dropped += self.dots_dropped;
        stats.suppressions_dropped += self.suppressions_dropped;
        stats.implausible += self.implausible;
        for (cap, refused) in &self.over_cap {
            *stats.over_cap.entry(*cap).or_default() += refused;
        }
    }
}

/// The records of one delivery while they are joined.
struct Batch<'b> {
    space: &'b Space,
    state: &'b SpaceState,
    contents: &'b VerifiedContents,
    admission: Admission<'b>,
    /// Changes so far, by id: a delivery may name an id several times.
    pending: BTreeMap<String, Change>,
    applied: &'b mut Applied,
}

impl Batch<'_> {
    fn take(&mut self, wire: wire::Record, issuer: &mut DotIssuer) {
        let named = wire.id.clone();
        let (id, mut arrived) = match Record::from_wire(wire) {
            Ok(record) => record,
            Err(rejection) => return self.applied.receipt.rejected.push((named, rejection)),
        };
        let row = self.pending.remove(&id).unwrap_or_else(|| self.row(&id));
        let known = row.record.is_some();
        let refusals = self.admission.restrict(&id, self.state.base(&row), &mut arrived);
        self.space.shared.watch_clocks(&arrived);
        let refused = !refusals.is_empty();
        refusals.into_iter().for_each(|refusal| self.refuse(&id, &refusal));
        let Joined { mut change, report } = self.state.plan_join(row, &arrived, issuer);
        match report {
            Some(report) => {
                self.applied.receipt.applied += 1;
                self.attach_contents(&mut change);
                self.note(&id, report);
                self.pending.insert(id, change);
            }
            None => {
                self.applied.receipt.stale += u32::from(!refused);
                if known {
                    self.pending.insert(id, change);
                }
            }
        }
    }

    fn row(&self, id: &str) -> Change {
        match self.state.entry(id) {
            Some((id, entry)) => Change::of(id, Some(entry)),
            None => Change::of(&Arc::from(id), None),
        }
    }

    /// Adds the contents that the new record names and the space lacks. The admission ensured that
    /// they were delivered.
    fn attach_contents(&self, change: &mut Change) {
        let live = change.record.as_ref().map(Record::live).unwrap_or_default();
        let missing = live.iter().filter(|digest| self.state.content(digest).is_none());
        let came = missing.filter_map(|digest| self.contents.get(digest)?.as_ref().ok());
        change.contents = came.cloned().collect();
    }

    fn refuse(&mut self, id: &str, refusal: &Refusal) {
        let (space, named) = (self.space.id().clone(), id.to_owned());
        match refusal {
            Refusal::Implausible(node) => {
                self.applied.met.implausible += 1;
                self.space.shared.note_implausible(node);
                let event = StateEvent::Implausible { space, id: named, node: *node };
                self.applied.events.push(event);
            }
            Refusal::OverCap(cap) => {
                *self.applied.met.over_cap.entry(*cap).or_default() += 1;
                self.applied.events.push(StateEvent::OverCap { space, id: named, cap: *cap });
            }
            Refusal::Content(_) => {}
        }
        let rejection = (id.to_owned(), refusal.rejection());
        if !self.applied.receipt.rejected.contains(&rejection) {
            self.applied.receipt.rejected.push(rejection);
        }
    }

    fn note(&mut self, id: &str, report: JoinReport) {
        let (space, id) = (|| self.space.id().clone(), || id.to_owned());
        let Applied { met, events, .. } = &mut *self.applied;
        met.dots_dropped += report.dots_dropped as u64;
        met.suppressions_dropped += report.suppressions_dropped as u64;
        if report.reissued {
            met.reissued += 1;
            events.push(StateEvent::Reissued { space: space(), id: id() });
        }
        if report.given_up {
            met.given_up += 1;
            events.push(StateEvent::GivenUp { space: space(), id: id() });
        }
        if let Some(dot) = report.clash {
            met.clashes += 1;
            let node = NodeId::from(dot.node);
            events.push(StateEvent::Clash { space: space(), id: id(), node });
        }
        if report.suppressions_dropped > 0 {
            let digests = report.suppressions_dropped;
            events.push(StateEvent::SuppressionDropped { space: space(), id: id(), digests });
        }
    }
}
