//! Far more load than the backend takes, and scrapers that take nothing: memory stays below its limits, and data flows.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use otelcol_net::{Code, GrpcClient, Status};
use otelcol_pdata::model::metrics::metric::Data;
use otelcol_pdata::model::metrics::{Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics};
use otelcol_pdata::model::string;
use otelcol_pdata::{Batch, Signal};
use otelcol_testkit::{Ledger, grpc_path};
use tokio::task::JoinHandle;

use crate::program::{Bench, TRACES, Under, free_port};

/// Ten spans of 50 kB each: 500 kB of allocations for little work.
async fn offer_large(client: &GrpcClient, ledger: &Ledger) -> Result<(), Status> {
    let (numbers, batch) = ledger.batch(10);
    let mut blocks = batch.into_traces().unwrap();
    for span in &mut blocks[0].scope_spans[0].spans {
        span.name = "x".repeat(50_000);
    }
    let chunks = Batch::from_traces(blocks).wire_chunks();
    client.call(TRACES, chunks, Duration::from_secs(10)).await?;
    ledger.accept(numbers);
    Ok(())
}

/// Sends as fast as it can, without heeding what it is told.
fn flood(bench: &Bench) -> JoinHandle<()> {
    let (client, ledger, refused) = (bench.client(), Arc::clone(&bench.ledger), Arc::clone(&bench.refused));
    #[expect(clippy::disallowed_methods, reason = "load beside the program")]
    tokio::spawn(async move {
        loop {
            if offer_large(&client, &ledger).await.is_err() {
                refused.fetch_add(1, Ordering::Relaxed);
            }
        }
    })
}

/// The most memory that the process ever had resident, in KiB (proc(5)).
fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_on_disk_takes_what_memory_would_not() {
    let limiter = "processors: {memory_limiter: {check_interval: 100ms, limit_mib: 24, spike_limit_mib: 8}}";
    let bench = Bench::new("{storage: file_storage, queue_size: 1000000}", limiter, "memory_limiter");
    bench.sink.refuse(Some(Status::unavailable("away")));
    let program = bench.start(&Under::Nothing).await;
    let client = bench.client();
    // 50 MB, three times what data may take up in memory.
    for _ in 0..100 {
        offer_large(&client, &bench.ledger).await.unwrap();
    }
    bench.sink.refuse(None);
    bench.until(|| bench.tally().missing.is_empty(), "everything arrived").await;
    assert!(program.terminate().await.success());
    assert_eq!((bench.tally().delivered, bench.tally().duplicates), (1000, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_stays_below_the_limit_under_ten_times_the_load() {
    let limit_mib = 128;
    let limiter = format!(
        "processors: {{memory_limiter: {{check_interval: 1s, limit_mib: {limit_mib}, spike_limit_mib: 48}}}}"
    );
    let bench = Bench::new("{queue_size: 1000000}", &limiter, "memory_limiter");
    bench.sink.refuse(Some(Status::unavailable("away")));
    let program = bench.start(&Under::Nothing).await;
    let load: Vec<_> = (0..16).map(|_| flood(&bench)).collect();
    bench.until(|| bench.refused.load(Ordering::Relaxed) >= 1000, "senders are refused").await;
    for sender in load {
        sender.abort();
        _ = sender.await;
    }
    let refused = loop {
        if let Err(status) = offer_large(&bench.client(), &bench.ledger).await {
            break status;
        }
    };
    assert_eq!((refused.code, refused.retry_delay.map(|wait| wait.as_secs())), (Code::Unavailable, Some(1)));
    assert_eq!(refused.message, "data refused due to high memory usage");
    let peak = peak_kib(program.pid());
    assert!(peak < limit_mib * 1024, "{peak} KiB");
    // The limit was used, and what was taken is delivered.
    let tally = bench.ledger.len();
    assert!(tally >= 200, "{tally}");
    bench.sink.refuse(None);
    bench
        .until(|| bench.sink.batches().iter().map(Batch::items).sum::<usize>() >= tally, "all arrived")
        .await;
    assert!(program.terminate().await.success());
    let tally = bench.tally();
    assert_eq!((tally.missing.len(), tally.duplicates), (0, 0), "{tally:?}");
    println!("peak {peak} KiB of {} KiB, {} spans accepted", limit_mib * 1024, tally.accepted);
}

/// A thousand series with labels of 2 kB each.
async fn offer_series(client: &GrpcClient, number: u32) {
    let padding = "x".repeat(2000);
    let point = |n| NumberDataPoint {
        attributes: vec![string("n", format!("{number}_{n}_{padding}"))],
        ..NumberDataPoint::default()
    };
    let data = Some(Data::Gauge(Gauge { data_points: (0..1000).map(point).collect() }));
    let metrics = vec![Metric { name: "large".to_owned(), data, ..Metric::default() }];
    let batch = Batch::from_metrics(vec![ResourceMetrics {
        scope_metrics: vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }],
        ..ResourceMetrics::default()
    }]);
    client.call(grpc_path(Signal::Metrics), batch.wire_chunks(), Duration::from_secs(10)).await.unwrap();
}

/// A scraper that asks and never reads.
fn stuck_scraper(port: u16) -> TcpStream {
    let mut scraper = TcpStream::connect(("127.0.0.1", port)).unwrap();
    scraper.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    scraper.set_nonblocking(true).unwrap();
    scraper
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scrapers_that_do_not_read_cost_eight_answers_and_hold_nothing_up() {
    const AT_A_TIME: usize = 8;
    const ANSWER_KIB: u64 = 18 * 1024;
    let page = free_port();
    let bench = Bench::with_config(|otlp, _, _| {
        format!(
            "receivers:\n  otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:{otlp}'}}}}}}\n\
             exporters:\n  prometheus: {{endpoint: '127.0.0.1:{page}', write_timeout: 10m}}\n\
             service:\n  pipelines: {{metrics: {{receivers: [otlp], exporters: [prometheus]}}}}\n  \
             telemetry: {{metrics: {{level: none}}}}\n"
        )
    });
    let program = bench.start(&Under::Nothing).await;
    let client = bench.client();
    for number in 0..8 {
        offer_series(&client, number).await;
    }
    let before = peak_kib(program.pid());
    // An answer is more than the sockets of a connection hold.
    let stuck: Vec<TcpStream> = (0..60).map(|_| stuck_scraper(page)).collect();
    let answered = || stuck.iter().filter(|scraper| matches!(scraper.peek(&mut [0]), Ok(1))).count();
    bench.until(|| answered() >= AT_A_TIME, "scrapers are answered").await;
    // Series that are there already: what grows is not the registry.
    for number in 0..40 {
        offer_series(&client, number % 8).await;
    }
    assert_eq!(answered(), AT_A_TIME);
    let grown = peak_kib(program.pid()) - before;
    let limit = (AT_A_TIME as u64 + 2) * ANSWER_KIB;
    assert!(grown < limit, "{grown} KiB of at most {limit}");
    drop(stuck);
    assert!(program.terminate().await.success());
}
