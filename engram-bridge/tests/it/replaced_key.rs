//! Gives a node a new key, following the steps of the runbook.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::common::process::*;

fn ctl(arguments: &[&str], folder: &Path) -> Value {
    let all = [&["ctl", "--config", "cluster.toml", "--json"], arguments].concat();
    serde_json::from_str(&succeeds(&all, folder)).unwrap()
}

fn submit(run: usize, ids: &[&str], folder: &Path) {
    fs::write(folder.join("own.jsonl"), line(run, ids)).unwrap();
    ctl(&["submit", "own.jsonl"], folder);
}

/// Waits until a node holds `patterns` patterns.
fn holds(patterns: u64, folder: &Path) {
    let begun = std::time::Instant::now();
    while ctl(&["state"], folder)["patterns"] != patterns {
        assert!(begun.elapsed() < DEADLINE, "never {patterns} patterns");
    }
}

/// The writers of the live versions of a pattern.
fn writers(id: &str, folder: &Path) -> Vec<String> {
    let explained = ctl(&["explain", "default", id], folder);
    let versions = explained["versions"].as_array().unwrap().iter();
    let writes = versions.flat_map(|version| version["writes"].as_array().unwrap());
    writes.map(|write| write["node_id"].as_str().unwrap().to_owned()).collect()
}

fn edit(folder: &Path, change: impl FnOnce(String) -> String) {
    let path = folder.join("cluster.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(path, change(text)).unwrap();
}

/// The value of a key in a peer's entry, with its quotation marks.
fn value<'t>(entry: &'t str, key: &str) -> &'t str {
    let line = entry.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.trim_start_matches([' ', '='])
}

#[test]
fn a_new_key_takes_over_versions_of_the_old() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = <[_; 2]>::try_from(init(folder.path(), 2)).unwrap();
    let arguments = ["--config", "cluster.toml"];
    let mut other = Process::start(&arguments, &a);
    let mut process = Process::start(&arguments, &b);
    other.event("listening");
    process.event("listening");
    submit(0, &["p", "q"], &b);
    holds(2, &a);
    let old = fs::read_to_string(a.join("cluster.toml")).unwrap();
    let entry = old.split("[[peers]]").nth(1).unwrap();
    let (old_id, address) =
        (value(entry, "node_id").to_owned(), value(entry, "address").to_owned());
    assert_eq!(writers("p", &a), [old_id.trim_matches('"')]);

    // Create a new key, and add it to every roster. One list serves both nodes, and names the old
    // key.
    let ca = folder.path().join("cluster");
    let new = ["certs", "node", "--name", "new", "--ca", ca.to_str().unwrap()];
    let new_id = succeeds(&new, &b).trim().to_owned();
    let entries = format!(
        "[[peers]]\nname = \"old\"\nnode_id = {old_id}\n\n[[peers]]\nname = \"node-b\"\n\
         node_id = \"{new_id}\"\naddress = {address}\nreplaces = [{old_id}]\n"
    );
    edit(&a, |text| text.replace(&format!("[[peers]]{entry}"), &entries));
    assert_eq!(ctl(&["reload"], &a)["changed"], serde_json::json!(["peers"]));
    ctl(&["stop"], &b);
    assert!(process.ends());
    edit(&b, |text| {
        let text = text.replace("node.pem", "new.pem").replace("node.key", "new.key");
        format!("{}\n{entries}", text.trim_end())
    });
    fs::remove_dir_all(b.join("state")).unwrap();
    let mut process = Process::start(&arguments, &b);
    process.event("listening");
    holds(2, &b);

    // The node takes over one pattern, and withdraws the other.
    submit(1, &["p"], &b);
    ctl(&["withdraw", "default", "q"], &b);
    holds(1, &a);
    let begun = std::time::Instant::now();
    while writers("p", &a) != [&*new_id] {
        assert!(begun.elapsed() < DEADLINE, "{:?}", writers("p", &a));
    }
}
