//! Background tasks of a binding, alongside its driver.

use std::sync::{Arc, Weak};

use engram_gossip_net::{ConnectionState, Gossip};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use crate::spaces::space::Space;
use crate::spaces::store::Store;

/// The number of patterns that one slice compares across ids; a slice takes about 32 ms at 10,000
/// patterns.
const SLICE: usize = 64;

/// Opens a session with each connected peer when the binding starts and whenever spaces are added.
/// All requests that arrive while these sessions run lead to one more round of sessions.
pub(super) async fn spread_spaces(gossip: Gossip, mut requests: watch::Receiver<()>) {
    while requests.changed().await.is_ok() {
        for peer in gossip.peers() {
            if matches!(peer.connection, ConnectionState::Connected { .. }) {
                // An unreachable peer learns of the spaces in a later session.
                _ = gossip.sync_with(peer.member.id).await;
            }
        }
    }
}

/// Compares the patterns of all spaces across ids, now and after each change to the visible patterns.
pub(super) async fn compare_across_ids(store: Weak<Store>, mut changes: watch::Receiver<u64>) {
    loop {
        let Some(spaces) = store.upgrade().map(|store| store.iter()) else { return };
        for space in spaces {
            while compare_some(&space).await {}
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// Compares one slice of patterns; returns whether more are left.
async fn compare_some(space: &Arc<Space>) -> bool {
    let space = Arc::clone(space);
    let left = spawn_blocking(move || space.compare_across_ids(SLICE)).await;
    left.is_ok_and(|left| left > 0)
}
