//! What a metric is to Prometheus.

use otelcol_pdata::model::attr;
use otelcol_pdata::model::common::any_value::Value as AttributeValue;
use otelcol_pdata::model::metrics::metric::Data;
use otelcol_pdata::model::metrics::{AggregationTemporality, Metric};
use otelcol_prometheus_text::{Kind, NameKind};

/// What a metric is to Prometheus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MetricShape {
    pub(crate) kind: Kind,
    pub(crate) name_kind: NameKind,
    pub(crate) delta: bool,
}

impl MetricShape {
    /// `None` for sums and histograms whose temporality is not set, and for a metric without data.
    pub(crate) fn of(metric: &Metric) -> Option<Self> {
        let (kind, name_kind, temporality) = match metric.data.as_ref()? {
            Data::Gauge(_) if is_unknown(metric) => (Kind::Untyped, NameKind::Gauge, None),
            Data::Gauge(_) => (Kind::Gauge, NameKind::Gauge, None),
            Data::Sum(sum) if sum.is_monotonic => {
                (Kind::Counter, NameKind::Counter, Some(sum.aggregation_temporality))
            }
            Data::Sum(sum) => (Kind::Gauge, NameKind::Other, Some(sum.aggregation_temporality)),
            Data::Histogram(data) => (Kind::Histogram, NameKind::Other, Some(data.aggregation_temporality)),
            Data::ExponentialHistogram(data) => {
                (Kind::Histogram, NameKind::Other, Some(data.aggregation_temporality))
            }
            Data::Summary(_) => (Kind::Summary, NameKind::Other, None),
        };
        let delta = match temporality {
            None => false,
            Some(set) if set == AggregationTemporality::Cumulative as i32 => false,
            Some(set) if set == AggregationTemporality::Delta as i32 => true,
            Some(_) => return None,
        };
        Some(Self { kind, name_kind, delta })
    }

    /// The label that the writer itself adds to samples of this kind.
    pub(crate) fn reserved_label(self) -> &'static str {
        match self.kind {
            Kind::Histogram => "le",
            Kind::Summary => "quantile",
            Kind::Counter | Kind::Gauge | Kind::Untyped => "",
        }
    }

    /// How many points a metric has.
    pub(crate) fn points(metric: &Metric) -> usize {
        match &metric.data {
            None => 0,
            Some(Data::Gauge(data)) => data.data_points.len(),
            Some(Data::Sum(data)) => data.data_points.len(),
            Some(Data::Histogram(data)) => data.data_points.len(),
            Some(Data::ExponentialHistogram(data)) => data.data_points.len(),
            Some(Data::Summary(data)) => data.data_points.len(),
        }
    }
}

/// A gauge that came from Prometheus, where its type was not known.
fn is_unknown(metric: &Metric) -> bool {
    let original = attr(&metric.metadata, "prometheus.type").and_then(|value| value.value.as_ref());
    matches!(original, Some(AttributeValue::StringValue(word)) if word == "unknown")
}
