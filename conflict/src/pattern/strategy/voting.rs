use super::{latest, winner};
use crate::pattern::{Merged, PatternValue};
use crate::{Reason, Resolution, Strategy, StrategyId, Versions};

/// Chooses the version with the greatest confidence, with the citations of all versions. This is Engram's default
/// strategy.
///
/// The embedding, the strength and the confidence are the winner's, bit for bit. The citations are the
/// [`union`](crate::pattern::union) of all versions, and the time is the latest of all, because Engram sets it to the
/// time of the newest cited episode. The greater digest breaks ties. Hides the embeddings, strengths and confidences of
/// the other versions; all versions remain in the replicated set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ConfidenceVoting;

impl ConfidenceVoting {
    /// The identity, `confidence-voting/1`.
    #[must_use]
    pub const fn id(&self) -> StrategyId {
        StrategyId::literal("confidence-voting", 1)
    }
}

impl<T: PatternValue> Strategy<T> for ConfidenceVoting {
    fn id(&self) -> StrategyId {
        self.id()
    }

    fn resolve(&self, versions: &Versions<T>) -> Resolution<T> {
        let won = winner(versions, |a: &T, b| a.confidence().total_cmp(&b.confidence()));
        let reason = match won.runner_up {
            None => return Resolution::chosen(won.index, Reason::Only),
            Some(_) if won.tied > 1 => Reason::Digest { tied: won.tied },
            Some(next) => Reason::Confidence { lead: won.value.confidence() - next.confidence() },
        };
        let consolidated_at = latest(versions);
        let merged = Merged { consolidated_at, ..Merged::of(won.index, versions) };
        merged.over(won.index, versions, reason)
    }
}
