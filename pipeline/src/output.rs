//! Where a component's data goes next.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use otelcol_pdata::{Batch, Signal};
use tokio::sync::{Notify, OwnedRwLockWriteGuard, RwLock};
use tokio::time::{Instant, timeout_at};

use crate::failure::Failure;
use crate::telemetry::{Counter, Telemetry};
use crate::{ComponentId, ConsumeError, Consumer, Context};

pub(crate) type Targets = Vec<Arc<dyn Consumer>>;

/// A component's way out for one signal: to one or several consumers, or to none.
///
/// The graph sets the consumers; a reload exchanges them between two batches.
#[derive(Clone)]
pub struct Output {
    targets: Arc<RwLock<Targets>>,
    /// Wakes who waits for a consumer that is about to be exchanged.
    interrupt: Arc<Notify>,
    counts: Option<Counts>,
}

/// When data that an exchange could not wait for may come again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Counts what is taken and what is not. The counters are made when there is something to count, so that a receiver
/// of metrics shows none of spans.
#[derive(Clone)]
struct Counts(Arc<LazyLock<CountsPair, Box<dyn FnOnce() -> CountsPair + Send>>>);

struct CountsPair {
    accepted: Counter,
    refused: Counter,
}

impl Counts {
    fn new(make: impl FnOnce() -> (Counter, Counter) + Send + 'static) -> Self {
        Self(Arc::new(LazyLock::new(Box::new(|| {
            let (accepted, refused) = make();
            CountsPair { accepted, refused }
        }))))
    }

    fn add(&self, taken: bool, items: u64) {
        if taken { &self.0.accepted } else { &self.0.refused }.add(items);
    }
}

impl Output {
    /// An output without a consumer.
    pub fn new() -> Self {
        Self::from(Targets::new())
    }

    /// An output to one consumer.
    pub fn to(consumer: Arc<dyn Consumer>) -> Self {
        Self::from(vec![consumer])
    }

    /// Whether anything is behind this output.
    pub async fn is_connected(&self) -> bool {
        !self.targets.read().await.is_empty()
    }

    /// Hands the batch to each consumer in turn; all of them are asked, also after one refused.
    ///
    /// # Errors
    /// The joined answers of those that did not take it ([`ConsumeError::join`]).
    pub async fn consume(&self, batch: Batch) -> Result<(), ConsumeError> {
        let items = batch.items() as u64;
        let targets = self.targets.read().await;
        let result = tokio::select! {
            biased;
            result = deliver(&targets, batch) => result,
            () = self.interrupt.notified() => {
                Err(ConsumeError::refused("the configuration is being exchanged", Some(AGAIN_AFTER)))
            }
        };
        drop(targets);
        if let Some(counts) = &self.counts {
            counts.add(result.is_ok(), items);
        }
        result
    }

    /// The same until `too_late`, when a consumer that has not answered is given up.
    ///
    /// # Errors
    /// As [`consume`](Self::consume), or that it was too late.
    pub async fn consume_until(
        &self,
        batch: Batch,
        too_late: impl Future<Output = ()>,
    ) -> Result<(), ConsumeError> {
        tokio::select! {
            biased;
            result = self.consume(batch) => result,
            () = too_late => Err(ConsumeError::retryable("the pipeline has not answered in time", None)),
        }
    }

    /// Holds new batches back and waits until those under way are through: those that are not at `patience` are refused.
    /// Data flows again when the hold is released. None if something does not come to rest by `deadline`.
    pub(crate) async fn hold(&self, patience: Instant, deadline: Instant) -> Option<Hold> {
        let mut targets = pin!(Arc::clone(&self.targets).write_owned());
        if let Ok(targets) = timeout_at(patience, &mut targets).await {
            return Some(Hold(targets));
        }
        self.interrupt.notify_waiters();
        timeout_at(deadline, targets).await.ok().map(Hold)
    }

    /// Sets the consumers of an output that nothing flows through yet.
    pub(crate) async fn connect(&self, targets: Targets) {
        *self.targets.write().await = targets;
    }

    /// The same way out, counting what its consumers accept and refuse.
    pub(crate) fn counted(&self, make: impl FnOnce() -> (Counter, Counter) + Send + 'static) -> Self {
        Self { counts: Some(Counts::new(make)), ..self.clone() }
    }
}

impl From<Targets> for Output {
    fn from(targets: Targets) -> Self {
        Self { targets: Arc::new(RwLock::new(targets)), interrupt: Arc::default(), counts: None }
    }
}

