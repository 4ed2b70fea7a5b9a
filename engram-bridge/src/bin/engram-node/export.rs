//! The visible patterns of a node as a file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engram_bridge::{SemanticPattern, Store};
use serde::Serialize;

/// One line of an export, with the fields in the order in which they are written.
#[derive(Serialize)]
struct Line<'a> {
    space: &'a str,
    id: &'a str,
    source_episodes: &'a [String],
    strength: f32,
    schema_confidence: f32,
    last_consolidated: String,
    embedding_b64: String,
}

impl<'a> Line<'a> {
    fn new(space: &'a str, pattern: &'a SemanticPattern) -> Self {
        let bytes: Vec<u8> = pattern.embedding.iter().flat_map(|x| x.to_le_bytes()).collect();
        Self {
            space,
            id: &pattern.id,
            source_episodes: &pattern.source_episodes,
            strength: pattern.strength,
            schema_confidence: pattern.schema_confidence.raw(),
            last_consolidated: pattern.last_consolidated.to_string(),
            embedding_b64: STANDARD.encode(bytes),
        }
    }
}

/// Writes the visible patterns of all spaces to the new file `path`, one JSON object per line, sorted by space and id:
/// equal views produce equal files. On Unix, only the owner may read the file. It appears only once it is complete.
///
/// # Errors
/// Returns the reason as text; no file remains. A `path` that exists, or that lies in the store's folder `state`,
/// is refused.
pub(crate) fn export(store: &Store, path: &Path, state: Option<&Path>) -> Result<(), String> {
    let placed = refuse_state_folder(path, state);
    let written = placed.and_then(|()| write_new(path, |file| write_patterns(store, file)));
    written.map_err(|error| format!("{}: {error}; nothing was written", path.display()))
}

fn write_patterns(store: &Store, file: &mut dyn Write) -> io::Result<()> {
    for space in store.iter() {
        for pattern in space.view().patterns {
            serde_json::to_writer(&mut *file, &Line::new(space.id().as_str(), &pattern))?;
            file.write_all(b"\n")?;
        }
    }
    Ok(())
}

fn refuse_state_folder(path: &Path, state: Option<&Path>) -> io::Result<()> {
    let (Some(folder), Some(state)) = (path.parent(), state) else { return Ok(()) };
    if folder.canonicalize()?.starts_with(state.canonicalize()?) {
        return Err(io::Error::other("it is inside store.path; choose another folder"));
    }
    Ok(())
}

/// Creates a file under a random name next to `path`, and renames it once it is complete.
fn write_new(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    refuse_existing(path)?;
    let unfinished = path.with_file_name(format!(".engram-export-{:016x}", getrandom::u64()?));
    let file = create(&unfinished)?;
    let written = fill(file, write)
        .and_then(|()| refuse_existing(path))
        .and_then(|()| fs::rename(&unfinished, path));
    written.inspect_err(|_| {
        // The first error is the one to report.
        _ = fs::remove_file(&unfinished);
    })
}

fn fill(file: File, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut file = BufWriter::new(file);
    write(&mut file)?;
    file.into_inner()?.sync_all()
}

fn refuse_existing(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(_) => Err(io::Error::other("it exists and is not overwritten; choose another name")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Creates a new file. On Unix, only its owner may read it.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_export_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shown.jsonl");
        let failed = write_new(&path, |file| {
            file.write_all(b"part")?;
            Err(io::Error::other("full"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "full");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
