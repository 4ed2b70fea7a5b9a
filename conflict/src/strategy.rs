//! The trait of a strategy.

use alloc::boxed::Box;
use alloc::sync::Arc;

use crate::{Explanation, Resolution, StrategyId, Versions};

/// A rule that says which value is visible of a set of concurrent versions.
///
/// Replicas hold the same set and never exchange results, so `resolve` must be a pure function of the set, equal bit
/// for bit on every node: no clock, no randomness, no memory of earlier calls, no order of a hash map, and of floats
/// only `+ - * /` and the square root, in a fixed order. Folding pairs need not be associative: the rule always sees
/// all versions at once.
///
/// [`Laws`](crate::Laws) tests a strategy of your own.
///
/// ```
/// use engram_conflict::{Resolution, Strategy, StrategyId, Version, Versions};
///
/// /// The longest text wins.
/// struct Longest;
///
/// impl Strategy<String> for Longest {
///     fn id(&self) -> StrategyId {
///         StrategyId::literal("longest", 1)
///     }
///
///     fn resolve(&self, versions: &Versions<String>) -> Resolution<String> {
///         versions.choose_by("the longest text", |a, b| a.value.len().cmp(&b.value.len()))
///     }
/// }
///
/// let versions = ["one".to_string(), "three".to_string()].map(Version::named);
/// let versions = Versions::new(versions)?;
/// assert_eq!(Longest.resolve(&versions).visible(&versions), "three");
/// # Ok::<(), engram_conflict::InvalidVersions<std::convert::Infallible>>(())
/// ```
pub trait Strategy<T>: Send + Sync {
    /// Name, version and parameters: equal on two nodes if and only if the results are.
    fn id(&self) -> StrategyId;

    /// The visible value of `versions`.
    fn resolve(&self, versions: &Versions<T>) -> Resolution<T>;

    /// The resolution with the part that each version has in it. Resolves anew.
    fn explain(&self, versions: &Versions<T>) -> Explanation {
        Explanation::new(self.id(), versions, &self.resolve(versions))
    }
}

macro_rules! forwarded {
    ($($pointer:ty),+) => {
        $(impl<T, S: Strategy<T> + ?Sized> Strategy<T> for $pointer {
            fn id(&self) -> StrategyId {
                (**self).id()
            }

            fn resolve(&self, versions: &Versions<T>) -> Resolution<T> {
                (**self).resolve(versions)
            }
        })+
    };
}

forwarded!(&S, Box<S>, Arc<S>);
