//! A view whose session requests no record that another session is fetching, and whose comparison
//! of trees requests none that this node recently refused from the same peer.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::tag;
use crate::{
    Clocks, Delivery, Entry, KEY_LEN, Prefix, Receipt, Record, SpaceId, Summary, Unoffered,
    VersionRange, View,
};

/// Gives the views of one session access to its claims, which the scheduler keeps.
///
/// The driver forwards each call to the method of the [`Scheduler`](super::Scheduler) with the same
/// name.
pub trait ClaimTable {
    /// Claims a record; returns whether the session may request it.
    fn claim(&self, space: &SpaceId, key: &[u8; KEY_LEN]) -> bool;

    /// Claims a range of one node's records; returns whether the session may take it.
    fn claim_range(&self, space: &SpaceId, range: &VersionRange) -> bool;

    /// Notes which records the session expects to receive without an offer.
    fn expect_unoffered(&self, space: &SpaceId, records: &Unoffered);

    /// Notes records that arrived, whether they were refused or not.
    fn deliver(&self, space: &SpaceId, records: &[Delivered]);

    /// Returns whether this node recently refused the peer's record.
    fn has_refused(&self, space: &SpaceId, key: &[u8; KEY_LEN]) -> bool;
}

/// A record that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The first bytes of the hash of the record's id.
    pub key: [u8; KEY_LEN],
    /// Whether this node accepted the record.
    pub verdict: Verdict,
}

/// Whether a node accepted a record that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The record was joined, or it was refused for a temporary reason, so that a later session may
    /// request it again.
    Accepted,
    /// The record was refused, whole or in part, and would be refused again until the record or a
    /// cap changes.
    Refused,
}

/// A view whose session requests no record that another session of the node is fetching, and whose
/// comparison of trees requests none that the node recently refused from the same peer.
pub struct ClaimingView<V, C> {
    view: V,
    space: SpaceId,
    claims: C,
}

impl<V, C> ClaimingView<V, C> {
    /// Wraps the view of `space` that a session pins.
    pub fn new(view: V, space: SpaceId, claims: C) -> Self {
        Self { view, space, claims }
    }
}

impl<V: View, C: ClaimTable> View for ClaimingView<V, C> {
    type Content = V::Content;

    fn summary(&self) -> Summary {
        self.view.summary()
    }

    fn count(&self, prefix: &Prefix) -> u64 {
        self.view.count(prefix)
    }

    fn children(&self, prefix: &Prefix) -> [Option<[u8; 32]>; 16] {
        self.view.children(prefix)
    }

    fn entries(&self, prefix: &Prefix) -> Vec<Entry> {
        self.view.entries(prefix)
    }

    fn record(&self, key: &[u8; 32]) -> Option<Record> {
        self.view.record(key)
    }

    fn content(&self, digest: &[u8; 32]) -> Option<V::Content> {
        self.view.content(digest)
    }

    fn holds(&self, digest: &[u8; 32]) -> bool {
        self.view.holds(digest)
    }

    fn key_of(&self, id: &str) -> [u8; 32] {
        self.view.key_of(id)
    }

    fn digest(&self, content: &Self::Content) -> [u8; 32] {
        self.view.digest(content)
    }

    fn apply(&mut self, delivery: Delivery<V::Content>) -> Receipt {
        let key = |view: &V, id: &str| tag::key(&view.key_of(id));
        let keys: Vec<_> =
            (delivery.records.iter()).map(|record| key(&self.view, &record.id)).collect();
        let receipt = self.view.apply(delivery);
        let refused = receipt.rejected.iter().filter(|(_, why)| why.is_final());
        let refused: BTreeSet<_> = refused.map(|(id, _)| key(&self.view, id)).collect();
        let delivered = |key| match refused.contains(&key) {
            true => Delivered { key, verdict: Verdict::Refused },
            false => Delivered { key, verdict: Verdict::Accepted },
        };
        let records: Vec<Delivered> = keys.into_iter().map(delivered).collect();
        self.claims.deliver(&self.space, &records);
        receipt
    }

    fn live_summary(&self) -> Summary {
        self.view.live_summary()
    }

    fn accepts_records(&self) -> bool {
        self.view.accepts_records()
    }

    fn claim(&self, key: &[u8; KEY_LEN]) -> bool {
        self.claims.claim(&self.space, key) && self.view.claim(key)
    }

    fn claim_range(&self, range: &VersionRange) -> bool {
        self.claims.claim_range(&self.space, range) && self.view.claim_range(range)
    }

    fn expect_unoffered(&self, records: &Unoffered) {
        self.claims.expect_unoffered(&self.space, records);
        self.view.expect_unoffered(records);
    }

    fn has_refused(&self, key: &[u8; KEY_LEN]) -> bool {
        self.claims.has_refused(&self.space, key) || self.view.has_refused(key)
    }

    fn with_clocks(&self, work: &mut dyn FnMut(&mut dyn Clocks)) -> bool {
        self.view.with_clocks(work)
    }

    fn repin(&mut self) {
        self.view.repin();
    }
}
