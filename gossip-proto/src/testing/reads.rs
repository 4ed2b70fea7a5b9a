//! The laws of an unchanged snapshot.

use std::collections::BTreeSet;
use std::format;
use std::string::String;
use std::vec::Vec;

use super::ViewLaw;
use super::law::{Checked, expect, hex};
use crate::{Entry, Prefix, View};

/// Checks the laws of an unchanged snapshot.
pub(super) fn reads(view: &impl View, ids: &BTreeSet<String>) -> Checked {
    let entries = tree(view)?;
    for id in ids {
        let key = view.key_of(id);
        expect(ViewLaw::KeyOf, entries.iter().any(|entry| entry.key == key), || {
            format!("key_of({id:?}) is {}, which no entry has", hex(&key))
        })?;
    }
    expect(ViewLaw::Entries, entries.len() == ids.len(), || {
        format!("{} entries for {} ids", entries.len(), ids.len())
    })?;
    entries.iter().try_for_each(|entry| record(view, entry))
}

/// Checks a snapshot without knowing its ids.
pub(super) fn snapshot(view: &impl View) -> Checked {
    tree(view)?.iter().try_for_each(|entry| record(view, entry))
}

/// Checks the whole tree, and returns its entries.
fn tree(view: &impl View) -> Checked<Vec<Entry>> {
    let entries = view.entries(&Prefix::ROOT);
    below(view, &Prefix::ROOT, &entries)?;
    let count = view.summary().count;
    expect(ViewLaw::Count, count == entries.len() as u64, || {
        format!("the summary counts {count} records, but there are {} entries", entries.len())
    })?;
    Ok(entries)
}

/// Checks entries, counts and children below a prefix, down to nodes with a single entry.
fn below(view: &impl View, prefix: &Prefix, expected: &[Entry]) -> Checked {
    let (entries, count) = (view.entries(prefix), view.count(prefix));
    let place = || format!("below the first {} bits of {},", prefix.bit_len(), hex(prefix.bits()));
    expect(ViewLaw::Entries, entries.is_sorted_by(|a, b| a.key < b.key), || {
        format!("{} the entries do not ascend by key", place())
    })?;
    expect(ViewLaw::Entries, entries == expected, || {
        format!("{} there are {} entries, not {}", place(), entries.len(), expected.len())
    })?;
    expect(ViewLaw::Count, count == entries.len() as u64, || {
        format!("{} count is {count}, but there are {} entries", place(), entries.len())
    })?;
    for (nibble, digest) in view.children(prefix).iter().enumerate() {
        let Some(child) = prefix.child(nibble as u8) else { continue };
        let expected: Vec<Entry> =
            entries.iter().filter(|entry| child.contains(&entry.key)).copied().collect();
        expect(ViewLaw::Children, digest.is_some() != expected.is_empty(), || {
            let has = if digest.is_some() { "a digest" } else { "no digest" };
            format!("{} child {nibble} has {has} and {} entries", place(), expected.len())
        })?;
        if expected.len() > 1 {
            below(view, &child, &expected)?;
        }
    }
    Ok(())
}

fn record(view: &impl View, entry: &Entry) -> Checked {
    let key = || hex(&entry.key);
    let Some(record) = view.record(&entry.key) else {
        return expect(ViewLaw::Records, false, || {
            format!("there is no record for entry {}", key())
        });
    };
    expect(ViewLaw::Records, view.key_of(&record.id) == entry.key, || {
        format!("the record of entry {} has the id {:?} of another entry", key(), record.id)
    })?;
    for digest in record.contents() {
        let (content, held) = (view.content(digest), view.holds(digest));
        expect(ViewLaw::Contents, content.is_some() && held, || {
            let (id, digest) = (&record.id, hex(digest));
            let found = if content.is_some() { "it" } else { "None" };
            format!("{id:?} names {digest}: `content` returns {found}, and `holds` returns {held}")
        })?;
        let named = content.is_none_or(|content| view.digest(&content) == *digest);
        expect(ViewLaw::ContentDigest, named, || {
            format!("{:?} names {}: the content has another digest", record.id, hex(digest))
        })?;
    }
    Ok(())
}
