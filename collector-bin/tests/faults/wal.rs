//! `wal` of prometheusremotewrite: what was accepted outlives SIGKILL, goes out in its order, and has a bound.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use otelcol_net::{Code, Status};
use otelcol_pdata::model::metrics::metric::Data;
use otelcol_pdata::model::metrics::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, number_data_point::Value,
};
use otelcol_pdata::model::string;
use otelcol_pdata::{Batch, Signal};
use otelcol_testkit::{RemoteWriteSink, grpc_path};

use crate::power::{power_off, trace};
use crate::program::{Bench, Under, can_trace};

/// The program with a log on disk before `sink`.
fn bench(sink: &RemoteWriteSink, wal: &str) -> Bench {
    let url = sink.url();
    Bench::with_config(|port, _, storage| {
        format!(
            "receivers:\n  otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:{port}'}}}}}}\n\
             exporters:\n  prometheusremotewrite:\n    endpoint: '{url}'\n    \
             wal: {{directory: '{}', buffer_size: 100, truncate_frequency: 45s{wal}}}\n    \
             retry_on_failure: {{initial_interval: 20ms, max_interval: 50ms, max_elapsed_time: 1s}}\n\
             service:\n  pipelines: {{metrics: {{receivers: [otlp], exporters: [prometheusremotewrite]}}}}\n  \
             telemetry: {{metrics: {{level: none}}}}\n",
            storage.display(),
        )
    })
}

/// One sample whose value is `number`, in a request of about `size` bytes.
async fn offer(bench: &Bench, number: u32, size: usize) -> Result<(), Status> {
    let point = NumberDataPoint {
        time_unix_nano: u64::from(number) + 1_735_689_600_000_000_000,
        value: Some(Value::AsDouble(f64::from(number))),
        attributes: vec![string("padding", "x".repeat(size))],
        ..NumberDataPoint::default()
    };
    let data = Some(Data::Gauge(Gauge { data_points: vec![point] }));
    let metric = Metric { name: "numbers".to_owned(), data, ..Metric::default() };
    let batch = Batch::from_metrics(vec![ResourceMetrics {
        scope_metrics: vec![ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() }],
        ..ResourceMetrics::default()
    }]);
    bench
        .client()
        .call(grpc_path(Signal::Metrics), batch.wire_chunks(), Duration::from_secs(10))
        .await
        .map(drop)
}

