//! The files that every published crate must contain.

use std::fs;

use super::Violation;
use crate::workspace::Member;

const FILES: [&str; 4] = ["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"];

pub(super) fn check(member: &Member) -> Vec<Violation> {
    let violation =
        |file: &str, says: String| Violation { place: format!("{}/{file}", member.name), says };
    let mut violations = Vec::new();
    for file in FILES {
        let empty =
            fs::metadata(member.folder.join(file)).map_or(true, |metadata| metadata.len() == 0);
        if empty {
            violations.push(violation(
                file,
                "is missing or empty; a published crate needs it".to_owned(),
            ));
        }
    }
    let changelog = fs::read_to_string(member.folder.join("CHANGELOG.md")).unwrap_or_default();
    violations
        .extend(stale(&changelog, &member.version).map(|says| violation("CHANGELOG.md", says)));
    violations
}

/// Returns a fault unless the first entry is for the version in the manifest and is not empty.
fn stale(changelog: &str, version: &str) -> Option<String> {
    let Some((_, newest)) = changelog.split_once("\n## ") else {
        return Some("has no entry".to_owned());
    };
    let (head, rest) = newest.split_once('\n').unwrap_or((newest, ""));
    if head.split_whitespace().next() != Some(version) {
        return Some(format!("begins with {head}, but the manifest says {version}"));
    }
    let entry = rest.split("\n## ").next().unwrap_or_default();
    entry.trim().is_empty().then(|| format!("says nothing about {version}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_package_without_its_licence_is_found() {
        let scratch = Scratch::new().unwrap();
        for file in ["README.md", "LICENSE-MIT"] {
            fs::write(scratch.path().join(file), "text").unwrap();
        }
        fs::write(scratch.path().join("CHANGELOG.md"), "# Changelog\n\n## 0.1.0\n\n- First.\n")
            .unwrap();
        let member = Member {
            name: "engram-merkle".to_owned(),
            version: "0.1.0".to_owned(),
            folder: scratch.path().to_owned(),
            is_library: true,
            features: Vec::new(),
            examples: Vec::new(),
            dependencies: Vec::new(),
        };
        let found = check(&member);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].place, "engram-merkle/LICENSE-APACHE");
    }

    #[test]
    fn a_changelog_that_lags_behind_is_found() {
        let changelog = "# Changelog\n\n## 0.1.0 - unreleased\n\n- First.\n\n## 0.0.1\n";
        assert_eq!(stale(changelog, "0.1.0"), None);
        assert!(stale("# Changelog\n", "0.1.0").unwrap().contains("no entry"));
        assert!(stale(changelog, "0.2.0").unwrap().contains("0.2.0"));
        assert!(
            stale("# Changelog\n\n## 0.1.0\n\n## 0.0.1\n- x\n", "0.1.0")
                .unwrap()
                .contains("nothing")
        );
    }
}
