//! Receiver `spool`: how many call files wait in Asterisk's outgoing spool (pbx_spool.c).

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use otelcol_confmap::GoDuration;
use otelcol_pdata::model::metrics::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data, number_data_point::Value,
};
use otelcol_pdata::{Batch, Signal};
use otelcol_pipeline::{
    Component, ComponentConfig, ComponentError, ConfigIssue, Context, Host, Outputs, ReceiverFactory,
};
use serde::Deserialize;
use tokio::time::Instant;

/// The receiver's entry for a table of components.
pub(crate) fn factory() -> ReceiverFactory {
    ReceiverFactory::receiver("spool", &[Signal::Metrics], |context, config, outputs| {
        Ok(Arc::new(Spool { context, config, outputs }))
    })
}

#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
struct Config {
    directory: PathBuf,
    collection_interval: GoDuration,
}

impl Default for Config {
    fn default() -> Self {
        let directory = PathBuf::from("/var/spool/asterisk/outgoing");
        Self { directory, collection_interval: GoDuration::from_secs(10) }
    }
}

impl ComponentConfig for Config {
    fn validate(&self) -> Vec<ConfigIssue> {
        let mut issues = Vec::new();
        if self.collection_interval.get().is_zero() {
            issues.push(ConfigIssue::new("collection_interval", "must be positive"));
        }
        issues
    }
}

struct Spool {
    context: Context,
    config: Config,
    outputs: Outputs,
}

#[async_trait]
impl Component for Spool {
    async fn start(&self, _: &Host) -> Result<(), ComponentError> {
        let output = self.outputs.counted(&self.context, "file").get(Signal::Metrics).clone();
        let (config, clock) = (self.config.clone(), self.context.clock.clone());
        let stop = self.context.tasks.stop_token().clone();
        self.context.tasks.spawn("scrape", async move {
            let mut ticks = tokio::time::interval(config.collection_interval.get());
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    _ = ticks.tick() => {}
                }
                match std::fs::read_dir(&config.directory) {
                    Ok(files) => {
                        let waiting = i64::try_from(files.count()).unwrap_or(i64::MAX);
                        if let Err(error) = output.consume(batch(waiting, clock.unix_nanos())).await {
                            tracing::warn!(%error, "the pipeline did not take the count");
                        }
                    }
                    Err(error) => tracing::warn!(directory = %config.directory.display(), %error, "can not list the spool"),
                }
            }
        });
        Ok(())
    }

    async fn shutdown(&self, deadline: Instant) -> Result<(), ComponentError> {
        self.context.tasks.stop(deadline).await;
        Ok(())
    }
}

fn batch(waiting: i64, now: u64) -> Batch {
    let point = NumberDataPoint {
        time_unix_nano: now,
        value: Some(Value::AsInt(waiting)),
        ..NumberDataPoint::default()
    };
    let metric = Metric {
        name: "asterisk.spool.outgoing".to_owned(),
        description: "Call files that wait in the outgoing spool".to_owned(),
        unit: "{file}".to_owned(),
        data: Some(Data::Gauge(Gauge { data_points: vec![point] })),
        ..Metric::default()
    };
    Batch::from_metrics(vec![ResourceMetrics {
        scope_metrics: vec![ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() }],
        ..ResourceMetrics::default()
    }])
}