fn bytes(directory: &Path) -> u64 {
    let files = std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().path());
    files.map(|path| if path.is_dir() { bytes(&path) } else { path.metadata().unwrap().len() }).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_log_holds_outlives_kills_and_goes_out_in_its_order() {
    let sink = RemoteWriteSink::start();
    let bench = bench(&sink, "");
    sink.refuse(true);
    let mut accepted = Vec::new();
    for round in 0..5 {
        let program = bench.start(&Under::Nothing).await;
        for number in round * 20..round * 20 + 20 {
            offer(&bench, number, 10).await.unwrap();
            accepted.push(f64::from(number));
        }
        if round == 2 {
            // A stop leaves what is not taken where it is.
            assert!(program.terminate().await.success());
        } else {
            program.kill();
        }
    }
    assert_eq!(sink.samples(), [0.0; 0]);
    sink.refuse(false);
    let program = bench.start(&Under::Nothing).await;
    offer(&bench, 100, 10).await.unwrap();
    accepted.push(100.0);
    bench.until(|| sink.samples().len() >= accepted.len(), "everything arrived").await;
    assert_eq!(sink.samples(), accepted);
    assert!(program.terminate().await.success());

    // Killed while it sends: what is under way may come twice, nothing is left out, and new ones keep their order.
    for round in 0..10_u32 {
        let program = bench.start(&Under::Nothing).await;
        for number in 200 + round * 20..220 + round * 20 {
            offer(&bench, number, 10).await.unwrap();
            accepted.push(f64::from(number));
        }
        program.kill();
    }
    let program = bench.start(&Under::Nothing).await;
    bench.until(|| sink.samples().contains(accepted.last().unwrap()), "everything arrived").await;
    assert!(program.terminate().await.success());
    let mut first: Vec<f64> = Vec::new();
    for sample in sink.samples() {
        if !first.contains(&sample) {
            first.push(sample);
        }
    }
    assert_eq!(first, accepted);
    let left = bytes(&bench.storage());
    assert_eq!(left, 0, "nothing but an empty lock is left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_log_holds_outlives_loss_of_power() {
    if !can_trace() {
        return;
    }
    let sink = RemoteWriteSink::start();
    let bench = bench(&sink, "");
    let there = bench.storage().display().to_string();
    let bench = bench.with(&there, &format!("{there}/new/wal"));
    sink.refuse(true);
    for round in 0..3 {
        let program = bench.start(&Under::Recorded(trace(&bench))).await;
        for number in round * 20..round * 20 + 20 {
            offer(&bench, number, 10).await.unwrap();
        }
        power_off(&bench, program, || false).await;
    }
    sink.refuse(false);
    let program = bench.start(&Under::Nothing).await;
    let accepted: Vec<f64> = (0..60).map(f64::from).collect();
    bench.until(|| sink.samples().len() >= accepted.len(), "everything arrived").await;
    assert!(program.terminate().await.success());
    assert_eq!(sink.samples(), accepted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_log_refuses_and_gives_up_nothing() {
    const LIMIT: u64 = 200_000;
    let sink = RemoteWriteSink::start();
    let bench = bench(&sink, &format!(", max_size: {LIMIT}"));
    sink.refuse(true);
    let program = bench.start(&Under::Nothing).await;
    let mut number = 0;
    let refused = loop {
        match offer(&bench, number, 2000).await {
            Ok(()) => number += 1,
            Err(status) => break status,
        }
    };
    assert_eq!((refused.code, refused.retry_delay), (Code::Unavailable, Some(Duration::from_secs(1))));
    assert!((50..100).contains(&number), "{number} batches of 2 KB within 200 kB");
    let size = bytes(&bench.storage());
    assert!((LIMIT / 2..=LIMIT).contains(&size), "{size}");
    // Longer than max_elapsed_time, after which a batch without a log is given up.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    sink.refuse(false);
    bench.until(|| sink.samples().len() >= number as usize, "everything arrived").await;
    offer(&bench, number, 2000).await.unwrap();
    assert!(program.terminate().await.success());
    let accepted: Vec<f64> = (0..=number).map(f64::from).collect();
    assert_eq!(sink.samples(), accepted);
}

/// The log has one owner at a time, or the new exporter could not start; clients wait meanwhile and are not refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_changes_hands_over_reloads_under_load() {
    let sink = RemoteWriteSink::start();
    let bench = bench(&sink, "");
    let program = bench.start(&Under::Nothing).await;
    let accepted = AtomicU32::new(0);
    let done = AtomicBool::new(false);
    let load = async {
        while !done.load(Ordering::Relaxed) {
            offer(&bench, accepted.load(Ordering::Relaxed), 10).await.unwrap();
            accepted.fetch_add(1, Ordering::Relaxed);
        }
    };
    let more = async |number: u32| {
        let want = accepted.load(Ordering::Relaxed) + number;
        bench.until(|| accepted.load(Ordering::Relaxed) >= want, "batches accepted").await;
    };
    let reloads = async {
        for round in 0..6 {
            // What the old exporter could not send goes over with the log.
            sink.refuse(round % 2 == 0);
            more(20).await;
            bench.reload(&program, "buffer_size: 100", &format!("buffer_size: {}", 101 + round)).await;
            more(20).await;
        }
        done.store(true, Ordering::Relaxed);
    };
    tokio::join!(load, reloads);
    let accepted: Vec<f64> = (0..accepted.into_inner()).map(f64::from).collect();
    bench.until(|| sink.samples().len() >= accepted.len(), "everything arrived").await;
    assert!(program.terminate().await.success());
    assert_eq!(sink.samples(), accepted);
    assert_eq!(bytes(&bench.storage()), 0, "nothing but an empty lock is left");
}
