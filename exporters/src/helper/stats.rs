//! What an exporter counts, under otelcol's names.

use otelcol_pdata::Signal;
use otelcol_pipeline::telemetry::{Counter, Gauge, Telemetry};
use otelcol_pipeline::{ComponentId, Context};

/// Why accepted data was not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Reason {
    /// The backend, or our own encoder, says that the data is wrong.
    Permanent,
    /// `retry_on_failure::max_elapsed_time` is over.
    Expired,
    /// A first attempt failed and `retry_on_failure` is off.
    NoRetry,
    /// The collector stopped before a repeat could work.
    Shutdown,
    /// The backend took the batch but for these.
    PartialSuccess,
    /// The exporter panicked over it, which is a bug.
    Panic,
    /// The queue's storage does not give it back as it was.
    Unreadable,
}

impl Reason {
    pub(crate) const ALL: [Self; 7] = [
        Self::Permanent,
        Self::Expired,
        Self::NoRetry,
        Self::Shutdown,
        Self::PartialSuccess,
        Self::Panic,
        Self::Unreadable,
    ];

    /// The label of the counter.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Permanent => "permanent_error",
            Self::Expired => "retries_exhausted",
            Self::NoRetry => "retry_disabled",
            Self::Shutdown => "shutdown",
            Self::PartialSuccess => "partial_success",
            Self::Panic => "panic",
            Self::Unreadable => "storage_unreadable",
        }
    }
}

/// The counters of one exporter and signal.
#[derive(Debug)]
pub(crate) struct Stats {
    pub(crate) sent: Counter,
    pub(crate) send_failed: Counter,
    pub(crate) enqueue_failed: Counter,
    /// Taken in, and not on disk where they should be.
    pub(crate) not_stored: Counter,
    dropped: [Counter; Reason::ALL.len()],
}

impl Stats {
    pub(crate) fn new(context: &Context, signal: Signal) -> Self {
        let id = context.id.to_string();
        let (sent, send_failed, enqueue_failed) = names(signal);
        let one = |name, help| context.telemetry.counter(name, help, &[("exporter", &id)]);
        let dropped = |reason: Reason| {
            let labels =
                [("exporter", id.as_str()), ("data_type", signal.as_str()), ("reason", reason.as_str())];
            let help = "Number of items that the exporter had accepted and could not deliver, by reason.";
            context.telemetry.counter("otelcol_exporter_dropped_items", help, &labels)
        };
        Self {
            sent: one(sent, "Number of items successfully sent to destination."),
            send_failed: one(send_failed, "Number of items in failed attempts to send to destination."),
            enqueue_failed: one(enqueue_failed, "Number of items failed to be added to the sending queue."),
            not_stored: one(
                "otelcol_exporter_queue_not_stored_items",
                "Number of items that are in memory only because the queue's storage could not take them.",
            ),
            dropped: Reason::ALL.map(dropped),
        }
    }

    pub(crate) fn dropped(&self, reason: Reason) -> &Counter {
        &self.dropped[reason as usize]
    }
}

fn names(signal: Signal) -> (&'static str, &'static str, &'static str) {
    match signal {
        Signal::Traces => (
            "otelcol_exporter_sent_spans",
            "otelcol_exporter_send_failed_spans",
            "otelcol_exporter_enqueue_failed_spans",
        ),
        Signal::Metrics => (
            "otelcol_exporter_sent_metric_points",
            "otelcol_exporter_send_failed_metric_points",
            "otelcol_exporter_enqueue_failed_metric_points",
        ),
        Signal::Logs => (
            "otelcol_exporter_sent_log_records",
            "otelcol_exporter_send_failed_log_records",
            "otelcol_exporter_enqueue_failed_log_records",
        ),
    }
}

/// The gauges of one sending queue.
#[derive(Debug, Clone)]
pub(crate) struct QueueGauges {
    pub(crate) size: Gauge,
    pub(crate) capacity: Gauge,
    pub(crate) pinned: Gauge,
    pub(crate) disk: Gauge,
}

impl QueueGauges {
    pub(crate) fn new(telemetry: &Telemetry, id: &ComponentId, signal: Signal) -> Self {
        let id = id.to_string();
        let labels = [("exporter", id.as_str()), ("data_type", signal.as_str())];
        let one = |name, help| telemetry.gauge(name, help, &labels);
        Self {
            size: one(
                "otelcol_exporter_queue_size",
                "Current size of the sending queue, in units of its sizer.",
            ),
            capacity: one(
                "otelcol_exporter_queue_capacity",
                "Capacity of the sending queue, in units of its sizer.",
            ),
            pinned: one(
                "otelcol_exporter_queue_pinned_bytes",
                "Memory that the batches in the sending queue keep from being freed, in bytes.",
            ),
            disk: one(
                "otelcol_exporter_queue_disk_bytes",
                "Space that the sending queue takes up on disk, in bytes.",
            ),
        }
    }
}
