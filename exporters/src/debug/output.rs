//! Where the text goes: the collector's log, standard output or files.

use std::fs::OpenOptions;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use otelcol_pdata::Signal;
use otelcol_pipeline::{ComponentError, ComponentId, ConsumeError, Context};

use super::config::Config;
use super::sampler::Sampler;

/// How much a batch holds.
pub(crate) enum Summary {
    Traces { resource_spans: usize, spans: usize },
    Metrics { resource_metrics: usize, metrics: usize, data_points: usize },
    Logs { resource_logs: usize, log_records: usize },
}

impl Summary {
    fn title(&self) -> &'static str {
        match self {
            Self::Traces { .. } => "Traces",
            Self::Metrics { .. } => "Metrics",
            Self::Logs { .. } => "Logs",
        }
    }

    /// The fields as zap's console encoder writes them.
    fn fields(&self) -> String {
        match self {
            Self::Traces { resource_spans, spans } => {
                format!("{{\"resource spans\": {resource_spans}, \"spans\": {spans}}}")
            }
            Self::Metrics { resource_metrics, metrics, data_points } => format!(
                "{{\"resource metrics\": {resource_metrics}, \"metrics\": {metrics}, \"data points\": {data_points}}}"
            ),
            Self::Logs { resource_logs, log_records } => {
                format!("{{\"resource logs\": {resource_logs}, \"log records\": {log_records}}}")
            }
        }
    }
}

type Sink = Box<dyn Write + Send>;

/// The way out of one exporter.
pub(crate) struct Output {
    id: ComponentId,
    signal: Signal,
    sampler: Sampler,
    /// None: the collector's log.
    paths: Option<Vec<String>>,
    sinks: Mutex<Vec<Sink>>,
}

impl Output {
    pub(crate) fn new(context: &Context, signal: Signal, config: &Config) -> Self {
        let paths = config.output_paths.clone().unwrap_or_else(|| vec!["stdout".to_owned()]);
        Self {
            id: context.id.clone(),
            signal,
            sampler: Sampler::new(config.sampling_initial, config.sampling_thereafter),
            paths: (!config.use_internal_logger).then_some(paths),
            sinks: Mutex::default(),
        }
    }

    /// Opens the files.
    pub(crate) fn open(&self) -> Result<(), ComponentError> {
        let sinks: Result<Vec<Sink>, ComponentError> =
            self.paths.iter().flatten().map(|path| open(path)).collect();
        *self.sinks.lock().unwrap_or_else(PoisonError::into_inner) = sinks?;
        Ok(())
    }

    /// Writes how much a batch holds.
    pub(crate) fn summary(&self, summary: &Summary) -> Result<(), ConsumeError> {
        if !self.sampler.admits(summary.title()) {
            return Ok(());
        }
        if self.paths.is_some() {
            return self.write(&format!("{}\t{}\n", summary.title(), summary.fields()));
        }
        macro_rules! log {
            ($title:literal, $($name:literal = $value:expr),*) => {
                tracing::info!(
                    component = %self.id, "otelcol.component.kind" = "exporter", "otelcol.signal" = self.signal.as_str(),
                    $($name = $value,)* $title
                )
            };
        }
        match summary {
            Summary::Traces { resource_spans, spans } => {
                log!("Traces", "resource spans" = resource_spans, "spans" = spans);
            }
            Summary::Metrics { resource_metrics, metrics, data_points } => {
                log!(
                    "Metrics",
                    "resource metrics" = resource_metrics,
                    "metrics" = metrics,
                    "data points" = data_points
                );
            }
            Summary::Logs { resource_logs, log_records } => {
                log!("Logs", "resource logs" = resource_logs, "log records" = log_records);
            }
        }
        Ok(())
    }

    /// Writes the content of a batch.
    pub(crate) fn text(&self, text: &str) -> Result<(), ConsumeError> {
        if !self.sampler.admits(text) {
            return Ok(());
        }
        if self.paths.is_some() {
            return self.write(&format!("{text}\n"));
        }
        tracing::info!(
            component = %self.id, "otelcol.component.kind" = "exporter", "otelcol.signal" = self.signal.as_str(),
            "{text}"
        );
        Ok(())
    }

    fn write(&self, text: &str) -> Result<(), ConsumeError> {
        let mut sinks = self.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        for (sink, path) in sinks.iter_mut().zip(self.paths.iter().flatten()) {
            let written = sink.write_all(text.as_bytes()).and_then(|()| sink.flush());
            written.map_err(|error| {
                ConsumeError::retryable(format!("can not write to {path}: {error}"), None)
            })?;
        }
        Ok(())
    }
}

fn open(path: &str) -> Result<Sink, ComponentError> {
    match path {
        "stdout" => Ok(Box::new(std::io::stdout())),
        "stderr" => Ok(Box::new(std::io::stderr())),
        path => match OpenOptions::new().append(true).create(true).open(path) {
            Ok(file) => Ok(Box::new(file)),
            Err(error) => Err(ComponentError::new(format!("can not open {path}: {error}"))),
        },
    }
}
