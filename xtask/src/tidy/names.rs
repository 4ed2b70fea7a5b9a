//! Retired names, and the names of tests.

use super::Violation;
use super::sources::Source;

/// Words of removed code, and words that the glossary replaced, each with the term to use.
const RETIRED: [(&str, &str); 23] = [
    ("board", "state"),
    ("bury", "suppress"),
    ("buried", "suppressed"),
    ("chase", "in flight"),
    ("climate", "conditions"),
    ("foresee", "preview"),
    ("fruitless", "idle"),
    ("husk", "record without dots"),
    ("ignorant", "missing roots"),
    ("incarnations_rolled", "reissued"),
    ("lease", "version"),
    ("note_equal", "agree"),
    ("parcel", "queued record, or segment"),
    ("patience", "time limit"),
    ("reaper", "deletion; deletions are kept"),
    ("rehearsal", "preview"),
    ("standing", "role"),
    ("surest", "most confident"),
    ("teller", "sender"),
    ("trail", "path"),
    ("unended", "pending"),
    ("weather", "conditions"),
    ("woken", "tick"),
];

/// The maximum length of a test's name, in characters. Names prescribed by the specification begin with `test_` and
/// are exempt.
const MAX_TEST_NAME: usize = 45;

/// Finds identifiers that contain a retired word.
pub(super) fn check_retired(sources: &[Source]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for source in sources {
        let code = format!("{}{}", source.product, source.tests);
        for (number, line) in (1..).zip(code.lines()) {
            let code = line.split("//").next().unwrap_or_default();
            let words: Vec<_> = code.split('"').step_by(2).flat_map(words).collect();
            for (retired, instead) in RETIRED {
                if words.iter().any(|word| word == retired) {
                    violations.push(Violation {
                        place: format!("{}:{number}", source.place),
                        says: format!("\"{retired}\" is a retired word; use {instead}"),
                    });
                }
            }
        }
    }
    violations
}

/// The words that identifiers are made of, and the whole identifiers, in lower case.
fn words(code: &str) -> impl Iterator<Item = String> {
    let names = code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|n| !n.is_empty());
    names.flat_map(|name| {
        let mut words = vec![String::new()];
        for c in name.chars() {
            if c == '_' || c.is_uppercase() {
                words.push(String::new());
            }
            let last = words.last_mut().expect("there is one from the start");
            last.extend(c.to_lowercase().filter(|c| *c != '_'));
        }
        words.push(name.to_lowercase());
        words
    })
}

/// Finds tests whose names are too long to read in a list.
pub(super) fn check_tests(sources: &[Source]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for source in sources {
        let mut is_test = false;
        let code = format!("{}{}", source.product, source.tests);
        for (number, line) in (1..).zip(code.lines()) {
            let line = line.trim();
            if let Some(name) = function(line).filter(|_| is_test)
                && name.len() > MAX_TEST_NAME
                && !name.starts_with("test_")
            {
                violations.push(Violation {
                    place: format!("{}:{number}", source.place),
                    says: format!("{name} is longer than {MAX_TEST_NAME} characters"),
                });
            }
            let is_attribute = line.starts_with("#[") || line.starts_with("//");
            is_test = is_attribute && (is_test || line.contains("test"));
        }
    }
    violations
}

fn function(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?;
    rest.split('(').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::of_product("x/src/a.rs".to_owned(), text)
    }

    #[test]
    fn a_retired_name_is_found() {
        let text =
            "// the weather\nstruct FineWeather;\nlet teller = 1;\nlet storyteller = \"board\";\n";
        let found = check_retired(&[source(text)]);
        let places: Vec<_> = found.iter().map(|found| found.place.as_str()).collect();
        assert_eq!(places, ["x/src/a.rs:2", "x/src/a.rs:3"]);
        assert!(found[0].says.contains("use conditions"));
    }

    #[test]
    fn a_long_test_name_is_found() {
        let long = "a".repeat(MAX_TEST_NAME + 1);
        let text = format!(
            "fn {long}() {{}}\n#[test]\nfn {long}() {{}}\n#[test]\nfn test_{long}() {{}}\n"
        );
        let found = check_tests(&[source(&text)]);
        assert!(found.len() == 1 && found[0].place.ends_with(":3"), "{found:?}");
    }
}
