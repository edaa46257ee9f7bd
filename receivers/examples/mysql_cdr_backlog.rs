//! Runs the `mysql_cdr` receiver alone and measures it: `mysql_cdr_backlog CONFIG.yaml ROWS SECONDS`, with a configuration
//! whose exporter is `rows` and whose storage, if any, is `discard`.
//!
//! Prints rows a second until ROWS are counted, the largest resident memory, and what the next SECONDS cost in CPU time,
//! in which nothing new is found.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use otelcol_pdata::model::metrics::metric::Data;
use otelcol_pdata::model::metrics::number_data_point::Value;
use otelcol_pdata::{Batch, Signal};
use otelcol_pipeline::storage::{Storage, StorageClient, StorageError, StorageOp};
use otelcol_pipeline::{
    Collector, Component, ComponentId, ConsumeError, Consumer, ConsumerComponent, ExporterFactory, Extension,
    ExtensionFactory, Factories, Kind, NoConfig, Settings, Shared,
};
use otelcol_receivers::mysql_cdr;

static ROWS: AtomicU64 = AtomicU64::new(0);

/// Writes each value to a file, as `file_storage` does, and forgets it.
struct Discard;

impl Component for Discard {}

impl Extension for Discard {
    fn storage(self: Arc<Self>) -> Option<Arc<dyn Storage>> {
        Some(self)
    }
}

#[async_trait]
impl Storage for Discard {
    async fn open(&self, _: Kind, _: &ComponentId, _: &str) -> Result<Arc<dyn StorageClient>, StorageError> {
        Ok(Arc::new(Self))
    }
}

#[async_trait]
impl StorageClient for Discard {
    async fn get(&self, _: &str) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(None)
    }

    async fn write(&self, ops: Vec<StorageOp>) -> Result<(), StorageError> {
        for op in ops {
            if let StorageOp::Set(_, value) = op {
                let path = std::env::temp_dir().join("mysql_cdr_backlog.kv");
                tokio::fs::write(path, value).await.map_err(|error| StorageError(error.to_string()))?;
            }
        }
        Ok(())
    }
}

/// Remembers how many rows were counted.
struct Rows;

impl Component for Rows {}

#[async_trait]
impl Consumer for Rows {
    async fn consume(&self, batch: Batch) -> Result<(), ConsumeError> {
        for block in batch.metrics().map_err(ConsumeError::from)? {
            for metric in block.scope_metrics.iter().flat_map(|scope| &scope.metrics) {
                let Some(Data::Sum(sum)) =
                    metric.data.as_ref().filter(|_| metric.name == "asterisk.cdr.rows")
                else {
                    continue;
                };
                if let Some(Value::AsInt(rows)) =
                    sum.data_points.first().and_then(|point| point.value.as_ref())
                {
                    ROWS.store(u64::try_from(*rows).unwrap_or(0), Ordering::Relaxed);
                }
            }
        }
        Ok(())
    }
}

fn status(key: &str) -> String {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default().trim().to_owned()
}

/// CPU time of this process in clock ticks, of which a second has a hundred.
fn ticks() -> u64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let behind_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    behind_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "a program that prints its result")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, config, rows, seconds] = arguments.as_slice() else {
        return Err("expected CONFIG.yaml ROWS SECONDS".into());
    };
    let (rows, seconds): (u64, u64) = (rows.parse()?, seconds.parse()?);
    let exporter = ExporterFactory::exporter("rows", &[Signal::Metrics], |_, _: NoConfig, _| {
        Ok(Arc::new(Rows) as Arc<dyn ConsumerComponent>)
    });
    let extension =
        ExtensionFactory::extension("discard", |_, _: NoConfig| Ok(Arc::new(Discard) as Arc<dyn Extension>));
    let factories = Factories {
        receivers: vec![mysql_cdr::factory()],
        exporters: vec![exporter],
        extensions: vec![extension],
        ..Factories::default()
    };
    let settings = Settings {
        factories,
        config: vec![config.clone()],
        set: Vec::new(),
        shared: Shared::default(),
        logs: None,
    };
    let mut collector = Collector::new(settings);
    println!("before: VmRSS {}", status("VmRSS:"));
    let begun = Instant::now();
    collector.start().await?;
    loop {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if ROWS.load(Ordering::Relaxed) >= rows {
            break;
        }
    }
    let took = begun.elapsed().as_secs_f64();
    let per_second = rows as f64 / took;
    println!(
        "{rows} rows in {took:.2} s: {per_second:.0} rows/s, {} ticks of CPU, VmHWM {}",
        ticks(),
        status("VmHWM:")
    );
    let before = ticks();
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    println!("{} ticks of CPU in the next {seconds} s", ticks() - before);
    Ok(())
}
