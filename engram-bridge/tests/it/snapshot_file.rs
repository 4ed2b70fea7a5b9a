//! Files of consolidation snapshots: both layouts, and unreadable lines and patterns.

use std::fs;

use engram_bridge::SpaceId;
use engram_bridge::snapshot_file::*;
use tempfile::TempDir;

const EMBEDDING: &str = "AACAPwAAAAA="; // [1.0, 0.0]

fn pattern(id: &str, rest: &str) -> String {
    format!(
        r#"{{"id":"{id}","source_episodes":["e2","e1"],"strength":0.5,"schema_confidence":0.25,"last_consolidated":"2025-03-01T00:00:00.000000001Z"{rest}}}"#
    )
}

fn with_embedding(id: &str) -> String {
    pattern(id, &format!(r#","embedding_b64":"{EMBEDDING}""#))
}

fn snapshot(run: u64, patterns: &[String]) -> String {
    let patterns = patterns.join(",");
    format!(
        r#"{{"node":"a","snapshot":{run},"generated_at":"2025-03-01T00:00:0{run}Z","engine_restarted":false,"stats":{{"total_replays":7}},"patterns":[{patterns}]}}"#
    )
}

struct Folder(TempDir);

impl Folder {
    fn with(lines: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("node.jsonl"), lines.join("\n")).unwrap();
        Self(folder)
    }

    fn open(&self) -> Result<SnapshotFile, SnapshotFileError> {
        SnapshotFile::open(&self.0.path().join("node.jsonl"), 2)
    }
}

fn ids(read: &FileSnapshot) -> Vec<&str> {
    read.snapshot.patterns.iter().map(|pattern| pattern.id.as_str()).collect()
}

#[test]
fn snapshot_lines_are_read_run_by_run() {
    let folder = Folder::with(&[
        snapshot(0, &[]),
        snapshot(1, &[with_embedding("p1"), with_embedding("p2")]),
        String::new(),
    ]);
    let mut file = folder.open().unwrap();
    assert_eq!(file.runs(), [0, 1]);
    assert_eq!(file.spaces(), [SpaceId::new("default").unwrap()]);
    let read = file.read_run(1).unwrap().remove(0);
    assert_eq!((ids(&read), read.lines.as_slice()), (vec!["p1", "p2"], [2, 2].as_slice()));
    assert_eq!(read.snapshot.stats.total_replays, 7);
    assert_eq!(read.snapshot.generated_at, "2025-03-01T00:00:01Z".parse().unwrap());
    let pattern = &read.snapshot.patterns[0];
    assert_eq!(*pattern.embedding, [1.0, 0.0]);
    assert_eq!(pattern.source_episodes, ["e2", "e1"]);
    assert_eq!((pattern.strength, pattern.schema_confidence.raw()), (0.5, 0.25));
    assert_eq!(pattern.last_consolidated.to_string(), "2025-03-01T00:00:00.000000001Z");
    assert!(read.rejected.is_empty() && file.rejected().is_empty());
}

#[test]
fn pattern_lines_are_gathered_by_run_and_space() {
    let line = |id: &str, space: &str, run: u64, row: u64| {
        pattern(id, &format!(r#","space":"{space}","first_snapshot":{run},"embedding_row":{row}"#))
    };
    let folder = Folder::with(&[
        line("p1", "one", 1, 0),
        line("p2", "one", 0, 1),
        line("p3", "two", 1, 1),
        line("p4", "two", 1, 2),
    ]);
    let rows: Vec<u8> = [1.0_f32, 2.0, 3.0, 4.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    fs::write(folder.0.path().join("embeddings.f32"), rows).unwrap();

    let mut file = folder.open().unwrap();
    assert_eq!(file.runs(), [0, 1]);
    let first = file.read_run(0).unwrap();
    assert_eq!((first.len(), ids(&first[0])), (1, vec!["p2"]));
    assert_eq!(*first[0].snapshot.patterns[0].embedding, [3.0, 4.0]);
    let second = file.read_run(1).unwrap();
    assert_eq!((ids(&second[0]), ids(&second[1])), (vec!["p1"], vec!["p3"]));
    let rejected = &second[1].rejected[0];
    assert_eq!((rejected.line, rejected.pattern.as_deref()), (4, Some("p4")));
    assert!(rejected.reason.contains("2 rows"), "{}", rejected.reason);
}

#[test]
fn a_missing_file_of_rows_is_named() {
    let folder = Folder::with(&[pattern("p", r#","first_snapshot":0,"embedding_row":0"#)]);
    let error = folder.open().unwrap_err().to_string();
    assert!(error.contains("embeddings.f32"), "{error}");
}

#[test]
fn bad_line_is_skipped_alone() {
    let whole = snapshot(0, &[with_embedding("p1")]);
    let folder = Folder::with(&[
        whole[..whole.len() / 2].to_owned(),
        "Not JSON.".to_owned(),
        r#"{"snapshot":3}"#.to_owned(),
        r#"{"space":"No Space","snapshot":0,"patterns":[]}"#.to_owned(),
        whole,
    ]);
    let mut file = folder.open().unwrap();
    let reasons: Vec<_> = file.rejected().iter().map(|r| (r.line, r.reason.clone())).collect();
    for (at, part) in [(0, "is incomplete"), (1, "byte 1"), (2, "neither"), (3, "No Space")] {
        assert_eq!(reasons[at].0, at as u64 + 1);
        assert!(reasons[at].1.contains(part), "{reasons:?}");
    }
    assert_eq!(ids(&file.read_run(0).unwrap()[0]), ["p1"]);
}

#[test]
fn bad_pattern_is_refused_alone() {
    let patterns = [
        with_embedding("good").replace("0.5", "1.0000001"),
        with_embedding("nan").replace("0.5", "NaN"),
        with_embedding("infinite").replace("0.5", "-Infinity"),
        with_embedding("sure").replace("0.25", "1.5"),
        with_embedding("late").replace("2025-03", "2025-13"),
        with_embedding("base").replace("AACA", "A%CA"),
        with_embedding("odd").replace(EMBEDDING, "AACA"),
        with_embedding("text").replace("[\"e2\",\"e1\"]", "\"NaN\\\" Infinity\""),
        pattern("bare", ""),
        r#"{"id":7}"#.to_owned(),
        with_embedding("NaN"),
    ];
    let folder = Folder::with(&[snapshot(0, &patterns)]);
    let read = folder.open().unwrap().read_run(0).unwrap().remove(0);
    assert_eq!(ids(&read), ["good", "NaN"]);
    let expected = [
        (Some("nan"), "strength"),
        (Some("infinite"), "strength"),
        (Some("sure"), "1.5"),
        (Some("late"), "last_consolidated"),
        (Some("base"), "base64"),
        (Some("odd"), "multiple of four"),
        (Some("text"), "sequence"),
        (Some("bare"), "embedding_b64"),
        (None, "string"),
    ];
    assert_eq!(read.rejected.len(), expected.len());
    for (rejected, (id, part)) in read.rejected.iter().zip(expected) {
        assert_eq!((rejected.line, rejected.pattern.as_deref()), (1, id));
        assert!(rejected.reason.contains(part), "{rejected:?}");
    }
}

#[test]
fn an_empty_file_and_a_missing_one_are_named() {
    let folder = Folder::with(&[]);
    let error = folder.open().unwrap_err();
    assert!(matches!(error, SnapshotFileError::Empty { .. }), "{error}");
    assert!(error.to_string().contains("node.jsonl"), "{error}");
    let error = SnapshotFile::open(&folder.0.path().join("none"), 2).unwrap_err();
    assert!(error.to_string().contains("none"), "{error}");
}

#[test]
fn bits_survive_decimal_numbers() {
    // Two f32 values of the engine: the first is written as the shortest decimal of the f32, the
    // second as the shortest decimal of the f64 with the same value.
    for (text, bits) in [("0.9255867", 0x3f6c_f340), ("0.9506238698959351", 0x3f73_5c16_u32)] {
        let folder = Folder::with(&[snapshot(0, &[with_embedding("p").replace("0.5", text)])]);
        let read = folder.open().unwrap().read_run(0).unwrap().remove(0);
        assert_eq!(read.snapshot.patterns[0].strength.to_bits(), bits, "{text}");
    }
}

#[test]
fn non_utf8_line_is_skipped_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.jsonl");
    let mut bytes = snapshot(0, &[with_embedding("p0")]).into_bytes();
    bytes.extend(b"\n{\"id\":\"caf\xe9\"}\n");
    bytes.extend(snapshot(1, &[with_embedding("p1")]).into_bytes());
    fs::write(&path, &bytes).unwrap();
    let mut file = SnapshotFile::open(&path, 2).unwrap();
    let [rejected] = file.rejected().to_vec().try_into().unwrap();
    assert_eq!((rejected.line, &rejected.pattern), (2, &None));
    assert!(rejected.reason.contains("not UTF-8 from byte 11 on"), "{rejected:?}");
    assert_eq!(ids(&file.read_run(1).unwrap()[0]), ["p1"]);

    let mut lines = SnapshotLines::new(&path, 2);
    let read: Vec<_> = bytes.split(|byte| *byte == b'\n').map(|line| lines.read(line)).collect();
    assert_eq!(ids(read[0].as_ref().unwrap().as_ref().unwrap()), ["p0"]);
    assert_eq!(read[1].as_ref().unwrap_err(), &rejected);
    assert_eq!(ids(read[2].as_ref().unwrap().as_ref().unwrap()), ["p1"]);
}

#[test]
fn white_space_shortens_no_line_that_is_too_long() {
    let folder = tempfile::tempdir().unwrap();
    let mut lines = SnapshotLines::new(&folder.path().join("n.jsonl"), 2);
    let mut long = vec![b' '; MAX_SNAPSHOT_LINE + 2];
    assert!(lines.read(&long).unwrap_err().reason.contains("split it into several snapshots"));
    long.truncate(2);
    long.extend(pattern("p", r#","embedding_row":7"#).into_bytes());
    assert!(lines.read(&long).unwrap().is_some());
}

#[test]
fn rows_may_be_appended_between_two_lines() {
    let folder = tempfile::tempdir().unwrap();
    let (path, rows) = (folder.path().join("n.jsonl"), folder.path().join("embeddings.f32"));
    let mut lines = SnapshotLines::new(&path, 2);
    let line = |row: u32| pattern(&format!("p{row}"), &format!(r#","embedding_row":{row}"#));
    fs::write(&rows, [1.0_f32, 0.0].map(f32::to_le_bytes).concat()).unwrap();
    let read = |lines: &mut SnapshotLines, row| lines.read(line(row).as_bytes()).unwrap().unwrap();
    assert_eq!(ids(&read(&mut lines, 0)), ["p0"]);
    assert!(read(&mut lines, 1).rejected[0].reason.contains("beyond the 1 rows"));
    fs::write(&rows, [1.0_f32, 0.0, 0.0, 1.0].map(f32::to_le_bytes).concat()).unwrap();
    assert_eq!(*read(&mut lines, 1).snapshot.patterns[0].embedding, [0.0, 1.0]);
    assert!(lines.read(b" ").unwrap().is_none());
}
