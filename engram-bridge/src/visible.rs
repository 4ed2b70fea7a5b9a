//! What is seen of a record: one pattern, or none.

use std::collections::BTreeMap;
use std::sync::Arc;

use engram_conflict::{Embedding, Outcome, Strategy, Version, Versions};
use engram_merkle::Digest;

use crate::content::Contents;
use crate::record::{Body, Record};
use crate::{Confidence, SemanticPattern, Timestamp};

/// What `strategy` shows of the live contents of `record`; `None` if nothing but tombstones lives.
///
/// A pure function of the set of live contents. A content that is shown as it is is shared.
pub(crate) fn visible(
    id: &str,
    record: &Record,
    contents: &Contents,
    strategy: &dyn Strategy,
) -> Option<Arc<SemanticPattern>> {
    let mut live = record.values().filter_map(|body| match body {
        Body::Content(digest) => Some(digest),
        Body::Tombstone(_) => None,
    });
    let first = live.next()?;
    if live.all(|other| other == first) {
        return Some(Arc::clone(&contents.get(first).expect(HELD).pattern));
    }
    versions(record, contents).map(|versions| resolve(id, &versions, contents, strategy))
}

/// The live contents as a strategy sees them; `None` if there are none.
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
) -> Arc<SemanticPattern> {
    let content = |index: usize| &contents[&Digest::from(versions[index].digest)].pattern;
    let resolution = strategy.resolve(versions);
    let merged = match &resolution.outcome {
        Outcome::Chosen(index) => return Arc::clone(content(*index)),
        Outcome::Kept(indices) => return Arc::clone(content(indices[0])),
        Outcome::Composed(merged) => merged,
    };
    let embedding = match &merged.embedding {
        Embedding::Of(index) => Arc::clone(&content(*index).embedding),
        Embedding::Blended(blend) => blend.components.as_slice().into(),
    };
    Arc::new(SemanticPattern {
        id: id.to_owned(),
        embedding,
        source_episodes: merged.citations.clone(),
        strength: merged.strength,
        schema_confidence: Confidence::new(merged.confidence)
            .expect("a strategy's confidence lies within that of its inputs"),
        last_consolidated: Timestamp::from_nanoseconds(merged.consolidated_at),
    })
}

/// The live contents in ascending order, each with the number of writes that hold it.
fn confirmations(record: &Record) -> BTreeMap<Digest, u32> {
    let mut live = BTreeMap::new();
    for body in record.values() {
        if let Body::Content(digest) = body {
            *live.entry(*digest).or_default() += 1;
        }
    }
    live
}
