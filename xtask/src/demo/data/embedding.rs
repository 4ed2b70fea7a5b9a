//! Embeddings, from base64 in the pattern or from a row of a file next to the snapshots.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// The embedding length of every Engram pattern.
pub(super) const DIMENSION: usize = 768;

pub(super) fn inline_embedding(value: &Value) -> Result<Vec<f32>, String> {
    let text = value["embedding_b64"]
        .as_str()
        .ok_or("it has neither \"embedding_b64\" nor \"embedding_row\"")?;
    let bytes = STANDARD
        .decode(text)
        .map_err(|error| format!("\"embedding_b64\" is not base64 ({error})"))?;
    if bytes.len() % 4 != 0 {
        return Err(format!("\"embedding_b64\" holds {} bytes, not a multiple of 4", bytes.len()));
    }
    Ok(floats(&bytes))
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let (numbers, _) = bytes.as_chunks::<4>();
    numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

/// The rows of `embeddings.f32`, opened on first use.
pub(super) struct Rows {
    path: PathBuf,
    file: Option<File>,
}

impl Rows {
    pub(super) fn beside(data: &Path) -> Self {
        Self { path: data.with_file_name("embeddings.f32"), file: None }
    }

    /// Reads a row. The inner error is the reason why this row cannot be read. The outer error means that no row can.
    pub(super) fn read(&mut self, row: u64) -> Result<Result<Vec<f32>, String>> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(File::open(&self.path).with_context(|| {
                format!("{}: cannot be opened; a pattern refers to it", self.path.display())
            })?),
        };
        let mut bytes = vec![0; DIMENSION * 4];
        let offset = row.saturating_mul(bytes.len() as u64);
        let read = file.seek(SeekFrom::Start(offset)).and_then(|_| file.read_exact(&mut bytes));
        Ok(read.map(|()| floats(&bytes)).map_err(|error| {
            format!("row {row} of {} cannot be read ({error})", self.path.display())
        }))
    }
}
