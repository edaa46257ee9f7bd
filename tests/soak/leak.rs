//! A collector that leaks on purpose: it shows that the soak would find a leak.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use otelcol_pdata::{Batch, Signal};
use otelcol_pipeline::{
    Collector, Component, ComponentError, ConsumeError, Consumer, ConsumerComponent, Context, Memory,
    NoConfig, Output, ProcessorFactory, Settings, Shared,
};

use crate::Failure;

/// Runs the collector of the program with a processor `leak` beside the others.
#[tokio::main]
pub(crate) async fn run(config: &str) -> Result<(), Failure> {
    let mut factories = otelcol_tests::factories();
    factories.processors.push(ProcessorFactory::processor("leak", &Signal::ALL, create));
    let shared = Shared { memory: Memory::from_fn(allocated), ..Shared::default() };
    let settings =
        Settings { factories, config: vec![config.to_owned()], set: Vec::new(), shared, logs: None };
    Ok(Collector::new(settings).run().await?)
}

fn allocated() -> u64 {
    // The figures stand still until the epoch is advanced.
    let _ = tikv_jemalloc_ctl::epoch::advance();
    tikv_jemalloc_ctl::stats::allocated::read().map_or(0, |bytes| bytes as u64)
}

/// Forgets nothing: some hundred bytes for each batch, as a map with a key for each client would.
struct Leak {
    kept: Mutex<Vec<Vec<u8>>>,
    next: Output,
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of a factory")]
fn create(
    _: Context,
    _: NoConfig,
    _: Signal,
    next: Output,
) -> Result<Arc<dyn ConsumerComponent>, ComponentError> {
    Ok(Arc::new(Leak { kept: Mutex::default(), next }))
}

#[async_trait]
impl Component for Leak {}

#[async_trait]
impl Consumer for Leak {
    async fn consume(&self, batch: Batch) -> Result<(), ConsumeError> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(vec![1; 400]);
        self.next.consume(batch).await
    }
}
