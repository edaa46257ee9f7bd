//! `verbosity: normal`: a line for each item.

use std::fmt::{Display, Write as _};

use otelcol_pdata::model::common::{InstrumentationScope, KeyValue};
use otelcol_pdata::model::metrics::metric::Data;
use otelcol_pdata::model::metrics::number_data_point::Value as Number;
use otelcol_pdata::model::metrics::{
    ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint, SummaryDataPoint,
};
use otelcol_pdata::model::resource::Resource;
use otelcol_pdata::{Batch, Signal, WireError};

use super::text::{bucket_bound, id, pairs, plain, shortest};

/// The text of a batch.
pub(super) fn text(batch: &Batch) -> Result<String, WireError> {
    let mut out = String::new();
    match batch.signal() {
        Signal::Traces => traces(&mut out, batch)?,
        Signal::Metrics => metrics(&mut out, batch)?,
        Signal::Logs => logs(&mut out, batch)?,
    }
    Ok(out)
}

fn traces(out: &mut String, batch: &Batch) -> Result<(), WireError> {
    for (i, block) in batch.traces()?.into_iter().enumerate() {
        resource_line(out, "ResourceTraces", i, &block.schema_url, block.resource.as_ref());
        for (j, scope) in block.scope_spans.iter().enumerate() {
            scope_line(out, "ScopeTraces", j, &scope.schema_url, scope.scope.as_ref());
            for span in &scope.spans {
                let attributes = joined(" ", &pairs(&span.attributes));
                _ = writeln!(out, "{} {} {}{attributes}", span.name, id(&span.trace_id), id(&span.span_id));
            }
        }
    }
    Ok(())
}

fn logs(out: &mut String, batch: &Batch) -> Result<(), WireError> {
    for (i, block) in batch.logs()?.into_iter().enumerate() {
        resource_line(out, "ResourceLog", i, &block.schema_url, block.resource.as_ref());
        for (j, scope) in block.scope_logs.iter().enumerate() {
            scope_line(out, "ScopeLog", j, &scope.schema_url, scope.scope.as_ref());
            for record in &scope.log_records {
                _ = writeln!(out, "{} {}", plain(record.body.as_ref()), pairs(&record.attributes).join(" "));
            }
        }
    }
    Ok(())
}

fn metrics(out: &mut String, batch: &Batch) -> Result<(), WireError> {
    for (i, block) in batch.metrics()?.into_iter().enumerate() {
        resource_line(out, "ResourceMetrics", i, &block.schema_url, block.resource.as_ref());
        for (j, scope) in block.scope_metrics.iter().enumerate() {
            scope_line(out, "ScopeMetrics", j, &scope.schema_url, scope.scope.as_ref());
            for metric in &scope.metrics {
                metric_lines(out, metric);
            }
        }
    }
    Ok(())
}

fn resource_line(out: &mut String, title: &str, n: usize, schema: &str, resource: Option<&Resource>) {
    let attributes = resource.map(|resource| pairs(&resource.attributes)).unwrap_or_default();
    let schema = if schema.is_empty() { String::new() } else { format!(" [{schema}]") };
    _ = writeln!(out, "{title} #{n}{schema}{}", joined(" ", &attributes));
}

fn scope_line(out: &mut String, title: &str, n: usize, schema: &str, scope: Option<&InstrumentationScope>) {
    let mut details = String::new();
    let mut attributes = Vec::new();
    if let Some(scope) = scope {
        details.push_str(&scope.name);
        if !scope.version.is_empty() {
            _ = write!(details, "@{}", scope.version);
        }
        attributes = pairs(&scope.attributes);
    }
    if !schema.is_empty() {
        let space = if details.is_empty() { "" } else { " " };
        _ = write!(details, "{space}[{schema}]");
    }
    let space = if details.is_empty() { "" } else { " " };
    _ = writeln!(out, "{title} #{n}{space}{details}{}", joined(" ", &attributes));
}

/// The parts, each with a space before it.
fn joined(space: &str, parts: &[String]) -> String {
    parts.iter().flat_map(|part| [space, part]).collect()
}

fn metric_lines(out: &mut String, metric: &Metric) {
    let mut line = |attributes: &[KeyValue], value: String| {
        _ = writeln!(out, "{}{{{}}} {value}", metric.name, pairs(attributes).join(","));
    };
    match &metric.data {
        None => {}
        Some(Data::Gauge(gauge)) => gauge.data_points.iter().for_each(|p| line(&p.attributes, number(p))),
        Some(Data::Sum(sum)) => sum.data_points.iter().for_each(|p| line(&p.attributes, number(p))),
        Some(Data::Histogram(data)) => {
            data.data_points.iter().for_each(|p| line(&p.attributes, histogram(p)));
        }
        Some(Data::ExponentialHistogram(data)) => {
            data.data_points.iter().for_each(|p| line(&p.attributes, exponential(p)));
        }
        Some(Data::Summary(data)) => data.data_points.iter().for_each(|p| line(&p.attributes, summary(p))),
    }
}

fn number(point: &NumberDataPoint) -> String {
    match point.value {
        Some(Number::AsInt(value)) => value.to_string(),
        Some(Number::AsDouble(value)) => shortest(value),
        None => String::new(),
    }
}

/// `count=`, and of the other three what is there.
fn totals(count: impl Display, sum: Option<f64>, min: Option<f64>, max: Option<f64>) -> String {
    let mut out = format!("count={count}");
    for (name, value) in [("sum", sum), ("min", min), ("max", max)] {
        if let Some(value) = value {
            _ = write!(out, " {name}={}", shortest(value));
        }
    }
    out
}

fn histogram(point: &HistogramDataPoint) -> String {
    let mut out = totals(point.count, point.sum, point.min, point.max);
    for (i, count) in point.bucket_counts.iter().enumerate() {
        let bound = point.explicit_bounds.get(i).map(|bound| format!("le{}=", shortest(*bound)));
        _ = write!(out, " {}{count}", bound.unwrap_or_default());
    }
    out
}

fn exponential(point: &ExponentialHistogramDataPoint) -> String {
    let mut out = totals(point.count, point.sum, point.min, point.max);
    let mut bucket = |bound: f64, count: u64| _ = write!(out, " le{}={count}", shortest(bound));
    if let Some(negative) = &point.negative {
        for (j, count) in negative.bucket_counts.iter().enumerate().rev() {
            bucket(-bucket_bound(point.scale, index(negative.offset, j)), *count);
        }
    }
    if point.zero_count != 0 {
        _ = write!(out, " zero={}", point.zero_count);
    }
    let mut bucket = |bound: f64, count: u64| _ = write!(out, " le{}={count}", shortest(bound));
    if let Some(positive) = &point.positive {
        for (j, count) in positive.bucket_counts.iter().enumerate() {
            bucket(bucket_bound(point.scale, index(positive.offset, j) + 1.0), *count);
        }
    }
    out
}

/// The index of a bucket from its place in the list.
#[expect(clippy::cast_precision_loss, reason = "a list in memory has less than 2^53 places")]
pub(super) fn index(offset: i32, place: usize) -> f64 {
    f64::from(offset) + place as f64
}

fn summary(point: &SummaryDataPoint) -> String {
    let mut out = format!("count={} sum={}", point.count, super::text::fixed(point.sum));
    for quantile in &point.quantile_values {
        _ = write!(out, " q{}={}", shortest(quantile.quantile), shortest(quantile.value));
    }
    out
}
