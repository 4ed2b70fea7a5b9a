//! Requests to a running node over the socket in its state folder.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use engram_bridge::durable::{Batch, RedbStateStore, StateStore as _};
use serde_json::Value;

use crate::common::process::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn every_step_of_the_runbook_is_a_request() {
    let folder = tempfile::tempdir().unwrap();
    let node = init(folder.path(), 1).remove(0);
    let mut process = Process::start(&["--config", "cluster.toml"], &node);
    let socket = process.event("listening")["socket"].as_str().unwrap().to_owned();
    assert_eq!(mode(Path::new(&socket)), 0o600);
    let ctl = |arguments: &[&str]| {
        let all = [&["ctl", "--config", "cluster.toml", "--json"], arguments].concat();
        serde_json::from_str::<Value>(&succeeds(&all, &node)).unwrap()
    };
    let odd = "a b\tc\u{1b}[31m";
    let json = serde_json::to_string(odd).unwrap();
    fs::write(node.join("own.jsonl"), line(0, &["p", "q", odd])).unwrap();

    let submitted = ctl(&["submit", "own.jsonl"]);
    assert_eq!((&submitted["event"], &submitted["written"]), (&"submitted".into(), &3.into()));
    assert_eq!(ctl(&["state"])["patterns"], 3);
    let explained = ctl(&["explain", "default", &json]);
    let shown = ["ctl", "--config", "cluster.toml", "explain", "default", "p"];
    let shown = succeeds(&shown, &node);
    assert!(
        shown.starts_with("pattern \"p\" of default: confidence 0.5, strength 0.5, 1 citation,")
    );
    assert!(shown.contains("\n  version ") && shown.contains("\n  covers node-a ("), "{shown}");
    let version = explained["versions"][0]["digest"].as_str().unwrap().to_owned();
    assert_eq!(explained["id"], odd);
    assert_eq!(ctl(&["resolve", "default", &version[..12], &json])["version"], *version);
    assert_eq!(ctl(&["withdraw", "default", "q"])["found"], true);
    assert_eq!(ctl(&["forget", "default", &json])["found"], true);
    assert_eq!(ctl(&["forget", "default", "none"])["found"], false);
    assert_eq!(ctl(&["drop-implausible"])["patterns"], 0);
    assert_eq!(ctl(&["groups"])["event"], "groups");
    assert_eq!(ctl(&["forget", "--node", &"ab".repeat(32)])["patterns"], 0);
    assert_eq!(ctl(&["export", "shown.jsonl"])["event"], "exported");
    assert_eq!(fs::read_to_string(node.join("shown.jsonl")).unwrap().lines().count(), 1);
    assert_eq!(ctl(&["backup", "copy"])["event"], "backed_up");
    assert_eq!(mode(&node.join("shown.jsonl")), 0o600);
    assert_eq!(mode(&node.join("copy")), 0o700);
    let compacted = ctl(&["compact"]);
    assert_eq!(compacted["event"], "compacted");
    assert!(compacted["after"].as_u64() <= compacted["before"].as_u64(), "{compacted}");
    assert_eq!(ctl(&["state"])["patterns"], 1, "a compaction changes no visible pattern");
    assert_eq!(ctl(&["reload"])["changed"], Value::Array(vec![]));

    assert!(Command::new("mkfifo").arg(node.join("pipe")).status().unwrap().success());
    fs::write(node.join("garbage.jsonl"), "no JSON\n{}\n").unwrap();
    let own_id = succeeds(&["certs", "show", "node.pem"], &node);
    let own_id = own_id.lines().next().unwrap().to_owned();
    let state = ["ctl", "--config", "cluster.toml", "state"];
    assert!(succeeds(&state, &node).starts_with("1 pattern, root "));
    let after = succeeds(&["ctl", "state", "--config", "cluster.toml", "--json"], &node);
    assert_eq!(serde_json::from_str::<Value>(&after).unwrap()["patterns"], 1);
    let copy = fails(&["ctl", "--config", "cluster.toml", "backup", "copy"], &node);
    assert_eq!(copy.matches("/copy").count(), 1, "{copy}");
    for (wrong, complaint) in [
        (&["forget", "other", "p"][..], "hosts no space \"other\""),
        (&["explain", "default", "none"], "never held the pattern \"none\""),
        (&["resolve", "default", "ff", "p"], "no version, or more than one, begins with ff"),
        (&["submit", "missing.jsonl"], "cannot read"),
        (&["submit", "pipe"], "not a regular file"),
        (&["submit", "/dev/zero"], "not a regular file"),
        (&["backup", "copy"], "copy: "),
        (&["forget", "--node", "ab"], "\"ab\": "),
        (&["forget", "--node", &own_id], "is this node"),
        (&["submit", "garbage.jsonl"], "nothing was submitted, 2 rejected: line 1: "),
        (&["resolve", "default", "", "p"], "no version, or more than one, begins with "),
    ] {
        let said = fails(&[&["ctl", "--config", "cluster.toml"], wrong].concat(), &node);
        assert!(said.contains(complaint), "{wrong:?}: {said}");
    }

    let text = fs::read_to_string(node.join("cluster.toml")).unwrap();
    fs::write(node.join("cluster.toml"), text.clone() + "\n[gossip]\nfanout = 0\nmad = 1\n")
        .unwrap();
    let reload = fails(&["ctl", "--state-folder", "state", "reload"], &node);
    assert!(reload.contains("is refused; gossip.fanout (line"), "{reload}");
    assert!(!reload.contains("\\n"), "{reload}");
    fs::write(node.join("cluster.toml"), text).unwrap();

    assert_eq!(ctl(&["stop"])["event"], "stopped");
    process.event("stopped");
    assert!(process.ends());
    assert!(fails(&state, &node).contains("is it running"));
    assert!(!Path::new(&socket).exists());
    // These requests, and the failed ones, produced events of the node.
    for code in [
        "submitted",
        "explained",
        "resolved",
        "withdrawn",
        "forgotten",
        "implausible_dropped",
        "node_withdrawn",
        "exported",
        "backed_up",
        "compacted",
        "reloaded",
        "failed",
    ] {
        let event = process.seen.iter().find(|event| event["event"] == code);
        let event = event.unwrap_or_else(|| panic!("no {code} in {:#?}", process.seen));
        assert_eq!(event["node"], "node-a");
        assert!(event["time"].as_str().unwrap().ends_with('Z') && event["level"].is_string());
    }
}

