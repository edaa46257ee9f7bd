//! A backend that is not there, goes away, is slow, or sits behind a network that breaks.

use std::sync::atomic::Ordering;
use std::time::Duration;

use otelcol_net::Status;
use otelcol_net::config::GrpcServerConfig;
use otelcol_testkit::{ManualClock, OtlpGrpcSink, Proxy};
use otelcol_tests::{Running, free_port};

use super::*;

fn to(addr: impl std::fmt::Display, more: &str) -> String {
    format!("endpoint: '{addr}', tls: {{insecure: true}}, {more}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_comes_later_gets_everything() {
    let port = free_port();
    let mut bench = Bench::start(&to(format!("127.0.0.1:{port}"), FOR_EVER)).await;
    bench.send(50).await;
    let sink = OtlpGrpcSink::start_at(port, &GrpcServerConfig::default()).unwrap();
    sink.wait_for_items(500).await;
    exactly_once(&bench.settle(&sink).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_goes_away_under_load_costs_nothing() {
    let sink = OtlpGrpcSink::start();
    let mut bench =
        Bench::start(&to(sink.addr(), &format!("{FOR_EVER}, sending_queue: {{queue_size: 50}}"))).await;
    let load = bench.load();
    bench.wait_for_accepted(500).await;
    sink.refuse(Some(Status::unavailable("maintenance")));
    // The queue fills, and the senders are told.
    otelcol_tests::eventually(|| async {
        let refused = bench.refused.load(Ordering::Relaxed);
        if refused >= 20 { Ok(()) } else { Err(format!("{refused} refused")) }
    })
    .await;
    sink.refuse(None);
    bench.wait_for_accepted(500).await;
    load.stop().await;
    let refused = bench.refused.load(Ordering::Relaxed);
    exactly_once(&bench.settle(&sink).await);
    let failed = bench.value("otelcol_exporter_enqueue_failed_spans", &[("exporter", "otlp")]);
    assert_eq!(failed, (refused * 10) as f64);
    let labels = [("receiver", "otlp"), ("transport", "grpc")];
    assert_eq!(bench.value("otelcol_receiver_refused_spans", &labels), (refused * 10) as f64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_backend_slows_the_senders_and_loses_nothing() {
    let sink = OtlpGrpcSink::start();
    sink.delay(Duration::from_millis(30));
    let queue = "sending_queue: {queue_size: 5, num_consumers: 2}";
    let mut bench = Bench::start(&to(sink.addr(), &format!("{FOR_EVER}, {queue}"))).await;
    let load = bench.load();
    bench.wait_for_accepted(500).await;
    load.stop().await;
    assert!(bench.refused.load(Ordering::Relaxed) > 0);
    exactly_once(&bench.settle(&sink).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_block_on_overflow_senders_wait_instead() {
    let sink = OtlpGrpcSink::start();
    sink.delay(Duration::from_millis(10));
    let queue = "sending_queue: {queue_size: 5, num_consumers: 2, block_on_overflow: true}";
    let mut bench = Bench::start(&to(sink.addr(), &format!("{FOR_EVER}, {queue}"))).await;
    let load = bench.load();
    bench.wait_for_accepted(500).await;
    load.stop().await;
    assert_eq!(bench.refused.load(Ordering::Relaxed), 0);
    exactly_once(&bench.settle(&sink).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_reset_cost_repeats_and_no_data() {
    let sink = OtlpGrpcSink::start();
    let proxy = Proxy::start(sink.addr()).await;
    let mut bench = Bench::start(&to(proxy.addr(), FOR_EVER)).await;
    let load = bench.load();
    for round in 0..20 {
        bench.wait_for_accepted(100).await;
        proxy.open(round % 4 != 3);
        proxy.cut();
    }
    proxy.open(true);
    bench.wait_for_accepted(100).await;
    load.stop().await;
    // The stop waits for the connection.
    let tally = bench.settle(&sink).await;
    at_least_once(&tally);
    assert_eq!(tally.unasked, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_can_not_be_resolved_is_a_backend_that_is_away() {
    let sink = OtlpGrpcSink::start();
    // A name that never exists (RFC 6761), then a reload to one that does: the disk keeps what waits.
    let dir = tempfile::TempDir::new().unwrap();
    let config = |port: u16, endpoint: &str| {
        let queue = "sending_queue: {storage: file_storage}";
        let exporter = to(endpoint, &format!("{FOR_EVER}, {queue}"));
        let config =
            Bench::config(port, &exporter).replace("service:\n", "service:\n  extensions: [file_storage]\n");
        format!("extensions:\n  file_storage: {{directory: '{}'}}\n{config}", dir.path().display())
    };
    let port = free_port();
    let running = Running::start(&config(port, "backend.invalid:4317")).await.unwrap();
    let mut bench = Bench { running, ledger: Arc::default(), port, refused: Arc::default() };
    bench.send(30).await;
    assert_eq!(bench.value("otelcol_exporter_send_failed_spans", &[("exporter", "otlp")]), 0.0);
    let known = format!("localhost:{}", sink.addr().port());
    bench.running.write(&config(port, &known));
    bench.running.collector.reload().await.unwrap();
    sink.wait_for_items(300).await;
    bench.send(5).await;
    exactly_once(&bench.settle(&sink).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_stepped_moves_nothing() {
    let (sink, clock) = (OtlpGrpcSink::start(), ManualClock::at(1_767_225_600));
    let port = free_port();
    let batch = "sending_queue: {batch: {flush_timeout: 50ms, min_size: 200}}";
    let config = Bench::config(port, &to(sink.addr(), &format!("{FOR_EVER}, {batch}")));
    let shared = otelcol_pipeline::Shared { clock: clock.clock(), ..Default::default() };
    let running = Running::start_with(&config, &[], shared).await.unwrap();
    let mut bench = Bench { running, ledger: Arc::default(), port, refused: Arc::default() };
    let load = bench.load();
    for round in 0..10 {
        bench.wait_for_accepted(100).await;
        let day = Duration::from_secs(86_400);
        if round % 2 == 0 {
            clock.advance(day * 30);
        } else {
            clock.step_back(day * 29);
        }
        if round % 3 == 0 {
            sink.refuse(Some(Status::unavailable("maintenance")));
            sink.wait_for_calls(sink.calls() + 2).await;
            sink.refuse(None);
        }
    }
    load.stop().await;
    exactly_once(&bench.settle(&sink).await);
}
