//! Conflicts across ids: patterns with different ids that describe one memory or dispute an
//! episode.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engram_conflict::Version;
use engram_conflict::pattern::{
    Conflict, Containment, CrossIdView, InvalidRules, Related, Role, Rules, Viewed,
};

use crate::engram::pattern::SemanticPattern;

/// The default of [`AcrossIds::max_patterns`]: 20,000.
///
/// A comparison of one pattern with all others is linear in their number, so the first pass over a
/// space is quadratic: about 3 s on one core at 10,000 patterns, 12 s at 20,000.
pub const DEFAULT_MAX_COMPARED: usize = 20_000;

/// Configures the comparison of a space's visible patterns across ids. The result is a derived
/// view: it is neither written back nor sent to peers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AcrossIds {
    rules: Rules,
    max_patterns: usize,
}

impl AcrossIds {
    /// Configures a comparison by `rules`, in spaces of at most `max_patterns` visible patterns.
    ///
    /// # Errors
    /// [`InvalidRules`] names the number that is out of range.
    pub fn new(rules: Rules, max_patterns: usize) -> Result<Self, InvalidRules> {
        View::new(rules)?;
        Ok(Self { rules, max_patterns })
    }

    /// The rules.
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The maximum number of visible patterns; a space with more is not compared.
    pub const fn max_patterns(&self) -> usize {
        self.max_patterns
    }
}

impl Default for AcrossIds {
    fn default() -> Self {
        Self { rules: Rules::default(), max_patterns: DEFAULT_MAX_COMPARED }
    }
}

/// The role of a visible pattern among the others in its space, and its adjusted confidence.
///
/// `Display` explains it in a few lines.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ComparedPattern {
    /// The role.
    pub role: PatternRole,
    /// The confidence of the visible pattern.
    pub confidence: f32,
    /// The confidence after any reduction for conflicts with other patterns; at most `confidence`.
    pub adjusted_confidence: f32,
    /// The pattern with the greatest overlap among those that dispute an episode with this one.
    pub rival: Option<PatternRelation>,
    explanation: String,
}

/// The role of a visible pattern among the others in its space.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PatternRole {
    /// No other pattern describes the same memory.
    Alone,
    /// The pattern represents a group.
    Representative {
        /// The number of other patterns in the group.
        members: usize,
    },
    /// A member whose episodes are a subset of the representative's.
    Subset(PatternRelation),
    /// A member whose episodes are a superset of the representative's.
    Superset(PatternRelation),
    /// Any other member, for example one with the same episodes as the representative, or with none
    /// in common.
    Duplicate(PatternRelation),
}

/// Another pattern, and the conflict with it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PatternRelation {
    /// The id of the other pattern.
    pub id: Arc<str>,
    /// The conflict: its kind, the cosine and the common episodes.
    pub conflict: Conflict,
}

/// A group of patterns that describe one memory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PatternGroup {
    /// The id of the representative.
    pub representative: Arc<str>,
    /// The ids of the other patterns, the most confident first.
    pub members: Vec<Arc<str>>,
}

/// Statistics of the comparison of a space across ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AcrossIdsStats {
    /// Groups of at least two patterns.
    pub groups: u64,
    /// Patterns in these groups, without the representatives.
    pub members: u64,
    /// Patterns that dispute an episode with another pattern.
    pub disputed: u64,
    /// Changed patterns that have not been compared yet.
    pub pending: u64,
    /// Whether the space had more visible patterns than [`AcrossIds::max_patterns`] at the last
    /// comparison. The other fields are then 0.
    pub over_limit: bool,
}

impl PatternRole {
    /// The name of the role, as in JSON answers.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Alone => "alone",
            Self::Representative { .. } => "representative",
            Self::Subset(_) => "subset",
            Self::Superset(_) => "superset",
            Self::Duplicate(_) => "duplicate",
        }
    }

    /// The representative of the group; `None` if the pattern is alone or is itself the
    /// representative.
    #[must_use]
    pub const fn representative(&self) -> Option<&PatternRelation> {
        match self {
            Self::Alone | Self::Representative { .. } => None,
            Self::Subset(of) | Self::Superset(of) | Self::Duplicate(of) => Some(of),
        }
    }
}

impl fmt::Display for ComparedPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.explanation)
    }
}

