//! The exporter in front of a server of OTLP/gRPC.

use bytes::Bytes;
use otelcol_confmap::{GoDuration, Node};
use otelcol_net::Compression;
use otelcol_net::config::GrpcServerConfig;
use otelcol_pipeline::{ErrorKind, Host, Kind};
use otelcol_testkit::{OtlpGrpcSink, samples};

use super::*;
use crate::helper::{QueueConfig, RetryConfig};

/// An exporter without a queue and repeats, so that `consume` gives the backend's answer.
fn exporter(
    sink: &OtlpGrpcSink,
    signal: Signal,
    compression: Compression,
) -> (Arc<dyn ConsumerComponent>, Context) {
    let mut config = Config {
        endpoint: sink.addr().to_string(),
        compression,
        timeout: GoDuration::from_secs(20),
        sending_queue: QueueConfig { enabled: false, ..QueueConfig::default() },
        retry_on_failure: RetryConfig { enabled: false, ..RetryConfig::default() },
        ..Config::default()
    };
    config.tls.insecure = true;
    let context = Context::detached(Kind::Exporter, "otlp");
    (create(context.clone(), config, signal).ok().unwrap(), context)
}

#[tokio::test]
async fn each_signal_arrives_byte_for_byte_with_each_compression() {
    let sink = OtlpGrpcSink::start();
    let compressions = [Compression::None, Compression::Gzip, Compression::Zstd, Compression::Snappy];
    let mut sent = Vec::new();
    for compression in compressions {
        for batch in [samples::spans(100), samples::points(100), samples::records(100)] {
            let (exporter, _) = exporter(&sink, batch.signal(), compression);
            exporter.consume(batch.clone()).await.unwrap();
            sent.push((batch.signal(), batch.to_wire()));
        }
    }
    let arrived: Vec<(Signal, Bytes)> =
        sink.batches().iter().map(|batch| (batch.signal(), batch.to_wire())).collect();
    assert_eq!(arrived.len(), sent.len());
    assert!(arrived == sent);
}

#[tokio::test]
async fn a_partial_success_is_counted() {
    let sink = OtlpGrpcSink::start();
    // partial_success { rejected_spans: 3, error_message: "too old" }
    sink.answer_next([Ok(Bytes::from_static(b"\x0a\x0b\x08\x03\x12\x07too old"))]);
    let (exporter, context) = exporter(&sink, Signal::Traces, Compression::None);
    exporter.consume(samples::spans(10)).await.unwrap();
    let labels = [("exporter", "otlp")];
    assert_eq!(context.telemetry.value("otelcol_exporter_sent_spans", &labels), Some(7.0));
    assert_eq!(context.telemetry.value("otelcol_exporter_send_failed_spans", &labels), Some(3.0));
}

#[test]
fn statuses_are_permanent_or_not_by_the_specification() {
    use Code::*;

    let kind = |code| to_error(&Status::new(code, "x")).kind();
    for code in [Cancelled, DeadlineExceeded, Aborted, OutOfRange, Unavailable, DataLoss] {
        assert_eq!(kind(code), ErrorKind::Retryable, "{}", code.name());
    }
    let permanent = [
        Unknown,
        InvalidArgument,
        NotFound,
        AlreadyExists,
        PermissionDenied,
        ResourceExhausted,
        FailedPrecondition,
        Unimplemented,
        Internal,
        Unauthenticated,
    ];
    for code in permanent {
        assert_eq!(kind(code), ErrorKind::Permanent, "{}", code.name());
    }
    let told = to_error(&Status::new(ResourceExhausted, "full").retry_after(Duration::from_secs(3)));
    assert_eq!((told.kind(), told.after()), (ErrorKind::Retryable, Some(Duration::from_secs(3))));
    assert_eq!(told.to_string(), "rpc error: code = ResourceExhausted desc = full");
}

#[tokio::test]
async fn the_servers_status_and_wait_are_handed_on() {
    let sink = OtlpGrpcSink::start();
    let busy = Status::unavailable("later").retry_after(Duration::from_millis(1500));
    sink.answer_next([Err(busy)]);
    let (exporter, _) = exporter(&sink, Signal::Logs, Compression::Gzip);
    let error = exporter.consume(samples::records(1)).await.unwrap_err();
    assert_eq!(error.to_string(), "rpc error: code = Unavailable desc = later");
    assert_eq!(error.after(), Some(Duration::from_millis(1500)));
}

#[tokio::test]
async fn a_batch_that_is_too_large_for_the_server_is_not_repeated() {
    let sink = OtlpGrpcSink::start_with(&GrpcServerConfig {
        max_recv_msg_size_mib: 1,
        ..GrpcServerConfig::default()
    });
    let (exporter, _) = exporter(&sink, Signal::Traces, Compression::None);
    let batch = samples::spans(30_000);
    assert!(batch.wire_len() > 1024 * 1024);
    let error = exporter.consume(batch).await.unwrap_err();
    assert!(error.is_permanent(), "{error}");
    assert!(error.to_string().contains("ResourceExhausted"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_away_is_retryable_and_named() {
    // Nothing listens on the discard port of this machine.
    let mut config = Config {
        endpoint: "127.0.0.1:9".to_owned(),
        sending_queue: QueueConfig { enabled: false, ..QueueConfig::default() },
        retry_on_failure: RetryConfig { enabled: false, ..RetryConfig::default() },
        ..Config::default()
    };
    config.tls.insecure = true;
    let exporter = create(Context::detached(Kind::Exporter, "otlp"), config, Signal::Traces).ok().unwrap();
    exporter.start(&Host::default()).await.unwrap();
    let error = exporter.consume(samples::spans(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Retryable);
    assert!(error.to_string().contains("127.0.0.1:9"), "{error}");
}

#[test]
fn settings_are_those_of_otelcol() {
    let yaml = "
endpoint: jaeger:4317
tls: {insecure: true}
compression: none
headers: {x-tenant: a}
timeout: 10s
sending_queue: {num_consumers: 4, queue_size: 100, sizer: items, batch: {min_size: 50, max_size: 100}}
retry_on_failure: {enabled: true, initial_interval: 1s, max_interval: 10s, max_elapsed_time: 0}
";
    let config: Config = Node::from_yaml(yaml, "test.yaml").unwrap().decode("exporters::otlp").unwrap();
    assert_eq!(otelcol_pipeline::ComponentConfig::validate(&config), []);
    let (client, settings) = config.into_parts();
    assert_eq!((client.endpoint.as_str(), client.tls.insecure), ("jaeger:4317", true));
    assert_eq!(client.compression, Compression::None);
    assert_eq!(settings.timeout, Duration::from_secs(10));
    assert_eq!(settings.queue.unwrap().num_consumers, 4);
    assert_eq!(settings.retry.unwrap().max_elapsed_time.get(), Duration::ZERO);
}

#[test]
fn settings_that_can_not_be_are_told_with_their_lines() {
    let yaml = "endpoint: ''
sending_queue:
  num_consumers: 0
  batch:
    sizer: requests
    min_size: 10
    max_size: 5
retry_on_failure:
  max_elapsed_time: 1s
";
    let node = Node::from_yaml(yaml, "test.yaml").unwrap();
    let errors = factory().prepare(&node, "exporters::otlp").err().unwrap();
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(texts.join("\n"));
}
