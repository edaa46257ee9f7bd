//! Writes the points of an interval as OTLP metrics.
//!
//! Scope and shapes are those of otelcol's receiver: sums and histograms are deltas of the interval. Points of one name
//! share one metric, and clients share one resource unless their address is on it.

use std::collections::HashMap;
use std::sync::Arc;

use otelcol_pdata::model::common::{InstrumentationScope, KeyValue};
use otelcol_pdata::model::metrics::exponential_histogram_data_point::Buckets as OtlpBuckets;
use otelcol_pdata::model::metrics::metric::Data;
use otelcol_pdata::model::metrics::summary_data_point::ValueAtQuantile;
use otelcol_pdata::model::metrics::{
    AggregationTemporality, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram,
    HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary,
    SummaryDataPoint, number_data_point,
};
use otelcol_pdata::model::resource::Resource;
use otelcol_pdata::model::{int, string};

use otelcol_pipeline::Context;

use super::aggregator::{Interval, Taken};
use super::config::Config;
use super::exponential::{Buckets, Exponential};
use super::observe::{Counts, Histogram as Gathered, Observed, quantiles};
use super::series::{Class, Client, Identity};

/// The scope's name, which dashboards and rules may hold.
const SCOPE: &str = "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/statsdreceiver";

const DELTA: i32 = AggregationTemporality::Delta as i32;

/// What does not follow from the points themselves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    /// Sums only grow.
    pub(super) monotonic: bool,
    /// Sums are integers.
    pub(super) whole: bool,
    /// The client's address goes on the resource.
    pub(super) client_address: bool,
    /// Version of the scope.
    pub(super) version: &'static str,
}

impl Style {
    /// As the settings say.
    pub(super) fn new(config: &Config, context: &Context) -> Self {
        Self {
            monotonic: config.monotonic_counters(),
            whole: config.counter_type != "float",
            client_address: config.client_address,
            version: context.build.version,
        }
    }
}

/// The points of `interval`, one `ResourceMetrics` for each client that shows.
pub(super) fn resource_metrics(interval: &Interval, style: Style) -> Vec<ResourceMetrics> {
    let mut clients: HashMap<Client, Metrics<'_>> = HashMap::new();
    for (identity, taken) in &interval.points {
        let client = if style.client_address { identity.client } else { Client::default() };
        clients.entry(client).or_default().add(identity, taken, interval, style);
    }
    let mut clients: Vec<_> = clients.into_iter().collect();
    clients.sort_by_key(|(client, _)| *client);
    clients.into_iter().map(|(client, metrics)| resource(client, metrics.list, style)).collect()
}

fn resource(client: Client, metrics: Vec<Metric>, style: Style) -> ResourceMetrics {
    let address = client.address.map(|address| string("client.address", address.to_string()));
    let port = client.port.map(|port| int("client.port", i64::from(port)));
    let scope = InstrumentationScope {
        name: SCOPE.to_owned(),
        version: style.version.to_owned(),
        ..InstrumentationScope::default()
    };
    ResourceMetrics {
        resource: Some(Resource {
            attributes: address.into_iter().chain(port).collect(),
            ..Resource::default()
        }),
        scope_metrics: vec![ScopeMetrics { scope: Some(scope), metrics, ..ScopeMetrics::default() }],
        ..ResourceMetrics::default()
    }
}

/// The metrics of one resource, and where each name's is.
#[derive(Default)]
struct Metrics<'a> {
    list: Vec<Metric>,
    places: HashMap<(&'a str, Class), usize>,
}

impl<'a> Metrics<'a> {
    fn add(&mut self, identity: &'a Arc<Identity>, taken: &Taken, interval: &Interval, style: Style) {
        let place = *self.places.entry((identity.name.as_str(), identity.class)).or_insert_with(|| {
            self.list.push(Metric {
                name: identity.name.clone(),
                description: identity.description.to_owned(),
                unit: identity.unit.to_owned(),
                data: Some(empty(taken, style)),
                ..Metric::default()
            });
            self.list.len() - 1
        });
        let Some(data) = self.list.get_mut(place).and_then(|metric| metric.data.as_mut()) else { return };
        let frame = Frame { attributes: attributes(identity), start: interval.start, end: interval.end };
        frame.push(data, taken, style);
    }
}

fn attributes(identity: &Identity) -> Vec<KeyValue> {
    identity.attributes.iter().map(|(key, value)| string(key.as_str(), value.as_str())).collect()
}

fn empty(taken: &Taken, style: Style) -> Data {
    match taken {
        Taken::Sum(_) => {
            Data::Sum(Sum { aggregation_temporality: DELTA, is_monotonic: style.monotonic, ..Sum::default() })
        }
        Taken::Gauge(_) | Taken::Set(_) | Taken::Observed(Observed::Points(_)) => {
            Data::Gauge(Gauge::default())
        }
        Taken::Observed(Observed::Summary { .. }) => Data::Summary(Summary::default()),
        Taken::Observed(Observed::Histogram(histogram)) => match histogram.counts {
            Counts::Explicit { .. } => {
                Data::Histogram(Histogram { aggregation_temporality: DELTA, ..Histogram::default() })
            }
            Counts::Exponential(_) => Data::ExponentialHistogram(ExponentialHistogram {
                aggregation_temporality: DELTA,
                ..ExponentialHistogram::default()
            }),
        },
    }
}

