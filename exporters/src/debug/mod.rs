//! `debug`: writes batches as text, in the forms of otelcol's debug exporter.

mod config;
mod detailed;
mod detailed_metrics;
mod normal;
mod output;
mod sampler;
mod text;

use std::sync::Arc;

use async_trait::async_trait;
use otelcol_pdata::{Batch, Signal};
use otelcol_pipeline::{ComponentError, ConsumeError, ConsumerComponent, Context, ExporterFactory, Host};

pub use config::{Config, Verbosity};

use crate::helper::{Exporter, Progress, Sender, Sent, Settings};
use output::{Output, Summary};

/// The exporter type `debug`; `logging` is the name of its predecessor, which otelcol had until 0.110.
pub fn factory() -> ExporterFactory {
    ExporterFactory::exporter("debug", &Signal::ALL, create).aliases(&["logging"])
}

fn create(
    context: Context,
    config: Config,
    signal: Signal,
) -> Result<Arc<dyn ConsumerComponent>, ComponentError> {
    let sender = Debug { verbosity: config.verbosity(), output: Output::new(&context, signal, &config) };
    let settings = Settings { queue: config.sending_queue, ..Settings::default() };
    Ok(Exporter::new(context, signal, sender, settings))
}

struct Debug {
    verbosity: Verbosity,
    output: Output,
}

#[async_trait]
impl Sender for Debug {
    async fn start(&self, _: &Host) -> Result<(), ComponentError> {
        self.output.open()
    }

    async fn send(&self, batch: &Batch, _: &mut Progress) -> Result<Sent, ConsumeError> {
        self.output.summary(&summary(batch)?)?;
        let text = match self.verbosity {
            Verbosity::Basic => return Ok(Sent::default()),
            Verbosity::Normal => normal::text(batch)?,
            Verbosity::Detailed => detailed::text(batch)?,
        };
        self.output.text(&text)?;
        Ok(Sent::default())
    }
}

/// How much a batch holds; only the count of metrics needs a look inside.
fn summary(batch: &Batch) -> Result<Summary, ConsumeError> {
    Ok(match batch.signal() {
        Signal::Traces => Summary::Traces { resource_spans: batch.resources(), spans: batch.items() },
        Signal::Metrics => Summary::Metrics {
            resource_metrics: batch.resources(),
            metrics: batch
                .metrics()?
                .iter()
                .flat_map(|block| &block.scope_metrics)
                .map(|scope| scope.metrics.len())
                .sum(),
            data_points: batch.items(),
        },
        Signal::Logs => Summary::Logs { resource_logs: batch.resources(), log_records: batch.items() },
    })
}

#[cfg(test)]
mod tests;
