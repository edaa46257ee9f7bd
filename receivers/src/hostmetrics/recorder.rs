//! From single values to OTLP metrics: what is enabled, which attributes stay, what is merged.

use otelcol_pdata::model::common::{InstrumentationScope, KeyValue, any_value};
use otelcol_pdata::model::metrics::{
    AggregationTemporality, Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric,
    number_data_point::Value,
};
use otelcol_pdata::model::resource::Resource;
use otelcol_pdata::model::string;

use super::catalogue::{Aggregation, Catalogue, Kind, MetricDef};
use super::config::MetricsConfig;
use super::error::ScrapeError;

/// Schema that contrib states for these metrics (its `sem_conv_version`).
const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.9.0";

/// Collects the points of one scraper and the failures of its last scrape.
#[derive(Debug)]
pub(super) struct Recorder {
    scope: String,
    slots: Vec<Slot>,
    start_nanos: u64,
    now_nanos: u64,
    failures: Vec<Failure>,
}

/// Points that could not be had, and why.
#[derive(Debug)]
pub(super) struct Failure {
    /// How many points (as far as known: at least one a metric) are missing.
    pub(super) points: usize,
    pub(super) error: ScrapeError,
}

/// What one scrape gave.
#[derive(Debug)]
pub(super) struct Recorded {
    /// Nothing if no metric has a point.
    pub(super) metrics: Option<ResourceMetrics>,
    pub(super) points: usize,
    pub(super) failures: Vec<Failure>,
}

#[derive(Debug)]
struct Slot {
    def: &'static MetricDef,
    enabled: bool,
    kept: Vec<bool>,
    aggregation: Aggregation,
    points: Vec<NumberDataPoint>,
    merged: Vec<u32>,
}

impl Recorder {
    /// For the scraper called `name` with its settings.
    pub(super) fn new<C: Catalogue>(name: &str, settings: &MetricsConfig<C>) -> Self {
        Self {
            scope: format!(
                "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/hostmetricsreceiver/internal/scraper/{name}scraper"
            ),
            slots: C::METRICS
                .iter()
                .enumerate()
                .map(|(index, def)| Slot::new(def, settings, index))
                .collect(),
            start_nanos: 0,
            now_nanos: 0,
            failures: Vec::new(),
        }
    }

    /// Times of the points to come: unix nanoseconds of boot (0: not known) and of now.
    pub(super) fn begin(&mut self, start_nanos: u64, now_nanos: u64) {
        self.start_nanos = start_nanos;
        self.now_nanos = now_nanos;
    }

    pub(super) fn is_enabled(&self, metric: usize) -> bool {
        self.slots[metric].enabled
    }

    /// How many of `metrics` are enabled.
    pub(super) fn enabled_among(&self, metrics: &[usize]) -> usize {
        metrics.iter().filter(|metric| self.is_enabled(**metric)).count()
    }

    pub(super) fn double(&mut self, metric: usize, value: f64, attributes: &[&str]) {
        self.record(metric, Value::AsDouble(value), attributes);
    }

    /// A count; OTLP has signed ones, so that the last bit of an unsigned one is cut off.
    pub(super) fn count(&mut self, metric: usize, value: u64, attributes: &[&str]) {
        self.record(metric, Value::AsInt(i64::try_from(value).unwrap_or(i64::MAX)), attributes);
    }

    pub(super) fn fail(&mut self, points: usize, error: ScrapeError) {
        self.failures.push(Failure { points, error });
    }

    /// No metric of the scraper could be had.
    pub(super) fn fail_all(&mut self, error: ScrapeError) {
        let points = self.slots.iter().filter(|slot| slot.enabled).count();
        self.fail(points, error);
    }

    /// Everything recorded since the last call, with `version` as that of the scope.
    pub(super) fn finish(&mut self, version: &str) -> Recorded {
        let points = self.slots.iter().map(|slot| slot.points.len()).sum();
        let metrics: Vec<Metric> = self.slots.iter_mut().filter_map(Slot::take).collect();
        let metrics = (!metrics.is_empty()).then(|| ResourceMetrics {
            resource: Some(Resource::default()),
            scope_metrics: vec![ScopeMetrics {
                scope: Some(InstrumentationScope {
                    name: self.scope.clone(),
                    version: version.to_owned(),
                    ..InstrumentationScope::default()
                }),
                metrics,
                schema_url: String::new(),
            }],
            schema_url: SCHEMA_URL.to_owned(),
        });
        Recorded { metrics, points, failures: std::mem::take(&mut self.failures) }
    }

