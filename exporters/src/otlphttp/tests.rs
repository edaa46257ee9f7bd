//! The exporter in front of a server of OTLP/HTTP.

use http::StatusCode;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, RETRY_AFTER};
use otelcol_confmap::Node;
use otelcol_net::{Code, Compression, HttpResponse};
use otelcol_pipeline::{ComponentConfig, ErrorKind, Kind, Shared};
use otelcol_testkit::{ManualClock, OtlpHttpSink, samples};

use super::*;
use crate::helper::{QueueConfig, RetryConfig};

/// Settings without a queue and repeats, so that `consume` gives the backend's answer.
fn to(sink: &OtlpHttpSink) -> Config {
    Config {
        endpoint: sink.url(),
        sending_queue: QueueConfig { enabled: false, ..QueueConfig::default() },
        retry_on_failure: RetryConfig { enabled: false, ..RetryConfig::default() },
        ..Config::default()
    }
}

fn exporter(config: Config, signal: Signal) -> (Arc<dyn ConsumerComponent>, Context) {
    let context = Context::detached(Kind::Exporter, "otlphttp");
    (create(context.clone(), config, signal).ok().unwrap(), context)
}

#[tokio::test]
async fn each_signal_arrives_equal_in_each_form() {
    let sink = OtlpHttpSink::start();
    let mut sent = Vec::new();
    let compressions =
        [Compression::None, Compression::Gzip, Compression::Zstd, Compression::Snappy, Compression::Deflate];
    for compression in compressions {
        for encoding in [Encoding::Proto, Encoding::Json] {
            for batch in [samples::spans(50), samples::points(50), samples::records(50)] {
                let (exporter, _) = exporter(Config { compression, encoding, ..to(&sink) }, batch.signal());
                exporter.consume(batch.clone()).await.unwrap();
                sent.push((batch.signal(), batch.to_wire()));
            }
        }
    }
    let arrived: Vec<_> =
        sink.batches().into_iter().map(|batch| (batch.signal(), encoded_anew(batch))).collect();
    assert_eq!(arrived.len(), sent.len());
    assert!(arrived == sent);
}

/// JSON does not keep the order of fields.
fn encoded_anew(batch: Batch) -> Bytes {
    match batch.signal() {
        Signal::Traces => Batch::from_traces(batch.into_traces().unwrap()),
        Signal::Metrics => Batch::from_metrics(batch.into_metrics().unwrap()),
        Signal::Logs => Batch::from_logs(batch.into_logs().unwrap()),
    }
    .to_wire()
}

#[tokio::test]
async fn requests_carry_the_collectors_headers_and_the_configured_ones() {
    let sink = OtlpHttpSink::start();
    let yaml = format!(
        "{{endpoint: {}/, headers: {{x-key: secret}}, sending_queue: {{enabled: false}}}}",
        sink.url()
    );
    let config: Config = Node::from_yaml(&yaml, "test.yaml").unwrap().decode("exporters::otlphttp").unwrap();
    let (exporter, _) = exporter(config, Signal::Traces);
    exporter.consume(samples::spans(1)).await.unwrap();
    let headers = sink.headers().remove(0);
    let text =
        |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    assert_eq!(text("x-key"), "secret");
    assert_eq!(text("content-type"), "application/x-protobuf");
    assert!(
        text("user-agent").starts_with("OpenTelemetry Collector for Asterisk/"),
        "{}",
        text("user-agent")
    );
    assert!(headers.get(CONTENT_ENCODING).is_none_or(|encoding| encoding == "gzip"));
}

#[tokio::test]
async fn partial_success_is_read_in_both_forms() {
    let protobuf = HttpResponse::new(StatusCode::OK, PROTOBUF, &b"\x0a\x0b\x08\x03\x12\x07too old"[..]);
    let json = |count: &str| {
        let body =
            format!("{{\"partialSuccess\":{{\"rejectedSpans\":{count},\"errorMessage\":\"too old\"}}}}");
        HttpResponse::new(StatusCode::OK, "application/json", body)
    };
    for reply in [protobuf, json("3"), json("\"3\"")] {
        let sink = OtlpHttpSink::start();
        sink.answer_next([reply]);
        let (exporter, context) = exporter(to(&sink), Signal::Traces);
        exporter.consume(samples::spans(10)).await.unwrap();
        let sent = context.telemetry.value("otelcol_exporter_sent_spans", &[("exporter", "otlphttp")]);
        assert_eq!(sent, Some(7.0));
    }
}

#[tokio::test]
async fn statuses_are_permanent_or_not_by_the_specification() {
    let sink = OtlpHttpSink::start();
    let (exporter, _) = exporter(to(&sink), Signal::Logs);
    for status in [429, 502, 503, 504, 400, 401, 404, 413, 500, 501] {
        sink.answer_next([HttpResponse::text(StatusCode::from_u16(status).unwrap(), "")]);
        let error = exporter.consume(samples::records(1)).await.unwrap_err();
        let expected =
            if [429, 502, 503, 504].contains(&status) { ErrorKind::Retryable } else { ErrorKind::Permanent };
        assert_eq!(error.kind(), expected, "{status}");
        assert!(
            error.to_string().ends_with(&format!("/v1/logs responded with HTTP Status Code {status}")),
            "{error}"
        );
    }
}

