//! Replays a node's consolidation runs from a file.

use std::path::Path;
use std::time::Duration;

use engram_bridge::snapshot_file::{SnapshotFile, SnapshotFileError};

use crate::notice;
use crate::report::Report;
use crate::submit::Submitter;

/// Submits the runs of a file one after the other.
pub(crate) struct Replay {
    pub(crate) file: SnapshotFile,
    pub(crate) pause: Duration,
    pub(crate) submitter: Submitter,
}

/// Opens a file of snapshots. Reports an empty file, and returns `None` for it: the node then submits
/// nothing.
pub(crate) fn open(
    path: &Path,
    dimension: usize,
    report: &Report,
) -> Result<Option<SnapshotFile>, SnapshotFileError> {
    match SnapshotFile::open(path, dimension) {
        Ok(file) => Ok(Some(file)),
        Err(error @ SnapshotFileError::Empty { .. }) => {
            let file = path.display().to_string();
            report.notify(notice::rejected_line(&file, None, None, &error.to_string()));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

impl Replay {
    /// Submits every run, with a pause after each.
    pub(crate) async fn run(mut self) -> Result<(), SnapshotFileError> {
        for line in self.file.rejected().to_vec() {
            self.submitter.reject(line);
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
            // A failure is already reported; the next run resubmits the patterns.
            _ = self.submitter.submit(&snapshot);
        }
        Ok(())
    }
}
