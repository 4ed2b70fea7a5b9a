//! Consolidation snapshots from files of JSON lines, in both layouts of Engram's exports (feature `files`).

mod line;
mod lines;
mod patterns;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use engram_gossip_proto::SpaceId;

use crate::engram::ports::ConsolidationSnapshot;
use crate::engram::timestamp::Timestamp;
pub use lines::SnapshotLines;
use patterns::Patterns;

/// The longest line that is read, in bytes: a snapshot of about 50,000 patterns. A longer line is
/// rejected.
pub const MAX_SNAPSHOT_LINE: usize = 256 << 20;

/// A file of consolidation snapshots, read run by run.
///
/// Opening it reads every line once, to find its run and its space; patterns are parsed only when
/// their run is read, so memory holds one run at a time. Two layouts are supported:
///
/// - *snapshot lines*: `{"space"?, "snapshot", "generated_at", "stats", "patterns": [..]}`, with
///   the embeddings as base64 (`embedding_b64`) of little-endian f32;
/// - *pattern lines*: `{"space"?, "first_snapshot", "id", .., "embedding_row"}`, with the embeddings as raw rows in
///   `embeddings.f32` next to the file. A run holds the patterns that first occur in it; patterns of earlier runs are
///   not repeated, since absence from a snapshot has no meaning.
///
/// [`rejected`](Self::rejected) lists the lines whose run or space cannot be read. All other
/// unreadable lines and patterns are listed in the [`FileSnapshot`] that they belong to. An
/// unreadable line or pattern does not affect the others.
#[derive(Debug)]
pub struct SnapshotFile {
    path: PathBuf,
    lines: BufReader<File>,
    patterns: Patterns,
    runs: BTreeMap<u64, BTreeMap<SpaceId, Vec<Place>>>,
    rejected: Vec<RejectedLine>,
}

/// The position of a line.
#[derive(Clone, Copy, Debug)]
struct Place {
    number: u64,
    offset: u64,
}

/// One run of one space.
#[derive(Clone, Debug)]
pub struct FileSnapshot {
    /// The space that the run belongs to.
    pub space: SpaceId,
    /// The number of the run that the lines name; 0 if they name none.
    pub run: u64,
    /// The patterns that could be read. They have not been validated yet.
    pub snapshot: ConsolidationSnapshot,
    /// The line of each pattern of the snapshot, in the same order.
    pub lines: Vec<u64>,
    /// The lines and patterns that could not be read.
    pub rejected: Vec<RejectedLine>,
}

/// A line, or one pattern of it, that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedLine {
    /// The line, from 1.
    pub line: u64,
    /// The pattern's id, if only this pattern was left out and the id could be read.
    pub pattern: Option<String>,
    /// The cause, in most cases with the next step.
    pub reason: String,
}

/// A file of snapshots cannot be opened or read, or is empty.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotFileError {
    /// The file, or `embeddings.f32` next to it, cannot be opened or read.
    #[error("cannot read {}: {source}; check the path and its permissions", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file has no lines, or only empty ones.
    #[error("{} is empty; write one consolidation snapshot or one pattern per line", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

impl SnapshotFile {
    /// Opens the file at `path` and indexes its lines. Rows of `embeddings.f32` next to it are
    /// `dimension` numbers long.
    ///
    /// # Errors
    /// [`SnapshotFileError`] if the file, or an `embeddings.f32` that it needs, cannot be read or is not
    /// a regular file, or if the file is empty.
    pub fn open(path: &Path, dimension: usize) -> Result<Self, SnapshotFileError> {
        let failed = |source| SnapshotFileError::Io { path: path.to_owned(), source };
        let mut file = Self {
            path: path.to_owned(),
            lines: BufReader::new(open_file(path).map_err(failed)?),
            patterns: Patterns::beside(path, dimension),
            runs: BTreeMap::new(),
            rejected: Vec::new(),
        };
        if file.index().map_err(failed)? {
            let opened = file.patterns.open_rows();
            opened.map_err(|(path, source)| SnapshotFileError::Io { path, source })?;
        }
        if file.runs.is_empty() && file.rejected.is_empty() {
            return Err(SnapshotFileError::Empty { path: path.to_owned() });
        }
        Ok(file)
    }

    /// The spaces that the file names, in ascending order.
    pub fn spaces(&self) -> Vec<SpaceId> {
        let mut spaces: Vec<_> = self.runs.values().flat_map(BTreeMap::keys).cloned().collect();
        spaces.sort();
        spaces.dedup();
        spaces
    }

