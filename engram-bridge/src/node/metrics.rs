//! Metrics of a node: one table, and its text for Prometheus (feature `metrics`).

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

/// One row of the table [`METRICS`]: a metric and the function that reads it.
///
/// The text for Prometheus and the descriptions in the dashboard come from that table, so they cannot
/// disagree.
#[derive(Debug)]
pub struct Metric {
    /// The full name, as in the exposition.
    pub name: &'static str,
    /// The type of the metric.
    pub kind: MetricKind,
    /// The unit, which the name contains; `None` if the values have none.
    pub unit: Option<&'static str>,
    /// The meaning of its values.
    pub help: &'static str,
    /// The names of its labels. Their values come from fixed sets, from the configuration, from the
    /// roster and from the hosted spaces, never from patterns.
    pub labels: &'static [&'static str],
    read: fn(&Reading) -> Vec<Sample>,
}

/// The kind of a metric's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetricKind {
    /// Never decreases while the process runs.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Counts observations in cumulative buckets.
    Histogram,
}

impl MetricKind {
    /// Returns the name of the kind in the exposition.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One sample of a time series.
#[derive(Debug)]
struct Sample {
    /// The values, one for each label of the metric.
    labels: Vec<String>,
    value: Value,
}

#[derive(Debug)]
enum Value {
    Count(u64),
    /// A sum of durations.
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
