//! Source files that no module declares: the compiler does not read them, and says nothing.

use super::Violation;
use super::sources::Source;

/// Finds each file below `src` and `tests` that is neither the root of a crate nor a declared module.
pub(super) fn check(sources: &[Source]) -> Vec<Violation> {
    let undeclared = sources.iter().filter(|source| {
        let module = Module::of(&source.place);
        module.is_some_and(|module| !sources.iter().any(|other| module.is_declared_in(other)))
    });
    let says = "is declared by no module, so it is not compiled; add `mod` to its parent";
    undeclared
        .map(|source| Violation { place: source.place.clone(), says: says.to_owned() })
        .collect()
}

/// A file that must be declared.
struct Module<'s> {
    folder: &'s str,
    name: &'s str,
    file: &'s str,
}

impl<'s> Module<'s> {
    /// The module in a file; `None` if the file is the root of a crate.
    fn of(place: &'s str) -> Option<Self> {
        let path = place.strip_suffix(".rs")?;
        let path = path.strip_suffix("/mod").unwrap_or(path);
        let (folder, name) = path.rsplit_once('/')?;
        let (_, file) = place.rsplit_once('/')?;
        let is_root = matches!(name, "main" | "lib")
            || folder.ends_with("/tests")
            || folder.ends_with("/src/bin");
        (!is_root).then_some(Self { folder, name, file })
    }

    fn is_declared_in(&self, other: &Source) -> bool {
        let is_parent = [".rs", "/mod.rs", "/main.rs", "/lib.rs"]
            .iter()
            .any(|ending| other.place.strip_suffix(ending) == Some(self.folder));
        let mut lines = other.product.lines().chain(other.tests.lines()).map(str::trim);
        let declared = format!("mod {};", self.name);
        let elsewhere = format!("/{}\"]", self.file);
        lines.any(|line| {
            is_parent && line.ends_with(&declared)
                || line.starts_with("#[path") && line.ends_with(&elsewhere)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(place: &str, text: &str) -> Source {
        Source::of_product(format!("x/{place}"), text)
    }

    #[test]
    fn an_undeclared_file_is_found() {
        let sources = [
            source("src/lib.rs", "mod a;\npub(crate) mod b;\n"),
            source("src/a.rs", "#[cfg(test)]\nmod tests;\n"),
            source("src/a/tests.rs", ""),
            source("src/a/lost.rs", ""),
            source("src/b/mod.rs", "// mod lost;\n"),
            source("src/bin/program/main.rs", "mod run;\n"),
            source("src/bin/program/run.rs", ""),
            source("tests/memory.rs", "#[path = \"it/shared/file.rs\"]\nmod file;\n"),
            source("tests/it/main.rs", ""),
            source("tests/it/shared/file.rs", ""),
            source("tests/it/lost.rs", ""),
        ];
        let places: Vec<_> = check(&sources).into_iter().map(|found| found.place).collect();
        assert_eq!(places, ["x/src/a/lost.rs", "x/tests/it/lost.rs"]);
    }
}
