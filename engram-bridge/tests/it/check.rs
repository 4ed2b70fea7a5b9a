//! `check` and `run` refuse the same configurations, with the same cause and next step, and both
//! warn of an exposed key. Also tests the outputs of other commands.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use engram_gossip_net::{ClusterCa, Validity};

use crate::common::process::*;
#[cfg(target_os = "linux")]
use crate::disks::node_after;

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap()
}

/// Replaces a node's certificate with one that `ca` issues for the same key.
fn certify(node: &Path, ca: &ClusterCa, validity: Validity) {
    let issued = ca.renew_node("node", &read(node.join("node.key")), validity).unwrap();
    fs::write(node.join("node.pem"), issued.certificate_pem).unwrap();
}

fn edit(node: &Path, from: &str, to: &str) {
    let path = node.join("cluster.toml");
    let text = read(&path);
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

/// Changes a node's folder with `spoil`, and returns the error of `check`. The error of `run` must
/// begin like it, up to the second colon, and have the same next step.
fn refused(spoil: impl FnOnce(&Path, &ClusterCa)) -> String {
    let folder = tempfile::tempdir().unwrap();
    let node = init(folder.path(), 2).remove(0);
    let cluster = folder.path().join("cluster");
    let ca = ClusterCa::from_pem(&read(cluster.join("ca.pem")), &read(cluster.join("ca.key")));
    spoil(&node, &ca.unwrap());
    let [checked, run] =
        ["check", "run"].map(|command| fails(&[command, "--config", "cluster.toml"], &node));
    // The middle may differ: `check` and `run` detect an unusable store in different steps.
    assert_eq!(checked.split(':').nth(1), run.split(':').nth(1), "{checked}{run}");
    let next_step = |said: &str| said.rsplit("; ").next().map(str::to_owned);
    assert_eq!(next_step(&checked), next_step(&run), "{checked}{run}");
    checked
}

#[test]
fn what_run_refuses_is_refused_by_check() {
    let now = SystemTime::now();
    let day = Duration::from_secs(86_400);
    let expired = refused(|node, ca| certify(node, ca, Validity::days_from(now - 9 * day, 3)));
    assert!(expired.contains("expired"), "{expired}");
    let early = refused(|node, ca| certify(node, ca, Validity::days_from(now + 9 * day, 3)));
    assert!(early.contains("not valid yet"), "{early}");
    let stranger = refused(|node, _| {
        let other = ClusterCa::generate("other", Validity::days_from(now, 9)).unwrap();
        certify(node, &other, Validity::days_from(now, 9));
    });
    assert!(stranger.contains("authority"), "{stranger}");
    let other_key = refused(|node, _| {
        fs::copy(node.join("../node-b/node.key"), node.join("node.key")).unwrap();
    });
    assert!(other_key.contains("key"), "{other_key}");
    let own = refused(|node, _| {
        let own = succeeds(&["certs", "show", "node.pem"], node);
        let peer = succeeds(&["certs", "show", "../node-b/node.pem"], node);
        let [own, peer] = [&own, &peer].map(|shown| shown.lines().next().unwrap());
        edit(node, peer, own);
    });
    assert!(own.contains("this node's own"), "{own}");
    let store = refused(|node, _| fs::write(node.join("state"), "a file").unwrap());
    assert!(store.contains("store.path"), "{store}");
    let twice = refused(|node, _| edit(node, "[[peers]]", "[gossip]\nfanout = 0\n\n[[peers]]"));
    assert!(twice.contains("gossip.fanout"), "{twice}");
}

/// A node starts on a full disk only if it already has a store.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_needs_an_existing_store() {
    let folder = tempfile::tempdir().unwrap();
    let node = init(folder.path(), 1).remove(0);
    let on_full_disk = |command: &str| {
        let mut full = node_after("trap '' XFSZ; ulimit -S -f 0");
        full.args([command, "--config", "cluster.toml"]).current_dir(&node);
        full
    };
    for command in ["check", "run"] {
        let output = on_full_disk(command).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains("no room to write"), "{command}: {said}");
    }
    let mut process = Process::start(&["--config", "cluster.toml"], &node);
    process.event("listening");
    process.signal("TERM");
    assert!(process.ends());
    assert!(on_full_disk("check").status().unwrap().success());
    let mut run = on_full_disk("run");
    run.arg("--events");
    Process::spawn(run).event("listening");
}

#[test]
fn a_key_that_others_may_read_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let node = init(folder.path(), 1).remove(0);
    let configuration = ["--config", "cluster.toml"];
    let warning = |mode: u32| {
        fs::set_permissions(node.join("node.key"), Permissions::from_mode(mode)).unwrap();
        let checked = succeeds(&["check", "--config", "cluster.toml"], &node);
        let mut process = Process::start(&configuration, &node);
        process.event("listening");
        let told = process.seen.iter().any(|event| event["event"] == "key_exposed");
        [checked.contains("warning: other users may read"), told]
    };
    assert_eq!(warning(0o600), [false, false]);
    for mode in [0o640, 0o604, 0o644] {
        assert_eq!(warning(mode), [true, true], "{mode:o}");
    }
}

#[test]
fn a_closed_pipe_ends_no_command() {
    let folder = tempfile::tempdir().unwrap();
    let node = init(folder.path(), 1).remove(0);
    for arguments in [
        &["keys"][..],
        &["metrics"],
        &["check", "--config", "cluster.toml"],
        &["certs", "show", "node.pem"],
        &["init", "--nodes", "2", "--out", "other"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_engram-node"));
        command.args(arguments).current_dir(&node).stdout(writer);
        assert!(command.status().unwrap().success(), "{arguments:?}");
    }
    assert!(node.join("other/node-b/cluster.toml").exists(), "the cluster is incomplete");
}

#[test]
#[cfg(target_os = "linux")]
fn an_answer_that_cannot_be_written_fails() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_engram-node"));
    let output = command.arg("keys").stdout(full).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("the answer is incomplete"), "{said}");
}

#[test]
fn section_of_another_file_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let node = init(folder.path(), 1).remove(0);
    let text = read(node.join("cluster.toml"))
        .replace("\n[", "\n[engram.")
        .replace("[engram.[", "[[engram.");
    let text =
        text.strip_prefix('[').map_or_else(|| text.clone(), |rest| format!("[engram.{rest}"));
    fs::write(node.join("engram.toml"), format!("port = 7432\n{text}")).unwrap();
    let of_section = ["--config", "engram.toml", "--section", "engram"];
    let checked = succeeds(&[&["check"], &of_section[..]].concat(), &node);
    assert!(checked.starts_with("[engram] of engram.toml can be used"), "{checked}");
    let whole = fails(&["check", "--config", "engram.toml"], &node);
    assert!(whole.contains("port (line 1): this key is unknown"), "{whole}");
    let other = fails(&["check", "--config", "engram.toml", "--section", "other"], &node);
    assert!(other.contains("engram.toml has no section [other]"), "{other}");
    let migrated = succeeds(&[&["migrate", "--precision", "f32"], &of_section[..]].concat(), &node);
    assert!(migrated.starts_with("stored with f32: 0 records"), "{migrated}");
    let asked = fails(&[&["ctl", "state"], &of_section[..]].concat(), &node);
    assert!(asked.contains("state/"), "{asked}");
}
