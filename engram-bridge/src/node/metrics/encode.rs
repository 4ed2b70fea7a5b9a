//! Encodes the table as an exposition.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use super::{METRICS, Metric, MetricKind, Reading, Sample, Value};

/// The text of all metrics, in the OpenMetrics format that Prometheus scrapes.
pub(crate) fn encode(reading: Reading) -> String {
    // A registry for one scrape: the node itself holds the counters.
    let mut registry = Registry::default();
    registry.register_collector(Box::new(reading));
    let mut text = String::new();
    text::encode(&mut text, &registry).expect("writing to a string cannot fail");
    text
}

impl Collector for Reading {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        METRICS.iter().try_for_each(|metric| metric.encode(self, &mut encoder))
    }
}

impl Metric {
    fn encode(&self, reading: &Reading, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let unit = self.unit.map(|unit| Unit::Other(unit.to_owned()));
        let kind = self.kind.encoded();
        let mut family = encoder.encode_descriptor(self.stem(), self.help, unit.as_ref(), kind)?;
        let samples = (self.read)(reading);
        if let ([], [sample]) = (self.labels, &*samples) {
            return sample.value.encode(family);
        }
        samples.iter().try_for_each(|Sample { labels, value }| {
            debug_assert_eq!(labels.len(), self.labels.len(), "{}", self.name);
            let labels = labels.iter().map(String::as_str);
            let labels: Vec<_> = self.labels.iter().copied().zip(labels).collect();
            value.encode(family.encode_family(&labels)?)
        })
    }

    /// The name without the suffixes that the encoder appends: the unit, and `total` for counters.
    fn stem(&self) -> &'static str {
        let name = self.name.strip_suffix("_total").unwrap_or(self.name);
        let unit = self.unit.and_then(|unit| name.strip_suffix(unit)?.strip_suffix('_'));
        unit.unwrap_or(name)
    }
}

impl MetricKind {
    fn encoded(self) -> MetricType {
        match self {
            Self::Counter => MetricType::Counter,
            Self::Gauge => MetricType::Gauge,
            Self::Histogram => MetricType::Histogram,
        }
    }
}

impl Value {
    fn encode(&self, encoder: MetricEncoder<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => ConstCounter::new(*count).encode(encoder),
            Self::Seconds(seconds) => ConstCounter::new(*seconds).encode(encoder),
            Self::Level(level) => ConstGauge::new(*level).encode(encoder),
            Self::Histogram(histogram) => histogram.encode(encoder),
        }
    }
}
