//! The visible patterns of a record: none, one, or several if the strategy keeps several.

use std::collections::BTreeMap;
use std::sync::Arc;

use engram_conflict::{Strategy, Version, Versions};
use engram_merkle::Digest;

use crate::engram::pattern::SemanticPattern;
use crate::replica::content::Contents;
use crate::replica::record::Record;

/// The visible patterns of one id.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Visible {
    first: Option<Arc<SemanticPattern>>,
    /// Further patterns, in the order of the strategy; empty unless the strategy keeps several versions.
    others: Box<[Arc<SemanticPattern>]>,
}

impl Visible {
    /// The pattern that represents the id.
    pub(crate) const fn first(&self) -> Option<&Arc<SemanticPattern>> {
        self.first.as_ref()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<SemanticPattern>> {
        self.first.iter().chain(&self.others)
    }

    fn of(pattern: Arc<SemanticPattern>) -> Self {
        Self { first: Some(pattern), others: Box::default() }
    }
}

/// Applies `strategy` to the live contents of `record` that are not suppressed.
///
/// The result is a pure function of those contents and of the number of live dots that name each of them. A content
/// that is shown unchanged is shared, not copied.
pub(crate) fn visible(
    record: &Record,
    contents: &Contents,
    strategy: &dyn Strategy<Arc<SemanticPattern>>,
) -> Visible {
    let mut shown = shown(record);
    let Some(first) = shown.next() else { return Visible::default() };
    if shown.all(|other| other == first) {
        return Visible::of(Arc::clone(&contents.get(first).expect(HELD).pattern));
    }
    let Some(versions) = versions(record, contents) else { return Visible::default() };
    let resolution = strategy.resolve(&versions);
    let mut visible = resolution.all_visible(&versions).into_iter().map(Arc::clone);
    Visible { first: visible.next(), others: visible.collect() }
}

/// The contents of the live dots that are not suppressed, with repeats.
fn shown(record: &Record) -> impl Iterator<Item = &Digest> {
    let Record { siblings, suppression } = record;
    siblings.values().filter(|digest| !suppression.is_suppressed(digest))
}

/// The versions that a strategy chooses from; `None` if there are none.
pub(crate) fn versions(
    record: &Record,
    contents: &Contents,
) -> Option<Versions<Arc<SemanticPattern>>> {
    let versions = confirmations(record).into_iter().map(|(digest, confirmations)| {
        let pattern = Arc::clone(&contents.get(&digest).expect(HELD).pattern);
        Version::new(digest.into(), pattern).confirmed(confirmations)
    });
    let versions: Vec<_> = versions.collect();
    (!versions.is_empty()).then(|| Versions::new(versions).expect("stored contents are valid"))
}

const HELD: &str = "every live content is held";

/// Returns the shown contents in ascending order, each with the number of dots that name it.
fn confirmations(record: &Record) -> BTreeMap<Digest, u32> {
    let mut confirmations = BTreeMap::new();
    for digest in shown(record) {
        *confirmations.entry(*digest).or_default() += 1;
    }
    confirmations
}
