//! `sending_queue` and `retry_on_failure`, under otelcol's names and with its defaults.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use otelcol_confmap::{GoDuration, present};
use otelcol_pdata::Batch;
use otelcol_pipeline::{ComponentId, ConfigIssue};
use serde::Deserialize;

/// In what the size of a queue or of a batch is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sizer {
    /// Batches as they come in; each is one.
    Requests,
    /// Spans, metric points or log records.
    Items,
    /// Bytes of the encoded batch.
    Bytes,
}

impl Sizer {
    /// The size of `batch` in this measure.
    pub fn size(self, batch: &Batch) -> usize {
        match self {
            Self::Requests => 1,
            Self::Items => batch.items(),
            Self::Bytes => batch.wire_len(),
        }
    }
}

impl fmt::Display for Sizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Requests => "requests",
            Self::Items => "items",
            Self::Bytes => "bytes",
        })
    }
}

/// What becomes of data that the storage of a queue can not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnStorageError {
    /// It is refused, and its sender may try again.
    Refuse,
    /// It is kept in memory only, and lost if the process dies.
    Memory,
}

/// `sending_queue`: what waits between the pipeline and the backend.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct QueueConfig {
    /// Whether there is a queue. Without one, a pipeline waits for the backend.
    pub enabled: bool,
    /// How many batches are sent at a time.
    pub num_consumers: usize,
    /// How much may wait or be under way, in units of `sizer`.
    pub queue_size: usize,
    /// The unit of `queue_size`: requests where nothing is set.
    pub sizer: Option<Sizer>,
    /// Wait for room in a full queue instead of refusing.
    pub block_on_overflow: bool,
    /// Answer the pipeline only when the backend has answered.
    pub wait_for_result: bool,
    /// Joins what waits into larger batches before it is sent.
    #[serde(deserialize_with = "present")]
    pub batch: Option<BatchConfig>,
    /// The storage extension that keeps what waits over a restart. None: it waits in memory.
    pub storage: Option<String>,
    /// What becomes of data that the storage can not take.
    pub on_storage_error: OnStorageError,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            num_consumers: 10,
            queue_size: 1000,
            sizer: None,
            block_on_overflow: false,
            wait_for_result: false,
            batch: None,
            storage: None,
            on_storage_error: OnStorageError::Refuse,
        }
    }
}

impl QueueConfig {
    /// The measure of `queue_size`.
    pub fn sizer(&self) -> Sizer {
        self.sizer.unwrap_or(Sizer::Requests)
    }

    /// The batching that is switched on, with its measure: its own, else the queue's, else items.
    pub(crate) fn batching(&self) -> Option<(&BatchConfig, Sizer)> {
        let batch = self.batch.as_ref().filter(|batch| batch.enabled)?;
        Some((batch, batch.sizer.or(self.sizer).unwrap_or(Sizer::Items)))
    }

    /// All that is wrong with the settings; `path` is the section's name below the component.
    pub fn validate(&self, path: &str) -> Vec<ConfigIssue> {
        let mut issues = Vec::new();
        if !self.enabled {
            return issues;
        }
        let mut issue =
            |key: &str, message: String| issues.push(ConfigIssue::new(format!("{path}::{key}"), message));
        if self.num_consumers == 0 {
            issue("num_consumers", "`num_consumers` must be positive".to_owned());
        }
        if self.queue_size == 0 {
            issue("queue_size", "`queue_size` must be positive".to_owned());
        }
        if let Some(storage) = &self.storage {
            if let Err(error) = storage.parse::<ComponentId>() {
                issue("storage", error.to_string());
            }
            if self.wait_for_result {
                let message =
                    "`wait_for_result` is not supported with a persistent queue configured with `storage`";
                issue("wait_for_result", message.to_owned());
            }
        }
        let Some((batch, sizer)) = self.batching() else { return issues };
        if sizer == Sizer::Requests {
            issue(
                "batch",
                format!("`batch` supports only `items` or `bytes` sizer, found {:?}", sizer.to_string()),
            );
        }
        if batch.flush_timeout.get().is_zero() {
            issue("batch::flush_timeout", "`flush_timeout` must be positive, found 0".to_owned());
        }
        let mut seen = BTreeSet::new();
        for key in &batch.partition.metadata_keys {
            if !seen.insert(key.to_ascii_lowercase()) {
                let message = format!("duplicate entry in metadata_keys: {key:?} (case-insensitive)");
                issue("batch::partition::metadata_keys", message);
            }
        }
        if batch.max_size > 0 && batch.max_size < batch.min_size {
            let (max, min) = (batch.max_size, batch.min_size);
            issue(
                "batch::max_size",
                format!("`max_size` ({max}) must be greater or equal to `min_size` ({min})"),
            );
        }
        if sizer == self.sizer() && batch.min_size > self.queue_size {
            issue("batch::min_size", "`min_size` must be less than or equal to `queue_size`".to_owned());
        }
        issues
    }
}

