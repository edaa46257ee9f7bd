//! What the batch processor tells of itself.

use std::time::Duration;

use otelcol_pdata::Signal;
use otelcol_pipeline::telemetry::{Counter, Histogram};
use otelcol_pipeline::{ConsumeError, Context};
use tokio::time::Instant;

use super::buffer::Trigger;

/// At most one line in this time tells of drops; it sums up those since the last one.
const QUIET: Duration = Duration::from_secs(60);

/// The bounds of otelcol's histogram of batch sizes.
const SIZES: [f64; 22] = [
    10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1e3, 2e3, 3e3, 4e3, 5e3, 6e3, 7e3, 8e3, 9e3, 1e4,
    2e4, 3e4, 5e4, 1e5,
];

/// Why data was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// The next component says that it can never take the data.
    Permanent,
    /// The next component has taken nothing for `max_hold`.
    Refused,
}

pub(super) struct Telemetry {
    component: String,
    signal: Signal,
    size: Histogram,
    by_size: Counter,
    by_timeout: Counter,
    permanent: Drops,
    refused: Drops,
    shutdown: Counter,
}

struct Drops {
    counter: Counter,
    told: Option<Instant>,
    untold: u64,
}

impl Telemetry {
    pub(super) fn new(context: &Context, signal: Signal) -> Self {
        let component = context.id.to_string();
        let counter =
            |name, help| context.telemetry.counter(name, help, &[("processor", component.as_str())]);
        let dropped = |reason| {
            context.telemetry.counter(
                "otelcol_processor_dropped_items",
                "Number of items that were dropped, by reason.",
                &[("processor", component.as_str()), ("data_type", signal.as_str()), ("reason", reason)],
            )
        };
        let drops = |reason| Drops { counter: dropped(reason), told: None, untold: 0 };
        Self {
            signal,
            size: context.telemetry.histogram(
                "otelcol_processor_batch_batch_send_size",
                "Number of units in the batch.",
                &[("processor", component.as_str())],
                &SIZES,
            ),
            by_size: counter(
                "otelcol_processor_batch_batch_size_trigger_send",
                "Number of times the batch was sent due to a size trigger.",
            ),
            by_timeout: counter(
                "otelcol_processor_batch_timeout_trigger_send",
                "Number of times the batch was sent due to a timeout trigger.",
            ),
            permanent: drops("permanent"),
            refused: drops("refused"),
            shutdown: dropped("shutdown"),
            component,
        }
    }

    pub(super) fn sent(&self, trigger: Trigger, items: u64) {
        #[expect(clippy::cast_precision_loss, reason = "no batch has 2^53 items")]
        self.size.record(items as f64);
        match trigger {
            Trigger::Size => self.by_size.inc(),
            Trigger::Timeout => self.by_timeout.inc(),
        }
    }

    pub(super) fn dropped(&mut self, reason: Reason, items: u64, error: &ConsumeError) {
        let drops = match reason {
            Reason::Permanent => &mut self.permanent,
            Reason::Refused => &mut self.refused,
        };
        drops.counter.add(items);
        drops.untold += items;
        if drops.told.is_some_and(|told| told.elapsed() < QUIET) {
            return;
        }
        drops.told = Some(Instant::now());
        let dropped_items = std::mem::take(&mut drops.untold);
        let (component, signal) = (&self.component, self.signal);
        match reason {
            Reason::Permanent => tracing::error!(
                %component, %signal, dropped_items, %error,
                "dropped data that the next component can not take"
            ),
            Reason::Refused => tracing::error!(
                %component, %signal, dropped_items, %error,
                "dropped data that the next component refused for longer than max_hold"
            ),
        }
    }

    pub(super) fn left(&self, items: u64) {
        self.shutdown.add(items);
    }
}
