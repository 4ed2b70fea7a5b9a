//! The end of a peer's task.

use tokio::time::timeout_at;

use super::PeerTask;
use crate::link::Close;
use crate::task::ready;
use crate::{Event, SyncError};

impl PeerTask {
    /// Ends the task of a peer that left the roster. Closes the connection without waiting for
    /// sessions to end.
    pub(super) fn leave_evicted(mut self) {
        self.give_up_sessions(&SyncError::NotInRoster(self.id));
        if let Some(link) = self.link.take() {
            Close::Evicted.close(&link.connection);
            let reason = Close::Evicted.reason().into();
            self.shared.events.publish(Event::Disconnected { peer: self.id, reason });
        }
    }

    /// Ends the task when the node shuts down. Waits, within the grace period, for running sessions
    /// to end and for sent bytes to arrive.
    pub(super) async fn leave_in_order(mut self) {
        self.dial = None;
        self.drop_incoming();
        self.give_up_requests(&SyncError::ShuttingDown);
        let until = self.now + self.shared.config.shutdown_grace;
        let orderly = async {
            while self.sessions.are_running() {
                tokio::select! {
                    ended = ready(&mut self.sessions.opened) => self.tick().on_opened_ended(ended),
                    ended = ready(&mut self.sessions.accepted) => self.tick().on_accepted_ended(ended),
                }
            }
            self.lingering.finish().await;
        };
        _ = timeout_at(until, orderly).await;
        self.give_up_sessions(&SyncError::ShuttingDown);
        if let Some(link) = self.link.take() {
            Close::Shutdown.close(&link.connection);
        }
    }
}