#[test]
fn an_export_replaces_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let node = init(folder.path(), 1).remove(0);
    let mut process = Process::start(&["--config", "cluster.toml"], &node);
    process.event("listening");
    let mine = ["keep.jsonl", "shown.jsonl.part"];
    mine.iter().for_each(|name| fs::write(node.join(name), "mine").unwrap());
    symlink(node.join("keep.jsonl"), node.join("link")).unwrap();
    symlink(node.join("nowhere"), node.join("dangling")).unwrap();
    symlink(node.join("state"), node.join("other")).unwrap();
    let refused = |path: &str| fails(&["ctl", "--config", "cluster.toml", "export", path], &node);
    let before = names(&node);
    for path in ["keep.jsonl", "link", "dangling", "/dev/null"] {
        let said = refused(path);
        assert!(said.contains("it exists") && said.contains("nothing was written"), "{said}");
    }
    for path in ["state/state.redb", "state/shown.jsonl", "other/shown.jsonl"] {
        let said = refused(path);
        assert!(said.contains("it is inside store.path"), "{said}");
    }
    assert_eq!(names(&node), before);
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    succeeds(&["ctl", "--config", "cluster.toml", "export", "shown.jsonl"], &node);
    assert!(mine.iter().all(|name| fs::read(node.join(name)).unwrap() == b"mine"));
    assert_eq!(names(&node).len(), before.len() + 1);
}

#[test]
fn stale_control_socket_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let node = init(folder.path(), 1).remove(0);
    let mut first = Process::start(&["--config", "cluster.toml"], &node);
    first.event("listening");
    drop(first);
    assert!(node.join("state/control.sock").exists(), "a killed node leaves its socket behind");
    let mut second = Process::start(&["--config", "cluster.toml"], &node);
    let socket = second.event("listening")["socket"].as_str().unwrap().to_owned();
    // More clients than the node can serve one after the other within the time limit of `ctl`.
    let silent: Vec<_> = (0..100).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    succeeds(&["ctl", "--config", "cluster.toml", "state"], &node);
    drop(silent);
    second.signal("TERM");
    second.event("stopped");
    assert!(second.ends());
}

