//! The permitted dependencies between the modules of a crate.

use std::collections::{BTreeMap, BTreeSet};

use super::Violation;
use super::sources::Source;

/// The folders of the bridge from the bottom up. A folder uses only those before it.
const ROOMS: [&str; 7] = ["engram", "replica", "durable", "spaces", "sync", "service", "node"];

/// Sibling modules that may use each other, each group with the reason.
const RECURSIVE: [(&str, &[&str]); 3] = [
    // A block holds slots, which hold blocks; a change turns leaf blocks into branches, and branches into leaf blocks.
    ("engram-merkle", &["block", "change", "leaf_block", "scheme", "slots"]),
    // An identity creates verifiers of `tls`, whose configurations use an identity.
    ("engram-gossip-net", &["identity", "tls"]),
    // One state machine over several files.
    (
        "engram-gossip-proto",
        &["delta", "pieces", "receive", "slices", "stream", "transfer", "turn"],
    ),
];

/// The maximum number of names that the root of the bridge exports, not counting modules.
const ROOT_NAMES: usize = 40;

/// A module that uses another, both as paths from the crate root.
struct Use<'s> {
    source: &'s Source,
    user: Vec<&'s str>,
    used: Vec<&'s str>,
}

/// Finds each folder that uses a folder above it.
pub(super) fn check_rooms(sources: &[Source]) -> Vec<Violation> {
    let rank = |path: &[&str]| ROOMS.iter().position(|room| path.first() == Some(room));
    let mut violations = Vec::new();
    for Use { source, user, used } in uses(sources) {
        if let (Some(own), Some(other)) = (rank(&user), rank(&used))
            && own < other
        {
            let says = format!(
                "{} uses {}, which is above it; move the shared part down",
                ROOMS[own], ROOMS[other]
            );
            violations.push(Violation { place: source.place.clone(), says });
        }
    }
    violations
}

/// Finds sibling modules that use each other, directly or indirectly.
pub(super) fn check_circles(member: &str, sources: &[Source]) -> Vec<Violation> {
    let mut beside: BTreeMap<Vec<&str>, BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
    for Use { user, used, .. } in &uses(sources) {
        let common = user.iter().zip(used).take_while(|(one, other)| one == other).count();
        if let (Some(own), Some(other)) = (user.get(common), used.get(common)) {
            let parent = user[..common].to_vec();
            beside.entry(parent).or_default().entry(own).or_default().insert(other);
        }
    }
    let mut violations = Vec::new();
    for (parent, arrows) in &beside {
        let mut reported = BTreeSet::new();
        for module in arrows.keys() {
            let circle = circle(arrows, module);
            let is_allowed = RECURSIVE.iter().any(|(owner, allowed)| {
                *owner == member && circle.iter().all(|name| allowed.contains(name))
            });
            if !circle.is_empty() && !is_allowed && reported.insert(circle.clone()) {
                let names: Vec<_> = circle.into_iter().collect();
                violations.push(Violation {
                    place: format!("{member} ({})", [&["crate"], &parent[..]].concat().join("::")),
                    says: format!("{} use each other; move the shared part out", names.join(", ")),
                });
            }
        }
    }
    violations
}

/// Returns the modules that `module` reaches and that reach it; none if it does not reach itself.
fn circle<'s>(
    arrows: &BTreeMap<&'s str, BTreeSet<&'s str>>,
    module: &&'s str,
) -> BTreeSet<&'s str> {
    let from = reached(arrows, module);
    if !from.contains(module) {
        return BTreeSet::new();
    }
    from.iter().copied().filter(|other| reached(arrows, other).contains(module)).collect()
}

fn reached<'s>(arrows: &BTreeMap<&'s str, BTreeSet<&'s str>>, from: &&'s str) -> BTreeSet<&'s str> {
    let mut found = BTreeSet::new();
    let mut open = vec![*from];
    while let Some(module) = open.pop() {
        let next = arrows.get(module).into_iter().flatten().copied();
        open.extend(next.filter(|module| found.insert(*module)).collect::<Vec<_>>());
    }
    found
}

