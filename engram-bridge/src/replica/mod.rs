//! The replicated state of a memory space, and the view computed from it.

pub(crate) mod across_ids;
pub(crate) mod blends;
pub(crate) mod canonical;
pub(crate) mod caps;
pub(crate) mod change;
pub(crate) mod clocks;
pub(crate) mod content;
pub(crate) mod encoding;
pub(crate) mod entry;
pub(crate) mod environment;
pub(crate) mod explain;
pub(crate) mod first_contact;
pub(crate) mod half_precision;
pub(crate) mod issuer;
pub(crate) mod join;
pub(crate) mod members;
pub(crate) mod operations;
pub(crate) mod placement;
pub(crate) mod record;
pub(crate) mod refused;
pub(crate) mod report;
pub(crate) mod retention;
pub(crate) mod rules;
pub(crate) mod state;
pub(crate) mod stats;
pub(crate) mod tally;
pub(crate) mod visible;

pub use across_ids::{
    AcrossIds, AcrossIdsStats, ComparedPattern, DEFAULT_MAX_COMPARED, PatternGroup,
    PatternRelation, PatternRole,
};
pub use caps::{Cap, CapUsage, Caps, MAX_UNLISTED_NODES};
pub use clocks::CLOCK_TOLERANCE;
pub use content::{MAX_EPISODE_ID_BYTES, MAX_EPISODES, MAX_ID_BYTES, PatternError};
pub use explain::{Introduced, LiveVersion, PatternExplanation};
pub use operations::Citations;
pub use record::{MAX_NODE_DOTS, MAX_SUPPRESSED};
pub use refused::RefusedPattern;
pub use report::{
    MANY_VERSIONS, MergedView, RejectedPattern, SubmitReport, Submitted, SuppressionFault,
};
pub use retention::Retention;
pub use stats::SpaceStats;
