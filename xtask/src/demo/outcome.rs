//! The outcome of a demo as text and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::event::Groups;
use super::picture;
use super::progress::{Progress, human_bytes};
use super::verify::Findings;

pub(crate) struct Outcome {
    names: Vec<String>,
    progress: Progress,
    /// The time from the start of the processes to equal roots, or to the time-out.
    seconds: f64,
    findings: Findings,
}

impl Outcome {
    pub(crate) fn new(
        names: Vec<String>,
        progress: Progress,
        seconds: f64,
        findings: Findings,
    ) -> Self {
        Self { names, progress, seconds, findings }
    }

    pub(crate) fn converged(&self) -> bool {
        self.findings.problems.is_empty()
    }

    /// Prints the problems, if any, to stderr.
    pub(crate) fn explain(&self) {
        for problem in &self.findings.problems {
            eprintln!("problem: {problem}");
        }
    }

    pub(crate) fn json(&self) -> Value {
        let nodes: Vec<_> = self
            .names
            .iter()
            .zip(self.progress.states())
            .zip(&self.findings.shown)
            .map(|((name, state), shown)| {
                json!({
                    "node": name,
                    "root": state.root,
                    "patterns": shown,
                    "sessions": state.sessions,
                    "bytes_sent": state.bytes_sent,
                    "bytes_received": state.bytes_received,
                })
            })
            .collect();
        json!({
            "converged": self.converged(),
            "nodes": nodes,
            "union_patterns": self.findings.union_patterns,
            "missing_patterns": self.findings.missing_patterns,
            "missing_citations": self.findings.missing_citations,
            "across_ids": {
                "groups": self.total(|groups| groups.groups),
                "members": self.total(|groups| groups.members),
                "disputed": self.total(|groups| groups.disputed),
            },
            "contested_patterns": self.findings.contested,
            "fed_seconds": self.progress.fed().map(millis),
            "seconds": millis(self.seconds),
        })
    }

    fn total(&self, count: impl Fn(&Groups) -> u64) -> u64 {
        self.progress.groups().iter().map(count).sum()
    }

    /// Describes the conflicts across ids, and explains one of them if there is any.
    fn across_ids(&self) -> String {
        let (groups, members) = (self.total(|of| of.groups), self.total(|of| of.members));
        let disputed = self.total(|of| of.disputed);
        let pending = self.total(|of| of.pending);
        let mut text = format!(
            "across ids: {} patterns in {groups} groups, each of which describes one memory; {disputed} patterns in \
             dispute\n",
            groups + members
        );
        if pending > 0 {
            text += &format!("  {pending} patterns not compared in time\n");
        }
        let example = self.progress.groups().iter().find_map(|of| of.example.as_deref());
        for line in example.into_iter().flat_map(str::lines) {
            text += &format!("  {line}\n");
        }
        text
    }

    pub(crate) fn table(&self) -> String {
        let mut table = String::new();
        let mut line = |cells: [&str; 6]| {
            let [node, root, patterns, sessions, sent, received] = cells;
            writeln!(
                table,
                "{node:<12}{root:<16}{patterns:>9}{sessions:>10}{sent:>12}{received:>12}"
            )
            .expect("writing to a string cannot fail");
        };
        line(["node", "root", "patterns", "sessions", "sent", "received"]);
        for ((name, state), shown) in
            self.names.iter().zip(self.progress.states()).zip(&self.findings.shown)
        {
            line([
                name,
                state.root.get(..12).unwrap_or(&state.root),
                &shown.to_string(),
                &state.sessions.to_string(),
                &human_bytes(state.bytes_sent),
                &human_bytes(state.bytes_received),
            ]);
        }
        let Findings { union_patterns, missing_patterns, missing_citations, .. } = self.findings;
        let verdict = if self.converged() {
            let fed = self.progress.fed().unwrap_or(self.seconds);
            let nodes = match self.names.len() {
                1 => "the only node shows".to_owned(),
                nodes => format!("all {nodes} nodes show"),
            };
            format!(
                "fed for {fed:.1} s; equal {:.2} s after the last snapshot: {nodes} the union of {union_patterns} \
                 patterns, byte for byte\n\
                 missing patterns: {missing_patterns}, missing citations: {missing_citations}\n{}",
                self.seconds - fed,
                self.contested(),
            )
        } else {
            format!("NOT converged after {:.1} s", self.seconds)
        };
        format!("\n{table}\n{verdict}\n{}", self.across_ids())
    }

    /// Describes how many ids have several versions, and explains one of them.
    fn contested(&self) -> String {
        let Findings { contested, example, .. } = &self.findings;
        let example = example.as_ref().map(|example| format!("; {example}")).unwrap_or_default();
        format!("ids with several versions: {contested}{example}")
    }

    pub(crate) fn picture(&self) -> String {
        let union = self.findings.union_patterns;
        picture::draw(&self.names, union, self.progress.history(), self.seconds, self.converged())
    }
}

/// Seconds, rounded to thousandths.
fn millis(seconds: f64) -> f64 {
    (seconds * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::event::{Event, State};

    fn progress() -> Progress {
        let mut progress = Progress::new(vec!["node-a".to_owned()], vec!["id".to_owned()], 3);
        let root = "00112233445566778899".to_owned();
        let state = State { root, patterns: 2, sessions: 4, bytes_sent: 1_500, ..State::default() };
        progress.take(0, Event::State(state));
        let (space, example) = ("notes".to_owned(), Some("q: same memory as p".to_owned()));
        let groups = Groups { space, groups: 2, members: 3, disputed: 1, pending: 0, example };
        progress.take(0, Event::Groups(vec![groups]));
        progress
    }

    #[test]
    fn the_json_has_exactly_the_promised_fields() {
        let findings = Findings { union_patterns: 3, shown: vec![3], ..Findings::default() };
        let json = Outcome::new(vec!["node-a".to_owned()], progress(), 1.23456, findings).json();
        let expected = json!({
            "converged": true,
            "nodes": [{
                "node": "node-a", "root": "00112233445566778899", "patterns": 3, "sessions": 4,
                "bytes_sent": 1_500, "bytes_received": 0,
            }],
            "union_patterns": 3, "missing_patterns": 0, "missing_citations": 0, "contested_patterns": 0,
            "across_ids": { "groups": 2, "members": 3, "disputed": 1 },
            "fed_seconds": null, "seconds": 1.235,
        });
        assert_eq!(json, expected);
    }

    #[test]
    fn problem_means_not_converged() {
        let findings = Findings {
            union_patterns: 3,
            missing_patterns: 1,
            shown: vec![2],
            problems: vec!["one is missing".to_owned()],
            ..Findings::default()
        };
        let outcome = Outcome::new(vec!["node-a".to_owned()], progress(), 2.0, findings);
        assert_eq!(outcome.json()["converged"], false);
        let table = outcome.table();
        let row = table.lines().find(|line| line.starts_with("node-a")).unwrap();
        let cells: Vec<_> =
            row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
        assert_eq!(cells, ["node-a", "001122334455", "2", "4", "1.5 kB", "0 B"]);
        assert!(table.contains("NOT converged"));
        assert!(table.contains("5 patterns in 2 groups"), "{table}");
        assert!(table.ends_with("  q: same memory as p\n"), "{table}");
    }
}
