//! Real processes on disks that refuse writes: they start, serve the patterns they have, refuse
//! changes with the system's error, and recover by themselves. Also tests a folder that is in use,
//! and one that was moved.

#![cfg(target_os = "linux")]

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::process::{Process, fails, init, line, succeeds};
use crate::kill::{Cluster, DEADLINE};

/// Returns a command that runs the node from a shell, which first runs `setup`.
pub(crate) fn node_after(setup: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{setup} && exec \"$0\" \"$@\"")]);
    command.arg(env!("CARGO_BIN_EXE_engram-node"));
    command
}

/// Whether a command exists and is permitted here.
pub(crate) fn is_possible(command: &str) -> bool {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).stdout(Stdio::null()).stderr(Stdio::null());
    let possible = shell.status().is_ok_and(|status| status.success());
    if !possible {
        eprintln!("skipped: `{command}` fails here");
    }
    possible
}

/// Waits until the first node refuses a snapshot because its disk refuses writes. Returns the
/// recovery of its store, the number of visible patterns, and the reason for the refusal.
fn started(cluster: &mut Cluster) -> (String, u64, String) {
    let process = cluster.running[0].as_ref().unwrap();
    let (mut found, mut patterns, mut refused) = (None, None, None);
    let begun = Instant::now();
    while found.is_none() || patterns.is_none() || refused.is_none() {
        assert!(begun.elapsed() < DEADLINE, "{found:?} {patterns:?} {refused:?}");
        let event = process.events.recv_timeout(DEADLINE).expect("the node keeps running");
        let text = |field: &str| event[field].as_str().map(str::to_owned);
        match event["event"].as_str() {
            Some("opened") => found = text("recovery"),
            Some("state") => patterns = event["patterns"].as_u64(),
            Some("snapshot_failed") => refused = text("reason"),
            _ => {}
        }
    }
    (found.unwrap(), patterns.unwrap(), refused.unwrap())
}

/// Returns a cluster whose first node was killed, and the number of snapshots that this node
/// acknowledged.
fn killed() -> (Cluster, u64) {
    let mut cluster = Cluster::new(0);
    cluster.start(0, Some(0));
    cluster.kill(0, 0, 5);
    let acknowledged = cluster.acknowledged[0].len() as u64;
    (cluster, acknowledged)
}

/// A file size limit prevents all writes until it is lifted: to the node, the disk is full.
#[test]
fn a_node_starts_on_a_full_disk_and_recovers() {
    if !is_possible("prlimit --version") {
        return;
    }
    let (mut cluster, acknowledged) = killed();
    cluster.start_by(node_after("trap '' XFSZ; ulimit -S -f 0"), 0, Some(1));
    let (found, patterns, refused) = started(&mut cluster);
    assert_eq!(found, "loaded");
    assert!(patterns > acknowledged, "{patterns} visible, {acknowledged} acknowledged");
    assert!(refused.contains("no room to write"), "{refused}");

    let process = cluster.running[0].as_ref().unwrap();
    let pid = process.child.id().to_string();
    let lifted = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited"]).status();
    assert!(lifted.unwrap().success());
    let after = cluster.acknowledged[0].len() + 3;
    while cluster.acknowledged[0].len() < after {
        let process = cluster.running[0].as_ref().unwrap();
        let event = process.events.recv_timeout(DEADLINE).expect("the node keeps running");
        if event["event"] == "snapshot" {
            cluster.note(0, 1, &event);
        }
    }
    let mut process = cluster.running[0].take().unwrap();
    process.child.kill().unwrap();
    process.child.wait().unwrap();
    cluster.inspect(0);
}

#[test]
fn a_node_starts_on_a_read_only_disk() {
    if !is_possible("unshare -rm sh -c 'mount --bind / /mnt'") {
        return;
    }
    let (mut cluster, acknowledged) = killed();
    let disk = cluster.path("node-a").display().to_string();
    let mount = format!("mount --bind {disk} {disk} && mount -o remount,bind,ro {disk}");
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", &format!("{mount} && exec \"$0\" \"$@\"")]);
    command.arg(env!("CARGO_BIN_EXE_engram-node"));
    cluster.start_by(command, 0, Some(1));
    let (found, patterns, refused) = started(&mut cluster);
    assert_eq!(found, "loaded");
    assert!(patterns > acknowledged, "{patterns} visible, {acknowledged} acknowledged");
    assert!(refused.contains("cannot be written") && refused.contains("Read-only"), "{refused}");
}

