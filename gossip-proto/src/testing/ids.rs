//! The law of ids: a store keeps every id byte for byte.

use std::format;
use std::string::String;
use std::vec::Vec;

use super::law::{Checked, all, delivery, expect};
use super::{Replica, ViewLaw};
use crate::limits::MAX_ID;
use crate::{Prefix, View};

/// Ids of which several become equal if a store truncates, trims, case-folds or normalizes them.
fn ids() -> Vec<String> {
    let longest = |last: &str| "x".repeat(MAX_ID - 1) + last;
    let short = ["A", "a", "end", "end ", " end", "\u{e9}", "e\u{301}", "\u{df}", "ss", "\u{65e5}"];
    short.into_iter().map(String::from).chain([longest("a"), longest("b")]).collect()
}

/// Writes a record under each id to one replica, applies the records to another, and reads them
/// back from both.
pub(super) fn kept<R: Replica>(new: &impl Fn([u8; 32]) -> R) -> Checked {
    let (ids, mut from, to) = (ids(), new([3; 32]), new([4; 32]));
    (0..).zip(&ids).for_each(|(number, id)| from.write(id, number));
    let from = from.pin();
    found(&from, &ids)?;
    to.pin().apply(delivery(&from, all(&from)));
    found(&to.pin(), &ids)
}

fn found(view: &impl View, ids: &[String]) -> Checked {
    for id in ids {
        let found = view.record(&view.key_of(id)).map(|record| record.id);
        expect(ViewLaw::Ids, found.as_ref() == Some(id), || {
            format!("the record of {id:?} is found under {found:?}")
        })?;
    }
    let entries = view.entries(&Prefix::ROOT).len();
    expect(ViewLaw::Ids, entries == ids.len(), || {
        format!("{} different ids have {entries} entries", ids.len())
    })
}
