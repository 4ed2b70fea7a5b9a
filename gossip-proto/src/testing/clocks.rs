//! The laws of a view's clocks; a view without clocks satisfies them trivially.

use std::collections::BTreeMap;
use std::format;
use std::vec::Vec;

use super::law::{Checked, all, delivery, expect, hex, id};
use super::{Replica, ViewLaw};
use crate::tag::{self, KEY_LEN};
use crate::{Clocks, VersionRange, View, short};

/// The context entries of one node, ascending, with the keys of their records.
type Entries = Vec<(u64, [u8; KEY_LEN])>;

/// Compares the clocks of a replica with its records.
pub(super) fn index<R: Replica>(replica: &R) -> Checked {
    let view = replica.pin();
    let nodes = entries(&view);
    let mut checked = Ok(());
    view.with_clocks(&mut |clocks| {
        checked = nodes.iter().try_for_each(|(node, entries)| of_node(clocks, node, entries));
    });
    checked
}

fn of_node(clocks: &mut dyn Clocks, node: &[u8; 32], entries: &Entries) -> Checked {
    let range = VersionRange { node: short(node), above: 0, upper: u64::MAX };
    let (records, count) = (clocks.records(&range, usize::MAX), clocks.count(&range));
    let held = entries.len();
    expect(ViewLaw::Clocks, records == *entries && count == held as u64, || {
        let (node, listed) = (hex(node), records.len());
        format!(
            "{held} records have an entry of {node}, but the clocks list {listed} and count {count}"
        )
    })?;
    let greatest = entries.last().map_or(0, |(entry, _)| *entry);
    let (known, handled) = (clocks.greatest().get(&range.node), clocks.summary().get(&range.node));
    expect(ViewLaw::Clocks, known == greatest && handled <= greatest, || {
        let node = hex(node);
        format!("the greatest entry of {node} is {greatest}, not {known}; handled up to {handled}")
    })
}

/// Checks that a node's own writes count as handled.
pub(super) fn own_writes<R: Replica>(new: &impl Fn([u8; 32]) -> R) -> Checked {
    let (node, mut replica) = ([3; 32], new([3; 32]));
    (0..2).for_each(|number| replica.write(&id(number), number));
    let view = replica.pin();
    let mut handled = None;
    view.with_clocks(&mut |clocks| handled = Some(clocks.summary().get(&short(&node))));
    let written = entries(&view).get(&node).and_then(|entries| Some(entries.last()?.0));
    expect(ViewLaw::Clocks, handled.is_none() || handled == written, || {
        format!("the node wrote up to {written:?}, but has handled its versions up to {handled:?}")
    })
}

/// Applies only the newest record of a node, which must not count as handled.
pub(super) fn arrivals<R: Replica>(from: &R, new: &impl Fn([u8; 32]) -> R) -> Checked {
    let (from, to) = (from.pin(), new([3; 32]));
    let nodes = entries(&from);
    let Some((node, [(first, _), .., (_, newest)])) =
        nodes.iter().map(|(node, entries)| (node, &entries[..])).max_by_key(|(_, all)| all.len())
    else {
        return Ok(());
    };
    let is_newest = |id: &str| tag::key(&from.key_of(id)) == *newest;
    let records = all(&from).into_iter().filter(|record| is_newest(&record.id)).collect();
    let mut view = to.pin();
    view.apply(delivery(&from, records));
    let mut handled = 0;
    view.with_clocks(&mut |clocks| handled = clocks.summary().get(&short(node)));
    expect(ViewLaw::Clocks, handled < *first, || {
        let node = hex(node);
        format!("the versions of {node} up to {handled} are handled, but {first} never arrived")
    })
}

fn entries(view: &impl View) -> BTreeMap<[u8; 32], Entries> {
    let mut nodes: BTreeMap<[u8; 32], Entries> = BTreeMap::new();
    for record in all(view) {
        let key = tag::key(&view.key_of(&record.id));
        for (node, entry) in record.context() {
            nodes.entry(node).or_default().push((entry, key));
        }
    }
    nodes.values_mut().for_each(|entries| entries.sort_unstable());
    nodes
}
