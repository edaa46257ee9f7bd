//! Settings of the `debug` exporter.

use otelcol_pipeline::{ComponentConfig, ConfigIssue, Level};
use serde::Deserialize;

use crate::helper::QueueConfig;

/// How much is told of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verbosity {
    /// How many items.
    #[default]
    Basic,
    /// A line for each item.
    Normal,
    /// All there is.
    Detailed,
}

/// Settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Config {
    /// How much is told of a batch (default basic).
    pub verbosity: Option<Verbosity>,
    /// The older form of `verbosity`, as the exporter `logging` had it: debug is detailed, the rest is basic.
    pub loglevel: Option<Level>,
    /// Of equal messages, so many are written each second before sampling begins.
    pub sampling_initial: u64,
    /// After that, every so many-th is written; 0: none.
    pub sampling_thereafter: u64,
    /// Write to the collector's log, at level info, instead of `output_paths`.
    pub use_internal_logger: bool,
    /// `stdout`, `stderr` or files; stdout where nothing is set. Only without `use_internal_logger`.
    pub output_paths: Option<Vec<String>>,
    /// What waits between the pipeline and the output; none unless set.
    #[serde(deserialize_with = "otelcol_confmap::present")]
    pub sending_queue: Option<QueueConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            verbosity: None,
            loglevel: None,
            sampling_initial: 2,
            sampling_thereafter: 1,
            use_internal_logger: true,
            output_paths: None,
            sending_queue: None,
        }
    }
}

impl Config {
    pub(super) fn verbosity(&self) -> Verbosity {
        match self.loglevel {
            Some(Level::Debug) => Verbosity::Detailed,
            _ => self.verbosity.unwrap_or_default(),
        }
    }
}

impl ComponentConfig for Config {
    fn validate(&self) -> Vec<ConfigIssue> {
        let mut issues = Vec::new();
        if self.loglevel.is_some() && self.verbosity.is_some() {
            let message = "'loglevel' and 'verbosity' are incompatible. Use only 'verbosity' instead";
            issues.push(ConfigIssue::new("loglevel", message));
        }
        let mut issue = |message| issues.push(ConfigIssue::new("output_paths", message));
        match (&self.output_paths, self.use_internal_logger) {
            (Some(_), true) => issue("output_paths is not supported when use_internal_logger is true"),
            (Some(paths), false) if paths.is_empty() => {
                issue("output_paths must not be empty when use_internal_logger is false");
            }
            _ => {}
        }
        issues.extend(self.sending_queue.iter().flat_map(|queue| queue.validate("sending_queue")));
        issues
    }
}
