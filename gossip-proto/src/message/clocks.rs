//! Delta by clocks: version summaries, range offers and range answers.

use alloc::vec::Vec;

use crate::clocks::{BaseId, ShortNode, VersionSummary};
use crate::limits::MAX_SUMMARY;
use crate::wire::{Reader, put, put_bytes, put_count};
use crate::{DecodeError, ProtocolViolation, VersionRange};

/// The sender's version summary of one space; the receiver sends the records above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versions {
    /// Index of the space in the table.
    pub space: u32,
    /// The base of the entries.
    pub base: VersionBase,
    /// Entries that differ from those of the base: their index in the base, strictly ascending, and
    /// the difference modulo 2^64.
    pub changes: Vec<(u32, i64)>,
    /// Entries of nodes that the base lacks, strictly ascending by node, each at least 1.
    pub others: Vec<(ShortNode, u64)>,
    /// Whether the receiver must send its own summary again, without a base, because the sender
    /// does not keep the base of the summary that it received.
    pub repeat: bool,
}

/// The base of a version summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionBase {
    /// No base: the message contains the whole summary.
    Whole,
    /// The summary that both sides keep under this id.
    Kept(BaseId),
    /// The summary that the receiver sent in this session.
    Yours,
}

/// The ranges of the sender's records above the receiver's summary. Sent before the records if
/// there are many, or if the receiver asks for offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeOffer {
    /// Index of the space in the table.
    pub space: u32,
    /// Each node with the upper end of its range and the number of records in it, both at least 1,
    /// strictly ascending by node. The lower end is the node's entry in the receiver's summary.
    pub ranges: Vec<(ShortNode, u64, u64)>,
}

/// The offered ranges that the sender takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeAnswer {
    /// Index of the space in the table.
    pub space: u32,
    /// One bit for each range, least significant first.
    pub taken: Vec<u8>,
}

impl Versions {
    /// Expresses `summary` relative to a base, whose summary is `known`.
    pub(crate) fn relative(
        space: u32,
        summary: &VersionSummary,
        base: VersionBase,
        known: &VersionSummary,
    ) -> Self {
        let difference = |(at, (node, version)): (usize, (ShortNode, u64))| {
            let difference = summary.get(&node).wrapping_sub(version) as i64;
            (difference != 0).then_some((at as u32, difference))
        };
        let changes = known.iter().enumerate().filter_map(difference).collect();
        let others = summary.iter().filter(|(node, _)| known.get(node) == 0).collect();
        Self { space, base, changes, others, repeat: false }
    }

    /// Resolves the summary against `known`, the summary of its base.
    ///
    /// # Errors
    /// Fails if the summary does not fit its base.
    pub(crate) fn resolve(
        &self,
        known: &VersionSummary,
    ) -> Result<VersionSummary, ProtocolViolation> {
        let mut entries: Vec<(ShortNode, u64)> = known.iter().collect();
        for (at, difference) in &self.changes {
            let entry = entries.get_mut(*at as usize);
            let (_, version) = entry.ok_or(ProtocolViolation::SummaryBeyondBase)?;
            *version = version.wrapping_add(*difference as u64);
        }
        if self.others.iter().any(|(node, _)| known.get(node) > 0) {
            return Err(ProtocolViolation::SummaryRepeatsBase);
        }
        entries.extend(&self.others);
        Ok(entries.into_iter().collect())
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put(out, &self.space);
        let form = match self.base {
            VersionBase::Whole => WHOLE,
            VersionBase::Kept(_) => KEPT,
            VersionBase::Yours => YOURS,
        };
        out.push(form | if self.repeat { REPEAT } else { 0 });
        if let VersionBase::Kept(id) = &self.base {
            out.extend_from_slice(id);
        }
        if self.base != VersionBase::Whole {
            put_count(out, self.changes.len());
            self.changes.iter().for_each(|change| put(out, change));
        }
        put_count(out, self.others.len());
        let greatest = greatest(&self.others);
        if let Some(greatest) = greatest {
            out.extend_from_slice(&greatest.to_le_bytes());
        }
        for (node, version) in &self.others {
            out.extend_from_slice(node);
            put(out, &(greatest.unwrap_or(0) - version));
        }
    }

    pub(super) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let space = r.take("the space of a version summary")?;
        let form: u8 = r.take("the base of a version summary")?;
        let base = match form & !REPEAT {
            WHOLE => VersionBase::Whole,
            KEPT => VersionBase::Kept(r.array("the base of a version summary")?),
            YOURS => VersionBase::Yours,
            _ => return Err(DecodeError::Invalid("the base of a version summary")),
        };
        let changes = match base {
            VersionBase::Whole => Vec::new(),
            _ => r.list("entries of a version summary", MAX_SUMMARY, 2, take_change)?,
        };
        let others = take_others(r)?;
        if !changes.is_sorted_by(|(a, _), (b, _)| a < b) || !others.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(DecodeError::NotCanonical("the order of a version summary"));
        }
        Ok(Self { space, base, changes, others, repeat: form & REPEAT != 0 })
    }
}

