//! The exit status of `diff` and `watch`.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use crate::common::process::*;

fn status(arguments: &[&str], folder: &Path) -> i32 {
    engram_node(arguments, folder).status.code().unwrap()
}

#[test]
fn a_difference_is_1_and_an_error_2() {
    let folder = tempfile::tempdir().unwrap();
    let nodes = init(folder.path(), 2);
    for node in &nodes {
        // The nodes never connect, because neither has the other's address.
        let path = node.join("cluster.toml");
        let text = fs::read_to_string(&path).unwrap();
        let kept = text.lines().filter(|line| !line.starts_with("address = "));
        fs::write(&path, kept.collect::<Vec<_>>().join("\n")).unwrap();
    }
    let start = |node| Process::start(&["--config", "cluster.toml"], node);
    let mut processes: Vec<_> = nodes.iter().map(|node| start(node)).collect();
    let pages: Vec<_> = processes
        .iter_mut()
        .map(|process| process.event("listening")["page"].as_str().unwrap().to_owned())
        .collect();
    let (one, other) = (&*pages[0], &*pages[1]);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let at = &nodes[0];
    assert_eq!(status(&["diff", one, other], at), 0);
    assert_eq!(status(&["watch", "--once", one, other], at), 0);
    assert_eq!(status(&["diff", one, &silent], at), 2);
    let unreachable = engram_node(&["diff", "--json", one, &silent], at);
    assert_eq!(unreachable.status.code(), Some(2));
    let failed: serde_json::Value = serde_json::from_slice(&unreachable.stdout).unwrap();
    assert_eq!((&failed["event"], &failed["command"]), (&"failed".into(), &"diff".into()));
    assert_eq!(status(&["watch", "--once", "--json", one, &silent], at), 2);

    fs::write(at.join("own.jsonl"), line(0, &["p"])).unwrap();
    let submit = ["ctl", "--config", "cluster.toml", "submit", "own.jsonl"];
    let submitted = succeeds(&submit, at);
    assert!(
        submitted.contains("1 snapshot of ") && submitted.contains("1 pattern,"),
        "{submitted}"
    );
    // Without a peer, a new node writes only after `store.settle_seconds`.
    processes[0].until("state", |state| state["patterns"] == 1);
    let differs = engram_node(&["diff", one, other], at);
    assert_eq!(differs.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&differs.stderr), "1 space differs\n");
    assert_eq!(status(&["watch", "--once", one, other], at), 1);
    assert_eq!(status(&["watch", "--once", one, other, &silent], at), 2);
}
