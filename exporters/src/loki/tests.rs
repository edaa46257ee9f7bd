//! The exporter in front of a fake Loki.

use std::collections::BTreeSet;
use std::time::Duration;

use otelcol_confmap::GoDuration;
use otelcol_net::HttpResponse;
use otelcol_pdata::json;
use otelcol_pdata::model::common::any_value::Value;
use otelcol_pdata::model::common::{AnyValue, KeyValue};
use otelcol_pdata::model::logs::{LogRecord, ResourceLogs, ScopeLogs};
use otelcol_pdata::model::resource::Resource;
use otelcol_pdata::model::string;
use otelcol_pipeline::{ComponentConfig, ErrorKind, Host, Kind};
use otelcol_testkit::{FakeLoki, LokiEntry, PATIENCE, samples};
use serde_json::json as value;

use super::*;
use crate::helper::{QueueConfig, RetryConfig};

/// An exporter without a queue, so that `consume` gives the backend's answer.
async fn exporter(config: Config) -> (Arc<dyn ConsumerComponent>, Context) {
    let config = Config {
        sending_queue: QueueConfig { enabled: false, ..QueueConfig::default() },
        retry_on_failure: RetryConfig {
            initial_interval: Some(GoDuration::from_millis(1)),
            max_interval: GoDuration::from_millis(1),
            max_elapsed_time: GoDuration::from_secs(10),
            ..RetryConfig::default()
        },
        ..config
    };
    let context = Context::detached(Kind::Exporter, "loki");
    let made = create(context.clone(), config, Signal::Logs).ok().unwrap();
    made.start(&Host::default()).await.unwrap();
    (made, context)
}

fn to(loki: &FakeLoki) -> Config {
    Config { endpoint: loki.url(), ..Config::default() }
}

fn record(body: &str, time: u64, attributes: Vec<KeyValue>) -> LogRecord {
    LogRecord {
        time_unix_nano: time,
        body: Some(AnyValue { value: Some(Value::StringValue(body.to_owned())) }),
        attributes,
        ..LogRecord::default()
    }
}

fn logs(resource: Vec<KeyValue>, log_records: Vec<LogRecord>) -> Batch {
    let scope_logs = vec![ScopeLogs { log_records, ..ScopeLogs::default() }];
    let resource = Some(Resource { attributes: resource, ..Resource::default() });
    Batch::from_logs(vec![ResourceLogs { resource, scope_logs, ..ResourceLogs::default() }])
}

fn lines(loki: &FakeLoki) -> Vec<String> {
    loki.entries().into_iter().map(|entry| entry.line).collect()
}

fn dropped(context: &Context) -> f64 {
    let labels = [("exporter", "loki"), ("data_type", "logs"), ("reason", "partial_success")];
    context.telemetry.value("otelcol_exporter_dropped_items", &labels).unwrap()
}

#[tokio::test]
async fn entries_are_those_of_the_go_exporter() {
    let loki = FakeLoki::start();
    let (exporter, context) = exporter(to(&loki)).await;
    let batch = json::from_json(Signal::Logs, include_bytes!("testdata/logs.json")).unwrap();
    exporter.consume(batch).await.unwrap();

    let pushed: BTreeSet<String> = loki
        .pushes()
        .iter()
        .flat_map(|push| {
            push.entries.iter().map(|LokiEntry { labels, nanos, line }| {
                value!({"tenant": push.tenant, "labels": labels, "timestamp": nanos, "line": line})
                    .to_string()
            })
        })
        .collect();
    let expected: BTreeSet<String> = include_str!("testdata/lokiexporter-0.96.jsonl")
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap().to_string())
        .collect();
    assert_eq!(expected.len(), 9);
    assert_eq!(pushed, expected);
    // The tenth names a format that there is not.
    assert_eq!(dropped(&context), 1.0);
    assert_eq!(
        context.telemetry.value("otelcol_exporter_sent_log_records", &[("exporter", "loki")]),
        Some(9.0)
    );
}

