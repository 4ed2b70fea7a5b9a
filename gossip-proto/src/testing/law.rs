//! The check of one expectation, and the ids and deliveries of the suite.

use std::collections::BTreeSet;
use std::format;
use std::string::String;
use std::vec::Vec;

use super::{BrokenView, ViewLaw};
use crate::{Delivery, Prefix, Record, View};

pub(super) type Checked<T = ()> = Result<T, BrokenView>;

/// Number of ids that each replica writes first: enough for several of them to share the first
/// nibbles of their key hashes.
pub(super) const IDS: u64 = 48;

pub(super) fn id(number: u64) -> String {
    format!("id {number}")
}

pub(super) fn expect(law: ViewLaw, kept: bool, detail: impl FnOnce() -> String) -> Checked {
    if kept { Ok(()) } else { Err(BrokenView { law, detail: detail() }) }
}

/// All records of a view.
pub(super) fn all<V: View>(view: &V) -> Vec<Record> {
    view.entries(&Prefix::ROOT).iter().filter_map(|entry| view.record(&entry.key)).collect()
}

/// Returns a delivery of `records` with their contents.
pub(super) fn delivery<V: View>(from: &V, records: Vec<Record>) -> Delivery<V::Content> {
    let digests: BTreeSet<&[u8; 32]> = records.iter().flat_map(Record::contents).collect();
    let contents = digests.into_iter().filter_map(|digest| Some((*digest, from.content(digest)?)));
    Delivery { contents: contents.collect(), records }
}

/// The first bytes of a hash, in hexadecimal.
pub(super) fn hex(hash: &[u8; 32]) -> String {
    hash[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}