fn set_mode(path: impl AsRef<Path>, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Sets the permissions of the state folder of a node, and of the file in it.
fn permit(node: &Path, [folder, file]: [u32; 2]) {
    set_mode(node.join("state"), folder);
    set_mode(node.join("state/state.redb"), file);
}

/// Checks that a node reports that it cannot store changes, and that it recovers after the repair.
fn is_unready_until(process: &mut Process, node: &Path, repair: impl FnOnce()) {
    let page = process.event("listening")["page"].as_str().unwrap().to_owned();
    process.event("storage_failure");
    assert!(!process.seen.iter().any(|event| event["event"] == "snapshot_failed"));
    let watched = succeeds(&["watch", "--once", &page], node);
    assert!(watched.contains("not ready: changes cannot be stored"), "{watched}");
    assert!(watched.contains("critical: storage_failure"), "{watched}");
    repair();
    process.event("storage_recovered");
    let watched = succeeds(&["watch", "--once", &page], node);
    assert!(watched.contains(" ready, up "), "{watched}");
}

/// Starts and stops a node, which then has a store. Returns its folder.
fn used(folder: &Path) -> PathBuf {
    let node = init(folder, 1).remove(0);
    let mut process = Process::start(&["--config", "cluster.toml"], &node);
    process.event("listening");
    succeeds(&["ctl", "--config", "cluster.toml", "stop"], &node);
    node
}

/// A node reports, before any change, that it cannot store changes and that it has no socket.
#[test]
fn a_read_only_start_is_reported_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let node = used(folder.path());
    let mut command = Command::new(env!("CARGO_BIN_EXE_engram-node"));
    command.args(["run", "--events", "--config", "cluster.toml"]).current_dir(&node);
    if std::fs::metadata(&node).unwrap().uid() == 0 {
        // Permissions do not restrict root.
        command.uid(65_534);
        set_mode(folder.path(), 0o755);
        set_mode(node.join("node.key"), 0o644);
    }
    permit(&node, [0o555, 0o444]);
    let mut process = Process::spawn(command);
    is_unready_until(&mut process, &node, || permit(&node, [0o777, 0o666]));
    assert!(process.seen.iter().any(|event| event["event"] == "no_control_socket"));
    if !process.seen.iter().any(|event| event["event"] == "control_socket_recovered") {
        process.event("control_socket_recovered");
    }
    succeeds(&["ctl", "--config", "cluster.toml", "stop"], &node);
    assert!(process.ends());
}

#[test]
fn a_full_disk_is_reported_at_the_start() {
    if !is_possible("prlimit --version") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let node = used(folder.path());
    let mut command = node_after("trap '' XFSZ; ulimit -S -f 0");
    command.args(["run", "--events", "--config", "cluster.toml"]).current_dir(&node);
    let mut process = Process::spawn(command);
    let id = process.id().to_string();
    is_unready_until(&mut process, &node, || {
        let lifted = Command::new("prlimit").args(["--pid", &id, "--fsize=unlimited"]).status();
        assert!(lifted.unwrap().success());
    });
}

/// The disk becomes full twice within seconds, and the node reports each failure with an event of
/// its own instead of a count of repeats.
#[test]
fn a_disk_full_again_is_reported_again() {
    if !is_possible("prlimit --version") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let node = used(folder.path());
    let mut command = node_after("trap '' XFSZ");
    command.args(["run", "--events", "--config", "cluster.toml"]).current_dir(&node);
    let mut process = Process::spawn(command);
    process.event("listening");
    let id = process.id().to_string();
    let limit = |size: &str| {
        let size = format!("--fsize={size}");
        let limited = Command::new("prlimit").args(["--pid", &id, &size]).status();
        assert!(limited.unwrap().success());
    };
    let submit = |run: usize, ends: fn(&[&str], &Path) -> String| {
        std::fs::write(node.join("own.jsonl"), line(run, &["p"])).unwrap();
        ends(&["ctl", "--config", "cluster.toml", "submit", "own.jsonl"], &node);
    };
    for round in 0..2 {
        limit("0:unlimited");
        submit(2 * round, fails);
        let failure = process.event("storage_failure");
        assert_eq!(failure["level"], "error", "{failure}");
        limit("unlimited");
        submit(2 * round + 1, succeeds);
        process.event("storage_recovered");
    }
}

/// Two processes use one folder: the second names the folder and ends, and the first keeps running.
#[test]
fn a_second_process_on_a_folder_ends() {
    let mut cluster = Cluster::new(0);
    cluster.start(0, Some(0));
    while cluster.acknowledged[0].is_empty() {
        let process = cluster.running[0].as_ref().unwrap();
        let event = process.events.recv_timeout(DEADLINE).expect("the node keeps running");
        cluster.note(0, 0, &event);
    }
    let mut second = Command::new(env!("CARGO_BIN_EXE_engram-node"));
    second.args(["run", "--config"]).arg(cluster.path("node-a.toml"));
    let ended = second.env("ENGRAM_NODE__LISTEN", "127.0.0.1:0").output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(!ended.status.success() && said.contains("in use by another process"), "{said}");
    assert!(said.contains("node-a"), "{said}");
    cluster.kill(0, 0, 2);
    cluster.inspect(0);
}

/// A copy replaces the state folder, as after a move to another disk or machine: the inodes differ,
/// and the key is the same.
#[test]
fn moved_disk_opens_unchanged() {
    let (mut cluster, acknowledged) = killed();
    let (here, there) = (cluster.path("node-a"), cluster.path("moved"));
    let copied = Command::new("cp").arg("-r").arg(&here).arg(&there).status().unwrap();
    assert!(copied.success());
    std::fs::remove_dir_all(&here).unwrap();
    std::fs::rename(&there, &here).unwrap();
    cluster.start(0, None);
    let process = cluster.running[0].as_ref().unwrap();
    let event = loop {
        let event = process.events.recv_timeout(DEADLINE).expect("the node keeps running");
        if event["event"] == "opened" {
            break event;
        }
    };
    assert_eq!(event["recovery"], "loaded", "{event}");
    let state = loop {
        let event = process.events.recv_timeout(Duration::from_secs(60)).expect("a state");
        if event["event"] == "state" {
            break event;
        }
    };
    assert!(state["patterns"].as_u64().unwrap() > acknowledged, "{state}");
}
