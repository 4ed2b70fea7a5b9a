//! The costs of a run.

use std::collections::BTreeMap;

use crate::{Ending, Outcome};

/// The counts of all nodes together so far. Those from [`records`](Self::records) to
/// [`descents`](Self::descents) leave out the ends of sessions that were refused or cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Sessions opened.
    pub sessions: u64,
    /// Endings of sessions, counted per end: `in sync`, `synced`, `unsendable`, `budget spent`,
    /// `not accepted`, `nothing shared`, `failed` (reported by the sync machine), `busy`, `crossed`
    /// and `over quota` (refused by the peer), and `cut` (the stream, the connection or the peer
    /// failed).
    pub endings: BTreeMap<&'static str, u64>,
    /// Maximum number of concurrent sessions.
    pub most_at_once: usize,
    /// Maximum number of concurrent sessions of one node.
    pub most_at_one_node: usize,
    /// Frames sent.
    pub frames: u64,
    /// Bytes of the sent frames, with frame headers, without the overhead of the transport.
    pub frame_bytes: u64,
    /// Adverts sent.
    pub adverts: u64,
    /// Bytes of the sent adverts.
    pub advert_bytes: u64,
    /// Records received.
    pub records: u64,
    /// Records received that were already known or outdated.
    pub stale: u64,
    /// Bytes of frames that carry records or contents; each counts at both ends.
    pub record_bytes: u64,
    /// Bytes of records that were already known, outdated or not asked for.
    pub wasted_bytes: u64,
    /// Records received and refused.
    pub rejected: u64,
    /// Records that a session left to another session of the same node.
    pub left_to_others: u64,
    /// Sessions that found a space with different roots; each counts at both ends.
    pub differed: u64,
    /// Sessions that compared trees. Each counts at both ends if a delta by clocks came first,
    /// otherwise only at the end that began the comparison.
    pub descents: u64,
    /// Peers reported as stalled.
    pub stalls: u64,
}

impl Tally {
    pub(super) fn note_outcome(&mut self, outcome: &Outcome) {
        self.note_ending(match outcome.result {
            Ending::InSync => "in sync",
            Ending::Synced => "synced",
            Ending::Unsendable => "unsendable",
            Ending::BudgetSpent => "budget spent",
            Ending::NotAccepted => "not accepted",
            Ending::NothingShared => "nothing shared",
            Ending::Failed(_) => "failed",
        });
        self.records += outcome.stats.records_in;
        self.stale += outcome.stats.stale;
        self.record_bytes += outcome.stats.record_bytes;
        self.wasted_bytes += outcome.stats.wasted_bytes;
        self.rejected += outcome.stats.rejected;
        self.left_to_others += outcome.stats.left_to_others;
        self.differed += u64::from(outcome.spaces.iter().any(|space| space.differed));
        self.descents += u64::from(outcome.stats.descents > 0);
    }

    pub(super) fn note_ending(&mut self, ending: &'static str) {
        *self.endings.entry(ending).or_default() += 1;
    }

    /// All bytes sent.
    pub fn bytes(&self) -> u64 {
        self.frame_bytes + self.advert_bytes
    }
}
