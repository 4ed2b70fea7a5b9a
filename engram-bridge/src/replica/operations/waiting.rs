//! Operations on ids whose submissions wait for the first contact.

use std::sync::Arc;

use super::Planned;
use crate::replica::change::Change;
use crate::replica::content::{Contents, PatternError};
use crate::replica::issuer::DotIssuer;
use crate::replica::state::{SpaceState, StoredRow};

impl SpaceState {
    /// Plans an operation on `id` as if the waiting submission of `id`, if there is one, had been written before.
    /// Returns one change for both, or the change for the submission alone if the operation has nothing to change.
    pub(crate) fn plan_after_waiting(
        &self,
        id: &str,
        issuer: &mut DotIssuer,
        mut plan: impl FnMut(&Self, &mut DotIssuer) -> Result<Option<Planned>, PatternError>,
    ) -> Result<(Option<Planned>, Option<Change>), PatternError> {
        let before = issuer.minted();
        let Some(submission) = self.plan_waiting(id, issuer) else {
            return Ok((plan(self, issuer)?, None));
        };
        let (submitted, minted) = (self.with_change(&submission), issuer.minted() - before);
        let Some(mut planned) = plan(&submitted, issuer)? else {
            return Ok((None, Some(submission)));
        };
        issuer.discount(minted);
        planned.change.record = planned.change.record.or(submission.record);
        planned.change.contents.extend(submission.contents);
        planned.change.last_write = planned.change.last_write.or(submission.last_write);
        Ok((Some(planned), None))
    }

    /// Plans the waiting submission of `id`. `None` if there is none, or if it changes nothing. An error means that
    /// the versions are exhausted; the engine's next submission reports it.
    fn plan_waiting(&self, id: &str, issuer: &mut DotIssuer) -> Option<Change> {
        let waiting = self.waiting_for(id)?.clone();
        self.plan_submit(waiting, issuer).ok()?.1
    }

    /// Returns the part of this state that concerns the id of `change`, as it would be after applying `change`.
    fn with_change(&self, change: &Change) -> Self {
        let held = self.record(&change.id);
        let record = change.record.as_ref().or(held).cloned().unwrap_or_default();
        let held = record
            .live()
            .into_iter()
            .filter_map(|digest| self.held(&digest).map(|held| (digest, held.clone())));
        let mut contents: Contents = held.collect();
        for content in &change.contents {
            contents.insert(content.digest(), content.clone().into_held());
        }
        let row = StoredRow { record, last_submitted: change.last_submitted };
        Self::restore(self.rules().clone(), vec![(Arc::clone(&change.id), row)], contents)
    }
}
