//! What a run cost.

use std::collections::BTreeMap;

use crate::{Ending, Outcome};

/// What all nodes together did so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Sessions that were opened.
    pub sessions: u64,
    /// How they ended, each end for itself: `in sync`, `synced`, `budget spent`, `nothing shared`,
    /// `failed` (the machine said so), `busy`, `crossed`, `over quota` (the peer refused it), `cut`
    /// (the stream or the node died).
    pub endings: BTreeMap<&'static str, u64>,
    /// The most sessions that ran at the same time.
    pub most_at_once: usize,
    /// The most sessions that one node took part in at the same time.
    pub most_at_one_node: usize,
    /// Frames that were sent.
    pub frames: u64,
    /// Their bytes, headers included; not those of the transport.
    pub frame_bytes: u64,
    /// Adverts that were sent.
    pub adverts: u64,
    /// Their bytes.
    pub advert_bytes: u64,
    /// Records that arrived.
    pub records: u64,
    /// Records that arrived and were known already: waste.
    pub stale: u64,
    /// Bytes of frames that carry records; each counts at both ends.
    pub record_bytes: u64,
    /// Bytes of records that were known already or not asked for.
    pub wasted_bytes: u64,
    /// Records that arrived and were refused.
    pub rejected: u64,
    /// Peers that were reported as stalled.
    pub stalls: u64,
}

impl Tally {
    pub(super) fn note_outcome(&mut self, outcome: &Outcome) {
        self.note_ending(match outcome.result {
            Ending::InSync => "in sync",
            Ending::Synced => "synced",
            Ending::Unsendable => "unsendable",
            Ending::BudgetSpent => "budget spent",
            Ending::NothingShared => "nothing shared",
            Ending::Failed(_) => "failed",
        });
        self.records += outcome.stats.records_in;
        self.stale += outcome.stats.stale;
        self.record_bytes += outcome.stats.record_bytes;
        self.wasted_bytes += outcome.stats.wasted_bytes;
        self.rejected += outcome.stats.rejected;
    }

    pub(super) fn note_ending(&mut self, ending: &'static str) {
        *self.endings.entry(ending).or_default() += 1;
    }

    /// All bytes that were sent.
    pub fn bytes(&self) -> u64 {
        self.frame_bytes + self.advert_bytes
    }
}