const WHOLE: u8 = 0;
const KEPT: u8 = 1;
const YOURS: u8 = 2;
const REPEAT: u8 = 4;

fn greatest(entries: &[(ShortNode, u64)]) -> Option<u64> {
    entries.iter().map(|(_, version)| *version).max()
}

fn take_change(r: &mut Reader<'_>) -> Result<(u32, i64), DecodeError> {
    let (at, difference) = r.take("a change in a version summary")?;
    if difference == 0 {
        return Err(DecodeError::NotCanonical("a change in a version summary"));
    }
    Ok((at, difference))
}

fn take_others(r: &mut Reader<'_>) -> Result<Vec<(ShortNode, u64)>, DecodeError> {
    const WHAT: &str = "an entry of a version summary";
    let count = r.count("entries of a version summary", MAX_SUMMARY, size_of::<ShortNode>() + 1)?;
    if count == 0 {
        return Ok(Vec::new());
    }
    let told = u64::from_le_bytes(r.array(WHAT)?);
    let others: Vec<_> = (0..count)
        .map(|_| {
            let node = r.array(WHAT)?;
            match told.checked_sub(r.take(WHAT)?) {
                None | Some(0) => Err(DecodeError::Invalid(WHAT)),
                Some(version) => Ok((node, version)),
            }
        })
        .collect::<Result<_, _>>()?;
    if greatest(&others) == Some(told) { Ok(others) } else { Err(DecodeError::NotCanonical(WHAT)) }
}

impl RangeOffer {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put(out, &self.space);
        put_count(out, self.ranges.len());
        for (node, upper, count) in &self.ranges {
            out.extend_from_slice(node);
            out.extend_from_slice(&upper.to_le_bytes());
            put(out, count);
        }
    }

    pub(super) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let space = r.take("the space of an offer")?;
        let ranges: Vec<(ShortNode, u64, u64)> =
            r.list("ranges of an offer", MAX_SUMMARY, 17, |r| {
                let (node, upper) = (r.array("a range")?, u64::from_le_bytes(r.array("a range")?));
                let records = r.take("a range")?;
                if upper == 0 || records == 0 {
                    return Err(DecodeError::Invalid("a range"));
                }
                Ok((node, upper, records))
            })?;
        if !ranges.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(DecodeError::NotCanonical("the order of an offer"));
        }
        Ok(Self { space, ranges })
    }
}

impl RangeAnswer {
    /// Builds the answer that takes the ranges for which `takes` returns true.
    pub(crate) fn to(
        offer: &RangeOffer,
        mut takes: impl FnMut(&(ShortNode, u64, u64)) -> bool,
    ) -> Self {
        let mut taken = alloc::vec![0; offer.ranges.len().div_ceil(8)];
        for (at, range) in offer.ranges.iter().enumerate() {
            taken[at / 8] |= u8::from(takes(range)) << (at % 8);
        }
        Self { space: offer.space, taken }
    }

    /// Checks that there is one bit for each range of `offer`, and that no bit beyond them is set.
    pub(crate) fn check(&self, offer: &RangeOffer) -> Result<(), ProtocolViolation> {
        let ranges = offer.ranges.len();
        if self.taken.len() != ranges.div_ceil(8) {
            return Err(ProtocolViolation::TakenCount);
        }
        if (ranges..8 * self.taken.len()).any(|at| self.takes(at)) {
            return Err(ProtocolViolation::TakenBeyondOffer);
        }
        Ok(())
    }

    /// Whether the range at index `at` was taken.
    pub(crate) fn takes(&self, at: usize) -> bool {
        self.taken.get(at / 8).is_some_and(|byte| byte & 1 << (at % 8) != 0)
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put(out, &self.space);
        put_bytes(out, &self.taken);
    }

    pub(super) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let space = r.take("the space of an answer")?;
        Ok(Self { space, taken: r.bytes("the taken ranges", MAX_SUMMARY / 8)?.into() })
    }
}

/// Returns an offered range with its lower end, the node's entry in the receiver's summary.
pub(crate) fn range_of(
    (node, upper, _): &(ShortNode, u64, u64),
    summary: &VersionSummary,
) -> VersionRange {
    VersionRange { node: *node, above: summary.get(node), upper: *upper }
}
