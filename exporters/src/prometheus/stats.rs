//! The exporter's self metrics and log lines.

use std::sync::atomic::{AtomicBool, Ordering};

use otelcol_pipeline::Context;
use otelcol_pipeline::telemetry::{Counter, Gauge};

use super::reason::{Conflict, Dropped, Tally};

/// Counts what became of points, and logs the first of each reason.
#[derive(Debug)]
pub(super) struct Stats {
    exporter: String,
    sent: Counter,
    send_failed: Counter,
    series: Gauge,
    dropped: [Noted; Dropped::ALL.len()],
    conflicts: [Noted; Conflict::ALL.len()],
    rejected: Counter,
}

#[derive(Debug)]
struct Noted {
    count: Counter,
    logged: AtomicBool,
}

impl Noted {
    fn first(&self) -> bool {
        !self.logged.swap(true, Ordering::Relaxed)
    }
}

impl Stats {
    pub(super) fn new(context: &Context) -> Self {
        let exporter = context.id.to_string();
        let labels = [("exporter", exporter.as_str())];
        let counter = |name, help, reason| {
            let labels = [("exporter", exporter.as_str()), ("reason", reason)];
            Noted { count: context.telemetry.counter(name, help, &labels), logged: AtomicBool::new(false) }
        };
        let dropped = Dropped::ALL.map(|reason| {
            counter(
                "otelcol_exporter_prometheus_dropped_points",
                "Number of metric points that are not served, by reason.",
                reason.as_str(),
            )
        });
        let conflicts = Conflict::ALL.map(|reason| {
            counter(
                "otelcol_exporter_prometheus_conflicts",
                "Number of metrics or metric points that are served other than they came, by reason.",
                reason.as_str(),
            )
        });
        let series = context.telemetry.gauge(
            "otelcol_exporter_prometheus_series",
            "Number of series that the exporter keeps.",
            &labels,
        );
        let one = |name, help| context.telemetry.counter(name, help, &labels);
        Self {
            sent: one(
                "otelcol_exporter_sent_metric_points",
                "Number of items successfully sent to destination.",
            ),
            send_failed: one(
                "otelcol_exporter_send_failed_metric_points",
                "Number of items in failed attempts to send to destination.",
            ),
            rejected: one(
                "otelcol_exporter_prometheus_rejected_requests",
                "Number of HTTP requests that were refused or cut.",
            ),
            series,
            dropped,
            conflicts,
            exporter,
        }
    }

    pub(super) fn set_series(&self, series: usize) {
        self.series.set(series as f64);
    }

    pub(super) fn count_rejected_request(&self) {
        self.rejected.inc();
    }

    /// A batch that could not be read.
    pub(super) fn count_refused_batch(&self, points: usize) {
        self.send_failed.add(points as u64);
    }

    pub(super) fn count_batch(&self, points: usize, tally: &Tally) {
        let failed = tally.dropped_total().min(points as u64);
        self.sent.add(points as u64 - failed);
        self.send_failed.add(failed);
        for reason in Dropped::ALL {
            self.dropped[reason as usize].count.add(tally.dropped(reason));
        }
        for reason in Conflict::ALL {
            self.conflicts[reason as usize].count.add(tally.conflicts(reason));
        }
        for (reason, metric) in &tally.dropped_first {
            if self.dropped[*reason as usize].first() {
                self.log_dropped(*reason, metric);
            }
        }
        for (reason, metric) in &tally.conflicts_first {
            if self.conflicts[*reason as usize].first() {
                self.log_conflict(*reason, metric);
            }
        }
    }

    pub(super) fn log_idle_queue(&self) {
        tracing::info!(
            component = %self.exporter,
            "sending_queue has no effect here: points are taken into memory at once"
        );
    }

    fn log_dropped(&self, reason: Dropped, metric: &str) {
        tracing::warn!(
            component = %self.exporter, metric = %metric.escape_debug(), reason = reason.as_str(),
            "metric points are not served: {} (further ones are only counted)", reason.explanation()
        );
    }

    fn log_conflict(&self, reason: Conflict, metric: &str) {
        tracing::warn!(
            component = %self.exporter, metric = %metric.escape_debug(), reason = reason.as_str(),
            "metric conflict: {} (further ones are only counted)", reason.explanation()
        );
    }
}
