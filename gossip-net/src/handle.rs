//! How the others reach a peer's task.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::command::Command;
use crate::status::PeerState;

/// The others' handle of a peer's task. Dropping the last one evicts the peer.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) mailbox: mpsc::UnboundedSender<Command>,
    pub(crate) state: Arc<PeerState>,
}

impl Peer {
    /// Passes a command on. One that comes while the task ends is lost with it.
    pub(crate) fn command(&self, command: Command) {
        // The scheduler has a few commands outstanding for a peer, a caller one, and an accepted
        // connection has a permit of its handshake: none piles up.
        _ = self.mailbox.send(command);
    }
}
