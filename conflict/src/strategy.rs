//! The trait that strategies implement.

use alloc::boxed::Box;
use alloc::sync::Arc;

use crate::{Explanation, Resolution, StrategyId, Versions};

/// A rule that decides which value or values are visible for a set of concurrent versions.
///
/// Replicas hold the same set and never exchange results, so `resolve` must be a pure function of the set that gives
/// the same bits on every node: no clock, no randomness, no memory of earlier calls, no dependence on the order of a hash
/// map, and no float operations except `+ - * /` and the square root, in a fixed order. The rule always receives all
/// versions in one call, so it need not be associative.
///
/// [`Laws`](crate::Laws) tests your own strategies.
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
    /// The name, version and parameters of the rule. Two strategies with equal identities must give equal results.
    fn id(&self) -> StrategyId;

    /// Decides what is visible: one of `versions`, a composed value, or several of `versions`.
    fn resolve(&self, versions: &Versions<T>) -> Resolution<T>;

    /// Resolves `versions` and explains the contribution of each version.
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

            fn explain(&self, versions: &Versions<T>) -> Explanation {
                (**self).explain(versions)
            }
        })+
    };
}

forwarded!(&S, Box<S>, Arc<S>);
