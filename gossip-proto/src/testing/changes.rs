//! The laws of ids that are overwritten or deleted.

use std::format;
use std::string::String;
use std::vec::Vec;

use super::convergence::convergence;
use super::digests::told_apart;
use super::join::join;
use super::law::{Checked, IDS, all, delivery, expect, hex, id};
use super::reads::snapshot;
use super::{Replica, ViewLaw};
use crate::{Part, Record, View};

/// The node that deletes contents. It has no replica.
const DELETER: [u8; 32] = [5; 32];

/// Joins changes to one id one by one, and compares each result with that of [`join`].
pub(super) fn joins<R: Replica>(a: &R, b: &R, new: &impl Fn([u8; 32]) -> R) -> Checked {
    let (a, b, to) = (a.pin(), b.pin(), new([4; 32]));
    to.pin().apply(delivery(&a, all(&a)));
    let (ours, theirs) = (held(&a, &id(IDS / 2)), held(&b, &id(IDS / 2)));
    let mut both = ours.clone();
    join(&mut both, theirs.clone());
    let suppression = |length| {
        let suppressed = ours.contents().map(|digest| (*digest, length)).collect();
        Record { suppressed, ..theirs.clone() }
    };
    joined(&to, ViewLaw::Join, &b, &theirs)?;
    joined(&to, ViewLaw::Join, &b, &without_dots(&ours))?;
    for length in [1, 3, 2] {
        joined(&to, ViewLaw::Suppression, &b, &suppression(length))?;
    }
    joined(&to, ViewLaw::Deletions, &b, &deletion(&both))?;
    joined(&to, ViewLaw::Deletions, &a, &ours)
}

/// Writes and deletes ids that both replicas hold, syncs, and checks that both then hold the joins.
pub(super) fn after_sync<R: Replica>(a: &mut R, b: &mut R) -> Checked {
    let [at_one, at_both, deleted] = [0, 1, 2].map(|number| id(IDS / 2 + number));
    rewritten(a, &at_one, 2 * IDS)?;
    rewritten(a, &at_both, 2 * IDS + 1)?;
    rewritten(b, &at_both, 2 * IDS + 2)?;
    let view = b.pin();
    joined(b, ViewLaw::Deletions, &view, &deletion(&held(&view, &deleted)))?;
    let expected = [at_one, at_both, deleted].map(|id| {
        let mut joined = held(&a.pin(), &id);
        join(&mut joined, held(&b.pin(), &id));
        joined
    });
    convergence(a, b)?;
    for view in [a.pin(), b.pin()] {
        for expected in &expected {
            let found = held(&view, &expected.id);
            expect(ViewLaw::Convergence, found == *expected, || {
                format!("in sync, a replica holds {}, not {}", shown(&found), shown(expected))
            })?;
        }
        snapshot(&view)?;
    }
    Ok(())
}

/// Writes under an id that is held, and checks that the write replaces its contents and changes its
/// digests.
pub(super) fn rewritten<R: Replica>(replica: &mut R, id: &str, number: u64) -> Checked {
    let before = replica.pin();
    let old = held(&before, id);
    replica.write(id, number);
    let after = replica.pin();
    let new = held(&after, id);
    let context: Vec<_> = new.context().collect();
    let replaces = old.is_older_than(&context) && new.mentions().count() == 1;
    expect(ViewLaw::Writes, replaces, || {
        format!("a write turns {} into {}", shown(&old), shown(&new))
    })?;
    told_apart(&before, &after, &after.key_of(id))
}

/// Applies a record, and compares the result with that of [`join`].
fn joined<R: Replica>(to: &R, law: ViewLaw, from: &R::View, arriving: &Record) -> Checked {
    let (before, mut view) = (to.pin(), to.pin());
    let old = held(&before, &arriving.id);
    let mut expected = old.clone();
    join(&mut expected, arriving.clone());
    let receipt = view.apply(delivery(from, Vec::from([arriving.clone()])));
    let after = to.pin();
    let found = held(&after, &arriving.id);
    expect(law, found == expected, || {
        let [old, arriving, found, expected] = [&old, arriving, &found, &expected].map(shown);
        format!("{old} joined with {arriving} is {found}, not {expected}: {receipt:?}")
    })?;
    if expected != old {
        return told_apart(&before, &after, &after.key_of(&arriving.id));
    }
    expect(ViewLaw::Digests, before.summary().root == after.summary().root, || {
        "the root changes, but no record does".into()
    })
}

/// Returns the record of an id, or an empty record if there is none.
fn held(view: &impl View, id: &str) -> Record {
    view.record(&view.key_of(id)).unwrap_or_else(|| Record { id: id.into(), ..Record::default() })
}

fn without_dots(record: &Record) -> Record {
    let part = |part: &Part| Part { dots: Vec::new(), ..part.clone() };
    Record { parts: record.parts.iter().map(part).collect(), ..record.clone() }
}

/// Returns the record that deletes all contents of `record`.
fn deletion(record: &Record) -> Record {
    let mut deletion = without_dots(record);
    let greatest = record.parts.iter().map(|part| part.entry).max().unwrap_or(0);
    deletion.parts.push(Part { node: DELETER, entry: greatest + 1, dots: Vec::new() });
    deletion.parts.sort_by_key(|part| part.node);
    deletion
}

/// The entries, the numbers of dots and the number of suppressed digests of a record.
fn shown(record: &Record) -> String {
    let part = |part: &Part| format!("{}: {} ({})", hex(&part.node), part.entry, part.dots.len());
    let parts: Vec<String> = record.parts.iter().map(part).collect();
    format!("{{{}; {} suppressed}}", parts.join(", "), record.suppressed.len())
}
