//! The handle to a peer's task.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::command::Command;
use crate::status::PeerState;

/// A handle to a peer's task. Dropping the last one evicts the peer.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) mailbox: mpsc::UnboundedSender<Command>,
    pub(crate) state: Arc<PeerState>,
}

impl Peer {
    /// Sends a command. A command that arrives while the task ends is lost.
    pub(crate) fn command(&self, command: Command) {
        // The queue stays short: the scheduler has few outstanding commands per peer, each caller
        // has one, and the number of concurrent handshakes is limited.
        _ = self.mailbox.send(command);
    }
}
