//! Source files that no module declares: the compiler does not read them, and says nothing.

use std::path::Path;

use super::Violation;
use super::sources::Source;

/// Finds each file that is neither the root of a crate nor a declared module.
pub(super) fn check(sources: &[Source]) -> Vec<Violation> {
    let undeclared = sources
        .iter()
        .map(|source| source.place.as_str())
        .filter(|place| !is_root(place) && !sources.iter().any(|other| declares(other, place)));
    let says = "is declared by no module, so it is not compiled; add `mod` to its parent";
    undeclared.map(|place| Violation { place: place.to_owned(), says: says.to_owned() }).collect()
}

/// Whether cargo compiles a file without a declaration: the main file of a crate, or a file directly
/// in a folder of programs.
fn is_root(place: &str) -> bool {
    let Some((folder, file)) = place.rsplit_once('/') else { return true };
    let of_programs = ["/src/bin", "/tests", "/examples", "/benches"];
    let programs = of_programs.iter().any(|ending| folder.ends_with(ending));
    let below_src = folder.contains("/src/") && !folder.ends_with("/src/bin");
    matches!(file, "main.rs" | "lib.rs") || programs && !below_src
}

/// Whether `source` declares the file at `place` as a module, by its name or by its path, or includes it.
fn declares(source: &Source, place: &str) -> bool {
    let lines = source.product.lines().chain(source.tests.lines());
    let mut code = lines.map(|line| line.split("//").next().unwrap_or_default().trim());
    let name = name_below(&source.place, place).map(|name| format!("mod {name};"));
    let beside = Path::new(&source.place).parent().unwrap_or_else(|| Path::new(""));
    code.any(|code| {
        let between = |start: &str, end: &str| code.strip_prefix(start)?.strip_suffix(end);
        let path = between("#[path = \"", "\"]").or_else(|| between("include!(\"", "\");"));
        name.as_ref().is_some_and(|name| code.ends_with(name.as_str()))
            || path.is_some_and(|path| beside.join(path) == Path::new(place))
    })
}

/// The name of the module at `place`, if the file `parent` has to declare it.
fn name_below<'p>(parent: &str, place: &'p str) -> Option<&'p str> {
    let path = place.strip_suffix(".rs")?;
    let (folder, name) = path.strip_suffix("/mod").unwrap_or(path).rsplit_once('/')?;
    let endings = [".rs", "/mod.rs", "/main.rs", "/lib.rs"];
    let is_parent = endings.iter().any(|ending| parent.strip_suffix(ending) == Some(folder))
        || is_root(parent) && parent.rsplit_once('/').is_some_and(|(beside, _)| beside == folder);
    is_parent.then_some(name)
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
            source("src/lib.rs", "mod a;\npub(crate) mod b; // a comment\n"),
            source("src/a.rs", "// mod commented;\n#[cfg(test)]\nmod tests;\n"),
            source("src/a/commented.rs", ""),
            source("src/a/tests.rs", "mod inner;\n"),
            source("src/a/tests/inner.rs", ""),
            source("src/a/tests/lost.rs", ""),
            source("src/b/mod.rs", "mod a;\n"),
            source("src/b/a.rs", ""),
            source("src/bin/program/main.rs", "mod run;\n"),
            source("src/bin/program/run.rs", ""),
            source("tests/memory.rs", "#[path = \"it/shared/mod.rs\"]\nmod shared;\nmod beside;\n"),
            source("tests/beside/mod.rs", ""),
            source("tests/it/main.rs", ""),
            source("tests/it/shared/mod.rs", ""),
            source("tests/it/lost/mod.rs", ""),
            source("tests/it/lost.rs", ""),
        ];
        let places: Vec<_> = check(&sources).into_iter().map(|found| found.place).collect();
        let lost = [
            "x/src/a/commented.rs",
            "x/src/a/tests/lost.rs",
            "x/tests/it/lost/mod.rs",
            "x/tests/it/lost.rs",
        ];
        assert_eq!(places, lost);
    }
}
