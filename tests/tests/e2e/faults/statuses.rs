//! A backend that refuses with each status there is: what may pass is repeated, the rest is dropped and counted.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use otelcol_net::{HttpResponse, Status};
use otelcol_testkit::{OtlpGrpcSink, OtlpHttpSink};

use super::*;

const CODES: [Code; 16] = [
    Code::Cancelled,
    Code::Unknown,
    Code::InvalidArgument,
    Code::DeadlineExceeded,
    Code::NotFound,
    Code::AlreadyExists,
    Code::PermissionDenied,
    Code::ResourceExhausted,
    Code::FailedPrecondition,
    Code::Aborted,
    Code::OutOfRange,
    Code::Unimplemented,
    Code::Internal,
    Code::Unavailable,
    Code::DataLoss,
    Code::Unauthenticated,
];

/// OTLP specification, "failures": these may be sent again.
const RETRYABLE: [Code; 6] = [
    Code::Cancelled,
    Code::DeadlineExceeded,
    Code::Aborted,
    Code::OutOfRange,
    Code::Unavailable,
    Code::DataLoss,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_grpc_status_is_repeated_or_counted() {
    let sink = OtlpGrpcSink::start();
    let exporter = format!(
        "endpoint: '{}', tls: {{insecure: true}}, {FOR_EVER}, sending_queue: {{num_consumers: 1}}",
        sink.addr()
    );
    let mut bench = Bench::start(&exporter).await;
    let mut calls = 0;
    for code in CODES {
        let mut statuses = vec![Status::new(code, "not today")];
        if code == Code::ResourceExhausted {
            // Repeated only when the server says when.
            statuses.push(Status::new(code, "not today").retry_after(Duration::from_millis(5)));
        }
        for status in statuses {
            let repeats = RETRYABLE.contains(&code) || status.retry_delay.is_some();
            sink.answer_next([Err(status)]);
            bench.send(1).await;
            calls += if repeats { 2 } else { 1 };
            sink.wait_for_calls(calls).await;
        }
    }
    let tally = bench.settle(&sink).await;
    assert_eq!((sink.calls(), tally.accepted, tally.duplicates), (calls, 170, 0));
    assert_eq!((tally.delivered, tally.missing.len()), (70, 100));
    assert_eq!(bench.dropped("permanent_error"), 100.0);
    assert_eq!(bench.value("otelcol_exporter_send_failed_spans", &[("exporter", "otlp")]), 100.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_http_status_is_repeated_or_counted() {
    let sink = OtlpHttpSink::start();
    let port = free_port();
    let config = Bench::config(port, "endpoint: 'x'").replace(
        "otlp: {timeout: 5s, endpoint: 'x'}",
        &format!(
            "otlphttp: {{endpoint: '{}', compression: none, {FOR_EVER}, sending_queue: {{num_consumers: 1}}}}",
            sink.url()
        ),
    );
    let config = config.replace("exporters: [otlp]", "exporters: [otlphttp]");
    let running = Running::start(&config).await.unwrap();
    let mut bench = Bench { running, ledger: Arc::default(), port, refused: Arc::default() };
    let (mut requests, mut permanent) = (0, 0);
    let statuses: Vec<u16> =
        vec![400, 401, 403, 404, 405, 408, 411, 413, 415, 422, 429, 500, 501, 502, 503, 504, 507];
    for status in &statuses {
        let code = StatusCode::from_u16(*status).unwrap();
        let mut headers = HeaderMap::new();
        if [429, 503].contains(status) {
            headers.insert("retry-after", HeaderValue::from_static("0"));
        }
        sink.answer_next([HttpResponse {
            status: code,
            headers,
            body: vec![Bytes::from_static(b"not today")],
        }]);
        bench.send(1).await;
        // OTLP specification, "retryable response codes".
        let repeats = [429, 502, 503, 504].contains(status);
        requests += if repeats { 2 } else { 1 };
        permanent += usize::from(!repeats) * 10;
        sink.wait_for_requests(requests).await;
    }
    bench.running.collector.shutdown().await;
    let tally = bench.ledger.tally(&sink.batches());
    assert_eq!((sink.requests(), tally.duplicates), (requests, 0));
    assert_eq!((tally.delivered, tally.missing.len()), (40, permanent));
    let labels = [("exporter", "otlphttp"), ("data_type", "traces"), ("reason", "permanent_error")];
    assert_eq!(bench.value("otelcol_exporter_dropped_items", &labels), permanent as f64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_given_up_is_counted_and_a_part_that_is_refused_too() {
    let sink = OtlpGrpcSink::start();
    let exporter = format!(
        "endpoint: '{}', tls: {{insecure: true}}, \
         retry_on_failure: {{initial_interval: 10ms, max_interval: 10ms, max_elapsed_time: 100ms}}",
        sink.addr()
    );
    let mut bench = Bench::start(&exporter).await;
    sink.refuse(Some(Status::unavailable("for good")));
    bench.send(7).await;
    otelcol_tests::eventually(|| async {
        let dropped = bench.dropped("retries_exhausted");
        if dropped == 70.0 { Ok(()) } else { Err(format!("{dropped} dropped")) }
    })
    .await;
    sink.refuse(None);
    // ExportTraceServiceResponse{partial_success: {rejected_spans: 4, error_message: "old"}}
    sink.answer_next([Ok(Bytes::from_static(b"\x0a\x07\x08\x04\x12\x03old"))]);
    bench.send(2).await;
    sink.wait_for_items(20).await;
    let tally = bench.settle(&sink).await;
    assert_eq!((tally.accepted, tally.missing.len()), (90, 70));
    assert_eq!(bench.dropped("partial_success"), 4.0);
    assert_eq!(bench.value("otelcol_exporter_sent_spans", &[("exporter", "otlp")]), 16.0);
}
