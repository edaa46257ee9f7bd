//! `wal`: batches wait on disk until the endpoint has them.
//!
//! contrib writes translated requests behind its queue, and sends them by the number or after a time. Here the queue itself
//! is the log: a batch is on disk before the pipeline hears that it was taken, and goes out as soon as it can.

use std::path::PathBuf;

use otelcol_confmap::GoDuration;
use otelcol_pipeline::Context;
use otelcol_segment_log::{Place, space_name};
use serde::Deserialize;

use crate::helper::OwnLog;

/// `wal`, under contrib's names.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct WalConfig {
    /// Where it is. Each exporter has a folder of its own in it.
    pub directory: PathBuf,
    /// Accepted without effect: nothing waits to be sent together.
    pub buffer_size: i64,
    /// Accepted without effect: what was sent is removed at once.
    pub truncate_frequency: GoDuration,
    /// Accepted without effect: the size of the queue is right whenever it is read.
    pub lag_record_frequency: GoDuration,
    /// Largest log, in bytes. Zero: no limit. Not in otelcol, where there is none.
    pub max_size: u64,
}

impl Default for WalConfig {
    fn default() -> Self {
        Self {
            directory: PathBuf::new(),
            buffer_size: 300,
            truncate_frequency: GoDuration::from_secs(60),
            lag_record_frequency: GoDuration::from_secs(15),
            max_size: 1024 * 1024 * 1024,
        }
    }
}

impl WalConfig {
    /// The log of the exporter. Like contrib's it outlives a loss of power.
    pub(super) fn log(&self, context: &Context) -> OwnLog {
        let folder = space_name(context.kind, &context.id, "metrics") + ".queue";
        let corrupt = context.telemetry.counter(
            "otelcol_exporter_prometheusremotewrite_wal_reads_failures",
            "Number of batches in the write-ahead log that are not what was written.",
            &[("exporter", &context.id.to_string())],
        );
        let place = Place { directory: self.directory.join(folder), max_size: self.max_size, fsync: true };
        OwnLog { place, corrupt }
    }
}
