//! The backend is away, and a reload names another one: what waits goes there.

use std::net::{SocketAddr, TcpListener};
use std::time::Instant;

use otelcol_net::Status;

use super::*;

/// A reload may wait five seconds for what is under way, and a machine may be slow.
const SOON: Duration = Duration::from_secs(12);

fn exporter(backend: SocketAddr, queue: &str) -> String {
    format!("endpoint: '{backend}', tls: {{insecure: true}}, {FOR_EVER}, sending_queue: {queue}")
}

/// Reloads under load from the backend `away`, which takes nothing, to one that does. `until` it has come to that.
async fn reload_from(away: SocketAddr, queue: &str, until: impl AsyncFnOnce(&Bench)) {
    let there = OtlpGrpcSink::start();
    let mut bench = Bench::start(&exporter(away, queue)).await;
    let load = bench.load();
    until(&bench).await;
    bench.running.write(&Bench::config(bench.port, &exporter(there.addr(), queue)));
    let begun = Instant::now();
    bench.running.collector.reload().await.unwrap();
    assert!(begun.elapsed() < SOON, "{queue}: {:?}", begun.elapsed());
    bench.wait_for_accepted(200).await;
    load.stop().await;
    exactly_once(&bench.settle(&there).await);
    assert_eq!(bench.dropped("shutdown"), 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_backend_that_is_away_goes_to_the_one_that_a_reload_names() {
    let away = OtlpGrpcSink::start();
    away.refuse(Some(Status::unavailable("away")));
    let (away, hangs) = (away.addr(), TcpListener::bind("127.0.0.1:0").unwrap());
    let hangs = hangs.local_addr().unwrap();
    let accepted = async |bench: &Bench| bench.wait_for_accepted(200).await;
    tokio::join!(
        reload_from(away, "{}", accepted),
        reload_from(away, "{batch: {flush_timeout: 10s, min_size: 1000}}", accepted),
        reload_from(hangs, "{}", accepted),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_a_backend_that_is_away_holds_no_reload_up() {
    let waiting = async |queue| {
        let away = OtlpGrpcSink::start();
        away.refuse(Some(Status::unavailable("away")));
        reload_from(away.addr(), queue, async |_: &Bench| away.wait_for_calls(1).await).await;
    };
    tokio::join!(waiting("{enabled: false}"), waiting("{queue_size: 1, block_on_overflow: true}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_that_fails_gives_back_what_waits() {
    let (sink, taken) = (OtlpGrpcSink::start(), TcpListener::bind("127.0.0.1:0").unwrap());
    sink.refuse(Some(Status::unavailable("away")));
    let mut bench = Bench::start(&exporter(sink.addr(), "{}")).await;
    bench.send(50).await;
    // The exporter starts, and takes over; the receiver can not, and comes last.
    let taken = taken.local_addr().unwrap();
    let config = Bench::config(bench.port, &exporter(taken, "{num_consumers: 3}"))
        .replace(
            "receivers:\n",
            &format!("receivers:\n  otlp/b: {{protocols: {{grpc: {{endpoint: '{taken}'}}}}}}\n"),
        )
        .replace("receivers: [otlp]", "receivers: [otlp, otlp/b]");
    bench.running.write(&config);
    let error = bench.running.collector.reload().await.unwrap_err().to_string();
    assert!(error.contains("address already in use"), "{error}");
    sink.refuse(None);
    exactly_once(&bench.settle(&sink).await);
    assert_eq!((bench.ledger.len(), bench.dropped("shutdown")), (500, 0.0));
}
