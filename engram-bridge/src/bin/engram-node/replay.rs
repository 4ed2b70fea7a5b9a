//! Replays a node's consolidation runs from a file.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use engram_bridge::snapshot_file::{SnapshotFile, SnapshotFileError};

use crate::event::Event;
use crate::notice;
use crate::report::Report;
use crate::submit::Submitter;

/// Submits the runs of a file one after the other.
pub(crate) struct Replay {
    pub(crate) file: SnapshotFile,
    pub(crate) pause: Duration,
    pub(crate) submitter: Submitter,
    pub(crate) stop: Arc<AtomicBool>,
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
    /// Submits every run, with a pause before the next one, on a separate thread, since reading and hashing a large run
    /// takes a while. All runs use the same thread, because each thread that allocates patterns retains some memory.
    pub(crate) fn start(mut self) {
        thread::spawn(move || {
            if let Err(error) = self.run() {
                let (command, reason) = ("replay".to_owned(), error.to_string());
                self.submitter.report.say(&Event::Failed { command, reason });
            }
            self.submitter.report.finish_replay();
        });
    }

    fn run(&mut self) -> Result<(), SnapshotFileError> {
        for line in self.file.rejected().to_vec() {
            self.submitter.reject(line);
        }
        let runs = self.file.runs();
        for (at, run) in runs.iter().copied().enumerate() {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            self.submit_run(run)?;
            if at + 1 < runs.len() {
                thread::sleep(self.pause);
            }
        }
        Ok(())
    }

    fn submit_run(&mut self, run: u64) -> Result<(), SnapshotFileError> {
        for snapshot in self.file.read_run(run)? {
            // A failure has already been reported. A later run submits the patterns again if it
            // contains them.
            _ = self.submitter.submit(&snapshot);
        }
        Ok(())
    }
}
