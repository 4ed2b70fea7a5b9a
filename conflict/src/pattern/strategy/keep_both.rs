use alloc::vec::Vec;

use crate::pattern::PatternValue;
use crate::{Reason, Resolution, Strategy, StrategyId, Versions};

/// Keeps every version visible, the most confident first; the greater digest breaks ties.
///
/// Loses nothing and resolves nothing: a reader sees all versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct KeepBoth;

impl KeepBoth {
    /// The identity, `keep-both/1`.
    #[must_use]
    pub const fn id(&self) -> StrategyId {
        StrategyId::literal("keep-both", 1)
    }
}

impl<T: PatternValue> Strategy<T> for KeepBoth {
    fn id(&self) -> StrategyId {
        self.id()
    }

    fn resolve(&self, versions: &Versions<T>) -> Resolution<T> {
        if versions.len() == 1 {
            return Resolution::chosen(0, Reason::Only);
        }
        let mut indices: Vec<usize> = (0..versions.len()).collect();
        indices.sort_by(|&a, &b| {
            let confidence = |index: usize| versions[index].value.confidence();
            confidence(b).total_cmp(&confidence(a)).then(b.cmp(&a))
        });
        Resolution::kept(indices, Reason::All)
    }
}
