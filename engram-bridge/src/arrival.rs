//! What peers bring: verified, joined, and answered record by record.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engram_gossip_net::NodeId;
use engram_gossip_proto::{Delivery, Receipt, Rejection};
use engram_merkle::Digest;

use crate::ConsolidationCacheSource;
use crate::content::{Content, Introducer};
use crate::record;
use crate::space::Space;
use crate::state::{Change, Rules, SpaceState};

impl Space {
    /// Verifies and joins what a peer sent, record by record.
    pub(crate) fn apply(&self, delivery: Delivery, from: Option<&Arc<NodeId>>) -> Receipt {
        let arrived = self.verify(delivery.contents, from);
        let mut receipt = Receipt::default();
        let ids = delivery.records.iter().map(|record| record.id.clone()).collect();
        let mut records = Vec::with_capacity(delivery.records.len());
        for wire in delivery.records {
            let id = wire.id.clone();
            match record::from_wire(wire) {
                Ok(record) => records.push(record),
                Err(rejection) => receipt.rejected.push((id, rejection)),
            }
        }
        let changed = self.change(self.cause(ConsolidationCacheSource::Gossip), |state, writer| {
            let mut pending = BTreeMap::new();
            for (id, record) in records {
                let news = state.plan_join(&id, &record, pending.get(&id)).and_then(|change| {
                    let Some(mut change) = change else { return Ok(None) };
                    supply(&mut change, state, &arrived)?;
                    writer.observe(record.context()).map_err(|_| Rejection::OverLimit)?;
                    Ok(Some(change))
                });
                match news {
                    Ok(Some(change)) => {
                        receipt.applied += 1;
                        pending.insert(id, change);
                    }
                    Ok(None) => receipt.stale += 1,
                    Err(rejection) => receipt.rejected.push((id, rejection)),
                }
            }
            pending.into_values().collect()
        });
        match changed {
            Ok(_) => receipt,
            Err(_) => unstored(receipt, ids),
        }
    }

    /// Looks at each content that arrived: is it valid, and what its digest says?
    pub(crate) fn verify(
        &self,
        contents: Vec<([u8; 32], engram_gossip_proto::Content)>,
        from: Option<&Arc<NodeId>>,
    ) -> Arrived {
        let verified = contents.into_iter().map(|(claimed, content)| {
            let Rules { dimension, hasher, .. } = &self.rules;
            let introducer = Introducer::Peer(from.cloned());
            let verified = match Content::from_wire(content, *dimension, hasher, introducer) {
                Ok(content) if content.digest() == claimed.into() => Ok(content),
                Ok(_) => Err(Rejection::WrongDigest),
                Err(_) => Err(Rejection::InvalidContent),
            };
            (Digest::from(claimed), verified)
        });
        verified.collect()
    }
}

/// What is to be said of records of which none could be stored.
fn unstored(receipt: Receipt, ids: Vec<String>) -> Receipt {
    let mut rejected = receipt.rejected;
    let named: BTreeSet<String> = rejected.iter().map(|(id, _)| id.clone()).collect();
    let others = ids.into_iter().filter(|id| !named.contains(id));
    rejected.extend(others.map(|id| (id, Rejection::OverLimit)));
    Receipt { rejected, ..Receipt::default() }
}

/// The contents of a delivery, looked at.
pub(crate) type Arrived = BTreeMap<Digest, Result<Content, Rejection>>;

/// Adds to `change` the contents that it names and that are not held; refuses it if one is missing.
pub(crate) fn supply(
    change: &mut Change,
    state: &SpaceState,
    arrived: &Arrived,
) -> Result<(), Rejection> {
    let missing: Vec<Digest> =
        change.named().filter(|digest| state.content(digest).is_none()).collect();
    for digest in missing {
        match arrived.get(&digest) {
            Some(Ok(content)) if *content.pattern().id == *change.id => {
                change.supply(content.clone());
            }
            Some(Ok(_)) => return Err(Rejection::InvalidContent),
            Some(Err(rejection)) => return Err(*rejection),
            None => return Err(Rejection::MissingContent),
        }
    }
    Ok(())
}
