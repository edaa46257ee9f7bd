//! `hostmetrics`: CPU, memory, disks, network and load of the host, read from `/proc` and `/sys`.
//!
//! Names, units, types and defaults are those of contrib's `hostmetricsreceiver` 0.161; see README.md.

pub mod catalogue;
pub mod config;
pub mod error;
pub mod filter;
mod proc;
mod recorder;
mod report;
mod scrapers;

use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use otelcol_pdata::{Batch, Signal};
use otelcol_pipeline::{
    Component, ComponentError, Context, Host as PipelineHost, Output, Outputs, ReceiverFactory,
};
use tokio::time::{Instant, MissedTickBehavior};

use config::Config;
use proc::Host;
use report::Reporter;
use scrapers::Scrapers;

/// The receiver as the table of components lists it.
#[must_use]
pub fn factory() -> ReceiverFactory {
    ReceiverFactory::receiver("hostmetrics", &[Signal::Metrics], create).aliases(&["host_metrics"])
}

#[expect(clippy::needless_pass_by_value, reason = "the signature of a factory")]
fn create(context: Context, config: Config, outputs: Outputs) -> Result<Arc<dyn Component>, ComponentError> {
    let host = Host::new(&config.root_path, |variable| std::env::var_os(variable));
    let scrapers = Scrapers::new(host, &config.scrapers, context.build.version, config.timeout.get())
        .map_err(ComponentError::from_display)?;
    let output = outputs.counted(&context, "").get(Signal::Metrics).clone();
    Ok(Arc::new(HostMetrics { work: Mutex::new(Some(Work { scrapers, output })), config, context }))
}

/// The receiver: one task that scrapes and sleeps.
struct HostMetrics {
    context: Context,
    config: Config,
    work: Mutex<Option<Work>>,
}

struct Work {
    scrapers: Scrapers,
    output: Output,
}

#[async_trait]
impl Component for HostMetrics {
    async fn start(&self, _host: &PipelineHost) -> Result<(), ComponentError> {
        let work = self.work.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Work { scrapers, output } =
            work.ok_or_else(|| ComponentError::new(format!("{} was started before", self.context.id)))?;
        let reporter = Reporter::new(&self.context, scrapers.names());
        let scraping = scrape_forever(self.context.clone(), self.config.clone(), scrapers, output, reporter);
        let stop = self.context.tasks.stop_token().clone();
        self.context.tasks.spawn("scrape", async move {
            stop.run_until_cancelled(scraping).await;
        });
        Ok(())
    }

    async fn shutdown(&self, deadline: Instant) -> Result<(), ComponentError> {
        if self.context.tasks.stop(deadline).await {
            return Ok(());
        }
        Err(ComponentError::new("a scrape was still running at the deadline of the shutdown"))
    }
}

async fn scrape_forever(
    context: Context,
    config: Config,
    mut scrapers: Scrapers,
    output: Output,
    mut reporter: Reporter,
) {
    let first = Instant::now() + config.initial_delay.get();
    let mut ticks = tokio::time::interval_at(first, config.collection_interval.get());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let now_nanos = context.clock.unix_nanos();
        // A list of a hundred thousand sockets takes the kernel a while: no thread of the data path waits for it.
        let work = tokio::task::spawn_blocking(move || {
            let scrape = scrapers.scrape(now_nanos);
            (scrapers, scrape)
        });
        let scrape;
        (scrapers, scrape) = match work.await {
            Ok(done) => done,
            Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
            Err(_runtime_stops) => return,
        };
        reporter.report(&scrape);
        let batch = Batch::from_metrics(scrape.metrics);
        if !batch.is_empty() {
            let result = output.consume(batch).await;
            reporter.delivered(result.err().as_ref());
        }
    }
}

#[cfg(test)]
mod tests;
