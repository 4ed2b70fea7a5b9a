//! Builds the shipped image from its file, and runs a node in it.

mod bases;
mod container;

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};
use clap::Args;

use crate::Verdict;
use crate::command::{passes, root};
use crate::scratch::Scratch;
use crate::tool::Tool;
use container::Container;

/// Build the image from its file, and run a node in it
///
/// Builds with buildah, each step in a chroot; this needs no daemon and works in a container. Then creates a node with
/// `init` in the image, runs it as the image's user with the image's command, waits for the image's health check, and
/// stops the node cleanly. Skips everything, and says so, if buildah is not installed.
#[derive(Args)]
pub(crate) struct Image {
    /// Build on stand-ins for the two base images, for machines that reach a Debian mirror but no image registry: a
    /// Debian made by debootstrap, with the Rust that is installed here
    #[arg(long)]
    local_bases: bool,
    /// Run a node in the image that an earlier run built, without building it
    #[arg(long, conflicts_with = "local_bases")]
    no_build: bool,
}

const FILE: &str = "engram-bridge/deploy/Containerfile";
const IMAGE: &str = "localhost/engram-node";

impl Image {
    pub(crate) fn run(self) -> Result<Verdict> {
        if !Tool::BUILDAH.is_here_or_say() {
            return Ok(Verdict::Passed);
        }
        let scratch = Scratch::new()?;
        if !self.no_build {
            let mut build = buildah(["build", "--format", "docker", "--isolation", "chroot"]);
            build.args(["--tag", IMAGE]).current_dir(root());
            match self.local_bases {
                true => on_stand_ins(&mut build, scratch.path())?,
                false => _ = build.args(["--file", FILE]),
            }
            if !passes(build.arg("."))? {
                bail!("the image was not built; --local-bases needs no image registry");
            }
        }
        node_runs(scratch.path())?;
        Ok(Verdict::Passed)
    }
}
/// Makes the build use stand-ins for its base images.
fn on_stand_ins(build: &mut Command, scratch: &Path) -> Result<()> {
    bases::make(scratch)?;
    let file = scratch.join("Containerfile");
    fs::write(&file, bases::replaced(&fs::read_to_string(root().join(FILE))?)?)?;
    build.arg("--file").arg(file);
    for volume in bases::volumes()? {
        build.args(["--volume", &volume]);
    }
    Ok(())
}

/// Runs a node in the image as an operator would.
fn node_runs(scratch: &Path) -> Result<()> {
    let container = Container::of(IMAGE)?;
    container.makes_a_node(scratch)?;
    let node = container.starts(scratch)?;
    container.is_healthy(&node)?;
    container.stops(node)?;
    eprintln!("in the image, as user {}: started, healthy, stopped cleanly", container.user());
    Ok(())
}

fn buildah<const N: usize>(arguments: [&str; N]) -> Command {
    let mut command = Command::new("buildah");
    command.args(arguments);
    command
}
