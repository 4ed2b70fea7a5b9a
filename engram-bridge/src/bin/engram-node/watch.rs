//! A live text view of running nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use crate::Failure;
use crate::agreement::Agreement;
use crate::status::{Page, text};
use crate::words::{counted, patterns};
use engram_bridge::notices::{printable, printable_json};

/// Shows running nodes: readiness, warnings, roots, patterns, and the lag of each peer.
///
/// Reads /cluster/consolidation and /cluster/consolidation/peers of each node, which the `http` section
/// of its configuration enables. With --once, the exit status is 0 if all nodes answer, and every space
/// has the same root on all nodes that host it; 1 if a root differs; 2 if a node does not answer.
#[derive(Args)]
pub(crate) struct Watch {
    /// The addresses of the nodes' status pages, such as 127.0.0.1:7801.
    #[arg(required = true, value_name = "PAGE", value_parser = Page::parse)]
    pages: Vec<Page>,
    /// Seconds between two updates.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=3600))]
    every: u64,
    /// Shows one update, and exits.
    #[arg(long)]
    once: bool,
    /// Prints each update as one line of JSON.
    #[arg(long)]
    json: bool,
}

/// The answer from one node, or the reason why there is none.
type Look = Result<(Value, Vec<Value>), Failure>;

impl Watch {
    pub(crate) fn run(self) -> Result<Agreement, Failure> {
        loop {
            let looks: Vec<_> = self.pages.iter().map(look).collect();
            let shown = if self.json { in_json(&looks) } else { in_text(&looks) };
            // A terminal shows only the latest update, from its first line.
            let home = if io::stdout().is_terminal() && !self.json { "\x1b[H\x1b[J" } else { "" };
            let printed = write!(io::stdout(), "{home}{shown}").and_then(|()| io::stdout().flush());
            match printed {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                    return Err(format!("cannot write to standard output: {error}").into());
                }
                _ if self.once => return agreement(&looks),
                // The reader has closed the pipe.
                Err(_) => return Ok(Agreement::Full),
                Ok(()) => {}
            }
            std::thread::sleep(Duration::from_secs(self.every));
        }
    }
}

fn look(page: &Page) -> Look {
    Ok((page.node()?, page.peers()?))
}

/// Whether every space has the same root on all nodes that host it.
fn agreement(looks: &[Look]) -> Result<Agreement, Failure> {
    let silent = looks.iter().filter(|look| look.is_err()).count();
    if silent > 0 {
        return Err(format!("{} did not answer", counted(silent as u64, "node", "nodes")).into());
    }
    let mut roots = BTreeMap::<_, BTreeSet<_>>::new();
    for space in looks.iter().flatten().flat_map(|(node, _)| spaces(node)) {
        roots.entry(text(space, "name")).or_default().insert(text(space, "root"));
    }
    match roots.values().filter(|roots| roots.len() > 1).count() {
        0 => Ok(Agreement::Full),
        1 => Ok(Agreement::Broken("the nodes differ in 1 space".to_owned())),
        differ => Ok(Agreement::Broken(format!("the nodes differ in {differ} spaces"))),
    }
}

fn in_json(looks: &[Look]) -> String {
    let looks = looks.iter().map(|look| match look {
        Ok((node, peers)) => json!({"node": node, "peers": peers}),
        Err(error) => json!({"error": error.to_string()}),
    });
    printable_json(&Value::from_iter(looks).to_string()) + "\n"
}

fn in_text(looks: &[Look]) -> String {
    let mut shown = String::new();
    for look in looks {
        match look {
            Ok((node, peers)) => {
                let held: u64 = spaces(node).filter_map(|space| space["visible"].as_u64()).sum();
                let conflicts: u64 =
                    spaces(node).filter_map(|space| space["conflicts"].as_u64()).sum();
                let ready = text(node, "unready");
                let ready = if ready.is_empty() {
                    "ready".to_owned()
                } else {
                    format!("not ready: {ready}")
                };
                shown += &format!(
                    "{:<12} {}, up {} s\n",
                    printable(&text(node, "name")),
                    printable(&ready),
                    node["uptime_seconds"].as_f64().unwrap_or_default() as u64,
                );
                shown.extend(node["warnings"].as_array().into_iter().flatten().map(warning));
                shown += &format!(
                    "  root {:.12}  {}, {}  sent {} received {} bytes\n",
                    text(node, "root"),
                    patterns(held),
                    counted(conflicts, "conflict", "conflicts"),
                    text(node, "bytes_sent"),
                    text(node, "bytes_received"),
                );
                shown.extend(peers.iter().map(peer));
            }
            Err(error) => shown += &format!("{}\n", printable(&error.to_string())),
        }
        shown.push('\n');
    }
    shown
}

