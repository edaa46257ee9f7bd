use std::sync::Arc;

use otelcol_pdata::model::common::any_value::Value;
use otelcol_pdata::model::common::{AnyValue, InstrumentationScope, KeyValue, KeyValueList};
use otelcol_pdata::model::logs::{LogRecord, ResourceLogs, ScopeLogs};
use otelcol_pdata::model::metrics::metric::Data;
use otelcol_pdata::model::metrics::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint,
};
use otelcol_pdata::model::trace::{ResourceSpans, ScopeSpans, Span};
use otelcol_pdata::model::{attr, bool, double, int, key_value, string};
use otelcol_pdata::{Batch, Signal};
use otelcol_pipeline::{ConsumerComponent, Context, Kind};
use otelcol_testkit::Sink;

use super::{Config, create};
use crate::testing::{config, output, resource};

const MARK: &str = "actions: [{key: mark, value: 1, action: insert}]";

fn made(yaml: &str, signal: Signal) -> Result<(Arc<Sink>, Arc<dyn ConsumerComponent>), String> {
    let sink = Sink::new();
    let context = Context::detached(Kind::Processor, "attributes");
    let config: Config = config(yaml).unwrap();
    let processor = create(context, config, signal, output(&sink)).map_err(|error| error.to_string())?;
    Ok((sink, processor))
}

async fn run(yaml: &str, batch: Batch) -> Batch {
    let (sink, processor) = made(yaml, batch.signal()).unwrap();
    processor.consume(batch).await.unwrap();
    sink.batches().remove(0)
}

fn is_marked(attributes: &[KeyValue]) -> bool {
    attr(attributes, "mark").is_some()
}

fn scope() -> Option<InstrumentationScope> {
    Some(InstrumentationScope { name: "lib".to_owned(), version: "1.2".to_owned(), ..Default::default() })
}

fn span(name: &str, kind: i32, attributes: Vec<KeyValue>) -> Span {
    Span { name: name.to_owned(), kind, attributes, ..Span::default() }
}

/// Two services; the second has no scope.
fn traces() -> Batch {
    let ami = ResourceSpans {
        resource: Some(resource(vec![string("service.name", "ami"), string("host.name", "pbx1")])),
        scope_spans: vec![ScopeSpans {
            scope: scope(),
            spans: vec![
                span("call", 2, vec![int("code", 16), string("user", "1001")]),
                span("queue wait", 1, vec![bool("ok", true), double("ratio", 0.5)]),
            ],
            ..Default::default()
        }],
        ..Default::default()
    };
    let other = ResourceSpans {
        scope_spans: vec![ScopeSpans { spans: vec![span("call", 3, vec![])], ..Default::default() }],
        ..Default::default()
    };
    Batch::from_wire(Signal::Traces, Batch::from_traces(vec![ami, other]).to_wire()).unwrap()
}

/// Which of the three spans were selected.
async fn marked_spans(section: &str) -> [bool; 3] {
    let batch = run(&format!("{{{section}, {MARK}}}"), traces()).await;
    let blocks = batch.traces().unwrap();
    let spans: Vec<bool> = blocks
        .iter()
        .flat_map(|block| &block.scope_spans)
        .flat_map(|scope| &scope.spans)
        .map(|span| is_marked(&span.attributes))
        .collect();
    spans.try_into().unwrap()
}

#[tokio::test]
async fn spans_are_selected_by_each_property() {
    let table = [
        ("include: {match_type: strict, services: [ami]}", [true, true, false]),
        ("include: {match_type: strict, services: ['<nil-service-name>']}", [false, false, true]),
        ("include: {match_type: strict, span_names: [call]}", [true, false, true]),
        ("include: {match_type: regexp, span_names: ['^queue', x]}", [false, true, false]),
        ("include: {match_type: regexp, span_names: [al]}", [true, false, true]),
        (
            "include: {match_type: strict, span_kinds: [SPAN_KIND_SERVER, SPAN_KIND_CLIENT]}",
            [true, false, true],
        ),
        ("include: {match_type: strict, attributes: [{key: code}]}", [true, false, false]),
        (
            "include: {match_type: strict, attributes: [{key: code, value: 16}, {key: user}]}",
            [true, false, false],
        ),
        ("include: {match_type: strict, attributes: [{key: code, value: '16'}]}", [false, false, false]),
        ("include: {match_type: regexp, attributes: [{key: code, value: '^1'}]}", [true, false, false]),
        (
            "include: {match_type: regexp, attributes: [{key: ok, value: '^true$'}, {key: ratio, value: '^0[.]5$'}]}",
            [false, true, false],
        ),
        ("include: {match_type: strict, resources: [{key: host.name, value: pbx1}]}", [true, true, false]),
        ("include: {match_type: strict, libraries: [{name: lib, version: '1.2'}]}", [true, true, false]),
        ("include: {match_type: strict, libraries: [{name: lib, version: ''}]}", [false, false, false]),
        ("include: {match_type: strict, libraries: [{name: ''}]}", [false, false, true]),
        ("exclude: {match_type: strict, span_names: [call]}", [false, true, false]),
        (
            "include: {match_type: strict, span_names: [call]}, exclude: {match_type: strict, services: [ami]}",
            [false, false, true],
        ),
        ("include: {match_type: strict, services: [ami], span_names: [call]}", [true, false, false]),
    ];
    for (section, expected) in table {
        assert_eq!(marked_spans(section).await, expected, "{section}");
    }
}

