//! Consolidation snapshots from files of JSON lines, in both layouts that Engram's exports have.

mod line;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use engram_gossip_proto::SpaceId;

use crate::{ConsolidationSnapshot, SemanticPattern, Timestamp};
use line::{Line, PatternLine};

/// The longest line that is read: a snapshot of some 50,000 patterns.
const MAX_LINE: u64 = 256 << 20;

/// A file of consolidation snapshots, read run by run.
///
/// Opening it reads every line once, to learn which run and which space it belongs to; patterns
/// are only parsed when their run is asked for, so memory holds one run at a time. Two layouts:
///
/// - *snapshot lines*: `{"space"?, "snapshot", "generated_at", "stats", "patterns": [..]}`, with
///   the embeddings as base64 (`embedding_b64`) of little-endian f32;
/// - *pattern lines*: `{"space"?, "first_snapshot", "id", .., "embedding_row"}`, with the
///   embeddings as raw rows in `embeddings.f32` beside the file. A run holds the patterns that it
///   saw first; earlier ones are not repeated, since absence from a snapshot means nothing.
///
/// A line that cannot be read is set aside in [`rejected`](Self::rejected); a pattern that cannot
/// be read, in its [`FileSnapshot`]. Neither costs the others anything.
#[derive(Debug)]
pub struct SnapshotFile {
    path: PathBuf,
    lines: BufReader<File>,
    embeddings: Option<Embeddings>,
    runs: BTreeMap<u64, BTreeMap<SpaceId, Vec<Place>>>,
    rejected: Vec<RejectedLine>,
}

/// Where a line is.
#[derive(Clone, Copy, Debug)]
struct Place {
    number: u64,
    offset: u64,
}

/// One run of one space.
#[derive(Clone, Debug)]
pub struct FileSnapshot {
    /// The space it belongs to.
    pub space: SpaceId,
    /// The number of the run, as the file counts it.
    pub run: u64,
    /// The patterns that could be read. They are not validated yet.
    pub snapshot: ConsolidationSnapshot,
    /// For each pattern of the snapshot, in the same order, the line it stood on.
    pub lines: Vec<u64>,
    /// The lines and patterns that could not be read.
    pub rejected: Vec<RejectedLine>,
}

/// A line, or one pattern of it, that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedLine {
    /// The line, from 1.
    pub line: u64,
    /// The pattern, if only that one was left out and its id could be read.
    pub pattern: Option<String>,
    /// The cause, and the next step.
    pub reason: String,
}

/// Why a file of snapshots cannot be read at all. Nothing of it was taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotFileError {
    /// The file, or `embeddings.f32` beside it, cannot be opened or read.
    #[error("cannot read {}: {source}; check the path and its permissions", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file has no line at all.
    #[error("{} is empty; it should hold one consolidation snapshot, or one pattern, a line", path.display())]
    Empty {
        /// Which file.
        path: PathBuf,
    },
}

