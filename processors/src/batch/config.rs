//! Settings of the batch processor.

use std::collections::BTreeSet;

use otelcol_confmap::GoDuration;
use otelcol_pipeline::{ComponentConfig, ConfigIssue};
use serde::Deserialize;

const MIB: usize = 1024 * 1024;

/// Settings of the batch processor: otelcol's, and some of our own.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Config {
    /// How long an item waits for others. Zero: everything is sent at once.
    pub timeout: GoDuration,
    /// Items that are enough to send. Zero: everything is sent at once.
    pub send_batch_size: usize,
    /// Most items in one batch; larger ones are split. Zero: no limit.
    pub send_batch_max_size: usize,
    /// Most bytes in one batch, as OTLP protobuf; larger ones are split. Zero: no limit. The default fits into the
    /// 4 MiB that a gRPC server takes by default, and leaves room for attributes added later. Not in otelcol.
    pub send_batch_max_bytes: usize,
    /// Memory that waiting data may hold, in bytes; with more, senders wait or are refused. Not in otelcol.
    pub max_buffer_bytes: usize,
    /// How long data is kept and offered again while the next component does not take any; then it is dropped, as
    /// otelcol does at once. Zero: for ever. Not in otelcol.
    pub max_hold: GoDuration,
    /// Headers of the senders' requests by whose values batches are kept apart, and that stay with them.
    pub metadata_keys: Vec<String>,
    /// Most combinations of those values; data with one more is refused for good. Zero: no limit.
    pub metadata_cardinality_limit: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            timeout: GoDuration::from_millis(200),
            send_batch_size: 8192,
            send_batch_max_size: 0,
            send_batch_max_bytes: 4 * MIB - 64 * 1024,
            max_buffer_bytes: 32 * MIB,
            max_hold: GoDuration::from_secs(300),
            metadata_keys: Vec::new(),
            metadata_cardinality_limit: 1000,
        }
    }
}

impl ComponentConfig for Config {
    fn validate(&self) -> Vec<ConfigIssue> {
        let mut issues = Vec::new();
        if self.send_batch_max_size > 0 && self.send_batch_max_size < self.send_batch_size {
            issues.push(ConfigIssue::new(
                "send_batch_max_size",
                "send_batch_max_size must be greater or equal to send_batch_size",
            ));
        }
        if self.max_buffer_bytes == 0 || u32::try_from(self.max_buffer_bytes).is_err() {
            issues.push(ConfigIssue::new(
                "max_buffer_bytes",
                format!("expected 1 to {} bytes, found {}", u32::MAX, self.max_buffer_bytes),
            ));
        }
        let mut seen = BTreeSet::new();
        for key in &self.metadata_keys {
            if !seen.insert(key.to_ascii_lowercase()) {
                issues.push(ConfigIssue::new(
                    "metadata_keys",
                    format!("duplicate entry in metadata_keys: {key:?} (case-insensitive)"),
                ));
            }
        }
        issues
    }
}
