//! Real processes whose store is removed or replaced while they run: they accept no changes until
//! the file is back, and a backup rescues their state.

#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::common::process::{DEADLINE, Process, engram_node, fails, init, line, succeeds};

const CTL: [&str; 3] = ["ctl", "--config", "cluster.toml"];

/// Starts a node without peers, and submits pattern `a` to it.
fn with_a_pattern(folder: &Path) -> (PathBuf, Process, String) {
    let node = init(folder, 1).remove(0);
    for id in ["a", "b"] {
        fs::write(node.join(format!("{id}.jsonl")), line(0, &[id])).unwrap();
    }
    let mut process = Process::start(&["--config", "cluster.toml"], &node);
    let page = process.event("listening")["page"].as_str().unwrap().to_owned();
    succeeds(&[&CTL[..], &["submit", "a.jsonl"]].concat(), &node);
    (node, process, page)
}

fn stop(mut process: Process, node: &Path) {
    succeeds(&[&CTL[..], &["stop"]].concat(), node);
    assert!(process.ends());
}

#[test]
fn a_replaced_store_refuses_changes_until_back() {
    let folder = tempfile::tempdir().unwrap();
    let (node, mut process, page) = with_a_pattern(folder.path());
    let (store, moved) = (node.join("state/state.redb"), node.join("moved.redb"));
    fs::rename(&store, &moved).unwrap();
    fs::copy(&moved, &store).unwrap();
    let refused = fails(&[&CTL[..], &["submit", "b.jsonl"]].concat(), &node);
    assert!(refused.contains("is not the file that this node has open"), "{refused}");
    process.event("storage_failure");
    let watched = succeeds(&["watch", "--once", &page], &node);
    assert!(watched.contains("not ready: changes cannot be stored"), "{watched}");

    fs::rename(&moved, &store).unwrap();
    succeeds(&[&CTL[..], &["submit", "b.jsonl"]].concat(), &node);
    process.event("storage_recovered");
    stop(process, &node);
    let mut process = Process::start(&["--config", "cluster.toml"], &node);
    process.until("opened", |event| event["found"].as_str().unwrap().contains("2 records"));
}

/// Nothing is submitted after the removal. A backup keeps the acknowledged changes.
#[test]
fn a_removed_store_is_noticed_and_rescued() {
    let folder = tempfile::tempdir().unwrap();
    let (node, mut process, _) = with_a_pattern(folder.path());
    fs::remove_dir_all(node.join("state")).unwrap();
    let failure = process.event("storage_failure");
    assert!(failure["reason"].as_str().unwrap().contains("ctl backup"), "{failure}");
    // The node creates its socket again in the new folder.
    fs::create_dir(node.join("state")).unwrap();
    let begun = Instant::now();
    while !engram_node(&[&CTL[..], &["backup", "rescued"]].concat(), &node).status.success() {
        assert!(begun.elapsed() < DEADLINE, "no backup");
    }
    process.signal("KILL");
    assert!(!process.ends());
    fs::remove_dir_all(node.join("state")).unwrap();
    fs::rename(node.join("rescued"), node.join("state")).unwrap();
    let mut process = Process::start(&["--config", "cluster.toml"], &node);
    process.until("opened", |event| event["found"].as_str().unwrap().contains("1 record"));
}