impl SnapshotFile {
    /// Opens the file at `path` and indexes its lines. Rows of `embeddings.f32` beside it are
    /// `dimension` numbers long.
    ///
    /// # Errors
    /// [`SnapshotFileError`] if the file cannot be read or is empty.
    pub fn open(path: &Path, dimension: usize) -> Result<Self, SnapshotFileError> {
        let failed = |source| SnapshotFileError::Io { path: path.to_owned(), source };
        let mut file = Self {
            path: path.to_owned(),
            lines: BufReader::new(File::open(path).map_err(failed)?),
            embeddings: None,
            runs: BTreeMap::new(),
            rejected: Vec::new(),
        };
        if file.index().map_err(failed)? {
            let rows = path.with_file_name("embeddings.f32");
            let opened = Embeddings::open(&rows, dimension);
            file.embeddings =
                Some(opened.map_err(|source| SnapshotFileError::Io { path: rows, source })?);
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

    /// The lines that say nothing that can be used, in the order of the file.
    pub fn rejected(&self) -> &[RejectedLine] {
        &self.rejected
    }

    /// Reads the snapshots of `run`, in the order of the spaces.
    ///
    /// # Errors
    /// [`SnapshotFileError::Io`] if the file changed or cannot be read any more.
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
        let mut read = FileSnapshot {
            space,
            run,
            snapshot: ConsolidationSnapshot::default(),
            lines: Vec::new(),
            rejected: Vec::new(),
        };
        let mut text = String::new();
        for place in places {
            let failed = |source| SnapshotFileError::Io { path: self.path.clone(), source };
            self.lines.seek(SeekFrom::Start(place.offset)).map_err(failed)?;
            read_line(&mut self.lines, &mut text).map_err(failed)?;
            self.read_patterns(&text, place.number, &mut read);
        }
        if read.snapshot.generated_at == Timestamp::EPOCH {
            let newest = read.snapshot.patterns.iter().map(|p| p.last_consolidated).max();
            read.snapshot.generated_at = newest.unwrap_or_default();
        }
        Ok(read)
    }

    /// Adds the patterns of one line to `read`.
    fn read_patterns(&mut self, text: &str, number: u64, read: &mut FileSnapshot) {
        let line = match Line::parse(text) {
            Ok(line) => line,
            Err(reason) => {
                read.rejected.push(RejectedLine { line: number, pattern: None, reason });
                return;
            }
        };
        read.snapshot.generated_at = read.snapshot.generated_at.max(line.generated_at);
        read.snapshot.stats.clone_from(&line.stats);
        for pattern in line.patterns() {
            let taken = pattern.and_then(|p| {
                let id = p.id.clone();
                self.finish(p).map_err(|reason| (Some(id), reason))
            });
            match taken {
                Ok(pattern) => {
                    read.snapshot.patterns.push(pattern.into());
                    read.lines.push(number);
                }
                Err((pattern, reason)) => {
                    read.rejected.push(RejectedLine { line: number, pattern, reason });
                }
            }
        }
    }

    /// Turns a line's pattern into one with its embedding.
    fn finish(&mut self, pattern: PatternLine) -> Result<SemanticPattern, String> {
        let embedding = match (&pattern.embedding_b64, pattern.embedding_row, &mut self.embeddings)
        {
            (Some(base64), _, _) => line::embedding(base64)?,
            (None, Some(row), Some(rows)) => rows.read(row)?,
            _ => return Err("it has neither embedding_b64 nor embedding_row; add one".to_owned()),
        };
        pattern.finish(embedding)
    }

    /// Notes the place of every line; says whether any embedding is a row of another file.
    fn index(&mut self) -> io::Result<bool> {
        let mut rows = false;
        let mut text = String::new();
        let mut place = Place { number: 0, offset: 0 };
        loop {
            place.number += 1;
            let length = match read_line(&mut self.lines, &mut text) {
                Ok(0) => return Ok(rows),
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    return Err(io::Error::new(
                        error.kind(),
                        format!("line {}: {error}", place.number),
                    ));
                }
                Err(error) => return Err(error),
            };
            if !text.is_empty() {
                match line::placement(&text) {
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

/// Reads one line into `text`, without its end, and returns how many bytes it took in the file; 0
/// at the end of the file.
fn read_line(lines: &mut BufReader<File>, text: &mut String) -> io::Result<u64> {
    text.clear();
    let length = lines.take(MAX_LINE).read_line(text)? as u64;
    if length == MAX_LINE {
        let message = format!("a line is longer than {MAX_LINE} bytes; split it into snapshots");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    text.truncate(text.trim_end().len());
    Ok(length)
}

/// Raw rows of little-endian f32.
#[derive(Debug)]
struct Embeddings {
    path: PathBuf,
    file: File,
    dimension: usize,
    rows: u64,
}

impl Embeddings {
    fn open(path: &Path, dimension: usize) -> io::Result<Self> {
        let file = File::open(path)?;
        let rows = file.metadata()?.len() / (dimension as u64 * 4);
        Ok(Self { path: path.to_owned(), file, dimension, rows })
    }

    fn read(&mut self, row: u64) -> Result<Vec<f32>, String> {
        let path = self.path.display();
        if row >= self.rows {
            let rows = self.rows;
            return Err(format!("embedding_row {row} lies beyond the {rows} rows of {path}"));
        }
        let mut bytes = vec![0; self.dimension * 4];
        let read = self
            .file
            .seek(SeekFrom::Start(row * bytes.len() as u64))
            .and_then(|_| self.file.read_exact(&mut bytes));
        read.map_err(|error| format!("cannot read row {row} of {path}: {error}"))?;
        Ok(line::floats(&bytes))
    }
}

#[cfg(test)]
mod tests;
