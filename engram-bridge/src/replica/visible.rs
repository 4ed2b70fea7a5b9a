//! The visible patterns of a record: none, one, or several if the strategy keeps several.

use std::collections::BTreeMap;
use std::sync::Arc;

use engram_conflict::{Embedding, Outcome, Strategy, Version, Versions};
use engram_merkle::Digest;

use crate::engram::pattern::{Confidence, SemanticPattern};
use crate::engram::timestamp::Timestamp;
use crate::replica::content::Contents;
use crate::replica::record::Record;

/// The visible patterns of one id.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Visible {
    first: Option<Arc<SemanticPattern>>,
    /// Further ones, in the order of the strategy. No strategy but one that keeps all has any.
    others: Box<[Arc<SemanticPattern>]>,
}

impl Visible {
    /// The pattern that stands for the id.
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

/// The patterns that `strategy` makes of the live contents of `record` that are not suppressed.
///
/// A pure function of that set of contents. A content that is shown unchanged is shared.
pub(crate) fn visible(
    id: &str,
    record: &Record,
    contents: &Contents,
    strategy: &dyn Strategy,
) -> Visible {
    let mut shown = shown(record);
    let Some(first) = shown.next() else { return Visible::default() };
    if shown.all(|other| other == first) {
        return Visible::of(Arc::clone(&contents.get(first).expect(HELD).pattern));
    }
    let versions = versions(record, contents);
    versions.map(|versions| resolve(id, &versions, contents, strategy)).unwrap_or_default()
}

/// The contents of the live dots that are not suppressed, repeats kept.
fn shown(record: &Record) -> impl Iterator<Item = &Digest> {
    let Record { siblings, suppression } = record;
    siblings.values().filter(|digest| !suppression.is_suppressed(digest))
}

/// The versions that a strategy chooses from; `None` if there are none.
pub(crate) fn versions<'c>(record: &Record, contents: &'c Contents) -> Option<Versions<'c>> {
    let versions = confirmations(record).into_iter().map(|(digest, confirmations)| {
        let pattern = &contents.get(&digest).expect(HELD).pattern;
        Version {
            digest: digest.into(),
            embedding: &pattern.embedding,
            citations: &pattern.source_episodes,
            strength: pattern.strength,
            confidence: pattern.schema_confidence.raw(),
            consolidated_at: pattern.last_consolidated.as_nanoseconds(),
            confirmations,
        }
    });
    let versions: Vec<_> = versions.collect();
    (!versions.is_empty()).then(|| Versions::new(versions).expect("stored contents are valid"))
}

const HELD: &str = "every live content is held";

fn resolve(
    id: &str,
    versions: &Versions<'_>,
    contents: &Contents,
    strategy: &dyn Strategy,
) -> Visible {
    let content = |index: usize| &contents[&Digest::from(versions[index].digest)].pattern;
    let resolution = strategy.resolve(versions);
    let merged = match &resolution.outcome {
        Outcome::Chosen(index) => return Visible::of(Arc::clone(content(*index))),
        Outcome::Kept(indices) => {
            let mut kept = indices.iter().map(|index| Arc::clone(content(*index)));
            return Visible { first: kept.next(), others: kept.collect() };
        }
        Outcome::Composed(merged) => merged,
    };
    let embedding = match &merged.embedding {
        Embedding::Of(index) => Arc::clone(&content(*index).embedding),
        Embedding::Blended(blend) => blend.components.as_slice().into(),
    };
    Visible::of(Arc::new(SemanticPattern {
        id: id.to_owned(),
        embedding,
        source_episodes: merged.citations.clone(),
        strength: merged.strength,
        schema_confidence: Confidence::new(merged.confidence)
            .expect("a strategy's confidence lies within that of its inputs"),
        last_consolidated: Timestamp::from_nanoseconds(merged.consolidated_at),
    }))
}

/// The contents that are shown, ascending, each with the number of dots that name it.
fn confirmations(record: &Record) -> BTreeMap<Digest, u32> {
    let mut confirmations = BTreeMap::new();
    for digest in shown(record) {
        *confirmations.entry(*digest).or_default() += 1;
    }
    confirmations
}
