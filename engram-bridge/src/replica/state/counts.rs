//! Counts of records by kind, updated with each change so that no caller waits for a full count.

use super::versions;
use crate::replica::record::Record;
use crate::replica::report::MANY_VERSIONS;

/// Counts of a space's records by kind, and of their suppressed digests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Records with more than one version to choose from.
    pub(super) conflicting: u64,
    /// Records with at least [`MANY_VERSIONS`](MANY_VERSIONS) versions to choose from.
    pub(super) crowded: u64,
    /// Records without live dots. A default record does not count.
    pub(super) deletions: u64,
    /// Digests that records suppress or once suppressed.
    pub(super) suppressed: u64,
}

impl Counts {
    fn of(record: &Record) -> Self {
        let versions = versions(record);
        Self {
            conflicting: u64::from(versions > 1),
            crowded: u64::from(versions >= MANY_VERSIONS),
            deletions: u64::from(record.is_deletion() && *record != Record::default()),
            suppressed: record.suppression.len() as u64,
        }
    }

    /// Counts `after` in place of `before`. A default record represents a missing one.
    pub(super) fn replace(&mut self, before: &Record, after: &Record) {
        let (before, after) = (Self::of(before), Self::of(after));
        self.conflicting = self.conflicting + after.conflicting - before.conflicting;
        self.crowded = self.crowded + after.crowded - before.crowded;
        self.deletions = self.deletions + after.deletions - before.deletions;
        self.suppressed = self.suppressed + after.suppressed - before.suppressed;
    }
}

#[cfg(test)]
mod tests {
    use engram_merkle::Digest;
    use engram_vclock::Dot;

    use super::*;

    /// A record of `nodes` nodes, each with one version.
    fn record(nodes: u8) -> Record {
        let mut record = Record::default();
        for node in 0..nodes {
            let (dot, digest) = (Dot::new([node; 32], 1), Digest::from([node; 32]));
            record.siblings.submit(dot, digest).unwrap();
        }
        record
    }

    fn counts([conflicting, crowded, deletions, suppressed]: [u64; 4]) -> Counts {
        Counts { conflicting, crowded, deletions, suppressed }
    }

    #[test]
    fn a_change_moves_a_record_between_kinds() {
        let mut deletion = record(1);
        _ = deletion.suppression.suppress(Digest::from([0; 32]));
        deletion.siblings.withdraw(Dot::new([0; 32], 2)).unwrap();
        let records = [Record::default(), record(1), record(2), record(8), deletion];
        let expected = [[0; 4], [0; 4], [1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1]].map(counts);
        for (before, was) in records.iter().zip(expected) {
            for (after, is) in records.iter().zip(expected) {
                let mut counts = Counts::default();
                counts.replace(&Record::default(), before);
                assert_eq!(counts, was);
                counts.replace(before, after);
                assert_eq!(counts, is);
            }
        }
    }
}
