//! The exporter around a sink that accepts, refuses or holds what it is sent.

mod batching;
mod delivery;
mod inheritance;
mod on_disk;
mod queueing;
mod shutdown;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use otelcol_confmap::GoDuration;
use otelcol_pdata::{Batch, Signal};
use otelcol_pipeline::status::Status;
use otelcol_pipeline::{Component, ConsumeError, Consumer, Context, Host, Kind, Shared};
use otelcol_testkit::Sink;
use tokio::time::Instant;

use super::{BatchConfig, Exporter, Progress, QueueConfig, RetryConfig, Sender, Sent, Settings};

/// A sender to a sink.
pub(super) struct ToSink {
    pub(super) sink: Arc<Sink>,
    pub(super) sent: Sent,
    pub(super) hurried: Arc<AtomicBool>,
}

#[async_trait]
impl Sender for ToSink {
    async fn send(&self, batch: &Batch, _: &mut Progress) -> Result<Sent, ConsumeError> {
        self.sink.consume(batch.clone()).await?;
        Ok(self.sent.clone())
    }

    fn hurry(&self) {
        self.hurried.store(true, Ordering::Relaxed);
    }
}

/// An exporter to a sink, and the context whose counters it uses.
pub(super) struct Setup {
    pub(super) sink: Arc<Sink>,
    pub(super) exporter: Arc<Exporter>,
    pub(super) context: Context,
    pub(super) hurried: Arc<AtomicBool>,
    pub(super) shared: Shared,
}

impl Setup {
    pub(super) async fn start(settings: Settings) -> Self {
        Self::start_with(settings, Sent::default()).await
    }

    pub(super) async fn start_with(settings: Settings, sent: Sent) -> Self {
        Self::start_on(&Host::default(), settings, sent).await
    }

    pub(super) async fn start_on(host: &Host, settings: Settings, sent: Sent) -> Self {
        Self::start_in(Shared::default(), host, settings, sent).await
    }

    async fn start_in(shared: Shared, host: &Host, settings: Settings, sent: Sent) -> Self {
        let sink = Sink::new();
        let context = Context::new(&shared, Kind::Exporter, "test/one".parse().unwrap(), "");
        let hurried = Arc::<AtomicBool>::default();
        let sender = ToSink { sink: Arc::clone(&sink), sent, hurried: Arc::clone(&hurried) };
        let exporter = Exporter::new(context.clone(), Signal::Traces, sender, settings);
        exporter.start(host).await.unwrap();
        Self { sink, exporter, context, hurried, shared }
    }

    /// How the exporter says it is doing.
    pub(super) fn status(&self) -> Status {
        self.shared.board.components().remove(0).1
    }

    /// The value of a self metric with the labels `exporter` and `more`.
    pub(super) fn value(&self, name: &str, more: &[(&str, &str)]) -> f64 {
        let labels: Vec<(&str, &str)> =
            [("exporter", "test/one")].into_iter().chain(more.iter().copied()).collect();
        self.context
            .telemetry
            .value(name, &labels)
            .unwrap_or_else(|| panic!("no self metric {name}{labels:?}"))
    }

    pub(super) fn dropped(&self, reason: &str) -> f64 {
        self.value("otelcol_exporter_dropped_items", &[("data_type", "traces"), ("reason", reason)])
    }

    pub(super) fn queue(&self, name: &str) -> f64 {
        self.value(&format!("otelcol_exporter_queue_{name}"), &[("data_type", "traces")])
    }

    pub(super) async fn shutdown(&self, within: Duration) -> Result<(), String> {
        self.exporter.shutdown(Instant::now() + within).await.map_err(|error| error.to_string())
    }
}

/// No queue, no repeats, no time limit.
pub(super) fn bare() -> Settings {
    Settings::default()
}

/// Repeats without randomness: 5 s, 7.5 s, 11.25 s ...
pub(super) fn retry() -> RetryConfig {
    RetryConfig { randomization_factor: 0.0, ..RetryConfig::default() }
}

pub(super) fn queue(config: QueueConfig) -> Settings {
    Settings { queue: Some(config), retry: Some(retry()), ..bare() }
}

pub(super) fn batch(min_size: usize, max_size: usize) -> BatchConfig {
    BatchConfig { min_size, max_size, flush_timeout: GoDuration::from_secs(1), ..BatchConfig::default() }
}

pub(super) fn unavailable() -> ConsumeError {
    ConsumeError::retryable("unavailable", None)
}
