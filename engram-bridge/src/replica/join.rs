//! The join of an arrived record with the held row.

use engram_vclock::Dot;

use crate::replica::change::Change;
use crate::replica::issuer::DotIssuer;
use crate::replica::operations::{last_submitted_after, origin};
use crate::replica::record::Record;
use crate::replica::state::SpaceState;

/// The row after a join.
pub(crate) struct Joined {
    pub(crate) change: Change,
    /// The events of the join; `None` if the record that arrived changed nothing.
    pub(crate) report: Option<JoinReport>,
}

/// Events of a join.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct JoinReport {
    /// Whether this process's write was reissued.
    pub(crate) reissued: bool,
    /// Whether this process's write could not be reissued, since too many own dots are live.
    pub(crate) given_up: bool,
    /// The first dot under which the two sides hold different contents.
    pub(crate) clash: Option<Dot>,
    /// The number of dots dropped because one node had too many.
    pub(crate) dots_dropped: usize,
    /// The number of suppressed digests dropped because the record had too many.
    pub(crate) suppressions_dropped: usize,
}

impl SpaceState {
    /// The record of `change`, or else the held record of its id.
    pub(crate) fn base<'s>(&'s self, change: &'s Change) -> Option<&'s Record> {
        change.record.as_ref().or_else(|| self.record(&change.id))
    }

    /// Plans the join of `arrived` into the row of `change`.
    ///
    /// `arrived` must name only plausible versions. The contents of the dots that the join keeps must
    /// be held or delivered with it.
    pub(crate) fn plan_join(
        &self,
        mut change: Change,
        arrived: &Record,
        issuer: &mut DotIssuer,
    ) -> Joined {
        let before = self.base(&change).cloned().unwrap_or_default();
        let mut record = before.clone();
        let (node, last_write) = (*issuer.node(), change.last_write);
        issuer.note_foreign(arrived.siblings.context().get(&node));
        let own = &arrived.siblings;
        let own = record.siblings.join_own(own, &node, last_write.as_ref(), issuer.hybrid());
        record.suppression.join(&arrived.suppression);
        let suppressions_dropped = record.suppression.bound().len();
        if record == before {
            return Joined { change, report: None };
        }
        change.last_write = match own.given_up {
            Some(_) => None,
            None => own.reissued.or(last_write),
        };
        change.last_submitted = last_submitted_after(&before, &change, &record, issuer);
        change.origin = origin(&before, arrived);
        change.record = Some(record);
        let report = JoinReport {
            reissued: own.reissued.is_some(),
            given_up: own.given_up.is_some(),
            clash: own.joined.clash,
            dots_dropped: own.joined.dropped,
            suppressions_dropped,
        };
        Joined { change, report: Some(report) }
    }
}