#[test]
fn a_missing_control_socket_is_created_again() {
    let folder = tempfile::tempdir().unwrap();
    let node = init(folder.path(), 1).remove(0);
    let socket = node.join("state/control.sock");
    fs::create_dir_all(&socket).unwrap();
    let mut process = Process::start(&["--config", "cluster.toml"], &node);
    assert!(process.event("listening")["socket"].is_null());
    assert!(process.seen.iter().any(|event| event["event"] == "no_control_socket"));
    fs::remove_dir(&socket).unwrap();
    process.event("control_socket_recovered");
    let state = ["ctl", "--config", "cluster.toml", "state"];
    succeeds(&state, &node);
    fs::remove_file(&socket).unwrap();
    let begun = Instant::now();
    while !engram_node(&state, &node).status.success() {
        assert!(begun.elapsed() < DEADLINE, "no new socket");
    }
    process.signal("TERM");
    assert!(process.ends() && !socket.exists());
}

#[test]
fn a_stopped_node_has_freed_folder_and_ports() {
    let folder = tempfile::tempdir().unwrap();
    let node = init(folder.path(), 1).remove(0);
    for _ in 0..3 {
        let mut process = Process::start(&["--config", "cluster.toml"], &node);
        let listening = process.event("listening");
        let [address, page] = ["address", "page"].map(|field| {
            listening[field].as_str().unwrap().replace("http://", "").replace('/', "")
        });
        assert_eq!(succeeds(&["ctl", "--config", "cluster.toml", "stop"], &node), "stopped\n");
        UdpSocket::bind(address).unwrap();
        TcpListener::bind(page).unwrap();
        RedbStateStore::new(node.join("state")).commit(&Batch::default()).unwrap();
        assert!(process.ends());
    }
}

#[test]
fn submissions_before_the_first_contact_wait() {
    let folder = tempfile::tempdir().unwrap();
    let node = init(folder.path(), 2).remove(0);
    let config = fs::read_to_string(node.join("cluster.toml")).unwrap();
    let patient = config.replacen("[store]\n", "[store]\nsettle_seconds = 3600\n", 1);
    fs::write(node.join("cluster.toml"), patient).unwrap();
    let mut process = Process::start(&["--config", "cluster.toml"], &node);
    process.event("listening");
    fs::write(node.join("own.jsonl"), line(0, &["p", "q"])).unwrap();
    let submit = ["ctl", "--config", "cluster.toml", "submit", "own.jsonl"];
    let said = succeeds(&submit, &node);
    let told = "2 patterns, 0 new, 2 wait for the first contact and are only in memory, 0 rejected";
    assert!(said.contains(told), "{said}");
    let submitted = process.event("submitted");
    assert_eq!((&submitted["waiting"], &submitted["taken"]), (&2.into(), &2.into()));
}

#[test]
fn each_failure_is_json_if_requested() {
    let folder = tempfile::tempdir().unwrap();
    let node = init(folder.path(), 1).remove(0);
    for (arguments, command, reason) in [
        (&["cluster.toml", "state"][..], "state", "is it running"),
        (&["missing.toml", "stop"], "stop", "missing.toml"),
        (&["cluster.toml", "withdraw", "default", "\"lead"], "withdraw", "not a JSON string"),
        (&["cluster.toml", "forget", "--node", "ab"], "forget-node", "is it running"),
    ] {
        let output = engram_node(&[&["ctl", "--json", "--config"], arguments].concat(), &node);
        assert_eq!(output.status.code(), Some(1));
        let failed: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&failed["event"], &failed["command"]), (&"failed".into(), &command.into()));
        assert!(failed["reason"].as_str().unwrap().contains(reason), "{failed}");
    }
}

#[test]
fn a_member_is_not_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let nodes = init(folder.path(), 2);
    let mut process = Process::start(&["--config", "cluster.toml"], &nodes[0]);
    process.event("listening");
    let member = succeeds(&["certs", "show", "node.pem"], &nodes[1]);
    let member = member.lines().next().unwrap();
    let request = ["ctl", "--config", "cluster.toml", "forget", "--node", member];
    let said = fails(&request, &nodes[0]);
    assert!(said.contains("is a member") && said.contains("nothing was changed"), "{said}");
}
