//! Sessions that change nothing.

use std::sync::Arc;

use engram_gossip_net::{Gossip, NodeId, SyncError};
use engram_gossip_proto::Ending;

use crate::spaces::store::Store;
use crate::sync::preview::{Preview, SpacePreview, SyncPreview};
use crate::sync::view::{SessionMode, SpaceView};

impl SyncPreview {
    /// Computes the changes that a sync with `peer` would make on both sides. Neither side is
    /// changed, and this node sends no content. `gossip` must be bound to `store`.
    ///
    /// The peer sends its differing records and their contents as in a sync, so a preview costs
    /// about as many bytes. At most two previews with a peer, and eight in total, can run or wait at
    /// a time. A preview runs alongside syncs with other peers, and never together with a sync with
    /// its own peer.
    ///
    /// # Errors
    /// [`SyncError`] if the session with the peer failed, or if too many previews run or wait.
    pub async fn compute(store: &Store, gossip: &Gossip, peer: NodeId) -> Result<Self, SyncError> {
        let preview = Arc::<Preview>::default();
        let (mode, spaces) = (Arc::clone(&preview), store.iter().collect::<Vec<_>>());
        let pin = move || {
            let pinned = spaces.iter().map(|space| {
                let mode = SessionMode::Preview(Arc::clone(&mode));
                (space.id().clone(), SpaceView::pin_with(space, mode))
            });
            pinned.collect()
        };
        let session = gossip.sync_with_view(peer, pin).await?;
        let mut plan = preview.so_far();
        let left_to_others = session.outcome.stats.left_to_others > 0;
        let result = &session.outcome.result;
        let kept_back = matches!(result, Ending::BudgetSpent | Ending::NotAccepted);
        plan.complete = !kept_back && !left_to_others;
        plan.spaces.retain(|_, space| *space != SpacePreview::default());
        Ok(plan)
    }
}
