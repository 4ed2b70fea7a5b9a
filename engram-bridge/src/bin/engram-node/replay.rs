//! Plays a node's consolidation scheduler, from a file.

use std::path::Path;
use std::time::Duration;

use engram_bridge::{
    ConsolidationCacheSource, FileSnapshot, Node, RejectedLine, SnapshotFile, SnapshotFileError,
};

use crate::event::{Event, Snapshot};
use crate::report::Report;

/// Submits the runs of a file one after the other.
pub(crate) struct Replay {
    pub(crate) file: SnapshotFile,
    pub(crate) name: String,
    pub(crate) pause: Duration,
    pub(crate) node: Node,
    pub(crate) report: Report,
}

/// Opens a file of snapshots. One that holds nothing is reported, and the node starts empty.
pub(crate) fn open(
    path: &Path,
    dimension: usize,
    report: &Report,
) -> Result<Option<SnapshotFile>, SnapshotFileError> {
    match SnapshotFile::open(path, dimension) {
        Ok(file) => Ok(Some(file)),
        Err(error @ SnapshotFileError::Empty { .. }) => {
            let reason = error.to_string();
            let file = path.display().to_string();
            report.reject(Event::Rejected { file, line: None, pattern: None, reason });
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

impl Replay {
    /// Submits every run, with a pause after each.
    pub(crate) async fn run(mut self) -> Result<(), SnapshotFileError> {
        for line in self.file.rejected().to_vec() {
            self.reject(line);
        }
        let runs = self.file.runs();
        for (at, run) in runs.iter().copied().enumerate() {
            // Reading and hashing a large run takes a while; the network should not wait for it.
            self = tokio::task::spawn_blocking(move || self.submit_run(run).map(|()| self))
                .await
                .expect("a run that panics ends the replay")?;
            if at + 1 < runs.len() {
                tokio::time::sleep(self.pause).await;
            }
        }
        Ok(())
    }

    fn submit_run(&mut self, run: u64) -> Result<(), SnapshotFileError> {
        for snapshot in self.file.read_run(run)? {
            self.submit(snapshot);
        }
        Ok(())
    }

    fn submit(&self, read: FileSnapshot) {
        let unreadable = read.rejected.len();
        for line in read.rejected {
            self.reject(line);
        }
        let Some(space) = self.node.store.space(&read.space) else {
            let reason = format!("this node does not host {}; add it to node.spaces", read.space);
            for (line, pattern) in read.lines.iter().zip(&read.snapshot.patterns) {
                let (pattern, reason) = (Some(pattern.id.clone()), reason.clone());
                self.reject(RejectedLine { line: *line, pattern, reason });
            }
            return;
        };
        let report = match space.submit(&read.snapshot, ConsolidationCacheSource::Scheduler) {
            Ok(report) => report,
            Err(error) => {
                let command = format!("snapshot {} of {}", read.run, read.space);
                return self.report.say(Event::Failed { command, reason: error.to_string() });
            }
        };
        for rejected in &report.rejected {
            self.reject(RejectedLine {
                line: read.lines[rejected.index],
                pattern: Some(rejected.id.clone()),
                reason: rejected.reason.to_string(),
            });
        }
        self.report.say(Event::Snapshot(Snapshot {
            space: read.space.to_string(),
            snapshot: read.run,
            taken: report.taken(),
            written: report.written,
            waiting: report.waiting,
            suppressed: report.suppressed,
            rejected: unreadable + report.rejected.len(),
        }));
        self.report.changed();
    }

    fn reject(&self, RejectedLine { line, pattern, reason }: RejectedLine) {
        let (file, line) = (self.name.clone(), Some(line));
        self.report.reject(Event::Rejected { file, line, pattern, reason });
    }
}
