//! The smallest histories that rule out weaker rules. Most tests name the rule that holds; those in
//! `accepted` name the loss.

mod accepted;
mod clocks;
mod deletions;
mod reissue;
mod sessions;
mod submissions;

use crate::history::{Accepted, Pace, Step, Values, Verdict, judge};

/// Judges a history that must end without any loss, not even a documented one, except that a fault
/// may destroy the last copy of a write.
fn settled(nodes: usize, pace: Pace, steps: &[Step]) -> Verdict {
    let verdict = judge(nodes, pace, steps);
    assert_eq!(verdict.faults, []);
    let lost = Accepted { destroyed: 0, ..verdict.accepted };
    assert_eq!(lost, Accepted::default());
    verdict
}

/// Like [`settled`], for a history of three nodes whose clocks tick.
fn ends_well(steps: &[Step]) -> Verdict {
    settled(3, TICKING, steps)
}

const TICKING: Pace = Pace::Ticking { seed: 1 };

impl Verdict {
    /// Asserts the visible values of a pattern.
    #[track_caller]
    fn shows<const N: usize>(&self, key: usize, values: [u8; N]) -> &Self {
        let expected = values.into_iter().map(Values::of).fold(Values::NONE, |all, one| all | one);
        assert_eq!(self.rows[key].visible(), expected);
        self
    }
}
