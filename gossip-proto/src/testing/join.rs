//! The join of two records of one id.

use std::collections::BTreeMap;
use std::vec::Vec;

use crate::{Part, Record};

/// Joins `theirs` into `held`, part by part.
pub(super) fn join(held: &mut Record, theirs: Record) {
    theirs.parts.into_iter().for_each(|part| join_part(held, part));
    join_suppressed(held, theirs.suppressed);
}

/// Keeps a dot if both sides hold it, or if the side that lacks it has not seen it.
fn join_part(record: &mut Record, theirs: Part) {
    let Some(ours) = record.parts.iter_mut().find(|part| part.node == theirs.node) else {
        record.parts.push(theirs);
        record.parts.sort_by_key(|part| part.node);
        return;
    };
    let stays = |dot: &(u64, [u8; 32]), other: &Part| {
        dot.0 > other.entry || other.dots.binary_search(dot).is_ok()
    };
    let mut dots: Vec<_> = ours.dots.iter().filter(|dot| stays(dot, &theirs)).copied().collect();
    dots.extend(theirs.dots.iter().filter(|dot| stays(dot, ours)));
    dots.sort_unstable();
    dots.dedup();
    ours.dots = dots;
    ours.entry = ours.entry.max(theirs.entry);
}

/// Keeps the greater length of each digest.
fn join_suppressed(record: &mut Record, theirs: Vec<([u8; 32], u32)>) {
    let mut all: BTreeMap<[u8; 32], u32> = record.suppressed.drain(..).collect();
    for (digest, length) in theirs {
        let held = all.entry(digest).or_default();
        *held = length.max(*held);
    }
    record.suppressed.extend(all);
}
