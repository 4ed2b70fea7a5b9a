//! Metrics of a node: one table, and its text for Prometheus.

mod encode;
mod reading;
mod table;
mod totals;

pub(crate) use encode::encode;
pub(crate) use reading::{PeerReading, Reading, SpaceReading};
pub use table::METRICS;
#[cfg(feature = "http")]
pub(crate) use table::state_of;
pub(crate) use totals::Totals;

use prometheus_client::metrics::histogram::Histogram;

/// The content type of [`Telemetry::prometheus`](crate::telemetry::Telemetry::prometheus).
pub const METRICS_CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// One row of the table [`METRICS`]: a metric, and how it is read.
///
/// The text for Prometheus, documentation and dashboards all come from that table, so that they
/// cannot disagree.
#[derive(Debug)]
pub struct Metric {
    /// The whole name, as the exposition has it.
    pub name: &'static str,
    /// The kind of its numbers.
    pub kind: MetricKind,
    /// The unit, which the name repeats; `None` for plain counts.
    pub unit: Option<&'static str>,
    /// The question that it answers.
    pub help: &'static str,
    /// The names of its labels. Their values come from fixed sets, from the roster and from the
    /// configured spaces: never from patterns.
    pub labels: &'static [&'static str],
    read: fn(&Reading) -> Vec<Sample>,
}

/// The kind of a metric's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetricKind {
    /// Only grows, until the process ends.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How many observations there were up to each of some bounds.
    Histogram,
}

impl MetricKind {
    /// The word for it in the exposition.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One time series at one moment.
#[derive(Debug)]
struct Sample {
    /// One for each label of the metric.
    labels: Vec<String>,
    value: Value,
}

#[derive(Debug)]
enum Value {
    Count(u64),
    /// A sum of times.
    Seconds(f64),
    Level(f64),
    Histogram(Histogram),
}

impl Sample {
    fn count(labels: &[&str], value: u64) -> Self {
        Self { labels: owned(labels), value: Value::Count(value) }
    }

    fn level(labels: &[&str], value: f64) -> Self {
        Self { labels: owned(labels), value: Value::Level(value) }
    }
}

fn owned(labels: &[&str]) -> Vec<String> {
    labels.iter().map(|label| (*label).to_owned()).collect()
}

#[cfg(test)]
mod tests;
