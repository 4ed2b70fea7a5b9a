//! Holds submissions back until the first contact of the space is over.

use super::write::part_len;
use super::{Space, Writer};
use crate::durable::storage::StorageError;
use crate::engram::belief::Cause;
use crate::engram::ports::BeliefUpdateRecord;
use crate::replica::content::Content;

impl Space {
    /// Holds submissions back until [`take_in`](Self::take_in) is called, unless the first contact of the
    /// space is over. Returns whether submissions wait. A [`Binding`](crate::Binding) calls this method.
    ///
    /// A space whose store is new or has lost rows may lack versions of this node that its peers hold. If the clock is
    /// behind, a submission could get a lower version than these.
    pub fn await_contact(&self) -> bool {
        let _writer = self.writer();
        let waits = self.state_mut().await_contact();
        self.waits.send_replace(waits);
        waits
    }

    /// Waits for the end of the first contact.
    pub(crate) async fn first_contact(&self) -> Result<(), StorageError> {
        // This cannot fail, because `self` owns the sender.
        _ = self.waits.subscribe().wait_for(|waits| !waits).await;
        if self.is_waiting() { Err(StorageError::Stopped) } else { Ok(()) }
    }

    /// Ends every [`first_contact`](Self::first_contact) when the store is closed.
    pub(crate) fn stop_first_contact(&self) {
        self.waits.send_replace(false);
    }

    /// Whether submissions wait for the first contact.
    pub(crate) fn is_waiting(&self) -> bool {
        self.state().is_waiting()
    }

    /// Ends the wait of [`await_contact`](Self::await_contact) and submits all waiting patterns. A
    /// [`Binding`](crate::Binding) calls it after the first complete session, or after some time without
    /// one.
    ///
    /// # Errors
    /// [`StorageError`] if the changes cannot be stored. Patterns that are not stored keep waiting.
    pub fn take_in(&self) -> Result<(), StorageError> {
        loop {
            let writer = self.writer();
            let part: Vec<Content> = {
                let state = self.state();
                let len = part_len(state.waiting().map(Content::pattern));
                state.waiting().take(len).cloned().collect()
            };
            if part.is_empty() {
                if !self.state().is_settled() {
                    self.shared.journal.commit_settled(self.id())?;
                }
                self.state_mut().settle();
                self.waits.send_replace(false);
                return Ok(());
            }
            let ids = part.iter().map(|content| content.pattern().id.as_str()).collect();
            self.submit_waiting(&writer, part.clone())?;
            self.state_mut().stop_waiting(&ids);
        }
    }

    fn submit_waiting(
        &self,
        writer: &Writer<'_>,
        waiting: Vec<Content>,
    ) -> Result<(), StorageError> {
        let Some(cause) = self.state().waiting_cause() else { return Ok(()) };
        self.change(writer, cause, |state, issuer| {
            // An error means that the versions are exhausted; the engine's next submission reports it.
            let plan = |content| state.plan_submit(content, issuer).ok()?.1;
            waiting.into_iter().filter_map(plan).collect()
        })?;
        Ok(())
    }

    /// Holds the contents until the first contact of the space is over. Returns the changes to the merged
    /// view.
    pub(super) fn wait_with(
        &self,
        contents: impl Iterator<Item = Content>,
        cause: Cause,
    ) -> Vec<BeliefUpdateRecord> {
        let updates = self.state_mut().wait_with(contents, cause);
        if !updates.is_empty() {
            self.note_view_change();
        }
        updates
    }
}
