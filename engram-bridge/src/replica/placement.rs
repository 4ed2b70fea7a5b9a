//! The place of a content in the store: in the row of its record, or in a row of its own.
//!
//! Most records have a single live content of a few kilobytes. If the record and its content share a
//! row, an update changes one page; with separate rows, the store writes twice as many pages.

use engram_merkle::Digest;

use crate::replica::canonical::max_encoded_len;
use crate::replica::content::Content;

/// Maximum length, in bytes, of a content in the row of its record. A longer one has a row of its
/// own, so that a change to the record does not rewrite it.
const MAX_BESIDE: usize = 8 << 10;

/// The rows to which a change to a record writes contents, and the content rows that it removes.
#[derive(Default)]
pub(crate) struct Placement {
    /// The content in the row of the record.
    pub(crate) beside: Option<Content>,
    /// The contents that get rows of their own.
    pub(crate) own_rows: Vec<Content>,
    /// The contents whose own rows are removed.
    pub(crate) removed: Vec<Digest>,
}

impl Placement {
    /// Returns the edits for a change to the live contents, if the rows of `before` are in the store.
    pub(crate) fn change(before: &[Content], after: Vec<Content>) -> Self {
        let digests = |contents: &[Content]| contents.iter().map(Content::digest).collect();
        match (is_beside(before), is_beside(&after)) {
            (true, true) => Self { beside: after.into_iter().next(), ..Self::default() },
            (true, false) => Self { own_rows: after, ..Self::default() },
            (false, true) => {
                let (beside, removed) = (after.into_iter().next(), digests(before));
                Self { beside, removed, ..Self::default() }
            }
            (false, false) => {
                let removed = digests(&without(before, &after));
                Self { own_rows: without(&after, before), removed, ..Self::default() }
            }
        }
    }

    /// Returns the edits for a change, if it is unknown which rows of `before` and `after` are in the store.
    pub(crate) fn anew(before: &[Content], after: Vec<Content>) -> Self {
        let mut gone: Vec<Digest> = without(before, &after).iter().map(Content::digest).collect();
        if !is_beside(&after) {
            return Self { own_rows: after, removed: gone, ..Self::default() };
        }
        gone.extend(after.iter().map(Content::digest));
        Self { beside: after.into_iter().next(), removed: gone, ..Self::default() }
    }
}

/// Whether the live contents of a record are in its row: true for a single content of at most
/// [`MAX_BESIDE`] bytes.
fn is_beside(contents: &[Content]) -> bool {
    matches!(contents, [one] if max_encoded_len(one.pattern()) <= MAX_BESIDE)
}

/// The elements of `contents` that are not in `others`.
fn without(contents: &[Content], others: &[Content]) -> Vec<Content> {
    let is_among = |content: &&Content| others.iter().any(|it| it.digest() == content.digest());
    contents.iter().filter(|content| !is_among(content)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use engram_merkle::AnyHasher;

    use super::*;
    use crate::engram::pattern::{Confidence, SemanticPattern};
    use crate::engram::precision::Precision;
    use crate::engram::timestamp::Timestamp;
    use crate::replica::content::Shape;

    fn content(strength: f32, episode: usize) -> Content {
        let pattern = SemanticPattern {
            id: "p".to_owned(),
            embedding: Arc::from([1.0]),
            source_episodes: vec!["e".repeat(200); episode.div_ceil(204)],
            strength,
            schema_confidence: Confidence::CERTAIN,
            last_consolidated: Timestamp::EPOCH,
        };
        let shape = Shape { dimension: 1, precision: Precision::F32 };
        Content::new(&Arc::new(pattern), shape, &AnyHasher::Sha256).unwrap()
    }

    fn digests(contents: &[Content]) -> BTreeSet<Digest> {
        contents.iter().map(Content::digest).collect()
    }

    /// Returns the contents that have rows of their own if `live` are the live contents of a record.
    fn rows(live: &[Content]) -> BTreeSet<Digest> {
        if is_beside(live) { BTreeSet::new() } else { digests(live) }
    }

    fn placed(placement: &Placement, mut stored: BTreeSet<Digest>) -> BTreeSet<Digest> {
        stored.extend(digests(&placement.own_rows));
        placement.removed.iter().for_each(|digest| _ = stored.remove(digest));
        stored
    }

    #[test]
    fn a_short_content_lies_beside_its_record() {
        let longest = (0..MAX_BESIDE).rev().map(|bytes| content(1.0, bytes));
        let longest = longest.into_iter().find(|it| max_encoded_len(it.pattern()) <= MAX_BESIDE);
        assert!(is_beside(&[longest.unwrap()]) && !is_beside(&[content(1.0, MAX_BESIDE)]));
        assert!(!is_beside(&[]) && !is_beside(&[content(1.0, 0), content(2.0, 0)]));
    }

    /// Changes any set of live contents to any other, even if it is unknown which rows of either set the store holds.
    #[test]
    fn the_rows_are_those_of_the_live_contents() {
        let all = [content(1.0, 0), content(2.0, 0), content(3.0, 0), content(4.0, MAX_BESIDE)];
        let set = |bits: usize| -> Vec<Content> {
            let chosen = all.iter().enumerate().filter(|(at, _)| bits & (1 << at) != 0);
            chosen.map(|(_, content)| content.clone()).collect()
        };
        for (before, after) in (0..16).flat_map(|one| (0..16).map(move |other| (one, other))) {
            let (before, after) = (set(before), set(after));
            let change = Placement::change(&before, after.clone());
            assert_eq!(placed(&change, rows(&before)), rows(&after));
            let anew = Placement::anew(&before, after.clone());
            for stored in [rows(&before), rows(&after), BTreeSet::new()] {
                assert_eq!(placed(&anew, stored), rows(&after));
            }
            for placement in [change, anew] {
                let beside = placement.beside.map(|content| content.digest());
                assert_eq!(
                    beside,
                    after.first().filter(|_| is_beside(&after)).map(Content::digest)
                );
            }
        }
    }
}
