//! The members of this workspace, as cargo sees them.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::command::{cargo, spelled};

pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) is_library: bool,
    pub(crate) examples: Vec<String>,
}

/// All members, from the bottom up.
pub(crate) fn members() -> Result<Vec<Member>> {
    let mut command = cargo(["metadata", "--no-deps", "--format-version=1"]);
    let output = command.output().with_context(|| format!("cannot start {}", spelled(&command)))?;
    if !output.status.success() {
        bail!("{}: {}", spelled(&command), String::from_utf8_lossy(&output.stderr).trim());
    }
    let metadata: Value =
        serde_json::from_slice(&output.stdout).context("cargo metadata prints JSON")?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists packages")?;
    packages.iter().map(member).collect()
}

fn member(package: &Value) -> Result<Member> {
    let manifest =
        PathBuf::from(package["manifest_path"].as_str().context("a package has a manifest")?);
    let targets = package["targets"].as_array().context("a package has targets")?;
    let of_kind = |kind: &'static str| {
        targets.iter().filter(move |target| {
            target["kind"].as_array().is_some_and(|k| k.contains(&kind.into()))
        })
    };
    Ok(Member {
        name: package["name"].as_str().context("a package has a name")?.to_owned(),
        folder: manifest.parent().context("a manifest is in a folder")?.to_owned(),
        is_library: of_kind("lib").next().is_some(),
        examples: of_kind("example")
            .filter_map(|target| target["name"].as_str())
            .map(str::to_owned)
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_has_six_libraries_and_this() {
        let members = members().unwrap();
        let (libraries, others): (Vec<_>, Vec<_>) =
            members.iter().partition(|member| member.is_library);
        assert_eq!(libraries.len(), 6);
        assert_eq!(others.iter().map(|member| member.name.as_str()).collect::<Vec<_>>(), ["xtask"]);
    }
}
