//! `verbosity: detailed` for metrics.

use otelcol_pdata::model::common::KeyValue;
use otelcol_pdata::model::metrics::exemplar::Value as ExemplarValue;
use otelcol_pdata::model::metrics::metric::Data;
use otelcol_pdata::model::metrics::number_data_point::Value as Number;
use otelcol_pdata::model::metrics::{
    Exemplar, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint, SummaryDataPoint,
};
use otelcol_pdata::{Batch, WireError};

use super::detailed::{INNER_INDENT, Page};
use super::normal::index;
use super::text::{bucket_bound, fixed, id, time};

pub(super) fn metrics(page: &mut Page, batch: &Batch) -> Result<(), WireError> {
    for (i, block) in batch.metrics()?.into_iter().enumerate() {
        page.resource("ResourceMetrics", i, &block.schema_url, block.resource.as_ref());
        for (j, scope) in block.scope_metrics.iter().enumerate() {
            page.scope("ScopeMetrics", j, &scope.schema_url, scope.scope.as_ref());
            for (k, metric) in scope.metrics.iter().enumerate() {
                page.line(format_args!("Metric #{k}"));
                descriptor(page, metric);
                points(page, metric.data.as_ref());
            }
        }
    }
    Ok(())
}

fn descriptor(page: &mut Page, metric: &Metric) {
    let kind = match metric.data {
        None => "Empty",
        Some(Data::Gauge(_)) => "Gauge",
        Some(Data::Sum(_)) => "Sum",
        Some(Data::Histogram(_)) => "Histogram",
        Some(Data::ExponentialHistogram(_)) => "ExponentialHistogram",
        Some(Data::Summary(_)) => "Summary",
    };
    page.line(format_args!("Descriptor:"));
    page.line(format_args!("     -> Name: {}", metric.name));
    page.line(format_args!("     -> Description: {}", metric.description));
    page.line(format_args!("     -> Unit: {}", metric.unit));
    page.line(format_args!("     -> DataType: {kind}"));
    page.attributes("     -> Metadata:", INNER_INDENT, &metric.metadata);
}

fn points(page: &mut Page, data: Option<&Data>) {
    match data {
        None => {}
        Some(Data::Gauge(gauge)) => numbers(page, &gauge.data_points),
        Some(Data::Sum(sum)) => {
            page.line(format_args!("     -> IsMonotonic: {}", sum.is_monotonic));
            temporality(page, sum.aggregation_temporality);
            numbers(page, &sum.data_points);
        }
        Some(Data::Histogram(data)) => {
            temporality(page, data.aggregation_temporality);
            data.data_points.iter().enumerate().for_each(|(n, point)| histogram(page, n, point));
        }
        Some(Data::ExponentialHistogram(data)) => {
            temporality(page, data.aggregation_temporality);
            data.data_points.iter().enumerate().for_each(|(n, point)| exponential(page, n, point));
        }
        Some(Data::Summary(data)) => {
            data.data_points.iter().enumerate().for_each(|(n, point)| summary(page, n, point));
        }
    }
}

fn temporality(page: &mut Page, number: i32) {
    let name = match number {
        0 => "Unspecified",
        1 => "Delta",
        2 => "Cumulative",
        _ => "",
    };
    page.line(format_args!("     -> AggregationTemporality: {name}"));
}

fn head(page: &mut Page, title: &str, n: usize, attributes: &[KeyValue], start: u64, at: u64) {
    page.line(format_args!("{title} #{n}"));
    page.attributes("Data point attributes:", "", attributes);
    page.line(format_args!("StartTimestamp: {}", time(start)));
    page.line(format_args!("Timestamp: {}", time(at)));
}

fn numbers(page: &mut Page, points: &[NumberDataPoint]) {
    for (n, p) in points.iter().enumerate() {
        head(page, "NumberDataPoints", n, &p.attributes, p.start_time_unix_nano, p.time_unix_nano);
        match p.value {
            Some(Number::AsInt(value)) => page.line(format_args!("Value: {value}")),
            Some(Number::AsDouble(value)) => page.line(format_args!("Value: {}", fixed(value))),
            None => {}
        }
        exemplars(page, &p.exemplars);
    }
}

