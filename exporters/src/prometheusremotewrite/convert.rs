//! From OTLP points to series with samples.

use indexmap::IndexMap;
use otelcol_pdata::model::common::KeyValue;
use otelcol_pdata::model::metrics::metric::Data;
use otelcol_pdata::model::metrics::{
    DataPointFlags, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, SummaryDataPoint, number_data_point,
};
use otelcol_prometheus_text::{Kind, MetricNamer, read_labels, unit_name};

use super::exemplars::{self, Exemplar};
use super::native::{Exponential, custom};
use super::proto::{Histogram, Sample};
use super::totals::{Total, Totals};
use crate::translation::{
    LabelError, LabelRules, LabelWriter, MetricShape, SharedLabels, instance, is_identifying, job,
};

/// Labels sorted by name, `__name__` among them.
pub(super) type Labels = Vec<(String, String)>;

/// How names, labels and histograms are made.
pub(super) struct Rules {
    pub(super) namer: MetricNamer,
    pub(super) labels: LabelRules,
    /// Added where a series has no label of the name.
    pub(super) external: Vec<(String, String)>,
    pub(super) target_info: bool,
    /// Explicit histograms as native ones with custom buckets.
    pub(super) custom_buckets: bool,
    /// Explicit histograms as classic series.
    pub(super) classic_buckets: bool,
}

/// What a family is, in remote write's numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Family {
    pub(super) name: String,
    pub(super) kind: i32,
    pub(super) help: String,
    pub(super) unit: String,
}

/// The new samples of one series.
#[derive(Debug, Default)]
pub(super) struct Series {
    /// Its place in [`Converted::families`].
    pub(super) family: usize,
    pub(super) samples: Vec<Sample>,
    pub(super) histograms: Vec<Histogram>,
    pub(super) exemplars: Vec<Exemplar>,
    /// OTLP points that are lost with it.
    pub(super) points: usize,
}

/// A batch as series.
#[derive(Debug, Default)]
pub(super) struct Converted {
    pub(super) families: Vec<Family>,
    pub(super) series: IndexMap<Labels, Series>,
    /// Points that Prometheus can not have.
    pub(super) dropped: usize,
    /// Why the first of them.
    pub(super) first_problem: Option<String>,
}

/// Tells Prometheus that a series has ended (`model/value/value.go`).
const STALE_NAN: u64 = 0x7ff0_0000_0000_0002;
const NANOS_IN_MILLI: u64 = 1_000_000;

/// What the points of one metric have in common.
struct Block<'a> {
    shared: &'a SharedLabels,
    metric: &'a Metric,
    shape: MetricShape,
    name: String,
    family: usize,
}

/// The times of a point, in milliseconds since 1970.
#[derive(Clone, Copy)]
struct Times {
    at: i64,
    start: i64,
}

pub(super) struct Converter<'a> {
    rules: &'a Rules,
    totals: &'a mut Totals,
    /// Milliseconds since 1970.
    now: i64,
    writer: LabelWriter,
    out: Converted,
}

impl<'a> Converter<'a> {
    pub(super) fn new(rules: &'a Rules, totals: &'a mut Totals, now: u64) -> Self {
        Self { rules, totals, now: millis(now), writer: LabelWriter::default(), out: Converted::default() }
    }

    pub(super) fn convert(mut self, batch: &[&ResourceMetrics]) -> Converted {
        for resource_metrics in batch {
            let resource =
                resource_metrics.resource.as_ref().map_or(&[][..], |resource| &resource.attributes);
            let mut newest = 0;
            for scope_metrics in &resource_metrics.scope_metrics {
                let scope = scope_metrics.scope.as_ref();
                let shared =
                    SharedLabels::new(&self.rules.labels, resource, scope, &scope_metrics.schema_url);
                for metric in &scope_metrics.metrics {
                    newest = newest.max(newest_time(metric));
                    match &shared {
                        Ok(shared) => self.metric(shared, metric),
                        Err(error) => self.drop(MetricShape::points(metric), metric, error),
                    }
                }
            }
            self.target_info(resource, newest);
        }
        self.out
    }

    fn drop(&mut self, points: usize, metric: &Metric, why: &dyn std::fmt::Display) {
        self.out.dropped += points;
        if points > 0 {
            self.out.first_problem.get_or_insert_with(|| format!("metric {:?}: {why}", metric.name));
        }
    }