/// Finds imports of items from the crate root, and a root that exports too many names.
pub(super) fn check_root(sources: &[Source]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for source in sources.iter().filter(|source| source.module().is_some()) {
        for (number, line) in (1..).zip(source.product.lines()) {
            let import = line.trim_start().strip_prefix("use crate::");
            let is_item = |rest: &str| rest.starts_with(|c: char| c == '{' || c.is_uppercase());
            if import.is_some_and(is_item) {
                violations.push(Violation {
                    place: format!("{}:{number}", source.place),
                    says: "imports from the crate root; name the module".to_owned(),
                });
            }
        }
    }
    let root = sources.iter().find(|source| source.place.ends_with("/src/lib.rs"));
    let names = root.map_or(0, |root| exported(&root.product).len());
    if names > ROOT_NAMES {
        let place = root.map(|root| root.place.clone()).unwrap_or_default();
        let says = format!(
            "exports {names} names, more than {ROOT_NAMES}; export some from their modules only"
        );
        violations.push(Violation { place, says });
    }
    violations
}

/// The names that a root re-exports one by one. Re-exported crates and modules are left out.
fn exported(root: &str) -> Vec<&str> {
    let statements = root.split("pub use ").skip(1).filter_map(|rest| rest.split(';').next());
    let names = statements.flat_map(|statement| statement.split([':', '{', '}', ',']));
    names.map(str::trim).filter(|name| name.starts_with(|c: char| c.is_uppercase())).collect()
}

fn uses(sources: &[Source]) -> Vec<Use<'_>> {
    let modules: BTreeSet<Vec<&str>> = sources.iter().filter_map(Source::module).collect();
    let mut uses = Vec::new();
    for source in sources {
        let Some(user) = source.module() else { continue };
        for path in paths(&source.product) {
            let Some(mut used) = absolute(&user, &path) else { continue };
            while !used.is_empty() && !modules.contains(&used) {
                used.pop();
            }
            if !used.is_empty() && used != user {
                uses.push(Use { source, user: user.clone(), used });
            }
        }
    }
    uses
}

/// The path from the crate root, if `path` begins within the crate.
fn absolute<'s>(user: &[&'s str], path: &[&'s str]) -> Option<Vec<&'s str>> {
    match path.split_first()? {
        (&"crate", rest) => Some(rest.to_vec()),
        (&("super" | "self"), _) => {
            let ups = path.iter().filter(|name| **name == "super").count();
            let rest = path.iter().skip_while(|name| ["super", "self"].contains(name));
            let parent = user.get(..user.len().checked_sub(ups)?)?;
            Some(parent.iter().chain(rest).copied().collect())
        }
        _ => None,
    }
}

/// Every path of the code that begins with `crate`, `super` or `self`. A group in braces yields one path for each name.
fn paths(code: &str) -> Vec<Vec<&str>> {
    let mut paths = Vec::new();
    for line in statements(code) {
        let begins = ["crate::", "super::", "self::"];
        let mut rest = line;
        while let Some(at) = begins.iter().filter_map(|begin| rest.find(begin)).min() {
            rest = &rest[at..];
            let length = follow(rest, &mut Vec::new(), &mut paths);
            rest = &rest[length.max(1)..];
        }
    }
    paths
}

/// Splits the code at points that no path spans. Removes the comments, except in statements with imports.
fn statements(code: &str) -> impl Iterator<Item = &str> {
    // A group of imports may span several lines, but by convention contains no comment.
    code.split(';').flat_map(|statement| {
        let is_import = statement.lines().any(|line| line.trim_start().starts_with("use "));
        let whole = is_import.then_some(statement).into_iter();
        let lines = (!is_import).then(|| statement.lines()).into_iter().flatten();
        whole.chain(lines.filter_map(|line| line.split("//").next()))
    })
}

/// Reads one path, or the paths of a group, and prefixes them with `before`. Returns the length of the code that it
/// read.
fn follow<'c>(code: &'c str, before: &mut Vec<&'c str>, paths: &mut Vec<Vec<&'c str>>) -> usize {
    let name = |code: &'c str| {
        let end = code.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(code.len());
        &code[..end]
    };
    let depth = before.len();
    let mut at = 0;
    loop {
        let here = name(&code[at..]);
        at += here.len();
        if !here.is_empty() {
            before.push(here);
        }
        if !code[at..].starts_with("::") {
            break;
        }
        at += 2;
        if code[at..].starts_with('{') {
            at += group(&code[at..], before, paths);
            before.truncate(depth);
            return at;
        }
    }
    paths.push(before.clone());
    before.truncate(depth);
    at
}