    fn record(&mut self, metric: usize, value: Value, attributes: &[&str]) {
        let slot = &mut self.slots[metric];
        if slot.enabled && !slot.merge(value, attributes) {
            slot.push(self.start_nanos, self.now_nanos, value, attributes);
        }
    }
}

impl Slot {
    fn new<C: Catalogue>(def: &'static MetricDef, settings: &MetricsConfig<C>, index: usize) -> Self {
        let settings = settings.get(index);
        let kept = def.attributes.iter().map(|attribute| match &settings.attributes {
            Some(asked) => asked.iter().any(|key| key == attribute.key),
            None => attribute.enabled,
        });
        Self {
            def,
            enabled: settings.enabled.unwrap_or(def.enabled),
            kept: kept.collect(),
            aggregation: settings.aggregation_strategy.unwrap_or_else(|| def.default_aggregation()),
            points: Vec::new(),
            merged: Vec::new(),
        }
    }

    fn kept<'a>(&self, attributes: &'a [&'a str]) -> impl Iterator<Item = (&'static str, &'a str)> {
        let keys = self.def.attributes.iter().zip(&self.kept);
        keys.zip(attributes).filter(|((_, kept), _)| **kept).map(|((key, _), value)| (key.key, *value))
    }

    /// Adds the value to a point with the same attributes; false if there is none.
    fn merge(&mut self, value: Value, attributes: &[&str]) -> bool {
        // With all attributes kept, no two values of a scrape have the same ones.
        if self.kept.iter().all(|kept| *kept) {
            return false;
        }
        let same = |point: &NumberDataPoint| {
            self.kept(attributes).zip(&point.attributes).all(|((_, value), have)| string_value(have) == value)
        };
        let Some(at) = self.points.iter().position(same) else {
            return false;
        };
        self.merged[at] += 1;
        let point = &mut self.points[at];
        point.value = Some(match (point.value, value) {
            (Some(Value::AsDouble(a)), Value::AsDouble(b)) => {
                Value::AsDouble(aggregate(self.aggregation, a, b, |a, b| a + b))
            }
            (Some(Value::AsInt(a)), Value::AsInt(b)) => {
                Value::AsInt(aggregate(self.aggregation, a, b, i64::saturating_add))
            }
            (_, value) => value,
        });
        true
    }

    fn push(&mut self, start_nanos: u64, now_nanos: u64, value: Value, attributes: &[&str]) {
        let attributes = self.kept(attributes).map(|(key, value)| string(key, value)).collect();
        self.points.push(NumberDataPoint {
            attributes,
            start_time_unix_nano: start_nanos,
            time_unix_nano: now_nanos,
            value: Some(value),
            ..NumberDataPoint::default()
        });
        self.merged.push(1);
    }

    fn take(&mut self) -> Option<Metric> {
        let mut data_points = std::mem::take(&mut self.points);
        if self.aggregation == Aggregation::Avg {
            for (point, merged) in data_points.iter_mut().zip(&self.merged) {
                point.value = point.value.map(|value| match value {
                    Value::AsDouble(sum) => Value::AsDouble(sum / f64::from(*merged)),
                    Value::AsInt(sum) => Value::AsInt(sum / i64::from(*merged)),
                });
            }
        }
        self.merged.clear();
        if data_points.is_empty() {
            return None;
        }
        let data = match self.def.kind {
            Kind::Gauge => metric::Data::Gauge(Gauge { data_points }),
            kind => metric::Data::Sum(Sum {
                data_points,
                aggregation_temporality: AggregationTemporality::Cumulative.into(),
                is_monotonic: kind == Kind::Counter,
            }),
        };
        Some(Metric {
            name: self.def.name.to_owned(),
            description: self.def.description.to_owned(),
            unit: self.def.unit.to_owned(),
            data: Some(data),
            ..Metric::default()
        })
    }
}

fn aggregate<T: PartialOrd>(aggregation: Aggregation, a: T, b: T, add: impl Fn(T, T) -> T) -> T {
    match aggregation {
        Aggregation::Sum | Aggregation::Avg => add(a, b),
        Aggregation::Min if b < a => b,
        Aggregation::Max if b > a => b,
        Aggregation::Min | Aggregation::Max => a,
    }
}

fn string_value(attribute: &KeyValue) -> &str {
    match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(value)) => value,
        _ => "",
    }
}
