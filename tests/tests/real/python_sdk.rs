//! The OpenTelemetry SDK for Python over gRPC and HTTP: what it sends arrives as it encoded it.

use std::process::Command;

use otelcol_pdata::{Batch, Signal};
use otelcol_testkit::{FakeLoki, OtlpGrpcSink, OtlpHttpSink};
use otelcol_tests::{Running, free_port, root};

struct Sent {
    signal: Signal,
    batch: Batch,
}

fn read(stdout: &[u8]) -> Vec<Sent> {
    let lines = std::str::from_utf8(stdout).unwrap().lines();
    lines
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let signal = match line["signal"].as_str().unwrap() {
                "traces" => Signal::Traces,
                "metrics" => Signal::Metrics,
                _ => Signal::Logs,
            };
            let body =
                base64::Engine::decode(&base64::prelude::BASE64_STANDARD, line["body"].as_str().unwrap())
                    .unwrap();
            Sent { signal, batch: Batch::from_wire(signal, body.into()).unwrap() }
        })
        .collect()
}

/// Everything of one signal, in an order that does not depend on the way it came.
fn sorted(signal: Signal, batches: impl Iterator<Item = Batch>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for batch in batches.filter(|batch| batch.signal() == signal) {
        match signal {
            Signal::Traces => all.extend(batch.traces().unwrap().iter().map(|block| format!("{block:?}"))),
            Signal::Metrics => all.extend(batch.metrics().unwrap().iter().map(|block| format!("{block:?}"))),
            Signal::Logs => all.extend(batch.logs().unwrap().iter().map(|block| format!("{block:?}"))),
        }
    }
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_python_sdk_sends_arrives_equal() {
    let python = super::cache("python");
    if !super::set_up("python/setup.sh", &[python.to_str().unwrap()]) {
        return;
    }
    let (grpc_sink, http_sink, loki) = (OtlpGrpcSink::start(), OtlpHttpSink::start(), FakeLoki::start());
    let (grpc, http) = (free_port(), free_port());
    let all = "receivers: [otlp], processors: [batch], exporters: [otlp, otlphttp";
    let mut running = Running::start(&format!(
        "receivers:\n  otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:{grpc}'}}, http: {{endpoint: '127.0.0.1:{http}'}}}}}}\n\
         processors: {{batch: {{timeout: 50ms}}}}\n\
         exporters:\n  otlp: {{endpoint: '{}', tls: {{insecure: true}}}}\n  otlphttp: {{endpoint: '{}'}}\n  \
         loki: {{endpoint: '{}'}}\n\
         service:\n  pipelines:\n    traces: {{{all}]}}\n    metrics: {{{all}]}}\n    logs: {{{all}, loki]}}\n  \
         telemetry: {{metrics: {{level: none}}}}\n",
        grpc_sink.addr(),
        http_sink.url(),
        loki.url(),
    ))
    .await
    .unwrap();
    let mut send = Command::new(python.join("bin/python"));
    send.arg(root().join("tests/real/python/send.py"));
    send.args([format!("127.0.0.1:{grpc}"), format!("http://127.0.0.1:{http}")]);
    let output = tokio::task::spawn_blocking(move || send.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    running.collector.shutdown().await;

    let sent = read(&output.stdout);
    // Two spans, one set of metrics and two records, over each of two protocols; each record and span alone.
    assert_eq!(sent.len(), 2 * (2 + 1 + 2));
    for signal in [Signal::Traces, Signal::Metrics, Signal::Logs] {
        let of_signal = sent.iter().filter(|sent| sent.signal == signal).map(|sent| sent.batch.clone());
        let expected = sorted(signal, of_signal);
        assert_eq!(sorted(signal, grpc_sink.batches().into_iter()), expected, "{signal} over gRPC");
        assert_eq!(sorted(signal, http_sink.batches().into_iter()), expected, "{signal} over HTTP");
    }
    let mut lines: Vec<String> = loki.entries().iter().map(|entry| entry.line.clone()).collect();
    lines.sort();
    assert_eq!(lines.len(), 4);
    let bodies: Vec<String> = lines
        .iter()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["body"].as_str().unwrap().to_owned()
        })
        .collect();
    let count = |text: &str| bodies.iter().filter(|body| *body == text).count();
    assert_eq!(count("trunk carrier-a is unreachable"), 2);
    assert_eq!(count("Zeile mit Umlaut: größer\nund zweite Zeile"), 2);
}
