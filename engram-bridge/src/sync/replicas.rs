//! The transport's interface to the store.

use std::sync::Arc;

use engram_gossip_net::{NodeId, Replicas};
use engram_gossip_proto::{Greeting, SpaceId, Summary};

use crate::spaces::store::Store;
use crate::sync::view::{SessionMode, SpaceView};

impl Replicas for Store {
    type View = SpaceView;

    fn spaces(&self) -> Vec<SpaceId> {
        self.iter().map(|space| space.id().clone()).collect()
    }

    fn pin(&self, space: &SpaceId) -> Option<SpaceView> {
        self.space(space).map(|space| SpaceView::pin(&space))
    }

    fn pin_for(&self, space: &SpaceId, peer: NodeId) -> Option<SpaceView> {
        let mode = SessionMode::Sync(Some(Arc::new(peer)));
        self.space(space).map(|space| SpaceView::pin_with(&space, mode))
    }

    fn summary(&self, space: &SpaceId) -> Option<Summary> {
        self.space(space).map(|space| space.summary())
    }

    fn greeting(&self, peer: NodeId) -> Greeting {
        Self::greeting(self, &peer)
    }

    fn greeted(&self, _peer: NodeId, greeting: Greeting) {
        Self::greeted(self, greeting);
    }
}
