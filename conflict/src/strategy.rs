//! The trait of a strategy, and the four that come with the crate.

mod keep_both;
mod last_writer;
mod voting;
mod weighted;

use core::cmp::Ordering;

pub use keep_both::KeepBoth;
pub use last_writer::LastWriter;
pub use voting::ConfidenceVoting;
pub use weighted::ConfidenceWeighted;

use crate::{Explanation, Resolution, StrategyId, Version, Versions};

/// A rule that says what is visible of a set of concurrent versions.
///
/// Replicas hold the same set and never exchange results, so `resolve` must be a pure function of
/// the set, equal bit for bit on every node: no clock, no randomness, no memory of earlier calls,
/// no order of a hash map, and of floats only `+ - * /` and the square root, in a fixed order.
/// Folding pairs need not be associative: the rule always sees all versions at once.
///
/// Test your own with [`assert_strategy_laws!`](crate::assert_strategy_laws).
///
pub trait Strategy: Send + Sync {
    /// Name, version and parameters: equal on two nodes if and only if the results are.
    fn id(&self) -> StrategyId;

    /// What is visible of `versions`.
    fn resolve(&self, versions: &Versions<'_>) -> Resolution;

    /// The resolution with what each version had to do with it. Resolves anew.
    fn explain(&self, versions: &Versions<'_>) -> Explanation {
        Explanation::new(self.id(), versions, &self.resolve(versions))
    }
}

impl<S: Strategy + ?Sized> Strategy for &S {
    fn id(&self) -> StrategyId {
        (**self).id()
    }

    fn resolve(&self, versions: &Versions<'_>) -> Resolution {
        (**self).resolve(versions)
    }
}

impl<S: Strategy + ?Sized> Strategy for alloc::boxed::Box<S> {
    fn id(&self) -> StrategyId {
        (**self).id()
    }

    fn resolve(&self, versions: &Versions<'_>) -> Resolution {
        (**self).resolve(versions)
    }
}

impl<S: Strategy + ?Sized> Strategy for alloc::sync::Arc<S> {
    fn id(&self) -> StrategyId {
        (**self).id()
    }

    fn resolve(&self, versions: &Versions<'_>) -> Resolution {
        (**self).resolve(versions)
    }
}

/// The version that wins by `order` and then by digest, and what it beat.
struct Winner<'s, 'a> {
    index: usize,
    version: &'s Version<'a>,
    /// The best of the others, if there are others.
    runner_up: Option<&'s Version<'a>>,
    /// How many versions, the winner included, are equal to the winner by `order`.
    tied: usize,
}

fn winner<'s, 'a>(
    versions: &'s Versions<'a>,
    order: impl Fn(&Version<'a>, &Version<'a>) -> Ordering,
) -> Winner<'s, 'a> {
    let index = versions.best_by(&order);
    let version = &versions[index];
    let others = versions.iter().enumerate().filter(|(i, _)| *i != index).map(|(_, v)| v);
    let runner_up = others.max_by(|a, b| order(a, b));
    let tied = versions.iter().filter(|v| order(v, version).is_eq()).count();
    Winner { index, version, runner_up, tied }
}

/// The latest time of all versions.
fn latest(versions: &Versions<'_>) -> i64 {
    versions.iter().fold(i64::MIN, |latest, v| latest.max(v.consolidated_at))
}
