//! Patterns with an embedding: strategies, laws, cosine, and the view across ids.
//!
//! A pattern has an embedding (`f32`), citations (a multiset of ids), a strength, a confidence in `0..=1` and a time.
//! Implement [`PatternValue`] to use the strategies of this module with your own type; [`OwnedPattern`] is a
//! ready-made one.
//!
//! ```
//! use engram_conflict::pattern::{ConfidenceVoting, OwnedPattern, explain};
//! use engram_conflict::{Strategy, Version, Versions};
//!
//! let pattern = |embedding: [f32; 2], citations: &[&str], confidence| {
//!     let mut pattern = OwnedPattern::new(embedding.to_vec(), citations.iter().map(ToString::to_string).collect());
//!     pattern.confidence = confidence;
//!     Version::named(pattern)
//! };
//! let versions = Versions::new([
//!     pattern([0.6, 0.8], &["walk"], 0.9),
//!     pattern([0.8, 0.6], &["run", "walk"], 0.7),
//! ])?;
//! let resolution = ConfidenceVoting.resolve(&versions);
//! let visible = resolution.visible(&versions);
//! assert_eq!((visible.confidence, &visible.embedding[..]), (0.9, &[0.6, 0.8][..]));
//! assert_eq!(visible.citations, ["run", "walk"]);
//! println!("{}", explain(&ConfidenceVoting, &versions));
//! # Ok::<(), engram_conflict::InvalidVersions<engram_conflict::pattern::InvalidPattern>>(())
//! ```

mod citation;
mod detect;
mod explain;
#[cfg(feature = "proptest")]
#[cfg_attr(docsrs, doc(cfg(feature = "proptest")))]
pub mod generate;
mod laws;
mod overlap;
mod strategy;
mod value;
mod vector;
mod view;

pub use citation::union;
pub use detect::{Conflict, ConflictKind, Observed, Thresholds};
pub use explain::{Contribution, Explanation, explain};
pub use laws::{laws, laws_of};
pub use overlap::{Containment, Overlap};
pub use strategy::{ConfidenceVoting, ConfidenceWeighted, KeepBoth, LastWriter};
pub use value::{InvalidPattern, Merged, OwnedPattern, PatternValue, validate};
pub use vector::{blend, cosine};
pub use view::{CrossIdView, Group, InvalidRules, Related, Role, Rules, Viewed};
