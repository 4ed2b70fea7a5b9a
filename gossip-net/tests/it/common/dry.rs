//! A view without effects, which collects the ids of the records that a session would deliver.

use std::sync::{Arc, Mutex};

use engram_gossip_proto::{
    Delivery, Entry, PatternContent, Prefix, Receipt, Record, SpaceId, Summary, View,
};

use super::store::Store;
use engram_gossip_net::Replicas;

/// The ids of the records that sessions would deliver.
pub(crate) type Seen = Arc<Mutex<Vec<String>>>;

/// A view over which a session sends no records and stores none.
pub(crate) struct Dry<V> {
    view: V,
    seen: Seen,
}

/// Returns a function that pins every space of a store for a preview.
pub(crate) fn pin(
    store: &Arc<Store>,
    seen: &Seen,
) -> impl Fn() -> Vec<(SpaceId, Dry<<Store as Replicas>::View>)> + Send + Sync + 'static {
    let (store, seen) = (store.clone(), seen.clone());
    move || {
        let spaces = store.spaces().into_iter();
        let dry = |space: SpaceId| {
            let view = store.pin(&space).unwrap();
            (space, Dry { view, seen: seen.clone() })
        };
        spaces.map(dry).collect()
    }
}

impl<V: View> View for Dry<V> {
    type Content = PatternContent;

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

    fn record(&self, _: &[u8; 32]) -> Option<Record> {
        None
    }

    fn content(&self, _: &[u8; 32]) -> Option<PatternContent> {
        None
    }

    fn holds(&self, digest: &[u8; 32]) -> bool {
        self.view.holds(digest)
    }

    fn key_of(&self, id: &str) -> [u8; 32] {
        self.view.key_of(id)
    }

    fn digest(&self, _: &PatternContent) -> [u8; 32] {
        [0; 32]
    }

    fn apply(&mut self, delivery: Delivery<PatternContent>) -> Receipt {
        let ids = delivery.records.iter().map(|record| record.id.clone());
        self.seen.lock().unwrap().extend(ids);
        Receipt::default()
    }

    fn live_summary(&self) -> Summary {
        self.view.summary()
    }
}
