//! Checks the outcome independently: compares the exports of the nodes with their input.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;

use super::data::{Content, Feed, Key, exported_pattern};

/// The exported visible patterns of one node.
pub(crate) struct Export {
    pub(crate) node: String,
    pub(crate) file: PathBuf,
}

/// The result of the check. It passed if and only if `problems` is empty.
#[derive(Default, Debug)]
pub(crate) struct Findings {
    /// The number of distinct (space, id) in all input files.
    pub(crate) union_patterns: usize,
    /// The number of these patterns that at least one node does not show.
    pub(crate) missing_patterns: usize,
    /// The number of distinct (space, id, citation) that at least one node does not show.
    pub(crate) missing_citations: usize,
    /// The number of distinct (space, id) with several versions in the input.
    pub(crate) contested: usize,
    /// An explanation of one of these patterns.
    pub(crate) example: Option<String>,
    /// The number of patterns that each node shows, in the order of the exports.
    pub(crate) shown: Vec<usize>,
    pub(crate) problems: Vec<String>,
}

/// The last version of a pattern in each input file, and the union of their citations.
#[derive(Default)]
struct Expected<'a> {
    versions: BTreeSet<&'a Content>,
    citations: BTreeSet<&'a str>,
}

/// The maximum number of problems to list; the rest are only counted.
const LISTED: usize = 5;

pub(crate) fn verify(feeds: &[Feed], exports: &[Export]) -> Result<Findings> {
    let expected = expectations(feeds);
    let mut check = Check::new(&expected);
    let contested = expected.iter().filter(|(_, expected)| expected.versions.len() > 1);
    check.findings.contested = contested.clone().count();
    check.findings.example = contested.max_by_key(|(_, of)| of.versions.len()).map(explain);
    let mut first: Option<(&Export, Vec<u8>, usize)> = None;
    for export in exports {
        let bytes = fs::read(&export.file)
            .with_context(|| format!("{}: the export cannot be read", export.file.display()))?;
        match &first {
            // An export with equal bytes has already been checked.
            Some((_, known, shown)) if *known == bytes => check.findings.shown.push(*shown),
            Some((one, ..)) => {
                check.problem(format!("the exports of {} and {} differ", one.node, export.node));
                check.node(&export.node, &bytes);
            }
            None => {
                let shown = check.node(&export.node, &bytes);
                first = Some((export, bytes, shown));
            }
        }
    }
    Ok(check.finish())
}

/// Explains which version of a pattern the nodes show.
fn explain((key, expected): (&&Key, &Expected<'_>)) -> String {
    let confidence = |version: &&&Content| f32::from_bits(version.confidence);
    let mut confidences: Vec<_> = expected.versions.iter().map(|v| confidence(&v)).collect();
    confidences.sort_by(|one, other| other.total_cmp(one));
    let told: Vec<_> = confidences.iter().map(|confidence| format!("{confidence:.3}")).collect();
    format!(
        "{} of {}, for example, has {} with the confidences {}: the first one is shown, with the {} citations of all",
        key.id,
        key.space,
        expected.versions.len(),
        told.join(", "),
        expected.citations.len(),
    )
}

fn expectations(feeds: &[Feed]) -> BTreeMap<&Key, Expected<'_>> {
    let mut expected: BTreeMap<&Key, Expected<'_>> = BTreeMap::new();
    for (key, content) in feeds.iter().flat_map(|feed| &feed.patterns) {
        let entry = expected.entry(key).or_default();
        entry.versions.insert(content);
        entry.citations.extend(content.citations.iter().map(String::as_str));
    }
    expected
}

struct Check<'a> {
    expected: &'a BTreeMap<&'a Key, Expected<'a>>,
    missing_patterns: BTreeSet<&'a Key>,
    missing_citations: BTreeSet<(&'a Key, &'a str)>,
    unlisted: usize,
    findings: Findings,
}

impl<'a> Check<'a> {
    fn new(expected: &'a BTreeMap<&'a Key, Expected<'a>>) -> Self {
        Self {
            expected,
            missing_patterns: BTreeSet::new(),
            missing_citations: BTreeSet::new(),
            unlisted: 0,
            findings: Findings { union_patterns: expected.len(), ..Findings::default() },
        }
    }

