//! A reload under load loses nothing, and a bad file changes nothing.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use otelcol_pdata::{Batch, Signal};
use otelcol_testkit::{OtlpGrpcSink, samples};
use otelcol_tests::{Running, free_port, page_with};

use crate::otlp::{client, path};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_under_load_loses_nothing() {
    let sink = OtlpGrpcSink::start();
    let port = free_port();
    let config = |batch_timeout: &str, pause: &str| {
        format!(
            "receivers:\n  otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:{port}'}}}}}}\n\
             processors:\n  batch: {{timeout: {batch_timeout}}}\n\
             exporters:\n  otlp: {{endpoint: '{}', tls: {{insecure: true}}, retry_on_failure: {{initial_interval: {pause}}}}}\n\
             service:\n  pipelines: {{traces: {{receivers: [otlp], processors: [batch], exporters: [otlp]}}}}\n  \
             telemetry: {{metrics: {{level: none}}}}\n",
            sink.addr()
        )
    };
    let mut running = Running::start(&config("20ms", "1s")).await.unwrap();
    let (done, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let senders: Vec<_> = (0..4)
        .map(|_| {
            let (done, sent, client) = (Arc::clone(&done), Arc::clone(&sent), client(port));
            #[expect(clippy::disallowed_methods, reason = "load beside the collector")]
            tokio::spawn(async move {
                let batch = samples::spans(10);
                while !done.load(Ordering::Relaxed) {
                    client
                        .call(path(Signal::Traces), batch.wire_chunks(), Duration::from_secs(30))
                        .await
                        .unwrap();
                    sent.fetch_add(10, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for round in 0..6 {
        let before = sent.load(Ordering::Relaxed);
        otelcol_tests::eventually(|| async {
            let now = sent.load(Ordering::Relaxed);
            if now > before + 100 { Ok(()) } else { Err(format!("{now} sent")) }
        })
        .await;
        running.write(&config(
            if round % 2 == 0 { "30ms" } else { "20ms" },
            if round % 3 == 0 { "2s" } else { "1s" },
        ));
        running.collector.reload().await.unwrap();
        running.write("receivers: {nonsense: }");
        running.collector.reload().await.unwrap_err();
    }
    done.store(true, Ordering::Relaxed);
    for sender in senders {
        sender.await.unwrap();
    }
    running.collector.shutdown().await;
    let arrived: usize = sink.batches().iter().map(Batch::items).sum();
    assert_eq!(arrived, sent.load(Ordering::Relaxed));
}

#[tokio::test]
async fn kept_gauges_survive_a_reload_of_their_receiver() {
    let (statsd, scrape) = (free_port(), free_port());
    let config = |interval: &str, namespace: &str| {
        format!(
            "receivers:\n  statsd: {{endpoint: '127.0.0.1:{statsd}', aggregation_interval: {interval}}}\n\
             exporters:\n  prometheus: {{endpoint: '127.0.0.1:{scrape}', namespace: {namespace}, without_scope_info: true}}\n\
             service:\n  pipelines: {{metrics: {{receivers: [statsd], exporters: [prometheus]}}}}\n  \
             telemetry: {{metrics: {{level: none}}}}\n"
        )
    };
    let mut running = Running::start(&config("50ms", "a")).await.unwrap();
    let asterisk = UdpSocket::bind("127.0.0.1:0").unwrap();
    let send = |line: &str| asterisk.send_to(line.as_bytes(), ("127.0.0.1", statsd)).unwrap();
    let metrics = format!("http://127.0.0.1:{scrape}/metrics");
    send("calls:+1|g");
    send("calls:+1|g");
    page_with(&metrics, &["a_calls 2"]).await;
    // The exporter is another one, the receiver stays.
    running.write(&config("50ms", "b"));
    running.collector.reload().await.unwrap();
    page_with(&metrics, &["b_calls 2"]).await;
    // The receiver is another one, with the same address.
    running.write(&config("60ms", "b"));
    running.collector.reload().await.unwrap();
    send("calls:+1|g");
    page_with(&metrics, &["b_calls 3"]).await;
    running.collector.shutdown().await;
}
