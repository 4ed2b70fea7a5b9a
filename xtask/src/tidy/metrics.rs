//! Checks that a node has every metric that a document names.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result};

use super::Violation;
use super::documents::Document;
use crate::command::root;

/// The dashboard, which has a panel for each metric. `cargo xtask dashboard --check` compares it with the node's table of
/// metrics.
const DASHBOARD: &str = "engram-bridge/dashboard/grafana.json";

const PREFIXES: [&str; 2] = ["engram_gossip_", "engram_consolidation_"];

/// The suffixes that Prometheus appends to the name of a histogram.
const SUFFIXES: [&str; 3] = ["_bucket", "_count", "_sum"];

/// Crates whose names begin like those of metrics.
const CRATES: [&str; 2] = ["engram_gossip_net", "engram_gossip_proto"];

/// Finds metric names in the documents that no node exports.
pub(super) fn check(documents: &[Document]) -> Result<Vec<Violation>> {
    let dashboard = fs::read_to_string(root().join(DASHBOARD)).context(DASHBOARD)?;
    Ok(unknown(documents, &names(&dashboard).collect()))
}

fn unknown(documents: &[Document], known: &BTreeSet<&str>) -> Vec<Violation> {
    let is_known = |name: &str| {
        let stem = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix));
        known.contains(name) || stem.is_some_and(|stem| known.contains(&*format!("{stem}_bucket")))
    };
    let mut violations = Vec::new();
    for document in documents {
        for (number, line, _) in document.lines() {
            for name in names(line).filter(|name| !is_known(name)) {
                let place = format!("{}:{number}", document.place.display());
                let says = format!("{name}: no node has a metric of this name");
                violations.push(Violation { place, says });
            }
        }
    }
    violations
}

fn names(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| {
        PREFIXES.iter().any(|prefix| word.starts_with(prefix)) && !CRATES.contains(word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_that_no_node_has_is_found() {
        let text = "`engram_gossip_net` `engram_gossip_peers`\n```text\nengram_consolidation_conflicts 1\n\
                    engram_gossip_time_seconds_count 2\n```\n";
        let documents = [Document { place: "README.md".into(), text: text.to_owned() }];
        let known = ["engram_gossip_peers", "engram_gossip_time_seconds_bucket"];
        let found = unknown(&documents, &BTreeSet::from(known));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].place, "README.md:3");
        assert!(found[0].says.starts_with("engram_consolidation_conflicts:"), "{}", found[0].says);
    }
}