#[tokio::test]
async fn the_guides_labels_are_made_of_attributes() {
    let loki = FakeLoki::start();
    let yaml = format!(
        "{{endpoint: {}, labels: {{attributes: {{service.name: service_name, host.name: hostname, queue: queue_name, absent: x}}}}}}",
        loki.url()
    );
    let node = otelcol_confmap::Node::from_yaml(&yaml, "test.yaml").unwrap();
    let config: Config = node.decode("exporters::loki").unwrap();
    let (exporter, _) = exporter(config).await;
    let resource = vec![string("service.name", "asterisk"), string("host.name", "pbx-1")];
    let attributes = vec![string("queue", "sales"), string("host.name", "other"), string("kept", "yes")];
    exporter.consume(logs(resource, vec![record("hello", samples::START, attributes)])).await.unwrap();
    let entries = loki.entries();
    assert_eq!(
        entries[0].labels,
        r#"{exporter="OTLP", hostname="pbx-1", job="asterisk", queue_name="sales", service_name="asterisk"}"#
    );
    // The record's own host.name is no label, so that it stays.
    assert_eq!(entries[0].line, r#"{"body":"hello","attributes":{"host.name":"other","kept":"yes"}}"#);
}

#[tokio::test]
async fn fields_of_the_record_can_be_labels() {
    let loki = FakeLoki::start();
    let mut config = to(&loki);
    config.labels.record = [("severity", "sev"), ("severityN", "num"), ("spanID", "")]
        .map(|(field, label)| (field.to_owned(), label.to_owned()))
        .into();
    let (exporter, _) = exporter(config).await;
    exporter.consume(samples::records(1)).await.unwrap();
    assert_eq!(
        loki.entries()[0].labels,
        r#"{exporter="OTLP", job="asterisk", level="INFO", num="INFO", sev="INFO"}"#
    );
}

#[tokio::test]
async fn a_stream_is_sorted_by_time() {
    let loki = FakeLoki::start();
    let (exporter, _) = exporter(to(&loki)).await;
    let records = [3, 1, 2].map(|n| record(&n.to_string(), samples::START + n, Vec::new()));
    exporter.consume(logs(Vec::new(), records.to_vec())).await.unwrap();
    assert_eq!(lines(&loki), ["1", "2", "3"].map(|n| format!("{{\"body\":\"{n}\"}}")));
}

#[tokio::test]
async fn records_without_labels_are_counted() {
    let loki = FakeLoki::start();
    let off = DefaultLabels { exporter: false, job: false, instance: false, level: false };
    let (exporter, context) = exporter(Config { default_labels_enabled: off, ..to(&loki) }).await;
    let hint = || string("loki.attribute.labels", "queue");
    let records = vec![
        record("lost", samples::START, vec![hint()]),
        record("sent", samples::START, vec![hint(), string("queue", "sales")]),
    ];
    exporter.consume(logs(Vec::new(), records)).await.unwrap();
    assert_eq!(lines(&loki), [r#"{"body":"sent"}"#]);
    let missing = "otelcol_lokiexporter_send_failed_due_to_missing_labels";
    assert_eq!(context.telemetry.value(missing, &[("exporter", "loki")]), Some(1.0));
    assert_eq!(dropped(&context), 1.0);
}

#[tokio::test]
async fn busy_answers_are_repeated() {
    for status in
        [StatusCode::TOO_MANY_REQUESTS, StatusCode::INTERNAL_SERVER_ERROR, StatusCode::SERVICE_UNAVAILABLE]
    {
        let loki = FakeLoki::start();
        loki.answer_next([HttpResponse::text(status, "later"), HttpResponse::text(status, "later")]);
        let (exporter, _) = exporter(to(&loki)).await;
        exporter.consume(samples::records(2)).await.unwrap();
        assert_eq!((loki.requests(), loki.entries().len()), (3, 2), "{status}");
    }
}

#[tokio::test]
async fn a_refusal_is_permanent() {
    let loki = FakeLoki::start();
    loki.answer_next([HttpResponse::text(StatusCode::BAD_REQUEST, "entry has bad labels\nmore")]);
    let (exporter, _) = exporter(to(&loki)).await;
    let error = exporter.consume(samples::records(2)).await.unwrap_err();
    assert_eq!(error.to_string(), "permanent error: HTTP 400 \"Bad Request\": entry has bad labels");
    assert_eq!(loki.requests(), 1);
}

#[tokio::test]
async fn entries_that_loki_ignores_are_counted_and_the_rest_is_sent() {
    let loki = FakeLoki::start();
    let said = "entry with timestamp 2020-01-01 ignored, reason: 'entry too far behind',\nuser 'fake', total ignored: 3 out of 10 for stream: {job=\"asterisk\"}\n";
    loki.answer_next([HttpResponse::text(StatusCode::BAD_REQUEST, said)]);
    let (exporter, context) = exporter(to(&loki)).await;
    exporter.consume(samples::records(10)).await.unwrap();
    assert_eq!(dropped(&context), 3.0);
    assert_eq!(
        context.telemetry.value("otelcol_exporter_sent_log_records", &[("exporter", "loki")]),
        Some(7.0)
    );
}

#[tokio::test]
async fn the_wait_that_loki_asks_for_is_handed_on() {
    let loki = FakeLoki::start();
    let mut busy = HttpResponse::text(StatusCode::TOO_MANY_REQUESTS, "slow down");
    busy.headers.insert(http::header::RETRY_AFTER, HeaderValue::from_static("17"));
    loki.answer_next([busy]);
    let mut config = to(&loki);
    config.sending_queue.enabled = false;
    config.retry_on_failure.enabled = false;
    let exporter = create(Context::detached(Kind::Exporter, "loki"), config, Signal::Logs).ok().unwrap();
    let error = exporter.consume(samples::records(1)).await.unwrap_err();
    assert_eq!((error.kind(), error.after()), (ErrorKind::Retryable, Some(Duration::from_secs(17))));
    assert_eq!(error.to_string(), "HTTP 429 \"Too Many Requests\": slow down");
}

#[tokio::test]
async fn one_tenants_refusal_does_not_cost_the_other() {
    let loki = FakeLoki::start();
    loki.answer_next([HttpResponse::text(StatusCode::FORBIDDEN, "unknown tenant")]);
    let (exporter, context) = exporter(to(&loki)).await;
    let of = |tenant: &str| vec![string("loki.tenant", "customer"), string("customer", tenant)];
    let records = vec![record("a", samples::START, of("acme")), record("b", samples::START, of("best"))];
    exporter.consume(logs(Vec::new(), records)).await.unwrap();
    assert_eq!(loki.pushes().iter().map(|push| push.tenant.as_str()).collect::<Vec<_>>(), ["best"]);
    assert_eq!(dropped(&context), 1.0);
}

#[tokio::test]
async fn a_repeat_is_of_what_loki_has_not_answered_for_and_the_rest_is_not_lost_with_it() {
    let loki = FakeLoki::start();
    let taken = || HttpResponse::text(StatusCode::OK, "");
    let busy = || HttpResponse::text(StatusCode::SERVICE_UNAVAILABLE, "later");
    let refused = HttpResponse::text(StatusCode::FORBIDDEN, "unknown tenant");
    let mut much_later = busy();
    much_later.headers.insert(http::header::RETRY_AFTER, HeaderValue::from_static("3600"));
    // By name: acme's are taken, best's have to wait, cave's are refused. Then best's alone, until they are given up.
    loki.answer_next([taken(), busy(), refused, busy(), much_later]);
    let (mut config, context) = (to(&loki), Context::detached(Kind::Exporter, "loki"));
    config.retry_on_failure.initial_interval = Some(GoDuration::from_millis(1));
    let exporter = create(context.clone(), config, Signal::Logs).ok().unwrap();
    exporter.start(&Host::default()).await.unwrap();
    let of = |tenant: &str| vec![string("loki.tenant", "customer"), string("customer", tenant)];
    let tenants = ["acme", "acme", "best", "best", "best", "cave"];
    let records = tenants.map(|tenant| record(tenant, samples::START, of(tenant)));
    exporter.consume(logs(Vec::new(), records.to_vec())).await.unwrap();
    exporter.shutdown(tokio::time::Instant::now() + PATIENCE).await.unwrap();

    let sent: Vec<String> = loki.pushes().into_iter().map(|push| push.tenant).collect();
    assert_eq!(sent, ["acme"]);
    let refused: Vec<String> = loki.refused().into_iter().map(|push| push.tenant).collect();
    assert_eq!(refused, ["best", "cave", "best", "best"]);
    let value = |name: &str, more: &[(&str, &str)]| {
        context.telemetry.value(name, &[&[("exporter", "loki")], more].concat()).unwrap()
    };
    let lost = |reason| value("otelcol_exporter_dropped_items", &[("data_type", "logs"), ("reason", reason)]);
    assert_eq!((lost("retries_exhausted"), lost("partial_success")), (3.0, 1.0));
    assert_eq!(value("otelcol_exporter_sent_log_records", &[]), 2.0);
    assert_eq!(value("otelcol_exporter_send_failed_log_records", &[]), 4.0);
}

#[tokio::test]
async fn a_repeat_has_the_times_of_the_first_attempt() {
    let loki = FakeLoki::start();
    loki.answer_next([HttpResponse::text(StatusCode::BAD_GATEWAY, "the answer was lost")]);
    let (exporter, _) = exporter(to(&loki)).await;
    exporter.consume(logs(Vec::new(), vec![record("no time of its own", 0, Vec::new())])).await.unwrap();
    assert_eq!(loki.entries(), loki.refused()[0].entries, "Loki has to know it again");
}

#[test]
fn a_port_that_is_none_is_refused_and_secrets_are_not_told() {
    let endpoint = "http://me:S3CRET@loki:31x0/loki/api/v1/push?token=S3CRET".to_owned();
    let issues = Config { endpoint, ..Config::default() }.validate();
    let found = "\"http://[REDACTED]@loki:31x0/loki/api/v1/push\"";
    let expected = format!("expected a port up to 65535 after the host's colon, found {found}");
    assert_eq!(issues.len(), 1);
    assert_eq!(issues[0].key, "endpoint");
    assert!(issues[0].message.ends_with(&expected), "{issues:?}");
}

#[test]
fn settings_that_can_not_be_are_told() {
    let mut config = Config::default();
    config.labels.record.insert("host.name".to_owned(), "host".to_owned());
    let issues: Vec<String> =
        config.validate().into_iter().map(|issue| format!("{}: {}", issue.key, issue.message)).collect();
    assert_eq!(
        issues,
        [
            "endpoint: \"endpoint\" must be a valid URL, such as http://loki:3100/loki/api/v1/push: expected http(s)://host[:port][/path], found \"\"",
            "labels::record::host.name: expected one of traceID, spanID, severity, severityN, found \"host.name\"; attributes belong under labels::attributes",
        ]
    );
}
