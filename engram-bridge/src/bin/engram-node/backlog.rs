//! The snapshots that a file already holds when the node begins to follow it.

use std::collections::BTreeMap;
use std::sync::Arc;

use engram_bridge::snapshot_file::{FileSnapshot, RejectedLine};
use engram_bridge::{ConsolidationSnapshot, SemanticPattern};
use engram_gossip_proto::SpaceId;

/// The last pattern of each id in a sequence of snapshots, by space.
///
/// Submitting them as one snapshot has the same result as submitting the snapshots one after the
/// other. Patterns that equal the last submissions in the node's store are not written again after
/// a restart.
#[derive(Default)]
pub(crate) struct Backlog {
    spaces: BTreeMap<SpaceId, Gathered>,
}

struct Gathered {
    /// The union so far.
    union: FileSnapshot,
    /// The index of each id in the union.
    places: BTreeMap<String, usize>,
}

impl Backlog {
    /// Adds a later snapshot. A pattern for which `refusal` returns a reason does not replace an
    /// earlier one.
    pub(crate) fn add(
        &mut self,
        read: FileSnapshot,
        refusal: impl Fn(&Arc<SemanticPattern>) -> Option<String>,
    ) {
        let gathered = self.spaces.entry(read.space.clone());
        gathered.or_insert_with(|| Gathered::like(&read)).add(read, refusal);
    }

    /// One snapshot for each space.
    pub(crate) fn snapshots(self) -> impl Iterator<Item = FileSnapshot> {
        self.spaces.into_values().map(|gathered| gathered.union)
    }
}

impl Gathered {
    fn like(read: &FileSnapshot) -> Self {
        let union = FileSnapshot {
            space: read.space.clone(),
            run: read.run,
            snapshot: ConsolidationSnapshot::default(),
            lines: Vec::new(),
            rejected: Vec::new(),
        };
        Self { union, places: BTreeMap::new() }
    }

    fn add(
        &mut self,
        read: FileSnapshot,
        refusal: impl Fn(&Arc<SemanticPattern>) -> Option<String>,
    ) {
        let FileSnapshot { run, snapshot, lines, rejected, .. } = read;
        let union = &mut self.union;
        (union.run, union.snapshot.generated_at) = (run, snapshot.generated_at);
        union.rejected.extend(rejected);
        for (pattern, line) in snapshot.patterns.into_iter().zip(lines) {
            // If two patterns on one line have the same id, keep both: the store refuses the second one.
            let earlier = self.places.get(&pattern.id).filter(|place| union.lines[**place] != line);
            let Some(&place) = earlier else {
                self.places.insert(pattern.id.clone(), union.lines.len());
                union.snapshot.patterns.push(pattern);
                union.lines.push(line);
                continue;
            };
            match refusal(&pattern) {
                None => {
                    union.snapshot.patterns[place] = pattern;
                    union.lines[place] = line;
                }
                Some(reason) => {
                    let pattern = Some(pattern.id.clone());
                    union.rejected.push(RejectedLine { line, pattern, reason });
                }
            }
        }
    }
}
