//! Single lines of a growing file or of a pipe.

use std::path::Path;

use super::patterns::Patterns;
use super::{FileSnapshot, RejectedLine, line, text, trimmed};

/// Reads consolidation snapshots line by line, in both layouts of
/// [`SnapshotFile`](super::SnapshotFile). Each line is a separate snapshot.
#[derive(Debug)]
pub struct SnapshotLines {
    patterns: Patterns,
    number: u64,
}

impl SnapshotLines {
    /// Creates a reader for lines of the file at `path`, which it does not open: the caller passes the
    /// lines. Rows of `embeddings.f32` next to the file are `dimension` numbers long.
    pub fn new(path: &Path, dimension: usize) -> Self {
        Self { patterns: Patterns::beside(path, dimension), number: 0 }
    }

    /// Reads the next line. Returns `None` for an empty line.
    ///
    /// # Errors
    /// [`RejectedLine`] if the run or the space of the line cannot be read. Other faults of the line
    /// are listed in the returned snapshot. The next line can still be read.
    pub fn read(&mut self, line: &[u8]) -> Result<Option<FileSnapshot>, RejectedLine> {
        self.number += 1;
        let line = trimmed(line);
        if line.is_empty() {
            return Ok(None);
        }
        let number = self.number;
        let rejected = |reason| RejectedLine { line: number, pattern: None, reason };
        let text = text(line).map_err(rejected)?;
        let place = line::placement(text).map_err(rejected)?;
        let mut read = FileSnapshot::empty(place.space, place.run);
        self.patterns.read(text, number, &mut read);
        read.date();
        Ok(Some(read))
    }
}
