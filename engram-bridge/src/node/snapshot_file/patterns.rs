//! The patterns of lines, with their embeddings.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::line::{self, Line, PatternLine};
use super::{FileSnapshot, RejectedLine, open_file};
use crate::engram::pattern::SemanticPattern;

/// Reads the patterns of lines. Their embeddings are in the lines, or in `embeddings.f32` next to
/// the file, as raw rows of little-endian f32.
#[derive(Debug)]
pub(super) struct Patterns {
    path: PathBuf,
    dimension: usize,
    rows: Option<File>,
}

impl Patterns {
    pub(super) fn beside(lines: &Path, dimension: usize) -> Self {
        Self { path: lines.with_file_name("embeddings.f32"), dimension, rows: None }
    }

    /// Opens the file of rows if it is not open.
    pub(super) fn open_rows(&mut self) -> Result<&mut File, (PathBuf, io::Error)> {
        if self.rows.is_none() {
            let opened = open_file(&self.path);
            self.rows = Some(opened.map_err(|error| (self.path.clone(), error))?);
        }
        Ok(self.rows.as_mut().expect("the file was opened above"))
    }

    /// Adds the patterns of one line to `read`.
    pub(super) fn read(&mut self, text: &str, number: u64, read: &mut FileSnapshot) {
        let text = line::readable(text);
        let line = match Line::parse(&text) {
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

    /// Completes a line's pattern with its embedding.
    fn finish(&mut self, pattern: PatternLine<'_>) -> Result<SemanticPattern, String> {
        let embedding = match (&pattern.embedding_b64, pattern.embedding_row) {
            (Some(base64), _) => line::embedding(&base64.0)?,
            (None, Some(row)) => self.row(row)?,
            _ => return Err("it has neither embedding_b64 nor embedding_row; add one".to_owned()),
        };
        pattern.finish(embedding)
    }

    fn row(&mut self, row: u64) -> Result<Arc<[f32]>, String> {
        let length = self.dimension as u64 * 4;
        let path = self.path.display().to_string();
        let failed = |error: io::Error| format!("cannot read row {row} of {path}: {error}");
        let file = self.open_rows().map_err(|(_, error)| failed(error))?;
        // The file may have grown.
        let rows = file.metadata().map_err(failed)?.len() / length;
        if row >= rows {
            return Err(format!("embedding_row {row} lies beyond the {rows} rows of {path}"));
        }
        let mut bytes = vec![0; usize::try_from(length).map_err(|error| error.to_string())?];
        let read =
            file.seek(SeekFrom::Start(row * length)).and_then(|_| file.read_exact(&mut bytes));
        read.map_err(failed)?;
        Ok(line::floats(&bytes))
    }
}
