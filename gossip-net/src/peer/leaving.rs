//! The end of a peer's task.

use tokio::time::timeout_at;

use super::PeerTask;
use crate::link::Close;
use crate::task::ready;
use crate::{Event, SyncError};

impl PeerTask {
    /// The peer left the roster: nothing is finished for it.
    pub(super) fn leave_evicted(mut self) {
        self.shared.chase.end(self.id);
        self.waiting.append(&mut self.served);
        self.answer_waiting(&SyncError::NotInRoster(self.id));
        if let Some(link) = self.link.take() {
            Close::Evicted.close(&link.connection);
            let reason = Close::Evicted.reason().into();
            self.shared.events.publish(Event::Disconnected { peer: self.id, reason });
        }
    }

    /// The node shuts down: what runs may end, and what was sent may arrive.
    pub(super) async fn leave_in_order(mut self) {
        self.permit = None;
        self.dial = None;
        self.queued = None;
        self.unended = None;
        self.answer_waiting(&SyncError::ShuttingDown);
        let until = self.now + self.shared.config.shutdown_grace;
        let orderly = async {
            while self.opened.is_some() || self.accepted.is_some() {
                tokio::select! {
                    ended = ready(&mut self.opened) => self.woken().on_opened_ended(ended),
                    ended = ready(&mut self.accepted) => self.woken().on_accepted_ended(ended),
                }
            }
            for (mut recv, by) in self.last_bytes.drain(..) {
                _ = timeout_at(by, recv.read_chunk(1, true)).await;
            }
        };
        _ = timeout_at(until, orderly).await;
        self.waiting.append(&mut self.served);
        self.answer_waiting(&SyncError::ShuttingDown);
        if let Some(link) = self.link.take() {
            Close::Shutdown.close(&link.connection);
        }
    }
}
