//! Every series that an alert or a panel uses is present in the first scrape of a real node, except
//! those that need a session with a peer or a consolidation service.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::common::process::*;
use crate::month::machine::Machine;

/// Series without a value before the first session with a peer.
const LATER: [&str; 2] =
    ["engram_gossip_last_success_timestamp_seconds", "engram_gossip_peer_round_trip_seconds"];

/// Series of a consolidation service, which `engram-node` does not have.
const OF_A_SERVICE: [&str; 5] = [
    "engram_consolidation_freshness_seconds",
    "engram_consolidation_novelty_gauge",
    "engram_consolidation_novelty_variance",
    "engram_consolidation_citation_churn",
    "engram_consolidation_citations_current",
];

/// Labels that Prometheus adds to each series.
const FROM_THE_SCRAPE: [&str; 2] = ["instance", "job"];

/// A metric that an expression selects, with the labels that the expression, the summary or the
/// legend names.
#[derive(Debug)]
struct Wanted {
    /// The name of the alert or panel whose expression selects the metric.
    by: String,
    name: String,
    matches: Vec<(String, String)>,
    labels: Vec<String>,
}

/// The labels of each sample, by the name of its metric.
type Samples = BTreeMap<String, Vec<BTreeMap<String, String>>>;

#[test]
fn series_of_alerts_and_panels_exist_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut nodes = init(folder.path(), 2).into_iter().map(Machine::stopped);
    let [mut a, mut b] = [nodes.next().unwrap(), nodes.next().unwrap()];
    let alerts = alerts();
    assert!(alerts.iter().all(|alert| !LATER.contains(&&*alert.name)));
    let panels = panels().into_iter().filter(|panel| !OF_A_SERVICE.contains(&&*panel.name));
    let wanted: Vec<_> = alerts.into_iter().chain(panels).collect();
    assert!(wanted.len() > 80, "{}", wanted.len());

    // No other node is running yet.
    a.start();
    let first = samples(&a.metrics());
    for wanted in wanted.iter().filter(|wanted| !LATER.contains(&&*wanted.name)) {
        assert!(wanted.is_in(&first), "{}: not in the first scrape: {wanted:?}", wanted.by);
    }

    check_label_values(&first);

    b.start();
    a.submit(0, &["p"]);
    a.tells("equal", |told| told.is_well() && told.visible() == 1);
    let begun = std::time::Instant::now();
    while let Some(missing) = wanted.iter().find(|wanted| !wanted.is_in(&samples(&a.metrics()))) {
        assert!(begun.elapsed() < DEADLINE, "{}: never present: {missing:?}", missing.by);
    }
}

/// Labels whose values depend on the cluster, the program's version or the scrape.
const CHOSEN: [&str; 6] = ["instance", "job", "peer", "space", "strategy", "version"];

/// Checks that the tests of the alerts use only label values that a node writes, apart from the
/// labels in [`CHOSEN`].
fn check_label_values(first: &Samples) {
    let tests = include_str!("../../dashboard/alerts.test.yml");
    let written = tests.split("series: '").skip(1).map(|rest| rest.split('\'').next().unwrap());
    for (name, given) in written.filter_map(|series| series.split_once('{')) {
        let Some(real) = first.get(name).filter(|_| !LATER.contains(&name)) else { continue };
        for label in given.trim_end_matches('}').split(", ") {
            let (label, value) = label.split_once('=').unwrap();
            let value = value.trim_matches('"');
            let is_real = real.iter().any(|labels| labels.get(label).is_some_and(|it| it == value));
            assert!(CHOSEN.contains(&label) || is_real, "{name}: no {label} is {value:?}");
        }
    }
}

impl Wanted {
    fn is_in(&self, samples: &Samples) -> bool {
        let samples = samples.get(&self.name).into_iter().flatten();
        let matches = |labels: &BTreeMap<String, String>| {
            self.matches.iter().all(|(label, value)| labels.get(label) == Some(value))
                && self.labels.iter().all(|label| labels.contains_key(label))
        };
        samples.into_iter().any(matches)
    }
}

fn alerts() -> Vec<Wanted> {
    let rules = include_str!("../../dashboard/alerts.yml");
    let after = |text: &str, key: &str| {
        text.lines().find_map(|line| line.trim().strip_prefix(key).map(str::to_owned))
    };
    let alerts = rules.split("- alert: ").skip(1).flat_map(|alert| {
        let name = alert.lines().next().unwrap().to_owned();
        let (expression, says) =
            (after(alert, "expr: ").unwrap(), after(alert, "summary: ").unwrap());
        let told = says.split("{{ $labels.").skip(1).map(|rest| rest.split(' ').next().unwrap());
        wanted(&name, &expression, told.map(str::to_owned).collect())
    });
    alerts.collect()
}

fn panels() -> Vec<Wanted> {
    let dashboard: Value =
        serde_json::from_str(include_str!("../../dashboard/grafana.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let panels = panels.filter(|panel| panel["targets"].is_array()).flat_map(|panel| {
        let (title, target) = (panel["title"].as_str().unwrap(), &panel["targets"][0]);
        let legend = target["legendFormat"].as_str().unwrap_or_default();
        let told = legend.split("{{").skip(1).map(|rest| rest.split("}}").next().unwrap());
        let told = told.filter(|label| !FROM_THE_SCRAPE.contains(label)).map(str::to_owned);
        wanted(title, target["expr"].as_str().unwrap(), told.collect())
    });
    panels.collect()
}

/// Returns the metrics of an expression. Each metric must have the labels in `told`.
fn wanted(by: &str, expression: &str, told: Vec<String>) -> Vec<Wanted> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for (at, _) in expression.match_indices("engram_") {
        let name: String = expression[at..].chars().take_while(|c| is_name(*c)).collect();
        let rest = &expression[at + name.len()..];
        let braces = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let matchers = braces.map_or("", |(inside, _)| inside).split(',');
        let matches = matchers.filter_map(|matcher| {
            let (label, value) = matcher.split_once('=').filter(|(_, v)| !v.starts_with('~'))?;
            Some((label.to_owned(), value.trim_matches('"').to_owned()))
        });
        let own = |label: &&String| !FROM_THE_SCRAPE.contains(&label.as_str());
        let labels = told.iter().filter(own).cloned().collect();
        found.push(Wanted { by: by.to_owned(), name, matches: matches.collect(), labels });
    }
    found
}

fn samples(metrics: &str) -> Samples {
    let mut samples = Samples::new();
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        let (series, _) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let labels = labels.trim_end_matches('}').split("\",").filter_map(|label| {
            let (label, value) = label.split_once("=\"")?;
            Some((label.to_owned(), value.trim_end_matches('"').to_owned()))
        });
        samples.entry(name.to_owned()).or_default().push(labels.collect());
    }
    samples
}
