use super::winner;
use crate::{Reason, Resolution, Strategy, StrategyId, Versions};

/// The version with the latest time, bit for bit; of equal times the greater digest.
///
/// Lost: everything of the other versions, their citations included. The times are those that the
/// nodes wrote, so a clock that is ahead wins for as long as it is ahead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LastWriter;

impl Strategy for LastWriter {
    fn id(&self) -> StrategyId {
        StrategyId::new("last-writer", 1).expect("a valid literal")
    }

    fn resolve(&self, versions: &Versions<'_>) -> Resolution {
        let won = winner(versions, |a, b| a.consolidated_at.cmp(&b.consolidated_at));
        let reason = match won.runner_up {
            None => Reason::Only,
            Some(_) if won.tied > 1 => Reason::Digest { tied: won.tied },
            Some(next) => {
                Reason::Time { lead: won.version.consolidated_at.abs_diff(next.consolidated_at) }
            }
        };
        Resolution::chosen(won.index, reason)
    }
}
