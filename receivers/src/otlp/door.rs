//! What both protocols do with a request: read it, hand it on, turn the answer into a status.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use otelcol_net::{Event, Peer, Status};
use otelcol_pdata::{Batch, Signal, WireError};
use otelcol_pipeline::telemetry::{Counter, Telemetry};
use otelcol_pipeline::{ConsumeError, Context, Outputs};

/// The way into the pipelines for one protocol.
pub(super) struct Door {
    outputs: Outputs,
    rejected: Rejected,
}

impl Door {
    pub(super) fn new(context: &Context, outputs: &Outputs, transport: &'static str) -> Self {
        Self { outputs: outputs.counted(context, transport), rejected: Rejected::new(context, transport) }
    }

    /// Whether a pipeline takes this signal.
    pub(super) async fn is_open(&self, signal: Signal) -> bool {
        self.outputs.get(signal).is_connected().await
    }

    /// Hands a request on. An empty one is a success that no pipeline sees, as in otelcol.
    pub(super) async fn enter(
        &self,
        signal: Signal,
        request: Result<Batch, WireError>,
        peer: &Peer,
    ) -> Result<(), Status> {
        let batch = request.map_err(|error| {
            self.rejected.invalid(&error, peer);
            Status::invalid_argument(error.to_string())
        })?;
        if batch.is_empty() {
            return Ok(());
        }
        let batch = batch.with_client(peer.client.clone());
        self.outputs.get(signal).consume(batch).await.map_err(|error| status(&error))
    }

    /// Counts a request that can not become a batch; the first for each reason is logged.
    pub(super) fn reject(&self, reason: &'static str, path: &str, peer: &Peer) {
        if self.rejected.count(reason) {
            tracing::warn!(
                component = %self.rejected.receiver, transport = self.rejected.transport, %peer, path, reason,
                "rejected a request (further ones are only counted)"
            );
        }
    }

    /// Counts what the server refused and logged by itself.
    pub(super) fn event(&self, event: &Event) {
        self.rejected.count(event.reason());
    }
}

/// What the newest otelcol answers (otlpreceiver's `GetStatusFromError`): a permanent error is the server's fault, as
/// the request itself was good; everything else may be tried again, when the pipeline says so.
fn status(error: &ConsumeError) -> Status {
    if error.is_permanent() {
        return Status::internal(error.to_string());
    }
    let status = Status::unavailable(error.to_string());
    match error.after() {
        Some(after) => status.retry_after(after),
        None => status,
    }
}

/// Counts requests that never became a batch, by reason.
struct Rejected {
    telemetry: Telemetry,
    receiver: String,
    transport: &'static str,
    counters: Mutex<HashMap<&'static str, Counter>>,
}

const INVALID: &str = "invalid";

impl Rejected {
    fn new(context: &Context, transport: &'static str) -> Self {
        Self {
            telemetry: context.telemetry.clone(),
            receiver: context.id.to_string(),
            transport,
            counters: Mutex::default(),
        }
    }

    /// Counts one; true for the first of this reason.
    fn count(&self, reason: &'static str) -> bool {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let first = !counters.contains_key(reason);
        let counter = counters.entry(reason).or_insert_with(|| {
            self.telemetry.counter(
                "otelcol_receiver_rejected_requests",
                "Number of requests that were rejected before their items could be counted, by reason.",
                &[("receiver", &self.receiver), ("transport", self.transport), ("reason", reason)],
            )
        });
        counter.inc();
        first
    }

    fn invalid(&self, error: &WireError, peer: &Peer) {
        if self.count(INVALID) {
            tracing::warn!(
                component = %self.receiver, transport = self.transport, %peer, %error,
                "rejected a request that is not OTLP (further ones are only counted)"
            );
        }
    }
}
