use super::winner;
use crate::pattern::PatternValue;
use crate::{Reason, Resolution, Strategy, StrategyId, Versions};

/// Chooses the version with the latest time, bit for bit; the greater digest breaks ties.
///
/// Hides the other versions, including their citations. The times come from the clocks of the
/// nodes, so a node whose clock is ahead wins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LastWriter;

impl LastWriter {
    /// The identity, `last-writer/1`.
    #[must_use]
    pub const fn id(&self) -> StrategyId {
        StrategyId::literal("last-writer", 1)
    }
}

impl<T: PatternValue> Strategy<T> for LastWriter {
    fn id(&self) -> StrategyId {
        self.id()
    }

    fn resolve(&self, versions: &Versions<T>) -> Resolution<T> {
        let won = winner(versions, |a: &T, b| a.consolidated_at().cmp(&b.consolidated_at()));
        let reason = match won.runner_up {
            None => Reason::Only,
            Some(_) if won.tied > 1 => Reason::Digest { tied: won.tied },
            Some(next) => {
                Reason::Time { lead: won.value.consolidated_at().abs_diff(next.consolidated_at()) }
            }
        };
        Resolution::chosen(won.index, reason)
    }
}
