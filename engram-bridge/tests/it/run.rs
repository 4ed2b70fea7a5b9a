//! `engram-node run`: its snapshots, signals, and readers of its output.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::process::*;

fn append(path: &Path, bytes: &[u8]) {
    let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
}

/// Waits for at least `least` patterns, and returns the number of lines and patterns left out so
/// far.
fn patterns(process: &mut Process, least: u64) -> u64 {
    let state = process.until("state", |event| event["patterns"].as_u64() >= Some(least));
    state["rejected"].as_u64().unwrap()
}

#[test]
fn file_is_followed_over_bad_lines_and_rotation() {
    let folder = tempfile::tempdir().unwrap();
    let node = init(folder.path(), 1).remove(0);
    let (path, old) = (node.join("own.jsonl"), node.join("own.jsonl.1"));
    let arguments = ["--config", "cluster.toml", "--follow", "--snapshots", "own.jsonl"];
    // The file is created later.
    let mut process = Process::start(&arguments, &node);
    let missing = process.event("snapshots_unreadable");
    assert!(missing["reason"].as_str().unwrap().contains("No such file"), "{missing}");
    append(&path, line(0, &["a"]).as_bytes());
    process.event("snapshots_readable");
    patterns(&mut process, 1);
    // An unfinished line waits for its line ending.
    let next = line(1, &["b"]);
    append(&path, &next.as_bytes()[..40]);
    append(&path, &next.as_bytes()[40..]);
    patterns(&mut process, 2);
    append(&path, b"{\"id\":\"caf\xe9\"}\nno JSON\nno JSON\n");
    append(&path, line(2, &["c"]).as_bytes());
    assert_eq!(patterns(&mut process, 3), 3);
    let rejected = process.seen.iter().filter(|event| event["event"] == "rejected");
    let lines: Vec<_> = rejected.map(|event| event["reason"].as_str().unwrap()).collect();
    assert_eq!(lines.len(), 2, "one for each reason: {lines:?}");
    assert!(lines[0].contains("own.jsonl:3: ") && lines[1].contains("own.jsonl:4: "), "{lines:?}");
    // The writer continues briefly after the rotation, and leaves an unfinished line.
    fs::rename(&path, &old).unwrap();
    append(&old, line(3, &["d"]).trim_end().as_bytes());
    append(&path, line(4, &["e", "f"]).as_bytes());
    patterns(&mut process, 6);
    // The file is truncated and rewritten.
    fs::write(&path, line(5, &["g"])).unwrap();
    patterns(&mut process, 7);
    process.signal("TERM");
    process.event("stopped");
    assert!(process.ends());
}

#[test]
fn a_followed_file_that_disappears_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let node = init(folder.path(), 1).remove(0);
    let (path, moved) = (node.join("own.jsonl"), node.join("moved.jsonl"));
    append(&path, line(0, &["a"]).as_bytes());
    let arguments = ["--config", "cluster.toml", "--follow", "--snapshots", "own.jsonl"];
    let mut process = Process::start(&arguments, &node);
    patterns(&mut process, 1);
    fs::rename(&path, &moved).unwrap();
    process.event("snapshots_unreadable");
    // The open file is still read.
    append(&moved, line(1, &["b"]).as_bytes());
    patterns(&mut process, 2);
    assert!(process.seen.iter().all(|event| event["event"] != "snapshots_readable"));
    fs::rename(&moved, &path).unwrap();
    process.event("snapshots_readable");
    append(&path, line(2, &["c"]).as_bytes());
    patterns(&mut process, 3);
}

#[test]
fn snapshot_adds_its_space_if_all_are_hosted() {
    let folder = tempfile::tempdir().unwrap();
    let node = init(folder.path(), 1).remove(0);
    let mut elsewhere: serde_json::Value = serde_json::from_str(&line(0, &["a"])).unwrap();
    elsewhere["space"] = "elsewhere".into();
    fs::write(node.join("own.jsonl"), format!("{elsewhere}\n")).unwrap();
    let arguments = ["--config", "cluster.toml", "--snapshots", "own.jsonl"];
    let mut process = Process::start(&arguments, &node);
    let rejected = process.event("rejected");
    assert!(rejected["reason"].as_str().unwrap().contains("add it to node.spaces"), "{rejected}");
    process.signal("TERM");
    assert!(process.ends());

    let config = fs::read_to_string(node.join("cluster.toml")).unwrap();
    let all = config.replacen("[node]\n", "[node]\nspaces = \"*\"\n", 1);
    fs::write(node.join("cluster.toml"), all).unwrap();
    let mut process = Process::start(&arguments, &node);
    assert_eq!(patterns(&mut process, 1), 0);
    process.signal("TERM");
    assert!(process.ends());
}

