//! Rules about the text of the sources.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Violation;
use crate::command::root;
use crate::workspace::Member;

/// Crates whose code uses no clock, thread, network or unordered map.
const PURE: [&str; 4] =
    ["engram-merkle", "engram-vclock", "engram-conflict", "engram-gossip-proto"];

/// The names of clocks, threads and networks, and of maps whose order differs between runs.
const IMPURE: [&str; 8] = [
    "Instant::now",
    "SystemTime",
    "std::thread",
    "std::net",
    "tokio",
    "quinn",
    "HashMap",
    "HashSet",
];

/// One file of a crate, with its tests separated from the other code.
pub(crate) struct Source {
    pub(super) place: String,
    pub(super) product: String,
    pub(super) tests: String,
}

impl Source {
    /// Reads every Rust file of a member below `folders`.
    pub(crate) fn read_all(member: &Member, folders: &[&str]) -> Result<Vec<Self>> {
        let mut paths = Vec::new();
        for folder in folders {
            let folder = member.folder.join(folder);
            if folder.is_dir() {
                list(&folder, &mut paths)?;
            }
        }
        paths.sort();
        paths.into_iter().map(|path| Self::read(member, &path)).collect()
    }

    fn read(member: &Member, path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("{}: cannot be read", path.display()))?;
        let place = path.strip_prefix(root()).unwrap_or(path).display().to_string();
        let within = path.strip_prefix(&member.folder).unwrap_or(path);
        let of_tests = within.iter().any(|name| name == "tests" || name == "tests.rs");
        Ok(if of_tests { Self::of_tests(place, text) } else { Self::of_product(place, &text) })
    }

    /// The path of the module from the crate root; `None` for a crate root, a file in `src/bin` or outside `src`.
    pub(super) fn module(&self) -> Option<Vec<&str>> {
        let (_, within) = self.place.split_once("/src/")?;
        let mut names: Vec<_> = within.strip_suffix(".rs")?.split('/').collect();
        names.pop_if(|last| ["mod", "lib", "main"].contains(last));
        (!names.is_empty() && !self.is_of_program()).then_some(names)
    }

    /// Returns every name in the code.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let lines = self.product.lines().chain(self.tests.lines());
        let code = lines.filter_map(|line| line.split("//").next());
        code.flat_map(|code| code.split(|c: char| !c.is_alphanumeric() && c != '_'))
    }

    /// Whether the file belongs to a binary in `src/bin`.
    fn is_of_program(&self) -> bool {
        self.place.contains("/src/bin/")
    }

    fn of_tests(place: String, tests: String) -> Self {
        Self { place, product: String::new(), tests }
    }

    /// Splits the text of a file. By convention, its tests are at the end.
    pub(super) fn of_product(place: String, text: &str) -> Self {
        let begin = text.find("#[cfg(test)]\nmod ").unwrap_or(text.len());
        let (product, tests) = text.split_at(begin);
        Self { place, product: product.to_owned(), tests: tests.to_owned() }
    }
}

fn list(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    for entry in
        fs::read_dir(folder).with_context(|| format!("{}: cannot be listed", folder.display()))?
    {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, paths)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
    Ok(())
}

/// Finds clocks, threads, networks and unordered maps in the pure crates, because these would make runs differ.
pub(super) fn check_purity(member: &str, sources: &[Source]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for source in sources.iter().filter(|_| PURE.contains(&member)) {
        for (number, line) in (1..).zip(source.product.lines()) {
            let code = line.split("//").next().unwrap_or_default();
            for word in IMPURE.into_iter().filter(|word| code.contains(word)) {
                violations.push(Violation {
                    place: format!("{}:{number}", source.place),
                    says: format!("{word} does not belong in a pure crate: {}", instead(word)),
                });
            }
        }
    }
    violations
}

fn instead(word: &str) -> &'static str {
    if word.starts_with("Hash") {
        "use a BTreeMap or a BTreeSet, whose order is fixed"
    } else {
        "let the caller pass it in"
    }
}

/// Finds the limits that no test of their crate names, and that therefore probably no test reaches.
pub(super) fn check_limits(sources: &[Source]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let is_list = |source: &&Source| source.place.ends_with("/limits.rs");
    for source in sources.iter().filter(is_list) {
        for (number, line) in (1..).zip(source.product.lines()) {
            let Some(name) = public_constant(line) else { continue };
            if !sources.iter().any(|source| names(&source.tests, name)) {
                violations.push(Violation {
                    place: format!("{}:{number}", source.place),
                    says: format!("no test names {name}; write one that reaches it"),
                });
            }
        }
    }
    violations
}

fn public_constant(line: &str) -> Option<&str> {
    let rest =
        line.strip_prefix("pub const ").or_else(|| line.strip_prefix("pub(crate) const "))?;
    rest.split(':').next()
}

/// Whether `text` contains `name` as a separate word.
fn names(text: &str, name: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(place: &str, text: &str) -> Source {
        Source::of_product(place.to_owned(), text)
    }

    #[test]
    fn a_clock_in_a_pure_crate_is_found() {
        let planted =
            [source("a.rs", "// Instant::now is forbidden.\nlet now = Instant::now();\n")];
        let found = check_purity("engram-merkle", &planted);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].place, "a.rs:2");
        assert_eq!(check_purity("engram-gossip-net", &planted), []);
    }

    #[test]
    fn unordered_map_in_a_pure_crate_is_found() {
        let planted = [source("a.rs", "use std::collections::HashMap;\n")];
        let found = check_purity("engram-vclock", &planted);
        assert!(found.len() == 1 && found[0].says.contains("BTreeMap"), "{found:?}");
    }

    #[test]
    fn a_limit_without_a_test_is_found() {
        let limits =
            "pub const MAX_A: u8 = 1;\npub(crate) const MAX_AB: u8 = 1;\nconst LOCAL: u8 = 1;\n";
        let tests = "fn code() {}\n#[cfg(test)]\nmod tests { const REACHED: u8 = MAX_AB; }\n";
        for list in
            ["gossip-proto/src/limits.rs", "gossip-net/src/limits.rs", "bridge/src/http/limits.rs"]
        {
            let found = check_limits(&[source(list, limits), source("x/code.rs", tests)]);
            assert_eq!(found.len(), 1, "{list}");
            assert!(found[0].says.contains("MAX_A;") && found[0].place == format!("{list}:1"));
        }
        assert_eq!(check_limits(&[source("x/code.rs", limits)]), []);
    }
}
