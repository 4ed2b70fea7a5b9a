//! Reads the input of the nodes. The reader shares no code with the nodes that it helps to check.
//!
//! A line contains a whole snapshot or one pattern. An embedding is in base64, or in a row of `embeddings.f32` next to
//! the file.

mod embedding;
mod pattern;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use embedding::{Rows, inline_embedding};
pub(crate) use pattern::{Content, Key, exported_pattern};
use pattern::{content, space_of};

/// The maximum length of a pattern id that a node accepts, in bytes.
const MAX_ID: usize = 128;

/// One node's file.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) node: String,
    pub(crate) file: PathBuf,
    /// The number of snapshots that the node will replay.
    pub(crate) snapshots: usize,
    pub(crate) spaces: BTreeSet<String>,
    /// The last version of each pattern. A pattern that a later snapshot does not contain is kept.
    pub(crate) patterns: BTreeMap<Key, Content>,
    pub(crate) rejected: Vec<Rejected>,
}

/// A line, or one pattern of it, that nodes must reject.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Rejected {
    /// The line, from 1; 0 for the whole file.
    pub(crate) line: usize,
    pub(crate) reason: String,
}

/// Reads every `*.jsonl` file in a folder, in the order of their names; each becomes the input of a node that is named
/// after the file.
pub(crate) fn read_folder(folder: &Path) -> Result<Vec<Feed>> {
    let entries = fs::read_dir(folder)
        .with_context(|| format!("{}: cannot be read; --data takes a folder", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("{}: cannot be listed", folder.display()))?.path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        bail!(
            "{}: contains no *.jsonl; put one file of snapshots there for each node",
            folder.display()
        );
    }
    let mut names = BTreeSet::new();
    files.into_iter().map(|file| Feed::read(unique_name(&file, &mut names), file)).collect()
}

/// Derives a node name, valid as a host name and as a file name, from the name of any data file.
fn unique_name(file: &Path, taken: &mut BTreeSet<String>) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let plain: String =
        stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(40).collect();
    let plain = match plain.trim_matches('-') {
        "" => "node",
        name => name,
    };
    let mut name = plain.to_owned();
    for number in 2.. {
        if taken.insert(name.clone()) {
            break;
        }
        name = format!("{plain}-{number}");
    }
    name
}

impl Feed {
    pub(crate) fn read(node: String, file: PathBuf) -> Result<Self> {
        let mut feed = Self {
            node,
            file,
            snapshots: 0,
            spaces: BTreeSet::new(),
            patterns: BTreeMap::new(),
            rejected: Vec::new(),
        };
        let runs = feed.read_lines()?;
        if runs.is_empty() && feed.rejected.is_empty() {
            feed.reject(
                0,
                "is empty; it should hold a snapshot, or a pattern, on each line".to_owned(),
            );
        }
        feed.snapshots = runs.len();
        let mut rows = Rows::beside(&feed.file);
        for lines in runs.into_values() {
            let mut seen = BTreeSet::new();
            for (line, value) in lines {
                feed.take_line(line, &value, &mut rows, &mut seen)?;
            }
        }
        feed.rejected.sort_by_key(|rejected| rejected.line);
        Ok(feed)
    }

    /// Reads the lines of each snapshot, in the order in which a node replays the snapshots.
    fn read_lines(&mut self) -> Result<BTreeMap<u64, Vec<(usize, Value)>>> {
        let shown = self.file.display().to_string();
        let file = File::open(&self.file).with_context(|| format!("{shown}: cannot be opened"))?;
        let mut runs: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (line, text) in (1..).zip(BufReader::new(file).split(b'\n')) {
            let text = text.with_context(|| format!("{shown}: line {line} cannot be read"))?;
            if text.trim_ascii().is_empty() {
                continue;
            }
            match serde_json::from_slice::<Value>(&text) {
                Ok(value) => {
                    let run =
                        value["snapshot"].as_u64().or_else(|| value["first_snapshot"].as_u64());
                    runs.entry(run.unwrap_or(0)).or_default().push((line, value));
                }
                Err(error) => self.reject(line, not_json(&error)),
            }
        }
        Ok(runs)
    }