fn totals(page: &mut Page, count: u64, sum: Option<f64>, min: Option<f64>, max: Option<f64>) {
    page.line(format_args!("Count: {count}"));
    for (name, value) in [("Sum", sum), ("Min", min), ("Max", max)] {
        if let Some(value) = value {
            page.line(format_args!("{name}: {}", fixed(value)));
        }
    }
}

fn histogram(page: &mut Page, n: usize, p: &HistogramDataPoint) {
    head(page, "HistogramDataPoints", n, &p.attributes, p.start_time_unix_nano, p.time_unix_nano);
    totals(page, p.count, p.sum, p.min, p.max);
    for (i, bound) in p.explicit_bounds.iter().enumerate() {
        page.line(format_args!("ExplicitBounds #{i}: {}", fixed(*bound)));
    }
    for (i, count) in p.bucket_counts.iter().enumerate() {
        page.line(format_args!("Buckets #{i}, Count: {count}"));
    }
    exemplars(page, &p.exemplars);
}

fn exponential(page: &mut Page, n: usize, p: &ExponentialHistogramDataPoint) {
    head(page, "ExponentialHistogramDataPoints", n, &p.attributes, p.start_time_unix_nano, p.time_unix_nano);
    totals(page, p.count, p.sum, p.min, p.max);
    let bounds = |at: f64| (bucket_bound(p.scale, at), bucket_bound(p.scale, at + 1.0));
    if let Some(negative) = &p.negative {
        for (place, count) in negative.bucket_counts.iter().enumerate().rev() {
            let (lower, upper) = bounds(index(negative.offset, place));
            page.line(format_args!("Bucket [{}, {}), Count: {count}", fixed(-upper), fixed(-lower)));
        }
    }
    if p.zero_count != 0 {
        page.line(format_args!("Bucket [0, 0], Count: {}", p.zero_count));
    }
    if let Some(positive) = &p.positive {
        for (place, count) in positive.bucket_counts.iter().enumerate() {
            let (lower, upper) = bounds(index(positive.offset, place));
            page.line(format_args!("Bucket ({}, {}], Count: {count}", fixed(lower), fixed(upper)));
        }
    }
    exemplars(page, &p.exemplars);
}

fn summary(page: &mut Page, n: usize, p: &SummaryDataPoint) {
    head(page, "SummaryDataPoints", n, &p.attributes, p.start_time_unix_nano, p.time_unix_nano);
    page.line(format_args!("Count: {}", p.count));
    page.line(format_args!("Sum: {}", fixed(p.sum)));
    for (i, quantile) in p.quantile_values.iter().enumerate() {
        let (at, value) = (fixed(quantile.quantile), fixed(quantile.value));
        page.line(format_args!("QuantileValue #{i}: Quantile {at}, Value {value}"));
    }
}

fn exemplars(page: &mut Page, exemplars: &[Exemplar]) {
    if !exemplars.is_empty() {
        page.line(format_args!("Exemplars:"));
    }
    for (n, exemplar) in exemplars.iter().enumerate() {
        page.line(format_args!("Exemplar #{n}"));
        page.line(format_args!("     -> Trace ID: {}", id(&exemplar.trace_id)));
        page.line(format_args!("     -> Span ID: {}", id(&exemplar.span_id)));
        page.line(format_args!("     -> Timestamp: {}", time(exemplar.time_unix_nano)));
        match exemplar.value {
            Some(ExemplarValue::AsInt(value)) => page.line(format_args!("     -> Value: {value}")),
            Some(ExemplarValue::AsDouble(value)) => {
                page.line(format_args!("     -> Value: {}", fixed(value)));
            }
            None => {}
        }
        page.attributes("     -> FilteredAttributes:", INNER_INDENT, &exemplar.filtered_attributes);
    }
}
