//! The law of a restart; not checked for a replica that does not reopen its store.

use std::format;
use std::vec::Vec;

use super::changes::rewritten;
use super::law::{Checked, all, expect, id};
use super::{Replica, ViewLaw, clocks, reads};
use crate::{Record, VersionSummary, View};

/// The state that a restart must keep.
struct Kept {
    root: [u8; 32],
    count: u64,
    records: Vec<Record>,
    /// The greatest entries, and the summary of the clocks.
    clocks: [VersionSummary; 2],
}

impl Kept {
    fn of(view: &impl View) -> Self {
        let (summary, mut clocks) = (view.summary(), <[VersionSummary; 2]>::default());
        view.with_clocks(&mut |held| clocks = [held.greatest(), held.summary()]);
        Self { root: summary.root, count: summary.count, records: all(view), clocks }
    }
}

/// Opens the store again, and checks that its state is unchanged and that a later write replaces
/// contents.
pub(super) fn unchanged<R: Replica>(replica: &mut R) -> Checked {
    let before = Kept::of(&replica.pin());
    if !replica.reopen() {
        return Ok(());
    }
    let after = Kept::of(&replica.pin());
    let is_same = (before.root, before.count) == (after.root, after.count);
    expect(ViewLaw::Reopen, is_same && before.records == after.records, || {
        let [before, after] = [&before, &after].map(|kept| kept.records.len());
        format!("of {before} records, {after} are read after a restart; root or records differ")
    })?;
    let ([greatest, handled], [greatest_after, handled_after]) = (before.clocks, after.clocks);
    let is_handled = |(node, version)| handled_after.get(&node) >= version;
    let is_kept = greatest == greatest_after && handled.iter().all(is_handled);
    expect(ViewLaw::Reopen, is_kept, || {
        "after a restart, the clocks miss entries, or versions that were handled".into()
    })?;
    clocks::index(replica)?;
    reads::snapshot(&replica.pin())?;
    rewritten(replica, &id(0), u64::MAX)
}
