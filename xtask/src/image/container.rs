//! A container of the image.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::buildah;
use crate::command::{passes, said, spelled};

/// The maximum number of health checks before an unhealthy node fails the test.
const ATTEMPTS: u32 = 60;

pub(super) struct Container {
    id: String,
    /// The image's configuration.
    config: Value,
}

impl Container {
    pub(super) fn of(image: &str) -> Result<Self> {
        let told = said(&mut buildah(["inspect", "--type", "image", image]))?;
        let told: Value = serde_json::from_str(&told)?;
        let id = said(&mut buildah(["from", "--pull-never", image]))?;
        Ok(Self { id: id.trim().to_owned(), config: told["Docker"]["config"].clone() })
    }

    pub(super) fn user(&self) -> &str {
        self.config["User"].as_str().unwrap_or_default()
    }

    /// Creates a node's configuration in a folder of this machine. Every user can read it.
    pub(super) fn makes_a_node(&self, folder: &Path) -> Result<()> {
        let mut init = buildah(["run", "--isolation", "chroot", "--user", "0:0"]);
        init.arg("--volume").arg(format!("{}:/new", folder.display())).arg(&self.id);
        init.args([
            "--",
            "/usr/local/bin/engram-node",
            "init",
            "--nodes",
            "1",
            "--out",
            "/new/cluster",
        ]);
        ensure!(passes(&mut init)?, "{} fails", spelled(&init));
        open(&folder.join("cluster"))
    }

    /// Starts the command of the image.
    pub(super) fn starts(&self, folder: &Path) -> Result<Child> {
        let mut command = self.with_configuration(folder);
        command.args(words(&self.config["Entrypoint"])?).args(words(&self.config["Cmd"])?);
        eprintln!("$ {}", spelled(&command));
        Ok(command.spawn()?)
    }

    /// Waits until the health check of the image passes.
    pub(super) fn is_healthy(&self, node: &Child) -> Result<()> {
        let test = words(&self.config["Healthcheck"]["Test"])?;
        let ["CMD", check @ ..] = &*test else { bail!("the image has no health check") };
        for _ in 0..ATTEMPTS {
            let mut command = self.in_it();
            command.args(check).stderr(Stdio::null());
            if command.status()?.success() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(500));
        }
        bail!("the node (process {}) did not become healthy", node.id())
    }

    /// Stops the node with `engram-node ctl stop`.
    pub(super) fn stops(&self, mut node: Child) -> Result<()> {
        let mut stop = self.in_it();
        stop.args(["/usr/local/bin/engram-node", "ctl", "stop"]);
        ensure!(passes(&mut stop)?, "{} fails", spelled(&stop));
        ensure!(node.wait()?.success(), "the node did not stop cleanly");
        Ok(())
    }

    fn in_it(&self) -> Command {
        let mut command = buildah(["run", "--isolation", "chroot", &self.id, "--"]);
        command.stdin(Stdio::null());
        command
    }

    fn with_configuration(&self, folder: &Path) -> Command {
        let configuration = folder.join("cluster/node-a");
        let mut command = buildah(["run", "--isolation", "chroot"]);
        command.arg("--volume").arg(format!("{}:/etc/engram-node:ro", configuration.display()));
        command.arg(&self.id).arg("--").stdin(Stdio::null());
        command
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // This fails only for a container that no longer exists.
        _ = buildah(["rm", &self.id]).stdout(Stdio::null()).status();
    }
}

/// Reads the words of a command of the image.
fn words(value: &Value) -> Result<Vec<&str>> {
    let words = value.as_array().with_context(|| format!("{value} is not a command"))?;
    words.iter().map(|word| word.as_str().context("an argument is not a string")).collect()
}

/// Lets every user read a folder and its contents. The key in it is discarded after the test.
fn open(folder: &Path) -> Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open(&entry.path())?;
        } else {
            fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o644))?;
        }
    }
    Ok(())
}