/// What all points of one series and interval have in common.
struct Frame {
    attributes: Vec<KeyValue>,
    start: u64,
    end: u64,
}

impl Frame {
    fn push(self, data: &mut Data, taken: &Taken, style: Style) {
        use number_data_point::Value::{AsDouble, AsInt};
        match (data, taken) {
            (Data::Sum(sum), Taken::Sum(value)) => {
                let value = if style.whole { AsInt(*value as i64) } else { AsDouble(*value) };
                let start = self.start;
                push(
                    &mut sum.data_points,
                    NumberDataPoint { start_time_unix_nano: start, ..self.number(value) },
                );
            }
            (Data::Gauge(gauge), Taken::Gauge(value)) => {
                push(&mut gauge.data_points, self.number(AsDouble(*value)));
            }
            (Data::Gauge(gauge), Taken::Set(members)) => {
                let count = i64::try_from(members.len()).unwrap_or(i64::MAX);
                push(&mut gauge.data_points, self.number(AsInt(count)));
            }
            (Data::Gauge(gauge), Taken::Observed(Observed::Points(points))) => {
                gauge.data_points.extend(points.iter().map(|(value, time)| NumberDataPoint {
                    attributes: self.attributes.clone(),
                    time_unix_nano: *time,
                    value: Some(AsDouble(*value)),
                    ..NumberDataPoint::default()
                }));
            }
            (Data::Summary(summary), Taken::Observed(Observed::Summary { percentiles, samples })) => {
                push(&mut summary.data_points, self.summary(percentiles, samples));
            }
            (Data::Histogram(metric), Taken::Observed(Observed::Histogram(histogram))) => {
                if let Counts::Explicit { bounds, counts } = &histogram.counts {
                    push(&mut metric.data_points, self.explicit(histogram, bounds, counts));
                }
            }
            (Data::ExponentialHistogram(metric), Taken::Observed(Observed::Histogram(histogram))) => {
                if let Counts::Exponential(counts) = &histogram.counts {
                    push(&mut metric.data_points, self.exponential(histogram, counts));
                }
            }
            // Series of one name and class have one shape: it follows from both and the settings.
            _ => {}
        }
    }

    fn number(self, value: number_data_point::Value) -> NumberDataPoint {
        NumberDataPoint {
            attributes: self.attributes,
            time_unix_nano: self.end,
            value: Some(value),
            ..NumberDataPoint::default()
        }
    }

    fn summary(self, percentiles: &[f64], samples: &[(f64, f64)]) -> SummaryDataPoint {
        let mut samples = samples.to_vec();
        let count: f64 = samples.iter().map(|(_, weight)| weight).sum();
        let sum = samples.iter().map(|(value, weight)| value * weight).sum();
        let quantile_values = quantiles(&mut samples, percentiles)
            .into_iter()
            .map(|(quantile, value)| ValueAtQuantile { quantile, value })
            .collect();
        SummaryDataPoint {
            attributes: self.attributes,
            start_time_unix_nano: self.start,
            time_unix_nano: self.end,
            count: whole(count),
            sum,
            quantile_values,
            ..SummaryDataPoint::default()
        }
    }

    fn explicit(self, histogram: &Gathered, bounds: &[f64], counts: &[f64]) -> HistogramDataPoint {
        let bucket_counts: Vec<u64> = counts.iter().copied().map(whole).collect();
        HistogramDataPoint {
            attributes: self.attributes,
            start_time_unix_nano: self.start,
            time_unix_nano: self.end,
            count: bucket_counts.iter().sum(),
            sum: Some(histogram.sum),
            min: Some(histogram.min),
            max: Some(histogram.max),
            bucket_counts,
            explicit_bounds: bounds.to_vec(),
            ..HistogramDataPoint::default()
        }
    }

    fn exponential(self, histogram: &Gathered, counts: &Exponential) -> ExponentialHistogramDataPoint {
        let positive = buckets(&counts.positive);
        let negative = buckets(&counts.negative);
        let zero_count = whole(counts.zero);
        let count = zero_count + positive.bucket_counts.iter().chain(&negative.bucket_counts).sum::<u64>();
        ExponentialHistogramDataPoint {
            attributes: self.attributes,
            start_time_unix_nano: self.start,
            time_unix_nano: self.end,
            count,
            sum: Some(histogram.sum),
            min: Some(histogram.min),
            max: Some(histogram.max),
            scale: counts.scale,
            zero_count,
            positive: Some(positive),
            negative: Some(negative),
            ..ExponentialHistogramDataPoint::default()
        }
    }
}

/// Most metrics have one point: a vector's usual first capacity of four would make a flush of many names big.
fn push<T>(points: &mut Vec<T>, point: T) {
    if points.is_empty() {
        points.reserve_exact(1);
    }
    points.push(point);
}

fn buckets(buckets: &Buckets) -> OtlpBuckets {
    OtlpBuckets { offset: buckets.offset, bucket_counts: buckets.counts.iter().copied().map(whole).collect() }
}

/// A weight as OTLP counts; each sample stands for at least one, so that no bucket in use becomes 0.
fn whole(weight: f64) -> u64 {
    weight.round() as u64
}
