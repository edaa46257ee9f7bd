//! OTLP metrics as points of a few shapes.

use otelcol_pdata::model::common::KeyValue;
use otelcol_pdata::model::metrics::metric::Data;
use otelcol_pdata::model::metrics::{
    DataPointFlags, Exemplar, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint,
    SummaryDataPoint, exemplar, number_data_point,
};
use otelcol_prometheus_text::write_label;

use super::family::StoredExemplar;
use super::value::Sample;

/// Exemplars kept of one point; a histogram shows one a bucket.
const MAX_EXEMPLARS: usize = 64;

/// A point of any type.
#[derive(Debug)]
pub(super) struct PointIn<'a> {
    pub(super) attributes: &'a [KeyValue],
    /// `None`: the source says that there is no value any more.
    pub(super) sample: Option<Sample<'a>>,
    /// Nanoseconds since 1970, 0 if not set.
    pub(super) time: u64,
    pub(super) exemplars: Option<Box<[StoredExemplar]>>,
}

/// Calls `take` with each point of a metric; exemplars are read only if `exemplars` is set.
pub(super) fn for_each_point(metric: &Metric, exemplars: bool, mut take: impl FnMut(PointIn<'_>)) {
    match &metric.data {
        None => {}
        Some(Data::Gauge(data)) => {
            for point in &data.data_points {
                take(number(point, false));
            }
        }
        Some(Data::Sum(data)) => {
            for point in &data.data_points {
                take(number(point, exemplars && data.is_monotonic));
            }
        }
        Some(Data::Histogram(data)) => {
            for point in &data.data_points {
                take(histogram(point, exemplars));
            }
        }
        Some(Data::ExponentialHistogram(data)) => {
            for point in &data.data_points {
                take(exponential(point));
            }
        }
        Some(Data::Summary(data)) => {
            let mut quantiles = Vec::new();
            for point in &data.data_points {
                take(summary(point, &mut quantiles));
            }
        }
    }
}

fn recorded(flags: u32, sample: Sample<'_>) -> Option<Sample<'_>> {
    (flags & DataPointFlags::NoRecordedValueMask as u32 == 0).then_some(sample)
}

fn number(point: &NumberDataPoint, exemplars: bool) -> PointIn<'_> {
    let value = match point.value {
        Some(number_data_point::Value::AsDouble(value)) => value,
        Some(number_data_point::Value::AsInt(value)) => value as f64,
        None => 0.0,
    };
    PointIn {
        attributes: &point.attributes,
        sample: recorded(point.flags, Sample::Number(value)),
        time: point.time_unix_nano,
        exemplars: if exemplars { stored_exemplars(&point.exemplars) } else { None },
    }
}

fn histogram(point: &HistogramDataPoint, exemplars: bool) -> PointIn<'_> {
    let sample = Sample::Histogram {
        bounds: &point.explicit_bounds,
        counts: &point.bucket_counts,
        sum: point.sum.unwrap_or_default(),
        count: point.count,
    };
    PointIn {
        attributes: &point.attributes,
        sample: recorded(point.flags, sample),
        time: point.time_unix_nano,
        exemplars: if exemplars { stored_exemplars(&point.exemplars) } else { None },
    }
}

/// The text formats have no words for exponential buckets: sum and count are served, as otelcol does there.
fn exponential(point: &ExponentialHistogramDataPoint) -> PointIn<'_> {
    let sum = point.sum.unwrap_or_default();
    let sample = Sample::Histogram { bounds: &[], counts: &[], sum, count: point.count };
    PointIn {
        attributes: &point.attributes,
        sample: recorded(point.flags, sample),
        time: point.time_unix_nano,
        exemplars: None,
    }
}

fn summary<'a>(point: &'a SummaryDataPoint, quantiles: &'a mut Vec<(f64, f64)>) -> PointIn<'a> {
    quantiles.clear();
    quantiles.extend(point.quantile_values.iter().map(|at| (at.quantile, at.value)));
    let sample = Sample::Summary { quantiles, sum: point.sum, count: point.count };
    PointIn {
        attributes: &point.attributes,
        sample: recorded(point.flags, sample),
        time: point.time_unix_nano,
        exemplars: None,
    }
}

/// The newest exemplars that name a trace or span; OpenMetrics can show no others.
fn stored_exemplars(exemplars: &[Exemplar]) -> Option<Box<[StoredExemplar]>> {
    let stored: Box<[StoredExemplar]> = exemplars
        .iter()
        .filter(|exemplar| !(exemplar.trace_id.is_empty() && exemplar.span_id.is_empty()))
        .rev()
        .take(MAX_EXEMPLARS)
        .map(stored_exemplar)
        .collect();
    (!stored.is_empty()).then_some(stored).map(|mut newest_first| {
        newest_first.reverse();
        newest_first
    })
}

fn stored_exemplar(exemplar: &Exemplar) -> StoredExemplar {
    let mut labels = Vec::new();
    for (name, id) in [("span_id", &exemplar.span_id), ("trace_id", &exemplar.trace_id)] {
        if !id.is_empty() {
            write_label(&mut labels, name, &hex(id));
        }
    }
    let value = match exemplar.value {
        Some(exemplar::Value::AsDouble(value)) => value,
        Some(exemplar::Value::AsInt(value)) => value as f64,
        None => 0.0,
    };
    StoredExemplar { labels: labels.into(), value, time: exemplar.time_unix_nano }
}

fn hex(id: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    id.iter()
        .flat_map(|byte| [DIGITS[usize::from(byte >> 4)] as char, DIGITS[usize::from(byte & 15)] as char])
        .collect()
}
