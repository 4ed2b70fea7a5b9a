//! Lists the metrics of a node.

use clap::Args;
use engram_bridge::metrics::METRICS;
use serde_json::json;

use crate::Failure;

/// Lists the metrics that a node exposes at /metrics/prometheus.
#[derive(Args)]
pub(crate) struct Metrics {
    /// Prints the table as one JSON array, for documentation and dashboards.
    #[arg(long)]
    json: bool,
}

impl Metrics {
    pub(crate) fn run(self) -> Result<(), Failure> {
        if self.json {
            let table: Vec<_> = METRICS
                .iter()
                .map(|metric| {
                    json!({
                        "name": metric.name, "kind": metric.kind.as_str(), "unit": metric.unit,
                        "help": metric.help, "labels": metric.labels,
                    })
                })
                .collect();
            outln!("{}", serde_json::to_string_pretty(&table)?);
            return Ok(());
        }
        for metric in METRICS {
            let labels = match metric.labels {
                [] => String::new(),
                labels => format!(" {{{}}}", labels.join(", ")),
            };
            outln!("{} ({}){labels}\n    {}", metric.name, metric.kind.as_str(), metric.help);
        }
        Ok(())
    }
}