    fn metric(&mut self, shared: &SharedLabels, metric: &Metric) {
        let points = MetricShape::points(metric);
        if points == 0 {
            return;
        }
        let Some(shape) = MetricShape::of(metric) else {
            return self.drop(points, metric, &"the aggregation temporality is not set");
        };
        let name = match self.rules.namer.build(&metric.name, &metric.unit, shape.name_kind) {
            Ok(name) => name,
            Err(error) => return self.drop(points, metric, &error),
        };
        let family = self.family(Family {
            name: name.clone(),
            kind: kind_number(shape.kind),
            help: metric.description.clone(),
            unit: unit_name(&metric.unit),
        });
        let block = Block { shared, metric, shape, name, family };
        match &metric.data {
            None => {}
            Some(Data::Gauge(data)) => self.each(&block, &data.data_points, Self::number),
            Some(Data::Sum(data)) => self.each(&block, &data.data_points, Self::number),
            Some(Data::Histogram(data)) => self.each(&block, &data.data_points, Self::histogram),
            Some(Data::ExponentialHistogram(data)) => self.each(&block, &data.data_points, Self::exponential),
            Some(Data::Summary(data)) => self.each(&block, &data.data_points, Self::summary),
        }
    }

    fn each<P>(
        &mut self,
        block: &Block<'_>,
        points: &[P],
        add: fn(&mut Self, &Block<'_>, &P) -> Result<(), &'static str>,
    ) {
        for point in points {
            if let Err(why) = add(self, block, point) {
                self.drop(1, block.metric, &why);
            }
        }
    }

    fn family(&mut self, family: Family) -> usize {
        let known = self.out.families.iter().rposition(|known| *known == family);
        known.unwrap_or_else(|| {
            self.out.families.push(family);
            self.out.families.len() - 1
        })
    }

    /// The labels of a point without its name, and the key of its total.
    fn labels(
        &mut self,
        block: &Block<'_>,
        attributes: &[KeyValue],
    ) -> Result<(Labels, Vec<u8>), &'static str> {
        let reserved = block.shape.reserved_label();
        let rendered = self.writer.render(self.rules.labels.strategy, block.shared, attributes, reserved);
        let rendered = rendered.map_err(|error| match error {
            LabelError::Invalid => "an attribute's name can not be a label name",
            LabelError::TooLong => "the labels are longer than 16 KiB",
        })?;
        let mut key = block.name.clone().into_bytes();
        key.push(0xff);
        key.extend_from_slice(rendered.text);
        Ok((with_external(self.rules, rendered.text), key))
    }

    /// The series with these labels and this name.
    fn series(
        &mut self,
        family: usize,
        labels: &Labels,
        name: String,
        extra: Option<(&str, String)>,
    ) -> &mut Series {
        let mut labels = labels.clone();
        // An external label of such a name gives way, as to all others.
        labels
            .retain(|(known, _)| known != "__name__" && extra.as_ref().is_none_or(|(name, _)| known != name));
        labels.push(("__name__".to_owned(), name));
        labels.extend(extra.map(|(name, value)| (name.to_owned(), value)));
        labels.sort();
        let entry = self.out.series.entry(labels);
        entry.or_insert_with(|| Series { family, ..Series::default() })
    }

