//! The members of this workspace, from cargo's metadata.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::command::{cargo, said};

pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) folder: PathBuf,
    pub(crate) is_library: bool,
    pub(crate) features: Vec<String>,
    pub(crate) examples: Vec<String>,
    pub(crate) dependencies: Vec<Dependency>,
}

pub(crate) struct Dependency {
    pub(crate) name: String,
    /// Whether only tests, examples and benchmarks use the dependency.
    pub(crate) is_dev: bool,
    /// Whether the dependency is a member of this workspace.
    pub(crate) is_ours: bool,
    /// `*` if the manifest requires no version.
    pub(crate) version: String,
}

/// All members, dependencies first.
pub(crate) fn members() -> Result<Vec<Member>> {
    list(&metadata()?, "packages")?.iter().map(member).collect()
}

/// The published crates, or the named ones among them.
pub(crate) fn libraries<'a>(members: &'a [Member], named: &[String]) -> Result<Vec<&'a Member>> {
    let libraries: Vec<_> = members.iter().filter(|member| member.is_library).collect();
    let is_unknown = |name: &&String| !libraries.iter().any(|member| member.name == **name);
    if let Some(unknown) = named.iter().find(is_unknown) {
        let names: Vec<_> = libraries.iter().map(|member| member.name.as_str()).collect();
        bail!("there is no crate {unknown}; there are {}", names.join(", "));
    }
    let wanted = |member: &&Member| named.is_empty() || named.contains(&member.name);
    Ok(libraries.into_iter().filter(wanted).collect())
}

/// Cargo's target folder.
pub(crate) fn target_folder() -> Result<PathBuf> {
    text(&metadata()?, "target_directory").map(PathBuf::from)
}

fn metadata() -> Result<Value> {
    let metadata = said(&mut cargo(["metadata", "--no-deps", "--format-version=1"]))?;
    serde_json::from_str(&metadata).context("cargo metadata printed invalid JSON")
}

fn member(package: &Value) -> Result<Member> {
    let manifest = PathBuf::from(text(package, "manifest_path")?);
    let targets = list(package, "targets")?;
    let of_kind = |kind: &'static str| {
        targets.iter().filter(move |target| {
            target["kind"].as_array().is_some_and(|kinds| kinds.contains(&kind.into()))
        })
    };
    Ok(Member {
        name: text(package, "name")?,
        version: text(package, "version")?,
        folder: manifest.parent().context("a manifest is in no folder")?.to_owned(),
        is_library: of_kind("lib").next().is_some(),
        features: features(package)?,
        examples: of_kind("example").map(|target| text(target, "name")).collect::<Result<_>>()?,
        dependencies: list(package, "dependencies")?
            .iter()
            .map(dependency)
            .collect::<Result<_>>()?,
    })
}

fn features(package: &Value) -> Result<Vec<String>> {
    let features = package["features"].as_object().context("cargo metadata has no features")?;
    Ok(features.keys().cloned().collect())
}

fn dependency(dependency: &Value) -> Result<Dependency> {
    Ok(Dependency {
        name: text(dependency, "name")?,
        is_dev: dependency["kind"] == "dev",
        is_ours: dependency["path"].is_string(),
        version: text(dependency, "req")?,
    })
}

fn text(value: &Value, field: &str) -> Result<String> {
    let text = value[field].as_str().with_context(|| format!("cargo metadata has no {field}"))?;
    Ok(text.to_owned())
}

fn list<'a>(value: &'a Value, field: &str) -> Result<&'a Vec<Value>> {
    value[field].as_array().with_context(|| format!("cargo metadata has no {field}"))
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
