//! The permissions of the store, its backups and their folders.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::common::process::{Process, init, succeeds};

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn only_its_owner_can_access_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let node = init(folder.path(), 1).remove(0);
    let mut command = Command::new("sh");
    command.args(["-c", "umask 022 && exec \"$0\" run --events --config cluster.toml"]);
    command.arg(env!("CARGO_BIN_EXE_engram-node")).current_dir(&node);
    let mut process = Process::spawn(command);
    process.event("listening");
    succeeds(&["ctl", "--config", "cluster.toml", "backup", "copy"], &node);
    for folder in ["state", "copy"].map(|folder| node.join(folder)) {
        assert_eq!((mode(&folder), mode(folder.join("state.redb"))), (0o700, 0o600), "{folder:?}");
    }
}

#[test]
fn a_store_open_to_others_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let node = init(folder.path(), 1).remove(0);
    let configuration = ["--config", "cluster.toml"];
    let warned = || {
        let checked = succeeds(&["check", "--config", "cluster.toml"], &node);
        let mut process = Process::start(&configuration, &node);
        process.event("listening");
        let told = process.seen.iter().any(|event| event["event"] == "store_exposed");
        [checked.contains("warning: other users may read, lock or replace the store"), told]
    };
    assert_eq!(warned(), [false, false], "the store does not exist yet");
    let (state, file) = (node.join("state"), node.join("state/state.redb"));
    for (of_state, of_file, expected) in [
        (0o700, 0o644, false),
        (0o755, 0o600, false),
        (0o755, 0o644, true),
        (0o711, 0o640, true),
        (0o730, 0o600, true),
    ] {
        set_mode(&state, of_state);
        set_mode(&file, of_file);
        assert_eq!(warned(), [expected; 2], "{of_state:o} {of_file:o}");
    }
}
