//! The laws of digests: a change to one record changes exactly the digests above it.

use std::format;
use std::string::ToString;
use std::vec::Vec;

use super::law::{Checked, all, delivery, expect};
use super::{Replica, ViewLaw};
use crate::{Entry, Prefix, View};

/// Adds one record: exactly the digests above it must differ.
pub(super) fn added<R: Replica>(from: &R, new: &impl Fn([u8; 32]) -> R) -> Checked {
    let mut to = new([3; 32]);
    let from = from.pin();
    to.pin().apply(delivery(&from, all(&from)));
    to.write("one more", 9);
    let to = to.pin();
    let key = to.key_of("one more");
    told_apart(&from, &to, &key)
}

/// Checks that exactly the digests above `key` differ: its record is the only one that is changed
/// or new in `to`.
pub(super) fn told_apart<V: View>(from: &V, to: &V, key: &[u8; 32]) -> Checked {
    expect(ViewLaw::Digests, from.summary().root != to.summary().root, || {
        "two different states have the same root".to_string()
    })?;
    let (left, right) = (from.entries(&Prefix::ROOT), to.entries(&Prefix::ROOT));
    let differs = |entry: &&Entry| left.binary_search(entry).is_err();
    let changed: Vec<_> = right.iter().filter(differs).map(|entry| entry.key).collect();
    expect(ViewLaw::Digests, changed == [*key], || {
        format!("one record changed, but {} entries differ", changed.len())
    })?;
    let mut prefix = Prefix::ROOT;
    while to.count(&prefix) > 1 {
        let (left, right) = (from.children(&prefix), to.children(&prefix));
        let children = (0..16).filter_map(|nibble| prefix.child(nibble));
        let mut next = None;
        for ((child, left), right) in children.zip(left).zip(right) {
            let above = child.contains(key);
            expect(ViewLaw::Digests, (left != right) == above, || {
                let difference = if above { "must differ" } else { "must be equal" };
                format!("child digests below {} bits {difference}", prefix.bit_len())
            })?;
            next = if above { Some(child) } else { next };
        }
        let Some(child) = next else { break };
        prefix = child;
    }
    Ok(())
}
