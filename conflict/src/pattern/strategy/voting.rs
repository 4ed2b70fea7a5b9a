use super::winner;
use crate::{Embedding, Merged, Reason, Resolution, Strategy, StrategyId, Versions, union};

/// The version with the greatest confidence, with the citations of all. The default.
///
/// Embedding, strength and confidence are the winner's, bit for bit. Citations are the [`union`]
/// of all versions, and the time is the latest of all, since it is the time of the newest
/// citation. Equal confidences are decided by the greater digest. Lost: the embeddings of the
/// others, which stay in the replicated set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ConfidenceVoting;

impl Strategy for ConfidenceVoting {
    fn id(&self) -> StrategyId {
        StrategyId::new("confidence-voting", 1).expect("a valid literal")
    }

    fn resolve(&self, versions: &Versions<'_>) -> Resolution {
        let won = winner(versions, |a, b| a.confidence.total_cmp(&b.confidence));
        let reason = match won.runner_up {
            None => return Resolution::chosen(won.index, Reason::Only),
            Some(_) if won.tied > 1 => Reason::Digest { tied: won.tied },
            Some(next) => Reason::Confidence { lead: won.version.confidence - next.confidence },
        };
        let merged = Merged {
            embedding: Embedding::Of(won.index),
            citations: union(versions.iter().map(|v| v.citations)),
            strength: won.version.strength,
            confidence: won.version.confidence,
            consolidated_at: super::latest(versions),
        };
        Resolution::composed(merged, versions, reason)
    }
}
