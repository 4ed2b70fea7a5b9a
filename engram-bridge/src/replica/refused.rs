//! Patterns from this node's engine that the cluster refuses.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engram::pattern::SemanticPattern;
use crate::replica::content::PatternError;

/// A refused pattern of this node's engine. It stays in the local view; no peer sees it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RefusedPattern {
    /// The pattern, as the engine submitted it.
    pub pattern: Arc<SemanticPattern>,
    /// The reason, whose text names the limit or the next step.
    pub reason: PatternError,
}

/// The refused patterns of a space, keyed by id. They are lost when the process ends, like the
/// engine's own state.
#[derive(Debug, Default)]
pub(crate) struct Refused(BTreeMap<String, RefusedPattern>);

impl Refused {
    /// Applies the outcome of a submission: the accepted ids and the refused patterns. Returns the
    /// patterns that were not refused for the same reason before, and every further copy of an id.
    pub(crate) fn update<'i>(
        &mut self,
        taken: impl Iterator<Item = &'i str>,
        refused: Vec<RefusedPattern>,
    ) -> Vec<(String, PatternError)> {
        if !self.0.is_empty() {
            taken.for_each(|id| _ = self.0.remove(id));
        }
        let mut new = Vec::new();
        for refused in refused {
            let (id, reason) = (refused.pattern.id.clone(), refused.reason.clone());
            // The first copy of a repeated id is in the view already.
            let before = match reason {
                PatternError::Duplicate => None,
                _ => self.0.insert(id.clone(), refused),
            };
            if before.is_none_or(|before| !same_reason(&before.reason, &reason)) {
                new.push((id, reason));
            }
        }
        new
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &RefusedPattern> {
        self.0.values()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Compares reasons; NaN equals NaN.
fn same_reason(one: &PatternError, other: &PatternError) -> bool {
    one.to_string() == other.to_string()
}
