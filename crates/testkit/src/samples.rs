//! Small batches with known content.

use std::ops::Range;

use otelcol_pdata::Batch;
use otelcol_pdata::model::common::any_value::Value;
use otelcol_pdata::model::common::{AnyValue, InstrumentationScope};
use otelcol_pdata::model::logs::{LogRecord, ResourceLogs, ScopeLogs};
use otelcol_pdata::model::metrics::metric::Data;
use otelcol_pdata::model::metrics::number_data_point::Value as Number;
use otelcol_pdata::model::metrics::{Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics};
use otelcol_pdata::model::resource::Resource;
use otelcol_pdata::model::trace::status::StatusCode;
use otelcol_pdata::model::trace::{ResourceSpans, ScopeSpans, Span, Status};
use otelcol_pdata::model::{int, string};

/// The time of the first item: 2025-01-01T00:00:00Z in nanoseconds since 1970.
pub const START: u64 = 1_735_689_600_000_000_000;

fn resource() -> Resource {
    Resource { attributes: vec![string("service.name", "asterisk")], ..Resource::default() }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "testkit".to_owned(),
        version: "1".to_owned(),
        ..InstrumentationScope::default()
    }
}

/// Spans `span 0` to `span n-1`, a second apart, with an attribute `n`.
pub fn spans(n: usize) -> Batch {
    numbered_spans(1..n as u64 + 1)
}

/// The same for spans whose ids are these numbers.
pub fn numbered_spans(numbers: Range<u64>) -> Batch {
    let n = usize::try_from(numbers.end - numbers.start).unwrap_or(0);
    let span = |i: usize| Span {
        trace_id: vec![1; 16],
        span_id: (numbers.start + i as u64).to_be_bytes().to_vec(),
        name: format!("span {i}"),
        start_time_unix_nano: time(i),
        end_time_unix_nano: time(i + 1),
        attributes: vec![int("n", number(i))],
        status: Some(Status { code: StatusCode::Ok.into(), ..Status::default() }),
        ..Span::default()
    };
    let spans = (0..n).map(span).collect();
    let scope_spans = vec![ScopeSpans { scope: Some(scope()), spans, ..ScopeSpans::default() }];
    Batch::from_traces(vec![ResourceSpans {
        resource: Some(resource()),
        scope_spans,
        ..ResourceSpans::default()
    }])
}

/// One gauge `test.gauge` with `n` points, a second apart, point i with value i and an attribute `n`.
pub fn points(n: usize) -> Batch {
    let point = |i: usize| NumberDataPoint {
        time_unix_nano: time(i),
        attributes: vec![int("n", number(i))],
        value: Some(Number::AsInt(number(i))),
        ..NumberDataPoint::default()
    };
    let data = Data::Gauge(Gauge { data_points: (0..n).map(point).collect() });
    let metrics = vec![Metric { name: "test.gauge".to_owned(), data: Some(data), ..Metric::default() }];
    let scope_metrics = vec![ScopeMetrics { scope: Some(scope()), metrics, ..ScopeMetrics::default() }];
    Batch::from_metrics(vec![ResourceMetrics {
        resource: Some(resource()),
        scope_metrics,
        ..ResourceMetrics::default()
    }])
}

/// Log records with bodies `line 0` to `line n-1`, a second apart, with an attribute `n`.
pub fn records(n: usize) -> Batch {
    let record = |i: usize| LogRecord {
        time_unix_nano: time(i),
        severity_number: 9,
        severity_text: "INFO".to_owned(),
        body: Some(AnyValue { value: Some(Value::StringValue(format!("line {i}"))) }),
        attributes: vec![int("n", number(i))],
        ..LogRecord::default()
    };
    let log_records = (0..n).map(record).collect();
    let scope_logs = vec![ScopeLogs { scope: Some(scope()), log_records, ..ScopeLogs::default() }];
    Batch::from_logs(vec![ResourceLogs { resource: Some(resource()), scope_logs, ..ResourceLogs::default() }])
}

fn number(i: usize) -> i64 {
    i64::try_from(i).unwrap_or(i64::MAX)
}

fn time(i: usize) -> u64 {
    START + i as u64 * 1_000_000_000
}