fn warning(warning: &Value) -> String {
    let (severity, code) = (text(warning, "severity"), text(warning, "code"));
    let (reason, next) = (text(warning, "reason"), text(warning, "next_step"));
    format!("  {severity}: {code}: {}; {}\n", printable(&reason), printable(&next))
}

fn spaces(node: &Value) -> impl Iterator<Item = &Value> {
    node["spaces"].as_array().into_iter().flatten()
}

fn peer(peer: &Value) -> String {
    let cause = printable(&text(peer, "cause"));
    let state = if peer["liveness"] == "down" { "down".to_owned() } else { text(peer, "state") };
    format!(
        "  {:<12} {state:<10} {:<9} {:<18} {:>6} changed here since  {:>6} sessions  {cause}\n",
        printable(&text(peer, "name")),
        text(peer, "agreement"),
        equal(peer),
        text(peer, "divergent_patterns"),
        text(peer, "sessions"),
    )
}

/// Describes when the node and the peer were last equal.
fn equal(peer: &Value) -> String {
    match (peer["agreement"].as_str(), peer["state"].as_str()) {
        (Some("in_step"), Some("connected")) => "equal now".to_owned(),
        _ if peer["ever_equal"] == false => "never equal so far".to_owned(),
        _ => format!("equal {:.0} s ago", peer["lag_seconds"].as_f64().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silent_node_does_not_hide_the_others() {
        let node = json!({"name": "node-a", "root": "abcdef0123456789", "warnings": [{"severity": "critical", "code": "storage_failure"}], "spaces": [{"visible": 3, "conflicts": 1}]});
        let peers = vec![json!({"name": "node-b", "state": "connected", "lag_seconds": 7.2})];
        let shown = in_text(&[Err("gone".into()), Ok((node, peers))]);
        assert!(
            shown.contains("gone")
                && shown.contains("critical: storage_failure")
                && shown.contains("root abcdef012345 ")
                && shown.contains("3 patterns")
        );
        assert!(shown.contains("node-b") && shown.contains("7 s ago"), "{shown}");
    }

    #[test]
    fn nodes_agree_if_their_roots_are_equal() {
        let node = |spaces: &[[&str; 2]]| {
            let space = |[name, root]: &[&str; 2]| json!({"name": name, "root": root});
            Ok((json!({"spaces": spaces.iter().map(space).collect::<Vec<_>>()}), vec![]))
        };
        let equal = [node(&[["a", "1"], ["b", "2"]]), node(&[["a", "1"]])];
        assert_eq!(agreement(&equal).unwrap(), Agreement::Full);
        let broken = Agreement::Broken("the nodes differ in 1 space".to_owned());
        assert_eq!(agreement(&[node(&[["a", "1"]]), node(&[["a", "2"]])]).unwrap(), broken);
        let silent = agreement(&[Err("gone".into()), node(&[])]).unwrap_err();
        assert_eq!(silent.to_string(), "1 node did not answer");
    }

    #[test]
    fn a_peer_never_equal_is_not_called_equal() {
        let told = |agreement: &str, ever_equal: bool, liveness: &str| {
            peer(&json!({
                "name": "node-b", "state": "connected", "agreement": agreement,
                "ever_equal": ever_equal, "lag_seconds": 75.0, "liveness": liveness,
            }))
        };
        assert!(told("in_step", true, "alive").contains(" equal now "));
        assert!(told("behind", true, "alive").contains(" equal 75 s ago "));
        let never = told("behind", false, "down");
        assert!(never.contains(" never equal so far ") && never.contains(" down "), "{never}");
    }
}
