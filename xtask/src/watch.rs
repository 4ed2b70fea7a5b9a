//! Running nodes, live, as text.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use crate::Verdict;
use crate::status::{Page, text};

/// Watch running nodes: roots, patterns, and how far each peer is behind
///
/// Reads /cluster/consolidation of each node, which the section http of its configuration switches on.
#[derive(Args)]
pub(crate) struct Watch {
    /// The pages of the nodes, such as 127.0.0.1:7801
    #[arg(required = true, value_name = "PAGE", value_parser = Page::parse)]
    pages: Vec<Page>,
    /// Seconds between two looks
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=3600))]
    every: u64,
    /// Look once, and end
    #[arg(long)]
    once: bool,
    /// Print each look as one line of JSON
    #[arg(long)]
    json: bool,
}

/// What one node said, or why it did not.
type Look = Result<(Value, Vec<Value>)>;

impl Watch {
    pub(crate) fn run(self) -> Result<Verdict> {
        loop {
            let looks: Vec<_> = self.pages.iter().map(look).collect();
            let shown = if self.json { in_json(&looks) } else { in_text(&looks) };
            // A terminal shows the newest look only, from its first line.
            let home = if io::stdout().is_terminal() && !self.json { "\x1b[H\x1b[J" } else { "" };
            print!("{home}{shown}");
            io::stdout().flush()?;
            if self.once {
                let all = looks.iter().all(Result::is_ok);
                return Ok(if all { Verdict::Passed } else { Verdict::Failed });
            }
            std::thread::sleep(Duration::from_secs(self.every));
        }
    }
}

fn look(page: &Page) -> Look {
    Ok((page.node()?, page.peers()?))
}

fn in_json(looks: &[Look]) -> String {
    let looks = looks.iter().map(|look| match look {
        Ok((node, peers)) => json!({"node": node, "peers": peers}),
        Err(error) => json!({"error": format!("{error:#}")}),
    });
    format!("{}\n", json!(looks.collect::<Vec<_>>()))
}

fn in_text(looks: &[Look]) -> String {
    let mut shown = String::new();
    for look in looks {
        match look {
            Ok((node, peers)) => {
                let patterns: u64 =
                    spaces(node).filter_map(|space| space["visible"].as_u64()).sum();
                let conflicts: u64 =
                    spaces(node).filter_map(|space| space["conflicts"].as_u64()).sum();
                shown += &format!(
                    "{:<12} root {:.12}  {patterns} patterns, {conflicts} conflicts  sent {} received {} bytes\n",
                    text(node, "name"),
                    text(node, "root"),
                    text(node, "bytes_sent"),
                    text(node, "bytes_received"),
                );
                shown.extend(peers.iter().map(peer));
            }
            Err(error) => shown += &format!("{error:#}\n"),
        }
        shown.push('\n');
    }
    shown
}

fn spaces(node: &Value) -> impl Iterator<Item = &Value> {
    node["spaces"].as_array().into_iter().flatten()
}

fn peer(peer: &Value) -> String {
    let lag = peer["lag_seconds"].as_f64().unwrap_or_default();
    let cause = text(peer, "cause");
    format!(
        "  {:<12} {:<10} equal {lag:>6.0} s ago  {:>6} patterns differ  {:>6} sessions  {cause}\n",
        text(peer, "name"),
        text(peer, "state"),
        text(peer, "divergent_patterns"),
        text(peer, "sessions"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_is_silent_does_not_hide_the_others() {
        let node = json!({"name": "node-a", "root": "abcdef0123456789", "spaces": [{"visible": 3, "conflicts": 1}]});
        let peers = vec![json!({"name": "node-b", "state": "connected", "lag_seconds": 7.2})];
        let shown = in_text(&[Err(anyhow::anyhow!("gone")), Ok((node, peers))]);
        assert!(
            shown.contains("gone")
                && shown.contains("root abcdef012345 ")
                && shown.contains("3 patterns")
        );
        assert!(shown.contains("node-b") && shown.contains("7 s ago"), "{shown}");
    }
}
