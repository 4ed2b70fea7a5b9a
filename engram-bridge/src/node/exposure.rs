//! Files of a node that other users of the machine may access.

use std::path::Path;

use crate::node::config::ClusterConfig;

/// The permissions of the group and of all other users.
const OTHERS: u32 = 0o077;
/// The write permission of the same users.
const OTHERS_WRITE: u32 = 0o022;

impl ClusterConfig {
    /// Whether other users may access the private key, as far as the system reports permissions.
    pub fn key_is_exposed(&self) -> bool {
        permissions(&self.tls.key) & OTHERS != 0
    }

    /// Whether other users may read, lock or replace the file of the store, as far as the system reports
    /// permissions. On Unix, a store creates its folder and its files for their owner alone.
    pub fn store_is_exposed(&self) -> bool {
        let Some(folder) = &self.store.path else { return false };
        let (of_folder, of_file) = (permissions(folder), permissions(&folder.join("state.redb")));
        of_folder & OTHERS_WRITE != 0 || of_folder & OTHERS != 0 && of_file & OTHERS != 0
    }
}

/// The permissions of a file or a folder; none if the system does not report them.
fn permissions(path: &Path) -> u32 {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        path.metadata().map_or(0, |found| found.permissions().mode())
    }
    #[cfg(not(unix))]
    {
        _ = path;
        0
    }
}
