//! What 100,000 series cost in the prometheus exporter: CPU a point taken in, CPU a scrape, bytes a series.
//!
//! `cargo bench -p otelcol-exporters --bench prometheus`. CPU is that of the whole process: for a scrape that
//! includes the small client here, which only reads.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use otelcol_confmap::Node;
use otelcol_pdata::model::common::InstrumentationScope;
use otelcol_pdata::model::metrics::metric::Data;
use otelcol_pdata::model::metrics::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, number_data_point,
};
use otelcol_pdata::model::resource::Resource;
use otelcol_pdata::model::string;
use otelcol_pdata::{Batch, Signal};
use otelcol_pipeline::{ConsumerComponent, Context, Host, Kind};

const SERIES: usize = 100_000;
const BATCH: usize = 1000;
const PORT: u16 = 18_889;
const ROUNDS: usize = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let settings = format!(
        "{{endpoint: \"127.0.0.1:{PORT}\", namespace: asterisk, resource_to_telemetry_conversion: {{enabled: true}}}}"
    );
    let node = Node::from_yaml(&settings, "bench.yaml").map_err(|errors| format!("{errors:?}"))?;
    let prepared = otelcol_exporters::prometheus::factory()
        .prepare(&node, "exporters::prometheus")
        .map_err(|errors| format!("{errors:?}"))?;
    let exporter = (prepared.make)(Context::detached(Kind::Exporter, "prometheus"), Signal::Metrics)?;
    runtime.block_on(exporter.start(&Host::default()))?;

    let wire: Vec<bytes::Bytes> = (0..SERIES / BATCH).map(|number| batch(number).to_wire()).collect();
    let before = resident()?;
    println!("first time: {:.0} ns CPU/point, decoding included", take_in(&runtime, &*exporter, &wire)?);
    println!("memory: {} bytes/series", (resident()? - before) / SERIES);
    for _ in 0..ROUNDS {
        println!("again: {:.0} ns CPU/point, decoding included", take_in(&runtime, &*exporter, &wire)?);
    }
    for encoding in ["identity", "gzip"] {
        for _ in 0..ROUNDS {
            let start = cpu()?;
            let bytes = scrape(encoding)?;
            println!("scrape {encoding}: {:.1} ms CPU, {bytes} bytes", (cpu()? - start).as_secs_f64() * 1e3);
        }
    }
    println!("resident after scrapes: {} MiB", resident()? >> 20);
    Ok(())
}

/// Nanoseconds of CPU a point.
fn take_in(
    runtime: &tokio::runtime::Runtime,
    exporter: &dyn ConsumerComponent,
    wire: &[bytes::Bytes],
) -> Result<f64, Box<dyn std::error::Error>> {
    let start = cpu()?;
    for body in wire {
        runtime.block_on(exporter.consume(Batch::from_wire(Signal::Metrics, body.clone())?))?;
    }
    Ok((cpu()? - start).as_nanos() as f64 / SERIES as f64)
}

/// As the load generator of the comparison with otelcol sends them: ten names, three attributes a point.
fn batch(number: usize) -> Batch {
    let points = |name: usize| -> Vec<NumberDataPoint> {
        (number * BATCH..(number + 1) * BATCH)
            .filter(|series| series % 10 == name)
            .map(|series| NumberDataPoint {
                time_unix_nano: 1_700_000_000_000_000_000,
                attributes: vec![
                    string("s", format!("{series:06}")),
                    string("trunk", format!("trunk-{}", series % 100)),
                    string("queue", format!("q{}", series % 7)),
                ],
                value: Some(number_data_point::Value::AsDouble(series as f64 + 0.5)),
                ..Default::default()
            })
            .collect()
    };
    let metrics = (0..10)
        .map(|name| Metric {
            name: format!("load.m{name}"),
            data: Some(Data::Gauge(Gauge { data_points: points(name) })),
            ..Default::default()
        })
        .collect();
    let resource = Resource {
        attributes: vec![
            string("service.name", "asterisk-0"),
            string("service.version", "22.1.0"),
            string("host.name", "dialer00"),
            string("deployment.environment", "prod"),
        ],
        ..Default::default()
    };
    let scope =
        InstrumentationScope { name: "load".to_owned(), version: "1".to_owned(), ..Default::default() };
    Batch::from_metrics(vec![ResourceMetrics {
        resource: Some(resource),
        scope_metrics: vec![ScopeMetrics { scope: Some(scope), metrics, ..Default::default() }],
        ..Default::default()
    }])
}

fn scrape(encoding: &str) -> Result<usize, Box<dyn std::error::Error>> {
    let mut socket = TcpStream::connect(("127.0.0.1", PORT))?;
    let request = format!(
        "GET /metrics HTTP/1.1\r\nHost: bench\r\nAccept-Encoding: {encoding}\r\nConnection: close\r\n\r\n"
    );
    socket.write_all(request.as_bytes())?;
    let mut buffer = vec![0; 256 * 1024];
    let mut bytes = 0;
    loop {
        match socket.read(&mut buffer)? {
            0 => return Ok(bytes),
            read => bytes += read,
        }
    }
}

/// CPU time of this process: of its threads, none of which ends while we measure.
fn cpu() -> std::io::Result<Duration> {
    let mut nanos = 0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let stat = std::fs::read_to_string(task?.path().join("schedstat"))?;
        nanos += stat.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(0);
    }
    Ok(Duration::from_nanos(nanos))
}

/// Resident memory of this process in bytes.
fn resident() -> std::io::Result<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages: usize = statm.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    Ok(pages * 4096)
}
