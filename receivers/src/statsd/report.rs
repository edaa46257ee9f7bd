//! The receiver's own metrics and log lines.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use otelcol_pipeline::Context;
use otelcol_pipeline::telemetry::{Counter, Gauge};

use super::line::text;
use super::reason::Reason;

/// As much of a refused line as the log shows, in bytes.
const SAMPLE: usize = 200;

/// Self metrics of one receiver; clones share them.
#[derive(Clone, Debug)]
pub(super) struct Report(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    receiver: String,
    context: Context,
    accepted: Counter,
    failed: Counter,
    refused: Vec<(Counter, AtomicBool)>,
    kernel_drops: Counter,
    kernel_drops_said: AtomicBool,
    below_zero: Counter,
    below_zero_said: AtomicBool,
    several_clients_said: AtomicBool,
    series: Gauge,
    recv_buffer: Gauge,
    connections_refused: Counter,
    connections_refused_said: AtomicBool,
}

impl Report {
    /// Registers the metrics, so that they stand at 0 from the start.
    pub(super) fn new(context: &Context) -> Self {
        let receiver = context.id.to_string();
        let telemetry = &context.telemetry;
        let label = [("receiver", receiver.as_str())];
        let received = |success: &str| {
            telemetry.counter(
                "otelcol_receiver_received_statsd_metrics",
                "Number of statsd metrics received.",
                &[("receiver", receiver.as_str()), ("parse_success", success)],
            )
        };
        let refused = |reason: &Reason| {
            let counter = telemetry.counter(
                "otelcol_receiver_statsd_refused_lines",
                "Lines that were not taken, by reason.",
                &[("receiver", receiver.as_str()), ("reason", reason.as_str())],
            );
            (counter, AtomicBool::new(false))
        };
        Self(Arc::new(Inner {
            accepted: received("true"),
            failed: received("false"),
            refused: Reason::ALL.iter().map(refused).collect(),
            kernel_drops: telemetry.counter(
                "otelcol_receiver_statsd_kernel_drops",
                "Datagrams that the kernel dropped because the receive buffer was full.",
                &label,
            ),
            kernel_drops_said: AtomicBool::new(false),
            below_zero: telemetry.counter(
                "otelcol_receiver_statsd_gauges_below_zero",
                "How often a gauge fell below zero: some of its increments were not heard.",
                &label,
            ),
            below_zero_said: AtomicBool::new(false),
            several_clients_said: AtomicBool::new(false),
            series: telemetry.gauge(
                "otelcol_receiver_statsd_series",
                "Series in memory, kept gauges included, as of the last flush.",
                &label,
            ),
            recv_buffer: telemetry.gauge(
                "otelcol_receiver_statsd_receive_buffer_bytes",
                "The kernel's receive buffer as it was granted, the kernel's own bookkeeping included.",
                &label,
            ),
            connections_refused: telemetry.counter(
                "otelcol_receiver_statsd_refused_connections",
                "TCP connections that were closed at once because of limits::connections.",
                &label,
            ),
            connections_refused_said: AtomicBool::new(false),
            context: context.clone(),
            receiver,
        }))
    }

    /// Counts lines that were taken.
    pub(super) fn accepted(&self, lines: u64) {
        self.0.accepted.add(lines);
    }

    /// Counts a line that was not taken; the first of each reason is logged.
    pub(super) fn refused(&self, reason: Reason, line: &[u8]) {
        let Some((counter, said)) = self.0.refused.get(reason as usize) else { return };
        counter.inc();
        if reason == Reason::StateGauge {
            return; // as the user wants it
        }
        self.0.failed.inc();
        if first(said) {
            tracing::warn!(
                receiver = %self.0.receiver,
                reason = reason.as_str(),
                line = %text(&line[..line.len().min(SAMPLE)]).escape_debug(),
                "statsd line refused: {}; more of them are counted in otelcol_receiver_statsd_refused_lines",
                reason.hint()
            );
        }
    }

    /// Counts datagrams that never reached the process.
    pub(super) fn kernel_dropped(&self, datagrams: u64) {
        if datagrams == 0 {
            return;
        }
        self.0.kernel_drops.add(datagrams);
        if first(&self.0.kernel_drops_said) {
            tracing::warn!(
                receiver = %self.0.receiver,
                datagrams,
                "the kernel dropped statsd datagrams because the receive buffer of {} bytes was full: raise net.core.rmem_max or \
                 give the process CAP_NET_ADMIN; more are counted in otelcol_receiver_statsd_kernel_drops",
                self.0.recv_buffer.get()
            );
        }
    }

    /// Notes the size of the kernel's buffer.
    pub(super) fn recv_buffer(&self, bytes: usize, asked: usize) {
        self.0.recv_buffer.set(bytes as f64);
        // The kernel doubles what it grants (socket(7)).
        if bytes / 2 < asked {
            tracing::info!(
                receiver = %self.0.receiver,
                granted = bytes / 2,
                asked,
                "the statsd receive buffer is smaller than asked for: net.core.rmem_max caps it for a process without CAP_NET_ADMIN"
            );
        } else {
            tracing::info!(receiver = %self.0.receiver, granted = bytes / 2, "statsd receive buffer");
        }
    }

    /// Counts that a gauge fell below zero.
    pub(super) fn below_zero(&self, name: &str, value: f64) {
        self.0.below_zero.inc();
        if first(&self.0.below_zero_said) {
            tracing::warn!(
                receiver = %self.0.receiver,
                name,
                value,
                "a statsd gauge fell below zero: increments were sent before this receiver ran or were lost; it is right again after \
                 an absolute value; more are counted in otelcol_receiver_statsd_gauges_below_zero"
            );
        }
    }

    /// Says once that gauges of several clients share their names.
    pub(super) fn several_gauge_clients(&self) {
        if first(&self.0.several_clients_said) {
            tracing::warn!(
                receiver = %self.0.receiver,
                "several clients send statsd gauges, which are kept apart but look alike downstream: set client_address, or run a \
                 collector beside each client"
            );
        }
    }

    /// Notes how many series are in memory.
    pub(super) fn series(&self, series: usize) {
        self.0.series.set(series as f64);
    }

    /// Counts points that are lost for good.
    pub(super) fn lost(&self, points: usize, reason: &'static str) {
        let labels = [("receiver", self.0.receiver.as_str()), ("reason", reason)];
        let counter = self.0.context.telemetry.counter(
            "otelcol_receiver_statsd_dropped_points",
            "Points that were gathered and could not be handed on, by reason.",
            &labels,
        );
        if counter.get() == 0 {
            tracing::error!(receiver = %self.0.receiver, points, reason, "statsd points dropped");
        }
        counter.add(points as u64);
    }

    /// Counts a connection that was closed because there are too many.
    pub(super) fn connection_refused(&self) {
        self.0.connections_refused.inc();
        if first(&self.0.connections_refused_said) {
            tracing::warn!(
                receiver = %self.0.receiver,
                "statsd connection closed: limits::connections is reached; more are counted in otelcol_receiver_statsd_refused_connections"
            );
        }
    }
}

/// True the first time.
fn first(said: &AtomicBool) -> bool {
    !said.load(Ordering::Relaxed) && !said.swap(true, Ordering::Relaxed)
}