    /// The numbers of the runs that the file holds, ascending.
    pub fn runs(&self) -> Vec<u64> {
        self.runs.keys().copied().collect()
    }

    /// The rejected lines, in the order of the file.
    pub fn rejected(&self) -> &[RejectedLine] {
        &self.rejected
    }

    /// Reads the snapshots of `run`, in the order of the spaces.
    ///
    /// # Errors
    /// [`SnapshotFileError::Io`] if the file can no longer be read.
    pub fn read_run(&mut self, run: u64) -> Result<Vec<FileSnapshot>, SnapshotFileError> {
        let spaces = self.runs.get(&run).cloned().unwrap_or_default();
        spaces.into_iter().map(|(space, places)| self.read_snapshot(space, run, &places)).collect()
    }

    fn read_snapshot(
        &mut self,
        space: SpaceId,
        run: u64,
        places: &[Place],
    ) -> Result<FileSnapshot, SnapshotFileError> {
        let mut read = FileSnapshot::empty(space, run);
        let mut line = Vec::new();
        for place in places {
            let failed = |source| SnapshotFileError::Io { path: self.path.clone(), source };
            self.lines.seek(SeekFrom::Start(place.offset)).map_err(failed)?;
            read_line(&mut self.lines, &mut line).map_err(failed)?;
            match text(&line) {
                Ok(text) => self.patterns.read(text, place.number, &mut read),
                Err(reason) => {
                    read.rejected.push(RejectedLine { line: place.number, pattern: None, reason });
                }
            }
        }
        read.date();
        Ok(read)
    }

    /// Indexes the position of every line; returns whether any embedding is a row of
    /// `embeddings.f32`.
    fn index(&mut self) -> io::Result<bool> {
        let mut rows = false;
        let mut line = Vec::new();
        let mut place = Place { number: 0, offset: 0 };
        loop {
            place.number += 1;
            let length = read_line(&mut self.lines, &mut line)?;
            if length == 0 {
                return Ok(rows);
            }
            if !line.is_empty() {
                match text(&line).and_then(line::placement) {
                    Ok(found) => {
                        rows |= found.rows;
                        let spaces = self.runs.entry(found.run).or_default();
                        spaces.entry(found.space).or_default().push(place);
                    }
                    Err(reason) => self.rejected.push(RejectedLine {
                        line: place.number,
                        pattern: None,
                        reason,
                    }),
                }
            }
            place.offset += length;
        }
    }
}

/// Opens a regular file. A pipe could block the caller, and the data of a device may never end.
fn open_file(path: &Path) -> io::Result<File> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file; use run --follow for a pipe"));
    }
    File::open(path)
}

/// Reads one line, and [trims](trimmed) it. Returns the number of bytes that the line takes in the
/// file; 0 at the end of the file. Of a line that is too long, reads one byte more than is allowed,
/// and skips the rest.
fn read_line(lines: &mut BufReader<File>, line: &mut Vec<u8>) -> io::Result<u64> {
    line.clear();
    let most = MAX_SNAPSHOT_LINE as u64 + 1;
    let mut length = lines.take(most).read_until(b'\n', line)? as u64;
    if length == most && line.last() != Some(&b'\n') {
        length += lines.skip_until(b'\n')? as u64;
    }
    line.truncate(trimmed(line).len());
    Ok(length)
}

/// A line without its line ending and other white space at its end. A line that is too long keeps
/// the white space, so that [`text`] rejects it.
fn trimmed(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    if line.len() > MAX_SNAPSHOT_LINE { line } else { line.trim_ascii_end() }
}

/// Returns a line as text, or the reason why it cannot be read as text.
fn text(line: &[u8]) -> Result<&str, String> {
    if line.len() > MAX_SNAPSHOT_LINE {
        let most = MAX_SNAPSHOT_LINE;
        return Err(format!("it is longer than {most} bytes; split it into several snapshots"));
    }
    std::str::from_utf8(line).map_err(|error| {
        format!("it is not UTF-8 from byte {} on; write it again", error.valid_up_to() + 1)
    })
}

impl FileSnapshot {
    fn empty(space: SpaceId, run: u64) -> Self {
        let snapshot = ConsolidationSnapshot::default();
        Self { space, run, snapshot, lines: Vec::new(), rejected: Vec::new() }
    }

    /// Sets the time of a snapshot that has none to the time of its newest pattern.
    fn date(&mut self) {
        if self.snapshot.generated_at == Timestamp::EPOCH {
            let newest = self.snapshot.patterns.iter().map(|p| p.last_consolidated).max();
            self.snapshot.generated_at = newest.unwrap_or_default();
        }
    }
}