    fn take_line(
        &mut self,
        line: usize,
        value: &Value,
        rows: &mut Rows,
        seen: &mut BTreeSet<Key>,
    ) -> Result<()> {
        let space = match space_of(value) {
            Ok(space) => space,
            Err(reason) => {
                self.reject(line, reason);
                return Ok(());
            }
        };
        self.spaces.insert(space.clone());
        let patterns = match value["patterns"].as_array() {
            Some(patterns) => patterns.as_slice(),
            None => std::slice::from_ref(value),
        };
        for pattern in patterns {
            let embedding = match pattern["embedding_row"].as_u64() {
                Some(row) if pattern["embedding_b64"].is_null() => rows.read(row)?,
                _ => inline_embedding(pattern),
            };
            self.take(line, pattern, &space, embedding, seen);
        }
        Ok(())
    }

    fn take(
        &mut self,
        line: usize,
        value: &Value,
        space: &str,
        embedding: Result<Vec<f32>, String>,
        seen: &mut BTreeSet<Key>,
    ) {
        let Some(id) = value["id"].as_str() else {
            return self.reject(line, "a pattern has no \"id\"".to_owned());
        };
        if id.is_empty() || id.len() > MAX_ID {
            return self
                .reject(line, format!("an \"id\" has {} bytes, not 1 to {MAX_ID}", id.len()));
        }
        let key = Key { space: space.to_owned(), id: id.to_owned() };
        if seen.contains(&key) {
            return self.reject(line, format!("pattern {id} occurs twice in one snapshot"));
        }
        match embedding.and_then(|embedding| content(value, &embedding)) {
            Ok(content) => {
                seen.insert(key.clone());
                self.patterns.insert(key, content);
            }
            Err(reason) => self.reject(line, format!("pattern {id}: {reason}")),
        }
    }

    fn reject(&mut self, line: usize, reason: String) {
        self.rejected.push(Rejected { line, reason });
    }
}

