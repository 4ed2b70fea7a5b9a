//! Strategies for patterns.

mod keep_both;
mod last_writer;
mod voting;
mod weighted;

use core::cmp::Ordering;

pub use keep_both::KeepBoth;
pub use last_writer::LastWriter;
pub use voting::ConfidenceVoting;
pub use weighted::ConfidenceWeighted;

use crate::Versions;
use crate::pattern::PatternValue;

/// The version that wins by `order` and then by digest, and the runner-up.
struct Winner<'a, T> {
    index: usize,
    value: &'a T,
    /// The best of the other versions, if any.
    runner_up: Option<&'a T>,
    /// The number of versions, including the winner, that are equal to the winner by `order`.
    tied: usize,
}

fn winner<T>(versions: &Versions<T>, order: impl Fn(&T, &T) -> Ordering) -> Winner<'_, T> {
    let index = versions.best_by(|a, b| order(&a.value, &b.value));
    let value = &versions[index].value;
    let others = versions.values().enumerate().filter(|(i, _)| *i != index).map(|(_, v)| v);
    let runner_up = others.max_by(|a, b| order(a, b));
    let tied = versions.values().filter(|v| order(v, value).is_eq()).count();
    Winner { index, value, runner_up, tied }
}

/// The latest time of all versions.
fn latest<T: PatternValue>(versions: &Versions<T>) -> i64 {
    versions.values().fold(i64::MIN, |latest, v| latest.max(v.consolidated_at()))
}
