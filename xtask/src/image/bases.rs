//! Stand-ins for the base images, from Debian's packages and the Rust that is installed here.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::buildah;
use crate::command::{passes, said};

/// The stand-ins, in the order of the stages in the file.
const BASES: [&str; 2] = ["localhost/engram-base-build", "localhost/engram-base-run"];

/// The Debian release of both base images.
const SUITE: &str = "bookworm";

const SYSTEM: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const RUST: &str = "/usr/local/rust";
const CARGO: &str = "/usr/local/cargo";

/// Makes both stand-ins, unless an earlier run did.
pub(super) fn make(scratch: &Path) -> Result<()> {
    let [build, run] = BASES;
    if !is_here(run)? {
        let debian = scratch.join("debian");
        let mut bootstrap = Command::new("debootstrap");
        done(bootstrap.args(["--variant=minbase", SUITE]).arg(&debian))?;
        let container = said(&mut buildah(["from", "scratch"]))?;
        let container = container.trim();
        done(buildah(["add", "--quiet", container]).arg(&debian).arg("/"))?;
        commit(container, run, &[format!("PATH={SYSTEM}")])?;
    }
    if !is_here(build)? {
        let container = said(&mut buildah(["from", "--pull-never", run]))?;
        let container = container.trim();
        let install =
            "apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev";
        let mut shell = buildah(["run", "--isolation", "chroot", container, "--", "sh", "-c"]);
        done(shell.arg(install))?;
        commit(
            container,
            build,
            &[format!("PATH={RUST}/bin:{SYSTEM}"), format!("CARGO_HOME={CARGO}")],
        )?;
    }
    Ok(())
}

fn is_here(image: &str) -> Result<bool> {
    Ok(!said(&mut buildah(["images", "--quiet", "--filter", &format!("reference={image}")]))?
        .trim()
        .is_empty())
}

fn commit(container: &str, image: &str, variables: &[String]) -> Result<()> {
    for variable in variables {
        done(&mut buildah(["config", "--env", variable, container]))?;
    }
    done(&mut buildah(["commit", "--quiet", "--rm", container, image]))
}

fn done(command: &mut Command) -> Result<()> {
    let passed = passes(command)?;
    if !passed {
        bail!("a base image was not made");
    }
    Ok(())
}

/// Returns the text of the image file with the stand-ins in place of its base images.
pub(super) fn replaced(file: &str) -> Result<String> {
    let mut bases = BASES.into_iter();
    let mut text = String::new();
    for line in file.lines() {
        let named =
            line.strip_prefix("FROM ").map(|rest| rest.split_once(' ').unwrap_or((rest, "")));
        match named {
            None => text += line,
            Some((_, stage)) => {
                let base = bases.next().context("the file has more stages than stand-ins")?;
                text += &format!("FROM {base} {stage}");
            }
        }
        text.push('\n');
    }
    Ok(text)
}

/// The volumes to mount for the first stage: Rust, and the crates downloaded on this machine.
pub(super) fn volumes() -> Result<[String; 2]> {
    let rust = said(Command::new("rustc").args(["--print", "sysroot"]))?;
    let cargo = match std::env::var("CARGO_HOME") {
        Ok(home) => home,
        Err(_) => format!("{}/.cargo", std::env::var("HOME").context("HOME is not set")?),
    };
    Ok([format!("{}:{RUST}:ro", rust.trim()), format!("{cargo}/registry:{CARGO}/registry")])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::root;

    #[test]
    fn each_stage_gets_a_stand_in() {
        let file = std::fs::read_to_string(root().join(super::super::FILE)).unwrap();
        let text = replaced(&file).unwrap();
        let stages: Vec<_> = text.lines().filter(|line| line.starts_with("FROM ")).collect();
        assert_eq!(
            stages,
            ["FROM localhost/engram-base-build AS build", "FROM localhost/engram-base-run "]
        );
        assert_eq!(text.lines().count(), file.lines().count());
    }

    #[test]
    fn base_images_are_pinned_by_digest() {
        let file = std::fs::read_to_string(root().join(super::super::FILE)).unwrap();
        for line in file.lines().filter(|line| line.starts_with("FROM ")) {
            let digest =
                line.split_once("@sha256:").map(|(_, rest)| rest.split(' ').next().unwrap_or(rest));
            let is_digest =
                |text: &str| text.len() == 64 && text.bytes().all(|c| c.is_ascii_hexdigit());
            assert!(digest.is_some_and(is_digest), "{line}");
        }
    }
}