/// Reads the paths in braces. Returns the length of the code that it read.
fn group<'c>(code: &'c str, before: &mut Vec<&'c str>, paths: &mut Vec<Vec<&'c str>>) -> usize {
    let mut at = 1;
    while at < code.len() && !code[at..].starts_with('}') {
        let rest = &code[at..];
        at += match rest.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
            true => follow(rest, before, paths),
            false => rest.chars().next().map_or(1, char::len_utf8),
        };
    }
    at + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(place: &str, text: &str) -> Source {
        Source::of_product(format!("x/src/{place}"), text)
    }

    #[test]
    fn paths_are_read_one_by_one() {
        let code = "use crate::a::{b, c::{D, e}};\nlet x = super::f(self::g::h); // crate::no\n";
        let read: Vec<_> = paths(code).iter().map(|path| path.join("::")).collect();
        assert_eq!(
            read,
            ["crate::a::b", "crate::a::c::D", "crate::a::c::e", "super::f", "self::g::h"]
        );
    }

    #[test]
    fn an_arrow_upwards_is_found() {
        let sources = [
            source("replica/record.rs", "use crate::node::http::Server;\n"),
            source("node/http.rs", "use crate::replica::record::Record;\n"),
        ];
        let found = check_rooms(&sources);
        assert_eq!(found.len(), 1);
        assert!(found[0].says.contains("replica uses node"), "{}", found[0]);
    }

    #[test]
    fn a_circle_of_three_is_found_once() {
        let sources = [
            source("a.rs", "use crate::b::B;\n"),
            source("b/inner.rs", "use crate::c::C;\n"),
            source("b.rs", "mod inner;\n"),
            source("c.rs", "use super::a::A;\n"),
            source("d.rs", "use crate::a::A;\n"),
        ];
        let found = check_circles("x", &sources);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].says.starts_with("a, b, c use each other"), "{}", found[0]);
    }

    #[test]
    fn a_recursive_structure_is_no_circle() {
        let sources = [
            source("identity.rs", "use crate::tls::Tls;\n"),
            source("tls.rs", "use crate::identity::Identity;\n"),
        ];
        assert_eq!(check_circles("engram-gossip-net", &sources), []);
        assert_eq!(check_circles("engram-merkle", &sources).len(), 1, "only gossip-net is exempt");
    }

    #[test]
    fn an_import_from_the_root_is_found() {
        let sources =
            [source("a.rs", "use crate::{Space, node};\nuse crate::Store;\nuse crate::b::C;\n")];
        let places: Vec<_> = check_root(&sources).into_iter().map(|found| found.place).collect();
        assert_eq!(places, ["x/src/a.rs:1", "x/src/a.rs:2"]);
    }

    #[test]
    fn a_crowded_root_is_found() {
        let names: Vec<_> = (0..=ROOT_NAMES).map(|at| format!("N{at}")).collect();
        let root = format!("pub use node::http;\npub use a::{{{}}};\n", names.join(", "));
        let found = check_root(&[source("lib.rs", &root)]);
        assert!(found.len() == 1 && found[0].says.contains("41 names"), "{found:?}");
    }
}