#[tokio::test]
async fn without_a_filter_everything_is_changed() {
    let batch = run(&format!("{{{MARK}}}"), traces()).await;
    assert_eq!(batch.items(), 3);
    let blocks = batch.traces().unwrap();
    assert!(
        blocks.iter().all(|block| block.scope_spans[0].spans.iter().all(|span| is_marked(&span.attributes)))
    );
}

#[tokio::test]
async fn a_batch_without_a_match_stays_the_bytes_it_was() {
    let batch = traces();
    let before = batch.to_wire();
    let yaml = format!("{{include: {{match_type: strict, services: [x]}}, {MARK}}}");
    let after = run(&yaml, batch).await.to_wire();
    assert_eq!((after.as_ptr(), after.len()), (before.as_ptr(), before.len()));
}

#[tokio::test]
async fn a_batch_that_another_pipeline_holds_is_not_changed() {
    let batch = traces();
    let held = batch.clone();
    run(&format!("{{{MARK}}}"), batch).await;
    assert!(!is_marked(&held.traces().unwrap()[0].scope_spans[0].spans[0].attributes));
}

fn points() -> Batch {
    let number = || vec![NumberDataPoint { attributes: vec![string("ext", "1001")], ..Default::default() }];
    let metric = |name: &str, data| Metric { name: name.to_owned(), data: Some(data), ..Metric::default() };
    let metrics = vec![
        metric("asterisk.a", Data::Gauge(Gauge { data_points: number() })),
        metric("asterisk.b", Data::Sum(Sum { data_points: number(), ..Default::default() })),
        metric(
            "asterisk.c",
            Data::Histogram(Histogram {
                data_points: vec![HistogramDataPoint::default()],
                ..Default::default()
            }),
        ),
        metric(
            "system.d",
            Data::ExponentialHistogram(ExponentialHistogram {
                data_points: vec![ExponentialHistogramDataPoint::default()],
                ..Default::default()
            }),
        ),
        metric("system.e", Data::Summary(Summary { data_points: vec![SummaryDataPoint::default()] })),
    ];
    let block = ResourceMetrics {
        resource: Some(resource(vec![string("host.name", "pbx1")])),
        scope_metrics: vec![ScopeMetrics { metrics, ..Default::default() }],
        ..Default::default()
    };
    Batch::from_metrics(vec![block])
}

/// Which of the five metrics, one of each kind, were selected.
async fn marked_metrics(section: &str) -> Vec<bool> {
    let batch = run(&format!("{{{section}{MARK}}}"), points()).await;
    let blocks = batch.metrics().unwrap();
    let is_marked = |metric: &Metric| match metric.data.as_ref().unwrap() {
        Data::Gauge(data) => is_marked(&data.data_points[0].attributes),
        Data::Sum(data) => is_marked(&data.data_points[0].attributes),
        Data::Histogram(data) => is_marked(&data.data_points[0].attributes),
        Data::ExponentialHistogram(data) => is_marked(&data.data_points[0].attributes),
        Data::Summary(data) => is_marked(&data.data_points[0].attributes),
    };
    blocks[0].scope_metrics[0].metrics.iter().map(is_marked).collect()
}

#[tokio::test]
async fn points_of_each_kind_are_changed() {
    assert_eq!(marked_metrics("").await, [true; 5]);
    let regexp = "include: {match_type: regexp, metric_names: ['^asterisk[.]']}, ";
    assert_eq!(marked_metrics(regexp).await, [true, true, true, false, false]);
    let exclude = "exclude: {match_type: strict, metric_names: [asterisk.b, system.e]}, ";
    assert_eq!(marked_metrics(exclude).await, [true, false, true, true, false]);
    // contrib looks at names only and ignores this one.
    let resources = "include: {match_type: strict, resources: [{key: host.name, value: pbx2}]}, ";
    assert_eq!(marked_metrics(resources).await, [false; 5]);
}

