//! The collector stops in the middle of it, and starts again on the same disk.

use http::HeaderMap;
use otelcol_net::config::HttpClientConfig;
use otelcol_net::{HttpClient, Status};
use otelcol_pdata::json::to_json;
use otelcol_testkit::OtlpGrpcSink;
use tempfile::TempDir;

use super::*;

/// Batching in the queue, which answers when the data is on disk.
const SAFE: &str = "sending_queue: {storage: file_storage, batch: {flush_timeout: 20ms, min_size: 100}}";

fn config(dir: &TempDir, port: u16, sink: &OtlpGrpcSink, queue: &str) -> String {
    let exporter = format!("endpoint: '{}', tls: {{insecure: true}}, {FOR_EVER}, {queue}", sink.addr());
    let config = Bench::config(port, &exporter);
    let config = config.replace("service:\n", "service:\n  extensions: [file_storage]\n");
    format!("extensions:\n  file_storage: {{directory: '{}'}}\n{config}", dir.path().display())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_under_load_delivers_what_memory_holds() {
    for batch in ["", "sending_queue: {batch: {flush_timeout: 10s, min_size: 1000}}"] {
        let sink = OtlpGrpcSink::start();
        let exporter = format!("endpoint: '{}', tls: {{insecure: true}}, {FOR_EVER}, {batch}", sink.addr());
        let mut bench = Bench::start(&exporter).await;
        bench.send(100).await;
        exactly_once(&bench.settle(&sink).await);
    }
}

/// Stops a collector while a request to `protocol` waits for a dead backend, behind this queue. Gives what `ask`, which is
/// given the port and a request, was answered.
async fn answer_at_a_stop<T>(protocol: &str, queue: &str, ask: impl AsyncFnOnce(u16, Batch) -> T) -> T {
    let (sink, port) = (OtlpGrpcSink::start(), free_port());
    sink.refuse(Some(Status::unavailable("away")));
    let exporter = format!("endpoint: '{}', tls: {{insecure: true}}, {FOR_EVER}, {queue}", sink.addr());
    let config = Bench::config(port, &exporter).replace("grpc:", protocol);
    let mut running = Running::start(&config).await.unwrap();
    let asking = async {
        let answer = ask(port, Ledger::default().batch(10).1).await;
        sink.refuse(None);
        answer
    };
    let stopping = async {
        sink.wait_for_calls(1).await;
        running.collector.shutdown().await;
    };
    tokio::join!(asking, stopping).0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_a_dead_backend_is_told_to_come_again_at_a_stop() {
    let call = async |port, batch: Batch| {
        client(port).call(path(Signal::Traces), batch.wire_chunks(), WAIT).await.unwrap_err()
    };
    let post = async |port, batch: Batch| {
        let client = HttpClient::new(&HttpClientConfig::default()).unwrap();
        let url = format!("http://127.0.0.1:{port}/v1/traces");
        let json = vec![to_json(&batch).unwrap().into()];
        client.post(&url, HeaderMap::new(), json, "application/json", WAIT).await.unwrap()
    };
    let (none, waits) = ("sending_queue: {enabled: false}", "sending_queue: {wait_for_result: true}");
    let (called, called_too, posted) = tokio::join!(
        answer_at_a_stop("grpc:", none, call),
        answer_at_a_stop("grpc:", waits, call),
        answer_at_a_stop("http:", none, post),
    );
    let told = Status::unavailable("the server is stopping").retry_after(Duration::from_secs(1));
    assert_eq!((called, called_too), (told.clone(), told));
    assert_eq!((posted.status.as_u16(), posted.retry_after()), (503, Some(Duration::from_secs(1))));
    let body = String::from_utf8(posted.body.to_vec()).unwrap();
    assert!(body.contains("\"the server is stopping\""), "{body}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_batch_processor_hands_on_what_it_holds_at_a_stop() {
    let sink = OtlpGrpcSink::start();
    let port = free_port();
    let exporter = format!("endpoint: '{}', tls: {{insecure: true}}, {FOR_EVER}", sink.addr());
    let config = Bench::config(port, &exporter)
        .replace(
            "exporters:\n",
            "processors:\n  batch: {timeout: 10s, send_batch_size: 100000}\nexporters:\n",
        )
        .replace("receivers: [otlp], ", "receivers: [otlp], processors: [batch], ");
    let running = Running::start(&config).await.unwrap();
    let mut bench = Bench { running, ledger: Arc::default(), port, refused: Arc::default() };
    bench.send(100).await;
    assert_eq!(total(&sink.batches()), 0);
    exactly_once(&bench.settle(&sink).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_backend_leaves_on_disk_is_delivered_after_the_next_start() {
    for queue in ["sending_queue: {storage: file_storage}", SAFE] {
        let (dir, sink, port) = (TempDir::new().unwrap(), OtlpGrpcSink::start(), free_port());
        let config = config(&dir, port, &sink, queue);
        sink.refuse(Some(Status::unavailable("away")));
        let running = Running::start(&config).await.unwrap();
        let mut bench = Bench { running, ledger: Arc::default(), port, refused: Arc::default() };
        for round in 0..3 {
            let load = bench.load();
            bench.wait_for_accepted(200).await;
            load.stop().await;
            bench.running.collector.shutdown().await;
            if round == 2 {
                sink.refuse(None);
            }
            bench.running = Running::start(&config).await.unwrap();
        }
        sink.wait_for_items(bench.ledger.len()).await;
        exactly_once(&bench.settle(&sink).await);
        assert_eq!(bench.dropped("shutdown"), 0.0);
        // Nothing is left but the lock.
        let queue = dir.path().join("exporter_otlp__traces.queue");
        let files: Vec<_> = std::fs::read_dir(queue).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert_eq!(files, ["lock"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_under_load_keep_the_disk_in_one_hand() {
    let (dir, sink, port) = (TempDir::new().unwrap(), OtlpGrpcSink::start(), free_port());
    let with = |consumers: usize| {
        let queue = SAFE.replace("{storage:", &format!("{{num_consumers: {consumers}, storage:"));
        config(&dir, port, &sink, &queue)
    };
    let running = Running::start(&with(1)).await.unwrap();
    let mut bench = Bench { running, ledger: Arc::default(), port, refused: Arc::default() };
    let load = bench.load();
    for round in 0..6 {
        bench.wait_for_accepted(100).await;
        let away = round % 2 == 0;
        sink.refuse(away.then(|| Status::unavailable("away")));
        bench.wait_for_accepted(50).await;
        bench.running.write(&with(round + 2));
        bench.running.collector.reload().await.unwrap();
    }
    sink.refuse(None);
    load.stop().await;
    sink.wait_for_items(bench.ledger.len()).await;
    exactly_once(&bench.settle(&sink).await);
}
