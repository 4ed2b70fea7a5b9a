//! Tells the view which records the peer may send without an offer, so that other sessions leave
//! them to this one.

use super::Deltas;
use super::space::Delta;
use crate::session::directory::Directory;
use crate::{Unoffered, VersionRange, View};

impl Deltas {
    /// Notes that the peer's turn has ended: if the peer knew this side's summary, it has sent what
    /// it sends without an offer.
    pub(in crate::session) fn end_of_peers_turn<V: View>(&mut self, directory: &Directory<V>) {
        for (space_index, delta) in &mut self.spaces {
            if let (true, Some(space)) =
                (delta.told() || delta.ended, directory.named(*space_index))
            {
                delta.expect_nothing(&space.view);
            }
        }
    }
}

impl Delta {
    /// Expects any records until the peer's summary is handled: this side is about to send its own.
    pub(super) fn expect_any(&mut self, view: &impl View) {
        if view.accepts_records() {
            self.expects = true;
            view.expect_unoffered(&Unoffered::Any);
        }
    }

    /// Expects only the records that lie above this side's summary and not above the peer's.
    pub(super) fn expect_told(&self, view: &impl View) {
        let (true, Some(theirs)) = (self.expects, &self.theirs) else { return };
        let ranges = theirs.iter().map(|(node, upper)| {
            let above = self.ours.get(&node);
            VersionRange { node, above, upper }
        });
        let ranges = ranges.filter(|range| range.above < range.upper).collect();
        view.expect_unoffered(&Unoffered::Ranges(ranges));
    }

    /// Expects no more records without an offer.
    pub(super) fn expect_nothing(&mut self, view: &impl View) {
        if core::mem::take(&mut self.expects) {
            view.expect_unoffered(&Unoffered::Ranges([].into()));
        }
    }
}