#[test]
fn a_used_page_port_prevents_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let node = init(folder.path(), 1).remove(0);
    let used = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = fs::read_to_string(node.join("cluster.toml")).unwrap();
    let page = format!("[http]\nlisten = \"{}\"", used.local_addr().unwrap());
    let config = config.replacen("[http]\nlisten = \"127.0.0.1:0\"", &page, 1);
    fs::write(node.join("cluster.toml"), config).unwrap();
    let said = fails(&["run", "--config", "cluster.toml"], &node);
    assert!(said.contains("cannot serve HTTP on"), "{said}");
    assert!(!node.join("state").exists(), "no store was created");
}

#[test]
#[cfg(unix)]
fn too_few_files_prevent_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let node = init(folder.path(), 1).remove(0);
    let script = "ulimit -n 6; exec \"$0\" run --config cluster.toml";
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_engram-node")]).current_dir(&node);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("raise the limit (ulimit -n"), "{said}");
}

/// The counts of the first snapshot of a process.
fn first_snapshot(process: &mut Process) -> [u64; 3] {
    let event = process.event("snapshot");
    ["taken", "written", "rejected"].map(|field| event[field].as_u64().unwrap())
}

#[test]
#[cfg(unix)]
fn following_a_file_again_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let node = init(folder.path(), 1).remove(0);
    let path = node.join("own.jsonl");
    let arguments = ["--config", "cluster.toml", "--follow", "--snapshots", "own.jsonl"];
    append(&path, line(0, &["a", "b"]).as_bytes());
    append(&path, line(1, &["a", "c"]).as_bytes());
    append(&path, line(2, &["a"]).as_bytes());
    // A strength below zero is refused.
    let broken = line(3, &["b"]).replace("\"strength\":0.5", "\"strength\":-1.0");
    append(&path, broken.as_bytes());
    let mut process = Process::start(&arguments, &node);
    // The node writes one version of each pattern: the last valid one.
    assert_eq!(first_snapshot(&mut process), [3, 3, 1]);
    patterns(&mut process, 3);
    let ctl = |request: &[&str]| {
        succeeds(&[&["ctl", "--config", "cluster.toml", "--json"], request].concat(), &node)
    };
    ctl(&["export", "shown.jsonl"]);
    let shown = fs::read_to_string(node.join("shown.jsonl")).unwrap();
    assert!(["\"a 2\"", "\"b 0\"", "\"c 1\""].iter().all(|cited| shown.contains(cited)), "{shown}");
    ctl(&["withdraw", "default", "c"]);
    process.signal("TERM");
    process.event("stopped");
    assert!(process.ends());

    let mut process = Process::start(&arguments, &node);
    assert_eq!(first_snapshot(&mut process), [3, 0, 1], "the withdrawn pattern stays withdrawn");
    assert_eq!(patterns(&mut process, 2), 1);
    append(&path, line(4, &["d"]).as_bytes());
    patterns(&mut process, 3);
}

#[test]
#[cfg(unix)]
fn a_pipe_is_followed_from_writer_to_writer() {
    let folder = tempfile::tempdir().unwrap();
    let node = init(folder.path(), 1).remove(0);
    let path = node.join("own.pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let refused = fails(&["run", "--config", "cluster.toml", "--snapshots", "own.pipe"], &node);
    assert!(refused.contains("it is not a regular file; use run --follow"), "{refused}");
    let arguments = ["--config", "cluster.toml", "--follow", "--snapshots", "own.pipe"];
    let mut process = Process::start(&arguments, &node);
    // The node runs, although no writer has opened the pipe.
    process.event("listening");
    append(&path, line(0, &["a"]).as_bytes());
    patterns(&mut process, 1);
    append(&path, line(1, &["b"]).as_bytes());
    patterns(&mut process, 2);
    process.signal("TERM");
    process.event("stopped");
    assert!(process.ends());
}

#[test]
#[cfg(unix)]
fn hang_up_during_the_start_reloads() {
    let folder = tempfile::tempdir().unwrap();
    let node = init(folder.path(), 1).remove(0);
    let mut process = Process::start(&["--config", "cluster.toml"], &node);
    process.event("opened");
    process.signal("HUP");
    process.signal("HUP");
    process.event("reloaded");
    process.signal("TERM");
    process.event("stopped");
    assert!(process.ends());
}

#[test]
#[cfg(unix)]
fn unread_output_blocks_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let node = init(folder.path(), 1).remove(0);
    // More events than the pipe and the queue can hold.
    let lines: String = (0..6_000).map(|run| line(run, &[])).collect();
    fs::write(node.join("own.jsonl"), lines).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_engram-node"))
        .args(["run", "--events", "--config", "cluster.toml", "--snapshots", "own.jsonl"])
        .args(["--replay-every", "0"])
        .current_dir(&node)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let ctl = |request: &str| {
        let arguments = ["ctl", "--config", "cluster.toml", "--json", request];
        let output = engram_node(&arguments, &node);
        serde_json::from_slice::<serde_json::Value>(&output.stdout).ok()
    };
    let begun = std::time::Instant::now();
    while !ctl("state").is_some_and(|state| state["replay_done"] == true) {
        assert!(begun.elapsed() < DEADLINE, "the replay does not finish");
    }
    ctl("stop").unwrap();
    assert!(child.wait().unwrap().success());
}
