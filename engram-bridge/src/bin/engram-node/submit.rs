//! Submission of a node's own snapshots.

use std::sync::Arc;

use engram_bridge::snapshot_file::{FileSnapshot, RejectedLine};
use engram_bridge::{ConsolidationCacheSource, Node, Space, SpaceId};

use crate::event::{Event, Snapshot};
use crate::notice;
use crate::report::Report;

/// Submits the snapshots of one file.
#[derive(Clone)]
pub(crate) struct Submitter {
    /// The name of the file in reports.
    pub(crate) name: String,
    pub(crate) node: Node,
    pub(crate) report: Report,
}

/// The outcome of a snapshot.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Taken {
    pub(crate) taken: usize,
    pub(crate) written: usize,
    /// Patterns that are only in memory until the first contact of their space.
    pub(crate) waiting: usize,
    pub(crate) rejected: usize,
}

impl Submitter {
    /// Submits a snapshot, and reports the patterns left out. Waits for the disk.
    ///
    /// # Errors
    /// The reason, which may be temporary and is also reported. Parts of the snapshot that were committed earlier
    /// remain stored.
    pub(crate) fn submit(&self, read: &FileSnapshot) -> Result<Taken, String> {
        let space = match self.space(&read.space) {
            Ok(space) => space,
            Err(reason) => {
                for (line, pattern) in read.lines.iter().zip(&read.snapshot.patterns) {
                    let (pattern, reason) = (Some(pattern.id.clone()), reason.clone());
                    self.reject(RejectedLine { line: *line, pattern, reason });
                }
                let rejected = self.unreadable(read) + read.lines.len();
                return Ok(Taken { rejected, ..Taken::default() });
            }
        };
        let report = match space.submit(&read.snapshot, ConsolidationCacheSource::Scheduler) {
            Ok(report) => report,
            Err(error) => {
                let reason = error.to_string();
                self.report.notify(notice::snapshot_failed(&read.space, read.run, &reason));
                return Err(reason);
            }
        };
        for rejected in &report.rejected {
            self.reject(RejectedLine {
                line: read.lines[rejected.index],
                pattern: Some(rejected.id.clone()),
                reason: rejected.reason.to_string(),
            });
        }
        let rejected = self.unreadable(read) + report.rejected.len();
        let (taken, written, waiting) = (report.taken(), report.written, report.waiting);
        self.report.say(&Event::Snapshot(Snapshot {
            space: read.space.to_string(),
            snapshot: read.run,
            taken,
            written,
            waiting,
            suppressed: report.suppressed,
            rejected,
        }));
        self.report.changed();
        Ok(Taken { taken, written, waiting, rejected })
    }

    /// Returns the space of a snapshot. A node with `spaces = "*"` first starts to host the space if necessary.
    fn space(&self, id: &SpaceId) -> Result<Arc<Space>, String> {
        let store = &self.node.store;
        match store.space(id) {
            Some(space) => Ok(space),
            None if store.learns_spaces() => {
                let added = self.node.add_space(id).map_err(|error| error.to_string())?;
                Ok(Arc::clone(added.space()))
            }
            None => Err(format!("this node does not host {id}; add it to node.spaces")),
        }
    }

    /// Reports the lines and patterns of a snapshot that were rejected before the submission. Returns their number.
    fn unreadable(&self, read: &FileSnapshot) -> usize {
        read.rejected.iter().cloned().for_each(|line| self.reject(line));
        read.rejected.len()
    }

    /// Reports a line or a pattern that was left out.
    pub(crate) fn reject(&self, line: RejectedLine) {
        self.report.reject(&self.name, line);
    }
}
