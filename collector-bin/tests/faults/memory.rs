//! Far more load than the backend takes: memory stays below the limit, and the senders are told.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use otelcol_net::{Code, GrpcClient, Status};
use otelcol_pdata::Batch;
use otelcol_testkit::Ledger;
use tokio::task::JoinHandle;

use crate::program::{Bench, TRACES, Under};

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