#[tokio::test]
async fn the_servers_words_are_told() {
    let sink = OtlpHttpSink::start();
    let status = Status::new(Code::InvalidArgument, "no such tenant");
    sink.answer_next([HttpResponse::new(StatusCode::BAD_REQUEST, PROTOBUF, status.to_protobuf())]);
    let (exporter, _) = exporter(to(&sink), Signal::Logs);
    let error = exporter.consume(samples::records(1)).await.unwrap_err();
    assert!(error.to_string().ends_with("Status Code 400, Message=no such tenant"), "{error}");
}

#[tokio::test]
async fn secrets_of_the_url_are_sent_and_not_told() {
    let sink = OtlpHttpSink::start();
    let secret = sink.url().replace("http://", "http://me:S3CRET@") + "/v1/logs?token=S3CRET";
    let (exporter, _) = exporter(Config { logs_endpoint: secret, ..to(&sink) }, Signal::Logs);
    exporter.consume(samples::records(1)).await.unwrap();
    // printf 'me:S3CRET' | base64
    assert_eq!(sink.headers().remove(0)[AUTHORIZATION], "Basic bWU6UzNDUkVU");
    sink.answer_next([HttpResponse::text(StatusCode::BAD_REQUEST, "")]);
    let refused = exporter.consume(samples::records(1)).await.unwrap_err().to_string();
    let want = format!("request to {}/v1/logs responded with HTTP Status Code 400", sink.url());
    assert!(refused.ends_with(&want), "{refused}");
}

#[tokio::test]
async fn the_wait_is_read_as_seconds_or_as_a_date() {
    // 2025-01-01T00:00:00Z
    let shared = Shared { clock: ManualClock::at(1_735_689_600).clock(), ..Shared::default() };
    let id = "otlphttp".parse().unwrap();
    let context = Context::new(&shared, Kind::Exporter, id, "");
    let sink = OtlpHttpSink::start();
    let exporter = create(context, to(&sink), Signal::Logs).ok().unwrap();
    for (header, seconds) in [
        ("12", Some(12)),
        ("Wed, 01 Jan 2025 00:01:30 GMT", Some(90)),
        ("Wed, 01 Jan 2020 00:00:00 GMT", Some(0)),
        ("soon", None),
    ] {
        let mut busy = HttpResponse::text(StatusCode::SERVICE_UNAVAILABLE, "");
        busy.headers.insert(RETRY_AFTER, HeaderValue::from_static(header));
        sink.answer_next([busy]);
        let error = exporter.consume(samples::records(1)).await.unwrap_err();
        assert_eq!(error.after(), seconds.map(Duration::from_secs), "{header}");
    }
}

#[test]
fn each_signal_has_its_url() {
    let urls = |config: &Config| Signal::ALL.map(|signal| config.url(signal));
    let base = Config { endpoint: "http://tempo:4318/".to_owned(), ..Config::default() };
    let expected = ["traces", "metrics", "logs"].map(|signal| Some(format!("http://tempo:4318/v1/{signal}")));
    assert_eq!(urls(&base), expected);
    let own = Config { logs_endpoint: "https://logs/otlp".to_owned(), ..Config::default() };
    assert_eq!(urls(&own), [None, None, Some("https://logs/otlp".to_owned())]);
    let made = create(Context::detached(Kind::Exporter, "otlphttp"), own, Signal::Traces);
    assert_eq!(made.err().unwrap().to_string(), "either endpoint or traces_endpoint must be specified");
}

#[test]
fn settings_that_can_not_be_are_told() {
    let texts = |config: Config| -> Vec<String> {
        config.validate().into_iter().map(|issue| issue.message).collect()
    };
    assert_eq!(texts(Config::default()), ["at least one endpoint must be specified"]);
    let wrong = Config {
        endpoint: "tempo:4318".to_owned(),
        traces_endpoint: "http://127.0.0.1:431x8".to_owned(),
        metrics_endpoint: "http://tempo:/v1/metrics".to_owned(),
        logs_endpoint: "http://me:S3CRET@tempo:99999/?token=S3CRET".to_owned(),
        ..Config::default()
    };
    let port = "expected a port up to 65535 after the host's colon";
    assert_eq!(
        texts(wrong),
        [
            "endpoint must be a valid URL: expected http(s)://host[:port][/path], found \"tempo:4318\""
                .to_owned(),
            format!("traces_endpoint must be a valid URL: {port}, found \"http://127.0.0.1:431x8\""),
            format!("metrics_endpoint must be a valid URL: {port}, found \"http://tempo:/v1/metrics\""),
            format!("logs_endpoint must be a valid URL: {port}, found \"http://[REDACTED]@tempo:99999/\""),
        ]
    );
}