impl ComparedPattern {
    fn of(viewed: &Viewed<'_, Arc<str>>) -> Self {
        Self {
            role: role(&viewed.role),
            confidence: viewed.confidence,
            adjusted_confidence: viewed.shown,
            rival: viewed.rival.as_ref().map(PatternRelation::of),
            explanation: viewed.to_string(),
        }
    }
}

impl PatternRelation {
    fn of(related: &Related<'_, Arc<str>>) -> Self {
        Self { id: Arc::clone(related.id), conflict: related.conflict }
    }
}

fn role(role: &Role<'_, Arc<str>>) -> PatternRole {
    match role {
        Role::Representative { members: 0 } => PatternRole::Alone,
        Role::Representative { members } => PatternRole::Representative { members: *members },
        Role::Member { representative, conflict } => {
            let relation = PatternRelation { id: Arc::clone(representative), conflict: *conflict };
            match conflict.overlap.containment() {
                Containment::Subset => PatternRole::Subset(relation),
                Containment::Superset => PatternRole::Superset(relation),
                _ => PatternRole::Duplicate(relation),
            }
        }
    }
}

/// A changed pattern: its id, and the pattern with its digest if it is still visible.
pub(crate) type Changed = (Arc<str>, Option<Version<Arc<SemanticPattern>>>);

type View = CrossIdView<Arc<str>, Arc<SemanticPattern>>;

/// The view across ids of one space.
pub(crate) struct Comparison {
    pub(crate) config: AcrossIds,
    compared: Mutex<Compared>,
}

/// The result of the comparisons so far.
pub(crate) struct Compared {
    view: View,
    pub(crate) over_limit: bool,
    /// Computed on demand.
    stats: Option<AcrossIdsStats>,
}

impl Comparison {
    pub(crate) fn new(config: AcrossIds) -> Self {
        let compared = Compared { view: empty(&config), over_limit: false, stats: None };
        Self { config, compared: Mutex::new(compared) }
    }

    /// Locks the result. Ignores poisoning: the view only informs people, and a panic leaves it
    /// usable.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Compared> {
        self.compared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn empty(config: &AcrossIds) -> View {
    View::new(config.rules).expect("the rules were checked when they were made")
}

impl Compared {
    /// Stops comparing, because the space has too many patterns.
    pub(crate) fn give_up(&mut self, config: &AcrossIds) {
        if !self.over_limit {
            (self.view, self.over_limit, self.stats) = (empty(config), true, None);
        }
    }

    /// Applies the changed patterns, and updates the conflicts and groups that depend on them.
    pub(crate) fn update(&mut self, changed: &[Changed]) {
        self.stats = None;
        if self.view.update(changed.iter().cloned()).is_ok() {
            return;
        }
        // A pattern is invalid only if a strategy broke its laws: leave out only that pattern.
        for (id, pattern) in changed {
            self.view.remove(id);
            if let Some(pattern) = pattern {
                _ = self.view.upsert(Arc::clone(id), pattern.clone());
            }
        }
    }

    pub(crate) fn compared(&self, id: &Arc<str>) -> Option<ComparedPattern> {
        self.view.get(id).map(|viewed| ComparedPattern::of(&viewed))
    }

    pub(crate) fn all_compared(&self) -> BTreeMap<Arc<str>, ComparedPattern> {
        self.view.iter().map(|of| (Arc::clone(of.id), ComparedPattern::of(&of))).collect()
    }

    /// The groups of at least two patterns, the most confident representative first.
    pub(crate) fn groups(&self) -> impl Iterator<Item = PatternGroup> {
        let groups = self.view.groups().filter(|group| !group.members.is_empty());
        groups.map(|group| PatternGroup {
            representative: Arc::clone(group.representative),
            members: group.members.into_iter().cloned().collect(),
        })
    }

    /// The statistics, without the pending patterns. O(patterns and their conflicts) if patterns
    /// changed since the last call.
    pub(crate) fn stats(&mut self) -> AcrossIdsStats {
        if let Some(stats) = self.stats {
            return stats;
        }
        let mut stats = AcrossIdsStats { over_limit: self.over_limit, ..Default::default() };
        for group in self.view.groups().filter(|group| !group.members.is_empty()) {
            stats.groups += 1;
            stats.members += group.members.len() as u64;
        }
        stats.disputed = self.view.iter().filter(|viewed| viewed.rival.is_some()).count() as u64;
        self.stats = Some(stats);
        stats
    }
}