fn record(body: &str, severity_text: &str, severity_number: i32, attributes: Vec<KeyValue>) -> LogRecord {
    let body = Some(AnyValue { value: Some(Value::StringValue(body.to_owned())) });
    LogRecord {
        body,
        severity_text: severity_text.to_owned(),
        severity_number,
        attributes,
        ..Default::default()
    }
}

fn logs() -> Batch {
    let map = KeyValueList { values: vec![int("x", 1), int("y", 2)] };
    let log_records = vec![
        record("peer 1001 is lagged", "WARN", 13, vec![key_value("map", Value::KvlistValue(map))]),
        record("registered", "INFO", 9, vec![]),
        record("", "", 0, vec![]),
    ];
    let block = ResourceLogs {
        scope_logs: vec![ScopeLogs { scope: scope(), log_records, ..Default::default() }],
        ..Default::default()
    };
    Batch::from_logs(vec![block])
}

async fn marked_logs(section: &str) -> [bool; 3] {
    let batch = run(&format!("{{{section}, {MARK}}}"), logs()).await;
    let blocks = batch.logs().unwrap();
    let records = &blocks[0].scope_logs[0].log_records;
    [0, 1, 2].map(|n: usize| is_marked(&records[n].attributes))
}

#[tokio::test]
async fn log_records_are_selected_by_each_property() {
    let table = [
        ("include: {match_type: regexp, log_bodies: ['peer \\d+']}", [true, false, false]),
        ("include: {match_type: strict, log_severity_texts: [INFO]}", [false, true, false]),
        ("include: {match_type: strict, log_severity_number: {min: 9}}", [true, true, false]),
        (
            "include: {match_type: strict, log_severity_number: {min: 10, match_undefined: true}}",
            [true, false, true],
        ),
        (
            "include: {match_type: strict, attributes: [{key: map, value: {y: 2, x: 1}}]}",
            [true, false, false],
        ),
        (
            "include: {match_type: strict, attributes: [{key: map, value: {y: 2, x: 3}}]}",
            [false, false, false],
        ),
        ("include: {match_type: strict, libraries: [{name: lib}]}", [true, true, true]),
    ];
    for (section, expected) in table {
        assert_eq!(marked_logs(section).await, expected, "{section}");
    }
}

#[test]
fn wrong_settings_are_refused_in_contribs_words() {
    let table = [
        (
            Signal::Traces,
            "{}",
            "at least one of \"attributes\", \"libraries\",  or \"resources\" field must be specified",
        ),
        (Signal::Traces, "{log_bodies: [a]}", "log_bodies should not be specified for trace spans"),
        (Signal::Traces, "{metric_names: [a]}", "metric_names should not be specified for trace spans"),
        (
            Signal::Traces,
            "{match_type: strict, span_kinds: [client]}",
            "span_kinds string must match one of the standard span kinds when match_type=strict: [SPAN_KIND_INTERNAL SPAN_KIND_SERVER SPAN_KIND_CLIENT SPAN_KIND_PRODUCER SPAN_KIND_CONSUMER]",
        ),
        (
            Signal::Traces,
            "{services: [a]}",
            "error creating service name filters: unrecognized match_type: '', valid types are: [regexp strict]",
        ),
        (
            Signal::Traces,
            "{match_type: regexp, attributes: [{key: a, value: 1}]}",
            "error creating attribute filters: match_type=regexp for \"a\" only supports Str, but found Int",
        ),
        (
            Signal::Traces,
            "{match_type: strict, attributes: [{value: 1}]}",
            "error creating attribute filters: can't have empty key in the list of attributes",
        ),
        (
            Signal::Logs,
            "{span_names: [a]}",
            "services, span_names, span_kinds and metric_names are not valid for log records",
        ),
        (
            Signal::Metrics,
            "{services: [a]}",
            "\"span_names\", \"span_kinds\", \"log_bodies\", \"log_severity_texts\", \"log_severity_number\", \"services\", \"attributes\" and \"libraries\" are not valid for metrics",
        ),
        (
            Signal::Metrics,
            "{match_type: strict}",
            "at least one of \"metric_names\" or \"resources\" field must be specified",
        ),
    ];
    for (signal, section, expected) in table {
        let error = made(&format!("{{include: {section}, {MARK}}}"), signal).map(|_| ()).unwrap_err();
        assert_eq!(error, expected, "{section}");
    }
    assert_eq!(config::<Config>("{}").map(|_| ()).unwrap_err(), ["missing required field \"actions\""]);
}
