//! The law suite, with those of its laws that have no module of their own.

use std::collections::BTreeSet;
use std::format;
use std::string::ToString;
use std::vec::Vec;

use super::convergence::convergence;
use super::law::{Checked, IDS, all, delivery, expect, id};
use super::reads::reads;
use super::{BrokenView, Replica, ViewLaw, changes, clocks, deliveries, digests, ids, reopen};
use crate::{Delivery, Part, Prefix, Record, View};

/// Checks the laws of a view on replicas from `new`, which creates an empty replica on the node
/// with the given id.
///
/// # Errors
/// [`BrokenView`] names the first broken law. A panic of the view propagates.
pub fn check_view<R: Replica>(new: impl Fn([u8; 32]) -> R) -> Result<(), BrokenView> {
    let (mut a, mut b) = (new([1; 32]), new([2; 32]));
    reads(&a.pin(), &BTreeSet::new())?;
    for number in 0..IDS {
        a.write(&id(number), number);
        b.write(&id(number + IDS / 2), IDS + number);
    }
    for (replica, first) in [(&a, 0), (&b, IDS / 2)] {
        reads(&replica.pin(), &(first..first + IDS).map(id).collect())?;
    }
    pinned(&mut a)?;
    applies(&a, &new)?;
    verification(&a, &new)?;
    deliveries::refusals(&a, &new)?;
    order(&a, &new)?;
    ids::kept(&new)?;
    parts(&a, &b, &new)?;
    deliveries::joins(&a, &b, &new, &id(IDS / 2))?;
    digests::added(&a, &new)?;
    changes::joins(&a, &b, &new)?;
    repin(&mut a)?;
    convergence(&a, &b)?;
    changes::after_sync(&mut a, &mut b)?;
    clocks::index(&a)?;
    clocks::arrivals(&a, &new)?;
    clocks::own_writes(&new)?;
    reopen::unchanged(&mut a)
}

fn pinned<R: Replica>(replica: &mut R) -> Checked {
    let view = replica.pin();
    let picture = |view: &R::View| {
        (view.summary().root, view.children(&Prefix::ROOT), view.entries(&Prefix::ROOT))
    };
    let before = picture(&view);
    replica.write("written later", 7);
    expect(ViewLaw::Pinned, picture(&view) == before, || {
        "a write after the view was made changes its summary, children or entries".to_string()
    })?;
    live(&view, &replica.pin())
}

/// Compares the live summary of `view` with the summary of `fresh`, pinned after the last change.
fn live<V: View>(view: &V, fresh: &V) -> Checked {
    let (live, fresh) = (view.live_summary(), fresh.summary());
    let is_live = (live.root, live.count) == (fresh.root, fresh.count);
    expect(ViewLaw::LiveSummary, is_live, || {
        "after a change, live_summary differs from the summary of a new view".to_string()
    })
}

fn applies<R: Replica>(from: &R, new: &impl Fn([u8; 32]) -> R) -> Checked {
    let (from, to) = (from.pin(), new([3; 32]));
    let (records, mut view) = (all(&from), to.pin());
    let number = records.len() as u32;
    let receipt = view.apply(delivery(&from, records.clone()));
    expect(ViewLaw::Apply, receipt.applied == number && receipt.rejected.is_empty(), || {
        format!("of {number} new records, {} were applied: {receipt:?}", receipt.applied)
    })?;
    live(&view, &to.pin())?;
    let root = to.pin().summary().root;
    expect(ViewLaw::Apply, root == from.summary().root, || {
        "a replica that has applied all records of another has a different root".to_string()
    })?;
    let receipt = view.apply(delivery(&from, records));
    let unchanged = to.pin().summary().root == root;
    expect(ViewLaw::Idempotence, receipt.stale == number && unchanged, || {
        format!("of {number} known records, {} were stale: {receipt:?}", receipt.stale)
    })
}

fn verification<R: Replica>(from: &R, new: &impl Fn([u8; 32]) -> R) -> Checked {
    let from = from.pin();
    let Some(record) = all(&from).into_iter().next() else { return Ok(()) };
    let Some(digest) = record.contents().next() else {
        return expect(ViewLaw::Contents, false, || {
            "a written record names no content".to_string()
        });
    };
    let to = new([3; 32]);
    let mut view = to.pin();
    let before = view.summary().root;
    let receipt =
        view.apply(Delivery { records: Vec::from([record.clone()]), contents: Vec::new() });
    let (root, refused) = (to.pin().summary().root, receipt.rejected.len());
    expect(ViewLaw::Verification, refused == 1 && root == before, || {
        format!("a record without its content was not refused: {receipt:?}")
    })?;
    expect(ViewLaw::Verification, !to.pin().holds(digest), || {
        "the missing content of a record is held".to_string()
    })
}

/// Checks that records applied one by one in reverse order give the same root.
fn order<R: Replica>(from: &R, new: &impl Fn([u8; 32]) -> R) -> Checked {
    let (from, to) = (from.pin(), new([3; 32]));
    let mut view = to.pin();
    for record in all(&from).into_iter().rev() {
        view.apply(delivery(&from, Vec::from([record])));
    }
    expect(ViewLaw::Order, to.pin().summary().root == from.summary().root, || {
        "records applied one by one in reverse order lead to a different root".to_string()
    })
}

/// Checks that the parts of a record that two nodes wrote, applied in both orders, give the same
/// root.
fn parts<R: Replica>(a: &R, b: &R, new: &impl Fn([u8; 32]) -> R) -> Checked {
    let (merged, common) = (new([3; 32]), id(IDS / 2));
    let mut view = merged.pin();
    for from in [a.pin(), b.pin()] {
        let key = from.key_of(&common);
        view.apply(delivery(&from, from.record(&key).into_iter().collect()));
    }
    let whole = merged.pin();
    let Some(record) = whole.record(&whole.key_of(&common)) else {
        return expect(ViewLaw::Records, false, || "an applied record is not found".to_string());
    };
    expect(ViewLaw::Parts, record.parts.len() == 2, || {
        format!("two nodes wrote {common:?}, but the record has {} parts", record.parts.len())
    })?;
    let mut pieces: Vec<Record> = record.parts.iter().map(|part| piece(&record, part)).collect();
    for _ in 0..2 {
        let to = new([4; 32]);
        let mut view = to.pin();
        for piece in &pieces {
            view.apply(delivery(&whole, Vec::from([piece.clone()])));
        }
        expect(ViewLaw::Parts, to.pin().summary().root == whole.summary().root, || {
            "the parts of a record, applied one by one, do not add up to the record".to_string()
        })?;
        pieces.reverse();
    }
    Ok(())
}

fn piece(record: &Record, part: &Part) -> Record {
    Record { parts: Vec::from([part.clone()]), ..record.clone() }
}

fn repin<R: Replica>(replica: &mut R) -> Checked {
    let mut view = replica.pin();
    if !view.with_clocks(&mut |_| ()) {
        return Ok(());
    }
    replica.write("written before repin", 8);
    view.repin();
    expect(ViewLaw::Repin, view.summary().root == replica.pin().summary().root, || {
        "after repin, the summary differs from the summary of the live tree".to_string()
    })
}
