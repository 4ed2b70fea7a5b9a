//! Notices about the files and the sockets of this program.

use std::io;
use std::path::Path;

use engram_bridge::notices::{Level, Notice};
use engram_gossip_proto::SpaceId;

/// The notice that the socket of `engram-node ctl` cannot be created.
pub(crate) fn no_socket(folder: &Path, error: &io::Error) -> Notice {
    let reason = format!(
        "no socket in {}: {error}; the node runs, but `engram-node ctl` cannot reach it until the folder is \
         writable; the path of a socket may have at most about 100 bytes",
        folder.display()
    );
    Notice::new("no_control_socket", reason)
}

/// The notice that the socket of `engram-node ctl` was created after a failure.
pub(crate) fn socket_recovered(socket: &Path) -> Notice {
    let reason = format!("`engram-node ctl` reaches the node on {} again", socket.display());
    Notice::new("control_socket_recovered", reason).at(Level::Info)
}

/// The notice that other users may read the private key.
pub(crate) fn key_exposed(key: &Path) -> Notice {
    let key = key.display();
    let reason = format!("other users may read {key}; `chmod 600` it, or replace the key");
    Notice::new("key_exposed", reason)
}

/// The notice that other users may access the store.
pub(crate) fn store_exposed(folder: &Path) -> Notice {
    let folder = folder.display();
    let reason =
        format!("other users may read, lock or replace the store in {folder}; `chmod 700` it");
    Notice::new("store_exposed", reason)
}

/// The notice that a snapshot, or a part of it, could not be stored.
pub(crate) fn snapshot_failed(space: &SpaceId, run: u64, reason: &str) -> Notice {
    let text = format!("snapshot {run} was not stored completely: {reason}");
    Notice::new("snapshot_failed", text).caused_by(reason).of_space(space)
}

/// The notice that a file of this node's data is empty, or that a line or a pattern in it was left out.
pub(crate) fn rejected_line(
    file: &str,
    line: Option<u64>,
    pattern: Option<String>,
    why: &str,
) -> Notice {
    let line = line.map(|line| format!(":{line}")).unwrap_or_default();
    let notice = Notice::new("rejected", format!("{file}{line}: {why}")).caused_by(why);
    match pattern {
        Some(id) => notice.of_pattern(id),
        None => notice,
    }
}

/// The notice that the followed file of snapshots cannot be read.
pub(crate) fn unreadable(file: &str, error: &str) -> Notice {
    let reason = format!("{file}: {error}; the node retries until the file can be read");
    Notice::new("snapshots_unreadable", reason).caused_by(error)
}

/// The notice that the followed file of snapshots can be read again.
pub(crate) fn readable(file: &str) -> Notice {
    Notice::new("snapshots_readable", format!("{file} can be read again")).at(Level::Info)
}
