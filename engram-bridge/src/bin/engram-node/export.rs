//! The visible patterns of a node as a file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engram_bridge::{SemanticPattern, Store};
use serde::Serialize;

/// One line of an export, in the order of its fields.
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

/// Writes the visible patterns of all spaces to `path`, one JSON object per line, sorted by space
/// and id: equal views produce equal files. The file is replaced atomically, and only its owner may
/// read it.
pub(crate) fn export(store: &Store, path: &Path) -> io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".part");
    let mut file = BufWriter::new(create(unfinished.as_ref())?);
    for space in store.iter() {
        for pattern in space.view().patterns {
            serde_json::to_writer(&mut file, &Line::new(space.id().as_str(), &pattern))?;
            file.write_all(b"\n")?;
        }
    }
    file.into_inner()?.sync_all()?;
    fs::rename(&unfinished, path)
}

/// Creates a file that only its owner may read.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    // An unfinished file of an earlier export may be readable by others.
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(file)
}
