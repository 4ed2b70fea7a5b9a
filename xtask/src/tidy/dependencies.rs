//! The permitted dependencies between members.

use super::Violation;
use crate::workspace::{Dependency, Member};

/// The arrows of the diagram in the README. All other dependencies between members are forbidden, except
/// dev-dependencies.
const ARROWS: [(&str, &[&str]); 7] = [
    ("engram-merkle", &[]),
    ("engram-vclock", &[]),
    ("engram-conflict", &[]),
    ("engram-gossip-proto", &[]),
    ("engram-gossip-net", &["engram-gossip-proto"]),
    (
        "engram-bridge",
        &[
            "engram-merkle",
            "engram-vclock",
            "engram-conflict",
            "engram-gossip-proto",
            "engram-gossip-net",
        ],
    ),
    ("xtask", &[]),
];

pub(super) fn check(member: &Member) -> Vec<Violation> {
    let allowed = ARROWS.iter().find(|(name, _)| *name == member.name).map(|(_, allowed)| *allowed);
    let Some(allowed) = allowed else {
        return vec![violation(
            member,
            "is a new member; add its dependencies to tidy and to the diagram in the README"
                .to_owned(),
        )];
    };
    let ours = member.dependencies.iter().filter(|dependency| dependency.is_ours);
    ours.filter_map(|dependency| wrong(dependency, allowed))
        .map(|says| violation(member, says))
        .collect()
}

fn wrong(dependency: &Dependency, allowed: &[&str]) -> Option<String> {
    let Dependency { name, is_dev, version, .. } = dependency;
    let is_below = allowed.contains(&name.as_str());
    // The tests of a published crate may use its siblings. Cargo leaves a dev-dependency without a version out of the
    // package. With a version, cargo could not publish the crate before a sibling that is not below it.
    match (is_dev, version.as_str()) {
        (true, "*") if is_below => Some(format!(
            "has a dev-dependency on {name} without a version, so its package lacks it"
        )),
        (true, "*") => None,
        (true, _) if is_below => None,
        (true, _) => {
            Some(format!("has a dev-dependency on {name} with a version; give only its path"))
        }
        (false, _) if !is_below => Some(format!(
            "depends on {name}, which is not below it; move what it needs, or pass it through a trait"
        )),
        (false, "*") => {
            Some(format!("depends on {name} without a version; it could not be published"))
        }
        (false, _) => None,
    }
}

fn violation(member: &Member, says: String) -> Violation {
    Violation { place: format!("{} (Cargo.toml)", member.name), says }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn said(member: &str, name: &str, is_dev: bool, version: &str) -> Vec<String> {
        let dependency = Dependency {
            name: name.to_owned(),
            is_dev,
            is_ours: true,
            version: version.to_owned(),
        };
        let member = Member {
            name: member.to_owned(),
            version: String::new(),
            folder: PathBuf::new(),
            is_library: true,
            features: Vec::new(),
            examples: Vec::new(),
            dependencies: vec![dependency],
        };
        check(&member).into_iter().map(|violation| violation.says).collect()
    }

    #[test]
    fn an_arrow_upwards_or_sideways_is_found() {
        assert!(said("engram-merkle", "engram-vclock", false, "^0.1.0")[0].contains("not below"));
        assert!(
            said("engram-gossip-proto", "engram-gossip-net", false, "^0.1.0")[0]
                .contains("not below")
        );
        assert!(said("xtask", "engram-merkle", false, "^0.1.0")[0].contains("not below"));
        assert_eq!(said("engram-bridge", "engram-merkle", false, "^0.1.0"), [""; 0]);
    }

    #[test]
    fn unpublishable_dependency_is_found() {
        assert!(
            said("engram-bridge", "engram-merkle", false, "*")[0].contains("without a version")
        );
        assert!(
            said("engram-merkle", "engram-vclock", true, "^0.1.0")[0].contains("with a version")
        );
        assert_eq!(said("engram-merkle", "engram-vclock", true, "*"), [""; 0]);
        assert!(said("engram-bridge", "engram-merkle", true, "*")[0].contains("its package lacks"));
        assert_eq!(said("engram-bridge", "engram-merkle", true, "^0.1.0"), [""; 0]);
    }

    #[test]
    fn a_new_member_has_to_be_drawn() {
        assert!(said("engram-new", "engram-merkle", false, "^0.1.0")[0].contains("new member"));
    }
}