/// `sending_queue::batch`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct BatchConfig {
    /// Whether to batch; true where the section is present.
    pub enabled: bool,
    /// A batch that is too small is sent after this time.
    pub flush_timeout: GoDuration,
    /// A batch of this size is sent at once. 0: each one is.
    pub min_size: usize,
    /// A larger batch is split. 0: never.
    pub max_size: usize,
    /// The unit of the two sizes: the queue's where that is set, else items.
    pub sizer: Option<Sizer>,
    /// What is kept apart.
    pub partition: PartitionConfig,
}

/// `sending_queue::batch::partition`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct PartitionConfig {
    /// Requests with different values of these headers do not go into one batch. The receiver needs `include_metadata`.
    pub metadata_keys: Vec<String>,
}

impl Default for BatchConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            flush_timeout: GoDuration::from_millis(200),
            min_size: 8192,
            max_size: 0,
            sizer: None,
            partition: PartitionConfig::default(),
        }
    }
}

/// `retry_on_failure`: exponential waits between attempts.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct RetryConfig {
    /// Whether to try again at all.
    pub enabled: bool,
    /// The first wait. Not set: the exporter's, which is [`RetryConfig::FIRST`] for most.
    pub initial_interval: Option<GoDuration>,
    /// Each wait is made longer or shorter at random by up to this part of it.
    pub randomization_factor: f64,
    /// Each wait is this many times the one before.
    pub multiplier: f64,
    /// The longest wait.
    pub max_interval: GoDuration,
    /// A batch is given up after this time. 0: never.
    pub max_elapsed_time: GoDuration,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            initial_interval: None,
            randomization_factor: 0.5,
            multiplier: 1.5,
            max_interval: GoDuration::from_secs(30),
            max_elapsed_time: GoDuration::from_secs(300),
        }
    }
}

impl RetryConfig {
    /// The first wait where nobody says another.
    pub const FIRST: Duration = Duration::from_secs(5);

    /// The same with a first wait of the exporter's own, where none is set.
    #[must_use]
    pub fn or_first(mut self, first: GoDuration) -> Self {
        self.initial_interval.get_or_insert(first);
        self
    }

    /// The first wait.
    pub(crate) fn first(&self) -> Duration {
        self.initial_interval.map_or(Self::FIRST, GoDuration::get)
    }

    /// All that is wrong with the settings; `path` is the section's name below the component.
    pub fn validate(&self, path: &str) -> Vec<ConfigIssue> {
        let mut issues = Vec::new();
        if !self.enabled {
            return issues;
        }
        let mut issue =
            |key: &str, message: &str| issues.push(ConfigIssue::new(format!("{path}::{key}"), message));
        if self.multiplier.is_nan() || self.multiplier < 0.0 {
            issue("multiplier", "multiplier value must be greater than or equal to 0");
        }
        if !(0.0..=1.0).contains(&self.randomization_factor) {
            issue("randomization_factor", "randomization_factor value must be between 0 and 1");
        }
        let longest = self.max_elapsed_time.get();
        if !longest.is_zero() && longest < self.first() {
            issue("max_elapsed_time", "'max_elapsed_time' must not be less than 'initial_interval'");
        }
        if !longest.is_zero() && longest < self.max_interval.get() {
            issue("max_elapsed_time", "'max_elapsed_time' must not be less than 'max_interval'");
        }
        issues
    }
}