/// Describes the fault of a line and its column; the parser's own line count would be misleading.
fn not_json(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let cause = text.split(" at line ").next().unwrap_or_default();
    format!(
        "not a single complete JSON object ({cause}, column {}); replace the line",
        error.column()
    )
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::embedding::DIMENSION;
    use super::*;
    use crate::scratch::Scratch;

    fn pattern(id: &str, extra: &str) -> String {
        let embedding = STANDARD.encode([0_u8; DIMENSION * 4]);
        format!(
            r#"{{"id":"{id}","source_episodes":["b","a","b"],"strength":1.0000001,"schema_confidence":1,
            "last_consolidated":"2025-03-01T00:00:00.5Z","embedding_b64":"{embedding}"{extra}}}"#
        )
        .replace('\n', " ")
    }

    fn read(text: &str) -> Result<Feed> {
        let scratch = Scratch::new().unwrap();
        let file = scratch.path().join("node-a.jsonl");
        fs::write(&file, text).unwrap();
        Feed::read("node-a".to_owned(), file)
    }

    #[test]
    fn reads_a_snapshot_and_keeps_repeated_citations() {
        let feed = read(&format!(r#"{{"snapshot":0,"patterns":[{}]}}"#, pattern("p", ""))).unwrap();
        let (key, content) = feed.patterns.first_key_value().unwrap();
        assert_eq!((key.space.as_str(), key.id.as_str()), ("default", "p"));
        assert_eq!(content.citations, ["a", "b", "b"]);
        assert_eq!(f32::from_bits(content.strength), 1.000_000_1);
        assert_eq!(content.consolidated, 1_740_787_200_500_000_000);
        assert_eq!((feed.snapshots, feed.rejected.len()), (1, 0));
    }

    #[test]
    fn a_later_snapshot_replaces_but_never_removes() {
        let lines = [
            format!(
                r#"{{"snapshot":1,"patterns":[{}]}}"#,
                pattern("p", "").replace("1.0000001", "0.5")
            ),
            format!(r#"{{"snapshot":0,"patterns":[{},{}]}}"#, pattern("p", ""), pattern("q", "")),
        ];
        let feed = read(&lines.join("\n")).unwrap();
        let strengths: Vec<_> =
            feed.patterns.values().map(|c| f32::from_bits(c.strength)).collect();
        assert_eq!(strengths, [0.5, 1.000_000_1]);
    }

    #[test]
    fn bad_patterns_of_a_file_are_rejected_alone() {
        let good = pattern("good", "");
        let snapshot = [
            good.clone(),
            good.clone(),
            pattern("confident", "")
                .replace(r#""schema_confidence":1"#, r#""schema_confidence":1.5"#),
            pattern("short", "").replace("AAAAAAAA", ""),
            pattern("undated", "").replace("2025-03-01T", "yesterday "),
        ];
        let text = format!("{{\"patterns\":[{}]}}\n{{\"patterns\":[", snapshot.join(","));
        let feed = read(&text).unwrap();
        let reasons: Vec<_> = feed.rejected.iter().map(|r| (r.line, r.reason.as_str())).collect();
        assert_eq!(feed.patterns.len(), 1);
        assert_eq!(reasons.len(), 5, "{reasons:#?}");
        assert!(reasons[0].1.contains("twice") && reasons[1].1.contains("1.5"), "{reasons:#?}");
        assert!(
            reasons[2].1.contains("0 numbers") && reasons[3].1.contains("yesterday"),
            "{reasons:#?}"
        );
        assert!(reasons[4].0 == 2 && reasons[4].1.contains("JSON"), "{reasons:#?}");
    }

    #[test]
    fn embedding_rows_follow_snapshot_order() {
        let scratch = Scratch::new().unwrap();
        let row = |value: f32| value.to_le_bytes().repeat(DIMENSION);
        fs::write(scratch.path().join("embeddings.f32"), [row(0.25), row(0.5)].concat()).unwrap();
        let line = |row: u64, snapshot: u64| {
            let extra =
                format!(r#","embedding_row":{row},"first_snapshot":{snapshot},"space":"s""#);
            pattern("p", &extra).replace("embedding_b64", "no_embedding")
        };
        let file = scratch.path().join("node-a.jsonl");
        fs::write(&file, format!("{}\n{}\n{}\n", line(1, 4), line(0, 2), line(2, 5))).unwrap();
        let feed = Feed::read("node-a".to_owned(), file).unwrap();
        let content = feed.patterns.values().next().unwrap();
        assert_eq!(content.embedding[0], 0.5_f32.to_bits());
        assert_eq!((feed.snapshots, feed.rejected.len()), (3, 1));
        assert!(feed.rejected[0].reason.contains("row 2"), "{:?}", feed.rejected);
    }

    #[test]
    fn empty_file_is_reported() {
        let feed = read("\n").unwrap();
        assert!(feed.rejected[0].reason.contains("empty") && feed.patterns.is_empty());
    }

    #[test]
    fn names_of_files_become_names_of_nodes() {
        let mut taken = BTreeSet::new();
        let names: Vec<_> = ["/d/node-a.jsonl", "/d/Node A.jsonl", "/d/é.jsonl"]
            .map(|file| unique_name(Path::new(file), &mut taken))
            .into();
        assert_eq!(names, ["node-a", "node-a-2", "node"]);
    }

    #[test]
    fn the_fixture_is_read_whole() {
        let fixture = crate::command::root().join("engram-bridge/fixture");
        let small = read_folder(&fixture.join("small")).unwrap();
        let store = read_folder(&fixture.join("store")).unwrap();
        let union = |feeds: &[Feed]| {
            feeds
                .iter()
                .flat_map(|feed| feed.patterns.keys().cloned())
                .collect::<BTreeSet<_>>()
                .len()
        };
        assert_eq!((union(&small), union(&store)), (170, 68));
        assert!(small.iter().chain(&store).all(|feed| feed.rejected.is_empty()));
    }
}