    /// Checks one export and returns how many patterns it shows.
    fn node(&mut self, node: &str, export: &[u8]) -> usize {
        let shown = self.parse(node, export);
        for (&key, expected) in self.expected {
            match shown.get(key) {
                Some(content) => self.pattern(node, key, expected, content),
                None => {
                    self.problem(format!(
                        "{node} does not show pattern {} of {}",
                        key.id, key.space
                    ));
                    self.missing_patterns.insert(key);
                    self.missing_citations
                        .extend(expected.citations.iter().map(|cited| (key, *cited)));
                }
            }
        }
        for key in shown.keys().filter(|key| !self.expected.contains_key(key)).collect::<Vec<_>>() {
            self.problem(format!(
                "{node} shows pattern {} of {}, which no input contains",
                key.id, key.space
            ));
        }
        self.findings.shown.push(shown.len());
        shown.len()
    }

    fn parse(&mut self, node: &str, export: &[u8]) -> BTreeMap<Key, Content> {
        let mut shown = BTreeMap::new();
        let lines = export.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        for (number, line) in (1..).zip(lines) {
            let parsed = serde_json::from_slice::<Value>(line).map_err(|error| error.to_string());
            match parsed.and_then(|value| exported_pattern(&value)) {
                Ok((key, _)) if shown.last_key_value().is_some_and(|(last, _)| *last >= key) => {
                    self.problem(format!("{node}'s export is not sorted at line {number}"));
                }
                Ok((key, content)) => {
                    shown.insert(key, content);
                }
                Err(reason) => self.problem(format!("{node}'s export, line {number}: {reason}")),
            }
        }
        shown
    }

    fn pattern(&mut self, node: &str, key: &'a Key, expected: &Expected<'a>, content: &Content) {
        let cited: BTreeSet<_> = content.citations.iter().map(String::as_str).collect();
        for citation in expected.citations.iter().filter(|citation| !cited.contains(*citation)) {
            self.missing_citations.insert((key, citation));
        }
        let as_fed = match expected.versions.first() {
            // All versions agree: not one bit may change, not even the number of repeated citations.
            Some(only) if expected.versions.len() == 1 => *only == content,
            _ => cited == expected.citations && is_most_confident(&expected.versions, content),
        };
        if !as_fed {
            self.problem(format!("{node} shows pattern {} of {} altered", key.id, key.space));
        }
    }

    fn problem(&mut self, problem: String) {
        if self.findings.problems.len() < LISTED {
            self.findings.problems.push(problem);
        } else {
            self.unlisted += 1;
        }
    }

    fn finish(mut self) -> Findings {
        self.findings.missing_patterns = self.missing_patterns.len();
        self.findings.missing_citations = self.missing_citations.len();
        if self.unlisted > 0 {
            self.findings.problems.push(format!("and {} more", self.unlisted));
        }
        self.findings
    }
}