impl Default for Output {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Output")
    }
}

/// An output that is held; see [`Output::hold`].
pub(crate) struct Hold(OwnedRwLockWriteGuard<Targets>);

impl Hold {
    pub(crate) fn set(&mut self, targets: Targets) {
        *self.0 = targets;
    }
}

async fn deliver(targets: &Targets, batch: Batch) -> Result<(), ConsumeError> {
    let Some((last, others)) = targets.split_last() else { return Ok(()) };
    let mut failed: Option<ConsumeError> = None;
    let mut note = |result: Result<(), ConsumeError>| {
        if let Err(error) = result {
            failed = Some(match failed.take() {
                Some(before) => before.join(&error),
                None => error,
            });
        }
    };
    for target in others {
        note(target.consume(batch.clone()).await);
    }
    note(last.consume(batch).await);
    failed.map_or(Ok(()), Err)
}

/// The three ways out of a receiver.
#[derive(Debug, Clone, Default)]
pub struct Outputs {
    traces: Output,
    metrics: Output,
    logs: Output,
}

impl Outputs {
    /// The output for one signal.
    pub fn get(&self, signal: Signal) -> &Output {
        match signal {
            Signal::Traces => &self.traces,
            Signal::Metrics => &self.metrics,
            Signal::Logs => &self.logs,
        }
    }

    /// Three outputs to one consumer, for tests and hosts that run a single receiver.
    pub fn to(consumer: &Arc<dyn Consumer>) -> Self {
        let output = || Output::to(Arc::clone(consumer));
        Self { traces: output(), metrics: output(), logs: output() }
    }

    /// The output for one signal to a consumer, the others to nobody, for tests and hosts that run a single receiver.
    pub fn only(signal: Signal, consumer: &Arc<dyn Consumer>) -> Self {
        let output = |of| if of == signal { Output::to(Arc::clone(consumer)) } else { Output::new() };
        Self { traces: output(Signal::Traces), metrics: output(Signal::Metrics), logs: output(Signal::Logs) }
    }

    /// The same outputs, counting what is accepted and refused as otelcol does:
    /// `otelcol_receiver_accepted_spans{receiver,transport}` and `otelcol_receiver_refused_spans`.
    #[must_use]
    pub fn counted(&self, context: &Context, transport: &'static str) -> Self {
        let one = |signal| {
            let (telemetry, id) = (context.telemetry.clone(), context.id.clone());
            self.get(signal).counted(move || receiver_counters(&telemetry, &id, transport, signal))
        };
        Self { traces: one(Signal::Traces), metrics: one(Signal::Metrics), logs: one(Signal::Logs) }
    }
}

fn receiver_counters(
    telemetry: &Telemetry,
    id: &ComponentId,
    transport: &'static str,
    signal: Signal,
) -> (Counter, Counter) {
    let (accepted, refused) = match signal {
        Signal::Traces => ("otelcol_receiver_accepted_spans", "otelcol_receiver_refused_spans"),
        Signal::Metrics => {
            ("otelcol_receiver_accepted_metric_points", "otelcol_receiver_refused_metric_points")
        }
        Signal::Logs => ("otelcol_receiver_accepted_log_records", "otelcol_receiver_refused_log_records"),
    };
    let id = id.to_string();
    let labels = [("receiver", id.as_str()), ("transport", transport)];
    (
        telemetry.counter(
            accepted,
            "Number of items that were successfully pushed into the pipeline.",
            &labels,
        ),
        telemetry.counter(refused, "Number of items that could not be pushed into the pipeline.", &labels),
    )
}

/// A consumer whose panics are caught, reported, and answered as a permanent error.
pub(crate) struct Guarded {
    inner: Arc<dyn Consumer>,
    failure: Failure,
    incoming: Option<Counter>,
}

impl Guarded {
    pub(crate) fn new(inner: Arc<dyn Consumer>, context: &Context, incoming: Option<Counter>) -> Self {
        Self { inner, failure: context.failure.clone(), incoming }
    }
}

#[async_trait]
impl Consumer for Guarded {
    async fn consume(&self, batch: Batch) -> Result<(), ConsumeError> {
        if let Some(incoming) = &self.incoming {
            incoming.add(batch.items() as u64);
        }
        match AssertUnwindSafe(self.inner.consume(batch)).catch_unwind().await {
            Ok(result) => result,
            Err(panic) => Err(ConsumeError::permanent(self.failure.panicked("consume", &*panic))),
        }
    }
}
