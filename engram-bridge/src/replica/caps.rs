//! Limits on the data that members can make a node keep.

use crate::replica::record::Record;

/// Limits on the data that members can make a node keep, in total over all of its spaces unless a
/// field states otherwise.
///
/// A cap never refuses a submission by the node's own engine, or a roster member's write to a
/// record whose id is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Caps {
    /// Records with live dots. Default: 2,000,000.
    pub live_records: u64,
    /// Deletions, which are records without live dots, and digests that records suppress or once
    /// suppressed. Default: 2,000,000.
    pub deletions: u64,
    /// Bytes of contents, with four bytes for each number of an embedding. Default: 8 GiB.
    pub content_bytes: u64,
    /// Context entries of nodes that the roster does not list, per space. Default: 2,000,000.
    pub unlisted_entries: u64,
}

impl Caps {
    pub(crate) const fn limit(&self, cap: Cap) -> u64 {
        match cap {
            Cap::LiveRecords => self.live_records,
            Cap::Deletions => self.deletions,
            Cap::ContentBytes => self.content_bytes,
            Cap::UnlistedEntries => self.unlisted_entries,
        }
    }
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            live_records: 2_000_000,
            deletions: 2_000_000,
            content_bytes: 8 << 30,
            unlisted_entries: 2_000_000,
        }
    }
}

/// A cap of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Cap {
    /// [`Caps::live_records`].
    LiveRecords,
    /// [`Caps::deletions`].
    Deletions,
    /// [`Caps::content_bytes`].
    ContentBytes,
    /// [`Caps::unlisted_entries`].
    UnlistedEntries,
}

impl Cap {
    /// All caps.
    pub const ALL: [Self; 4] =
        [Self::LiveRecords, Self::Deletions, Self::ContentBytes, Self::UnlistedEntries];

    /// The configuration key that sets the cap.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::LiveRecords => "store.max_live_records",
            Self::Deletions => "store.max_deletions",
            Self::ContentBytes => "store.max_content_mib",
            Self::UnlistedEntries => "store.max_unlisted_entries",
        }
    }
}

/// The usage of a cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CapUsage {
    /// The cap.
    pub cap: Cap,
    /// The amount that the node keeps; for [`Cap::UnlistedEntries`], in the space that keeps the
    /// most.
    pub used: u64,
    /// The limit.
    pub limit: u64,
}

impl CapUsage {
    /// Whether at least 80 % of the cap is used.
    #[must_use]
    pub const fn is_near(&self) -> bool {
        self.used as u128 * 100 >= self.limit as u128 * NEAR_PERCENT
    }
}

/// The usage, in percent of a cap, at which an operator should raise the cap.
const NEAR_PERCENT: u128 = 80;

/// The maximum number of nodes outside the roster that one record may name.
pub const MAX_UNLISTED_NODES: usize = 4_096;

/// The amounts that caps limit in total over all spaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) live_records: u64,
    pub(crate) deletions: u64,
    pub(crate) bytes: u64,
}

impl Usage {
    /// The usage of one record, without its contents.
    pub(crate) fn of(record: &Record) -> Self {
        let is_live = !record.is_deletion();
        let is_deletion = !is_live && *record != Record::default();
        let suppressed = record.suppression.len() as u64;
        Self {
            live_records: u64::from(is_live),
            deletions: u64::from(is_deletion) + suppressed,
            bytes: 0,
        }
    }

    /// Replaces the share `before` of this usage with `after`.
    pub(crate) fn replace(&mut self, before: Self, after: Self) {
        self.live_records = self.live_records + after.live_records - before.live_records;
        self.deletions = self.deletions + after.deletions - before.deletions;
        self.bytes = self.bytes + after.bytes - before.bytes;
    }

    /// The first cap, in the order of [`Cap::ALL`], that this usage exceeds.
    pub(crate) fn exceeds(&self, caps: &Caps) -> Option<Cap> {
        let exceeded = [
            (self.live_records > caps.live_records, Cap::LiveRecords),
            (self.deletions > caps.deletions, Cap::Deletions),
            (self.bytes > caps.content_bytes, Cap::ContentBytes),
        ];
        exceeded.into_iter().find_map(|(exceeded, cap)| exceeded.then_some(cap))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cap_is_near_from_eighty_percent() {
        let usage = |used, limit| CapUsage { cap: Cap::Deletions, used, limit };
        assert!(!usage(799, 1_000).is_near() && usage(800, 1_000).is_near());
        assert!(!usage(0, 1).is_near() && usage(u64::MAX, u64::MAX).is_near());
    }
}