/// Whether `shown` is a result of confidence voting, apart from its citations: one of the most confident versions, with
/// the latest time.
fn is_most_confident(versions: &BTreeSet<&Content>, shown: &Content) -> bool {
    // Confidences are not negative, so their bits compare like their values.
    let highest = versions.iter().map(|version| version.confidence).max();
    let latest = versions.iter().map(|version| version.consolidated).max();
    let is_shown = |version: &&Content| {
        Some(version.confidence) == highest
            && version.confidence == shown.confidence
            && version.embedding == shown.embedding
            && version.strength == shown.strength
    };
    Some(shown.consolidated) == latest && versions.iter().any(is_shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use jiff::Timestamp;

    /// Id, citations and confidence.
    type Row<'a> = (&'a str, &'a [&'a str], f32);

    fn feed(node: &str, patterns: &[Row<'_>]) -> Feed {
        let patterns = patterns.iter().map(|(id, citations, confidence)| {
            let content = Content {
                embedding: vec![confidence.to_bits(); 768],
                citations: citations.iter().map(|cited| (*cited).to_owned()).collect(),
                strength: 1.0_f32.to_bits(),
                confidence: confidence.to_bits(),
                // The version of node b is the most confident one, but not the latest.
                consolidated: if node == "b" { 1_000_000_000 } else { 2_000_000_000 },
            };
            (Key { space: "default".to_owned(), id: (*id).to_owned() }, content)
        });
        Feed {
            node: node.to_owned(),
            file: PathBuf::new(),
            snapshots: 1,
            spaces: BTreeSet::new(),
            patterns: patterns.collect(),
            rejected: Vec::new(),
        }
    }

    fn line((key, content): (&Key, &Content)) -> String {
        let bytes: Vec<u8> = content.embedding.iter().flat_map(|bits| bits.to_le_bytes()).collect();
        serde_json::json!({
            "space": key.space, "id": key.id, "source_episodes": content.citations,
            "strength": f32::from_bits(content.strength),
            "schema_confidence": f32::from_bits(content.confidence),
            "last_consolidated": Timestamp::from_nanosecond(content.consolidated).unwrap().to_string(),
            "embedding_b64": STANDARD.encode(bytes),
        })
        .to_string()
    }

    fn verified(feeds: &[Feed], shown: &[&Feed]) -> Findings {
        let scratch = Scratch::new().unwrap();
        let exports: Vec<_> = shown
            .iter()
            .enumerate()
            .map(|(number, feed)| {
                let file = scratch.path().join(number.to_string());
                let lines: Vec<_> = feed.patterns.iter().map(line).collect();
                fs::write(&file, lines.join("\n")).unwrap();
                Export { node: format!("n{number}"), file }
            })
            .collect();
        verify(feeds, &exports).unwrap()
    }

    fn disagreeing() -> [Feed; 2] {
        [
            feed("a", &[("p", &["e1"], 0.5), ("q", &["e2", "e2"], 0.5)]),
            feed("b", &[("p", &["e3"], 0.75)]),
        ]
    }

    #[test]
    fn most_confident_version_cites_the_union() {
        let right = feed("", &[("p", &["e1", "e3"], 0.75), ("q", &["e2", "e2"], 0.5)]);
        let findings = verified(&disagreeing(), &[&right, &right]);
        assert_eq!(findings.problems, [""; 0]);
        assert_eq!((findings.union_patterns, findings.shown), (2, vec![2, 2]));
    }

    #[test]
    fn a_lost_pattern_takes_its_citations_along() {
        let short = feed("", &[("p", &["e1", "e3"], 0.75)]);
        let findings = verified(&disagreeing(), &[&short]);
        assert_eq!((findings.missing_patterns, findings.missing_citations), (1, 1));
        assert!(findings.problems[0].contains("does not show pattern q"), "{findings:?}");
    }

    #[test]
    fn every_way_of_being_wrong_is_found() {
        let wrong: [(&[Row<'_>], &str); 5] = [
            (&[("p", &["e3"], 0.75), ("q", &["e2", "e2"], 0.5)], "altered"),
            (&[("p", &["e1", "e3"], 0.5), ("q", &["e2", "e2"], 0.5)], "altered"),
            (&[("p", &["e1", "e3"], 0.75), ("q", &["e2"], 0.5)], "altered"),
            (&[("p", &["e1", "e3"], 0.75), ("q", &["e2", "e2"], 0.500_000_06)], "altered"),
            (
                &[("p", &["e1", "e3"], 0.75), ("q", &["e2", "e2"], 0.5), ("r", &[], 0.5)],
                "which no input contains",
            ),
        ];
        for (shown, problem) in wrong {
            let findings = verified(&disagreeing(), &[&feed("", shown)]);
            assert_eq!(findings.problems.len(), 1, "{findings:?}");
            assert!(findings.problems[0].contains(problem), "{findings:?}");
        }
    }

    #[test]
    fn nodes_that_show_different_bytes_are_found() {
        let right = feed("", &[("p", &["e1", "e3"], 0.75), ("q", &["e2", "e2"], 0.5)]);
        let other = feed("", &[("p", &["e3", "e1"], 0.75), ("q", &["e2", "e2"], 0.5)]);
        let findings = verified(&disagreeing(), &[&right, &other]);
        assert_eq!(findings.problems, ["the exports of n0 and n1 differ"]);
        assert_eq!(findings.missing_citations, 0);
    }
}
