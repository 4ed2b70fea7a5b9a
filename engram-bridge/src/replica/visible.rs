//! The visible pattern of a record: one, or none.

use std::collections::BTreeMap;
use std::sync::Arc;

use engram_conflict::{Strategy, Version, Versions};
use engram_merkle::Digest;

use crate::engram::pattern::SemanticPattern;
use crate::replica::content::Contents;
use crate::replica::record::Record;

/// The pattern that `strategy` makes of the live contents of `record` that are not suppressed;
/// `None` if there are none.
///
/// A pure function of that set of contents. A content that is shown unchanged is shared.
pub(crate) fn visible(
    record: &Record,
    contents: &Contents,
    strategy: &dyn Strategy<Arc<SemanticPattern>>,
) -> Option<Arc<SemanticPattern>> {
    let mut shown = shown(record);
    let first = shown.next()?;
    if shown.all(|other| other == first) {
        return Some(Arc::clone(&contents.get(first).expect(HELD).pattern));
    }
    versions(record, contents)
        .map(|versions| Arc::clone(strategy.resolve(&versions).visible(&versions)))
}

/// The contents of the live dots that are not suppressed, repeats kept.
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

/// The contents that are shown, ascending, each with the number of dots that name it.
fn confirmations(record: &Record) -> BTreeMap<Digest, u32> {
    let mut confirmations = BTreeMap::new();
    for digest in shown(record) {
        *confirmations.entry(*digest).or_default() += 1;
    }
    confirmations
}
