//! `batch`: makes larger batches of small ones. Nothing is decoded.

mod buffer;
mod config;
mod sender;
mod telemetry;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use otelcol_pdata::{Batch, Signal};
use otelcol_pipeline::{
    Component, ComponentError, ConsumeError, Consumer, ConsumerComponent, Context, Host, Output,
    ProcessorFactory,
};
use tokio::time::Instant;

pub use config::Config;

use buffer::Buffer;
use sender::Sender;

/// The factory of `batch`.
pub fn factory() -> ProcessorFactory {
    ProcessorFactory::processor("batch", &Signal::ALL, create)
}

#[expect(clippy::needless_pass_by_value, reason = "the signature of a factory")]
fn create(
    context: Context,
    config: Config,
    signal: Signal,
    next: Output,
) -> Result<Arc<dyn ConsumerComponent>, ComponentError> {
    let buffer = Arc::new(Buffer::new(&config));
    let sender = Sender::new(&context, &config, signal, next, Arc::clone(&buffer));
    Ok(Arc::new(BatchProcessor {
        deadline: sender.deadline(),
        left: sender.left(),
        sender: Mutex::new(Some(sender)),
        buffer,
        signal,
        context,
    }))
}

struct BatchProcessor {
    buffer: Arc<Buffer>,
    /// Until the start.
    sender: Mutex<Option<Sender>>,
    deadline: Arc<OnceLock<Instant>>,
    left: Arc<AtomicU64>,
    signal: Signal,
    context: Context,
}

#[async_trait]
impl Component for BatchProcessor {
    async fn start(&self, _host: &Host) -> Result<(), ComponentError> {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sender) = sender {
            self.context.tasks.spawn("send", sender.run());
        }
        Ok(())
    }

    async fn shutdown(&self, deadline: Instant) -> Result<(), ComponentError> {
        self.deadline.get_or_init(|| deadline);
        let done = self.context.tasks.stop(deadline).await;
        match self.left.load(Ordering::Relaxed) {
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
        self.buffer.push(batch).await
    }
}
