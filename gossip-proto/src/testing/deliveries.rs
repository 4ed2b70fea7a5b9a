//! The laws for deliveries that contain several records.

use std::format;
use std::vec::Vec;

use super::join::join;
use super::law::{Checked, all, delivery, expect};
use super::{Replica, ViewLaw};
use crate::{Delivery, Record, View};

/// Delivers a record without its content between two complete ones: only the incomplete one must be
/// refused.
pub(super) fn refusals<R: Replica>(from: &R, new: &impl Fn([u8; 32]) -> R) -> Checked {
    let (from, to) = (from.pin(), new([3; 32]));
    let records: Vec<Record> = all(&from).into_iter().take(3).collect();
    let mut delivered = delivery(&from, records.clone());
    let [first, refused, last] = &records[..] else { return Ok(()) };
    delivered.contents.retain(|(digest, _)| !refused.contents().any(|named| named == digest));
    let receipt = to.pin().apply(delivered);
    let view = to.pin();
    let is_held = |record: &Record| view.record(&view.key_of(&record.id)).as_ref() == Some(record);
    let only = receipt.rejected.len() == 1 && receipt.rejected[0].0 == refused.id;
    let kept = only && receipt.applied == 2 && is_held(first) && is_held(last);
    expect(ViewLaw::Deliveries, kept, || {
        format!("two valid records and one without its content, in one delivery, give {receipt:?}")
    })
}

/// Delivers two records of one id at once: they must be joined.
pub(super) fn joins<R: Replica>(a: &R, b: &R, new: &impl Fn([u8; 32]) -> R, id: &str) -> Checked {
    let (a, b) = (a.pin(), b.pin());
    for views in [[&a, &b], [&b, &a]] {
        let [first, second] = views.map(|view| of_id(view, id));
        let mut expected = Record { id: id.into(), ..Record::default() };
        first.records.iter().chain(&second.records).for_each(|r| join(&mut expected, r.clone()));
        let (mut both, to) = (first, new([3; 32]));
        both.records.extend(second.records);
        both.contents.extend(second.contents);
        let receipt = to.pin().apply(both);
        let found = of_id(&to.pin(), id).records;
        expect(ViewLaw::Deliveries, found == [expected], || {
            format!("two records of {id:?} in one delivery are not joined: {receipt:?}")
        })?;
    }
    Ok(())
}

fn of_id<V: View>(view: &V, id: &str) -> Delivery<V::Content> {
    delivery(view, view.record(&view.key_of(id)).into_iter().collect())
}
