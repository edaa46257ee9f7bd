//! `file`: writes batches to a file, as JSON lines or protobuf.

mod config;
mod message;
mod rotation;
mod shared;
mod writer;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use otelcol_pdata::{Batch, Signal};
use otelcol_pipeline::{
    Clock, ComponentError, ConsumeError, ConsumerComponent, Context, ExporterFactory, Host,
};
use tokio::time::Instant;

pub use config::{Compression, Config, Format, Rotation};

use crate::helper::{Exporter, Progress, Sender, Sent, Settings};
use writer::Writer;

/// otelcol's default time limit of an exporter that has no setting for it.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The exporter type `file`.
pub fn factory() -> ExporterFactory {
    ExporterFactory::exporter("file", &Signal::ALL, create)
}

fn create(
    context: Context,
    config: Config,
    signal: Signal,
) -> Result<Arc<dyn ConsumerComponent>, ComponentError> {
    let sender = ToFile { config, clock: context.clock.clone(), writer: Mutex::default() };
    Ok(Exporter::new(context, signal, sender, Settings { timeout: TIMEOUT, ..Settings::default() }))
}

struct ToFile {
    config: Config,
    clock: Clock,
    /// There between start and shutdown; the exporters of other signals have the same one.
    writer: Mutex<Option<Arc<Writer>>>,
}

impl ToFile {
    fn writer(&self) -> Option<Arc<Writer>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Sender for ToFile {
    async fn start(&self, _: &Host) -> Result<(), ComponentError> {
        let writer = shared::open(&self.config, &self.clock)?;
        *self.writer.lock().unwrap_or_else(PoisonError::into_inner) = Some(writer);
        Ok(())
    }

    async fn send(&self, batch: &Batch, _: &mut Progress) -> Result<Sent, ConsumeError> {
        let writer = self.writer().ok_or_else(|| ConsumeError::retryable("the file is not open", None))?;
        let (batch, config) = (batch.clone(), self.config.clone());
        // Disks can be slow: that must not hold up the tasks of others.
        let written = tokio::task::spawn_blocking(move || {
            let message = message::encode(&batch, &config)?;
            writer.write(&message).map_err(|error| {
                ConsumeError::retryable(format!("can not write to {}: {error}", config.path), None)
            })
        });
        match written.await {
            Ok(result) => result.map(|()| Sent::default()),
            Err(ended) if ended.is_panic() => std::panic::resume_unwind(ended.into_panic()),
            Err(ended) => Err(ConsumeError::retryable(ended.to_string(), None)),
        }
    }

    async fn shutdown(&self, _: Instant) -> Result<(), ComponentError> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
