//! Checks the alert rules: each links to the runbook, and has tests.

use std::fs;

use anyhow::{Context, Result};

use super::Violation;
use super::documents::Document;
use crate::command::root;

const RULES: &str = "engram-bridge/dashboard/alerts.yml";
const TESTS: &str = "engram-bridge/dashboard/alerts.test.yml";

/// Finds alerts without a heading in the runbook, without a test in which they fire, or without one in which they do
/// not.
pub(super) fn check(documents: &[Document]) -> Result<Vec<Violation>> {
    let read = |file: &str| fs::read_to_string(root().join(file)).with_context(|| file.to_owned());
    let (rules, tests) = (read(RULES)?, read(TESTS)?);
    let mut violations = untested(&rules, &tests);
    violations.extend(without_runbook(&rules, documents));
    Ok(violations)
}

fn untested(rules: &str, tests: &str) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (number, name) in values(rules, "- alert: ") {
        let tested =
            |line: &str| line.trim_end_matches('}').ends_with(&format!("alertname: {name}"));
        let lines = tests.lines().filter(|line| tested(line));
        // A case in which the alert does not fire is written on one line, in braces.
        let (quiet, fires): (Vec<_>, Vec<_>) = lines.partition(|line| line.ends_with('}'));
        for (cases, fault) in [(quiet, "does not fire"), (fires, "fires")] {
            if cases.is_empty() {
                let says = format!("{name}: {TESTS} has no case in which it {fault}");
                violations.push(Violation { place: format!("{RULES}:{number}"), says });
            }
        }
    }
    violations
}

fn without_runbook(rules: &str, documents: &[Document]) -> Vec<Violation> {
    let broken = |(number, target): (usize, &str)| {
        let says = match target.split_once('#') {
            Some((file, anchor)) => {
                let document = documents.iter().find(|document| document.place.ends_with(file));
                let known = document.is_some_and(|document| document.anchors().contains(anchor));
                (!known).then(|| format!("{target}: there is no such heading"))
            }
            None => Some(format!("{target}: name a heading of the runbook")),
        };
        says.map(|says| Violation { place: format!("{RULES}:{number}"), says })
    };
    let unnamed = alerts(rules).filter(|(_, lines)| values(lines, "runbook: ").next().is_none());
    let unnamed = unnamed.map(|(number, lines)| {
        let name = lines.lines().next().unwrap_or_default();
        Violation { place: format!("{RULES}:{number}"), says: format!("{name}: name its runbook") }
    });
    values(rules, "runbook: ").filter_map(broken).chain(unnamed).collect()
}

/// Finds the alerts, each as the number of its first line and the text from its name on.
fn alerts(rules: &str) -> impl Iterator<Item = (usize, &str)> {
    rules.match_indices("- alert: ").map(|(at, mark)| {
        let text = &rules[at + mark.len()..];
        let end = text.find("- alert: ").unwrap_or(text.len());
        (1 + rules[..at].matches('\n').count(), &text[..end])
    })
}

/// Finds the values of a key, with the numbers of their lines.
fn values<'a>(text: &'a str, key: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    let numbered = text.lines().enumerate();
    numbered.filter_map(move |(number, line)| Some((number + 1, line.trim().strip_prefix(key)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str =
        "  - alert: One\n    runbook: R.md#a-heading\n  - alert: Two\n    runbook: R.md#gone\n";

    #[test]
    fn an_alert_without_a_test_is_found() {
        let tests = "- {eval_time: 2h, alertname: One}\n- {eval_time: 2h, alertname: Two}\n  alertname: Two\n";
        let found = untested(RULES, tests);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].says.starts_with("One: ") && found[0].says.ends_with("it fires"));
        assert_eq!(untested(RULES, "").len(), 4);
    }

    #[test]
    fn an_alert_without_a_runbook_is_found() {
        let document = || Document { place: "docs/R.md".into(), text: "## A heading\n".to_owned() };
        let found = without_runbook(RULES, &[document()]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].says.starts_with("R.md#gone"), "{found:?}");
        let found = without_runbook(
            "  - alert: One\n    expr: up\n  - alert: Two\n    runbook: R.md#a-heading\n",
            &[document()],
        );
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].to_string(), format!("{}:1: One: name its runbook", super::RULES));
    }
}
