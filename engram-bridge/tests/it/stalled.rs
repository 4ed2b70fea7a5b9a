//! Sessions that make no progress because the disk of one of two nodes is full.

#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::process::{Process, init, line, succeeds};
use crate::disks::{is_possible, node_after};

/// Sets the sync interval of a node to one second.
fn hurry(node: &Path) {
    let path = node.join("cluster.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(path, format!("[gossip]\ninterval_seconds = 1\n\n{text}")).unwrap();
}

/// The peer reports that the node with the full disk accepts no records.
#[test]
fn a_full_disk_is_the_cause_of_a_stall() {
    if !is_possible("prlimit --version") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let [a, b]: [_; 2] = init(folder.path(), 2).try_into().unwrap();
    [&a, &b].into_iter().for_each(|node| hurry(node));
    let mut peer = Process::start(&["--config", "cluster.toml"], &a);
    let mut command = node_after("trap '' XFSZ");
    command.args(["run", "--events", "--config", "cluster.toml"]).current_dir(&b);
    let mut full = Process::spawn(command);
    full.event("connected");
    peer.event("connected");

    let id = full.id().to_string();
    let limited = Command::new("prlimit").args(["--pid", &id, "--fsize=0:unlimited"]).status();
    assert!(limited.unwrap().success());
    fs::write(a.join("own.jsonl"), line(0, &["p"])).unwrap();
    succeeds(&["ctl", "--config", "cluster.toml", "submit", "own.jsonl"], &a);
    full.event("storage_failure");
    let stalled = peer.event("stalled");
    let reason = stalled["reason"].as_str().unwrap();
    assert!(reason.contains("the peer does not currently accept records"), "{stalled}");

    // Once the process has stopped, `seen` contains all of its events.
    full.signal("TERM");
    full.event("stopped");
    assert!(!full.seen.iter().any(|event| event["event"] == "stalled"), "{:?}", full.seen);
}
