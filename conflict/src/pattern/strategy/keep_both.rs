use alloc::vec::Vec;

use crate::{Outcome, Reason, Resolution, Strategy, StrategyId, Versions};

/// Every version stays visible, the most confident first; of equal confidences the greater digest.
///
/// Nothing is lost, and nothing is resolved: a reader sees all versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct KeepBoth;

impl Strategy for KeepBoth {
    fn id(&self) -> StrategyId {
        StrategyId::new("keep-both", 1).expect("a valid literal")
    }

    fn resolve(&self, versions: &Versions<'_>) -> Resolution {
        if versions.len() == 1 {
            return Resolution::chosen(0, Reason::Only);
        }
        let mut indices: Vec<usize> = (0..versions.len()).collect();
        indices.sort_by(|&a, &b| {
            versions[b].confidence.total_cmp(&versions[a].confidence).then(b.cmp(&a))
        });
        Resolution { outcome: Outcome::Kept(indices), reason: Reason::All }
    }
}
