//! `batch`: makes larger batches of small ones. Nothing is decoded.

mod buffer;
mod config;
mod sender;
mod shards;
mod telemetry;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use otelcol_pdata::{Batch, Signal};
use otelcol_pipeline::{
    Component, ComponentError, ConsumeError, Consumer, ConsumerComponent, Context, Output, ProcessorFactory,
};
use tokio::time::Instant;

pub use config::Config;

use sender::End;
use shards::Shards;

/// The factory of `batch`.
pub fn factory() -> ProcessorFactory {
    ProcessorFactory::processor("batch", &Signal::ALL, create)
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of a factory")]
fn create(
    context: Context,
    config: Config,
    signal: Signal,
    next: Output,
) -> Result<Arc<dyn ConsumerComponent>, ComponentError> {
    let end = Arc::new(End::default());
    Ok(Arc::new(BatchProcessor {
        shards: Shards::new(context.clone(), config, signal, next, Arc::clone(&end)),
        end,
        signal,
        context,
    }))
}

struct BatchProcessor {
    shards: Shards,
    end: Arc<End>,
    signal: Signal,
    context: Context,
}

#[async_trait]
impl Component for BatchProcessor {
    async fn shutdown(&self, deadline: Instant) -> Result<(), ComponentError> {
        self.end.deadline.get_or_init(|| deadline);
        let done = self.context.tasks.stop(deadline).await;
        match self.end.left.load(Ordering::Relaxed) {
            0 if done => Ok(()),
            0 => Err(ComponentError::new("the next component still holds a batch at the deadline")),
            left => Err(ComponentError::new(format!(
                "{left} {items} dropped: the next component did not take them by the deadline",
                items = self.signal.items_name()
            ))),
        }
    }
}

#[async_trait]
impl Consumer for BatchProcessor {
    async fn consume(&self, batch: Batch) -> Result<(), ConsumeError> {
        // As in otelcol, resources without any item end here.
        if batch.is_empty() {
            return Ok(());
        }
        self.shards.of(&batch)?.push(batch).await
    }
}
