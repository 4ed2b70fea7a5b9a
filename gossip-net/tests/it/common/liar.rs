//! Replicas that report false roots.

use std::sync::Arc;

use engram_gossip_net::Replicas;
use engram_gossip_proto::{Delivery, Entry, Prefix, Receipt, Record, SpaceId, Summary, View};

use super::store::Store;

/// Replicas that report the same false root on every query.
pub(crate) struct Liar(pub(crate) Arc<Store>);

pub(crate) struct Lie<V>(V);

impl Replicas for Liar {
    type View = Lie<<Store as Replicas>::View>;

    fn spaces(&self) -> Vec<SpaceId> {
        self.0.spaces()
    }

    fn pin(&self, space: &SpaceId) -> Option<Self::View> {
        self.0.pin(space).map(Lie)
    }

    fn summary(&self, space: &SpaceId) -> Option<Summary> {
        self.0.summary(space).map(lie)
    }
}

fn lie(summary: Summary) -> Summary {
    Summary { root: [0xee; 32], ..summary }
}

impl<V: View> View for Lie<V> {
    type Content = V::Content;

    fn summary(&self) -> Summary {
        lie(self.0.summary())
    }

    fn count(&self, prefix: &Prefix) -> u64 {
        self.0.count(prefix)
    }

    fn children(&self, prefix: &Prefix) -> [Option<[u8; 32]>; 16] {
        self.0.children(prefix)
    }

    fn entries(&self, prefix: &Prefix) -> Vec<Entry> {
        self.0.entries(prefix)
    }

    fn record(&self, key: &[u8; 32]) -> Option<Record> {
        self.0.record(key)
    }

    fn content(&self, digest: &[u8; 32]) -> Option<V::Content> {
        self.0.content(digest)
    }

    fn holds(&self, digest: &[u8; 32]) -> bool {
        self.0.holds(digest)
    }

    fn key_of(&self, id: &str) -> [u8; 32] {
        self.0.key_of(id)
    }

    fn digest(&self, content: &V::Content) -> [u8; 32] {
        self.0.digest(content)
    }

    fn apply(&mut self, delivery: Delivery<V::Content>) -> Receipt {
        self.0.apply(delivery)
    }

    fn live_summary(&self) -> Summary {
        lie(self.0.live_summary())
    }
}