    fn number(&mut self, block: &Block<'_>, point: &NumberDataPoint) -> Result<(), &'static str> {
        let (labels, key) = self.labels(block, &point.attributes)?;
        let mut times = self.times(point.time_unix_nano, point.start_time_unix_nano);
        let mut value = match point.value {
            Some(number_data_point::Value::AsDouble(value)) => value,
            Some(number_data_point::Value::AsInt(value)) => value as f64,
            None => 0.0,
        };
        if is_stale(point.flags) {
            value = f64::from_bits(STALE_NAN);
        } else if block.shape.delta {
            if block.shape.kind == Kind::Counter && (value < 0.0 || value.is_nan()) {
                return Err("a monotonic delta is below zero");
            }
            let (total, start) = self.total(&key, Total::Number(value), times)?;
            times.start = start;
            if let Total::Number(sum) = total {
                value = sum;
            }
        }
        let counter = block.shape.kind == Kind::Counter;
        let start_timestamp = if counter { times.start } else { 0 };
        let series = self.series(block.family, &labels, block.name.clone(), None);
        series.points += 1;
        series.samples.push(Sample { value, timestamp: times.at, start_timestamp });
        if counter {
            series.exemplars.extend(point.exemplars.iter().map(exemplars::convert));
        }
        Ok(())
    }

    fn histogram(&mut self, block: &Block<'_>, point: &HistogramDataPoint) -> Result<(), &'static str> {
        let (bounds, counts) = (&point.explicit_bounds, &point.bucket_counts);
        let fits = counts.len() == bounds.len() + 1 || (counts.is_empty() && bounds.is_empty());
        if !fits || !bounds.is_sorted_by(|a, b| a < b) || bounds.first().is_some_and(|bound| bound.is_nan()) {
            return Err("the bounds do not ascend, or the counts do not fit them");
        }
        let (labels, key) = self.labels(block, &point.attributes)?;
        let mut times = self.times(point.time_unix_nano, point.start_time_unix_nano);
        let mut shown = Explicit {
            bounds: bounds.clone(),
            counts: counts.clone(),
            sum: point.sum,
            count: point.count,
            stale: is_stale(point.flags),
        };
        if block.shape.delta && !shown.stale {
            let delta = Total::Explicit {
                bounds: bounds.clone(),
                counts: counts.clone(),
                sum: point.sum.unwrap_or_default(),
                count: point.count,
            };
            let (total, start) = self.total(&key, delta, times)?;
            times.start = start;
            if let Total::Explicit { counts, sum, count, .. } = total {
                (shown.counts, shown.count) = (counts, count);
                shown.sum = shown.sum.map(|_| sum);
            }
        }
        let mut exemplars: Vec<Exemplar> = point.exemplars.iter().map(exemplars::convert).collect();
        if self.rules.custom_buckets {
            let mut histogram =
                custom(&shown.bounds, &shown.counts, shown.sum.unwrap_or_default(), shown.count);
            if shown.stale {
                histogram.sum = f64::from_bits(STALE_NAN);
            }
            let series = self.series(block.family, &labels, block.name.clone(), None);
            series.points += 1;
            series.histograms.push(Histogram {
                timestamp: times.at,
                start_timestamp: times.start,
                ..histogram
            });
            series.exemplars.append(&mut exemplars);
        }
        if self.rules.classic_buckets {
            self.classic(block, &labels, &shown, times, exemplars);
        }
        Ok(())
    }

    fn classic(
        &mut self,
        block: &Block<'_>,
        labels: &Labels,
        shown: &Explicit,
        times: Times,
        mut exemplars: Vec<Exemplar>,
    ) {
        let part = |suffix: &str| format!("{}{suffix}", block.name);
        let sample = |value: f64| Sample {
            value: if shown.stale { f64::from_bits(STALE_NAN) } else { value },
            timestamp: times.at,
            start_timestamp: times.start,
        };
        if let Some(sum) = shown.sum {
            self.series(block.family, labels, part("_sum"), None).samples.push(sample(sum));
        }
        let points = usize::from(!self.rules.custom_buckets);
        let series = self.series(block.family, labels, part("_count"), None);
        series.points += points;
        series.samples.push(sample(shown.count as f64));
        let mut below = 0_u64;
        let finite = shown.bounds.iter().copied().filter(|bound| bound.is_finite());
        let ends = finite.zip(&shown.counts).map(|(bound, count)| {
            below = below.saturating_add(*count);
            (bound, below)
        });
        let mut ends: Vec<(f64, u64)> = ends.collect();
        ends.push((f64::INFINITY, shown.count));
        for (bound, count) in ends {
            let within: Vec<Exemplar> =
                exemplars.extract_if(.., |exemplar| exemplar.value <= bound).collect();
            // Go's strconv with format 'f', as otelcol and Prometheus' OTLP door write it.
            let le = if bound.is_infinite() { "+Inf".to_owned() } else { bound.to_string() };
            let series = self.series(block.family, labels, part("_bucket"), Some(("le", le)));
            series.samples.push(sample(count as f64));
            series.exemplars.extend(within);
        }
    }

    fn exponential(
        &mut self,
        block: &Block<'_>,
        point: &ExponentialHistogramDataPoint,
    ) -> Result<(), &'static str> {
        let (labels, key) = self.labels(block, &point.attributes)?;
        let mut times = self.times(point.time_unix_nano, point.start_time_unix_nano);
        let mut histogram = if is_stale(point.flags) {
            Histogram { sum: f64::from_bits(STALE_NAN), ..Histogram::default() }
        } else {
            let refused = "a scale below -4, or counts that do not add up, can not be a native histogram";
            let mut exponential = Exponential::of(point).ok_or(refused)?;
            if block.shape.delta {
                let (total, start) = self.total(&key, Total::Exponential(exponential.clone()), times)?;
                times.start = start;
                if let Total::Exponential(sum) = total {
                    exponential = sum;
                }
            }
            exponential.to_histogram()
        };
        (histogram.timestamp, histogram.start_timestamp) = (times.at, times.start);
        let series = self.series(block.family, &labels, block.name.clone(), None);
        series.points += 1;
        series.histograms.push(histogram);
        series.exemplars.extend(point.exemplars.iter().map(exemplars::convert));
        Ok(())
    }

    fn summary(&mut self, block: &Block<'_>, point: &SummaryDataPoint) -> Result<(), &'static str> {
        let (labels, _) = self.labels(block, &point.attributes)?;
        let times = self.times(point.time_unix_nano, point.start_time_unix_nano);
        let stale = is_stale(point.flags);
        let sample = |value: f64, start_timestamp: i64| Sample {
            value: if stale { f64::from_bits(STALE_NAN) } else { value },
            timestamp: times.at,
            start_timestamp,
        };
        let part = |suffix: &str| format!("{}{suffix}", block.name);
        self.series(block.family, &labels, part("_sum"), None).samples.push(sample(point.sum, times.start));
        let series = self.series(block.family, &labels, part("_count"), None);
        series.points += 1;
        series.samples.push(sample(point.count as f64, times.start));
        for at in &point.quantile_values {
            let quantile = ("quantile", at.quantile.to_string());
            let series = self.series(block.family, &labels, block.name.clone(), Some(quantile));
            series.samples.push(sample(at.value, 0));
        }
        Ok(())
    }

    /// The resource's other attributes, for joins by `job` and `instance`; as otelcol, only where there are some.
    fn target_info(&mut self, resource: &[KeyValue], newest: u64) {
        if !self.rules.target_info || newest == 0 || resource.iter().all(|a| is_identifying(&a.key)) {
            return;
        }
        let (job, instance) = (job(resource).unwrap_or_default(), instance(resource).unwrap_or_default());
        if job.is_empty() && instance.is_empty() {
            return;
        }
        let Ok(shared) = SharedLabels::of_target(&self.rules.labels, resource, &job, &instance) else {
            return;
        };
        let labels = with_external(self.rules, &shared.text());
        let namespace = self.rules.namer.namespace();
        let name =
            if namespace.is_empty() { "target_info".to_owned() } else { format!("{namespace}_target_info") };
        let family = self.family(Family {
            name: name.clone(),
            kind: INFO,
            help: "Target metadata".to_owned(),
            unit: String::new(),
        });
        let timestamp = millis(newest);
        let series = self.series(family, &labels, name, None);
        // Resources that differ in what is no label here are one target.
        if series.samples.iter().all(|sample| sample.timestamp != timestamp) {
            series.samples.push(Sample { value: 1.0, timestamp, start_timestamp: 0 });
        }
    }

    fn times(&self, time: u64, start: u64) -> Times {
        let at = if time == 0 { self.now } else { millis(time) };
        Times { at, start: millis(start) }
    }

    fn total(&mut self, key: &[u8], delta: Total, times: Times) -> Result<(Total, i64), &'static str> {
        let start = if times.start == 0 { times.at } else { times.start };
        let total = self.totals.add(key, delta, start, self.now);
        total.map(|(total, start)| (total.clone(), start)).ok_or("max_delta_series is reached")
    }
}

/// An empty value is the same as no label, and may not be sent.
fn with_external(rules: &Rules, rendered: &[u8]) -> Labels {
    let mut labels: Labels = read_labels(rendered).filter(|(_, value)| !value.is_empty()).collect();
    for (name, value) in &rules.external {
        if !labels.iter().any(|(known, _)| known == name) {
            labels.push((name.clone(), value.clone()));
        }
    }
    labels
}

/// An explicit histogram as it is shown.
struct Explicit {
    bounds: Vec<f64>,
    counts: Vec<u64>,
    sum: Option<f64>,
    count: u64,
    stale: bool,
}

fn is_stale(flags: u32) -> bool {
    flags & DataPointFlags::NoRecordedValueMask as u32 != 0
}

fn millis(nanos: u64) -> i64 {
    i64::try_from(nanos / NANOS_IN_MILLI).unwrap_or(i64::MAX)
}

/// `MetricMetadata.MetricType` of both versions.
fn kind_number(kind: Kind) -> i32 {
    match kind {
        Kind::Untyped => 0,
        Kind::Counter => 1,
        Kind::Gauge => 2,
        Kind::Histogram => 3,
        Kind::Summary => 5,
    }
}

const INFO: i32 = 6;

fn newest_time(metric: &Metric) -> u64 {
    let newest = |times: &mut dyn Iterator<Item = u64>| times.max().unwrap_or_default();
    match &metric.data {
        None => 0,
        Some(Data::Gauge(data)) => newest(&mut data.data_points.iter().map(|point| point.time_unix_nano)),
        Some(Data::Sum(data)) => newest(&mut data.data_points.iter().map(|point| point.time_unix_nano)),
        Some(Data::Histogram(data)) => newest(&mut data.data_points.iter().map(|point| point.time_unix_nano)),
        Some(Data::ExponentialHistogram(data)) => {
            newest(&mut data.data_points.iter().map(|point| point.time_unix_nano))
        }
        Some(Data::Summary(data)) => newest(&mut data.data_points.iter().map(|point| point.time_unix_nano)),
    }
}
