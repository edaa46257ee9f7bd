//! What was accepted is delivered, or counted as dropped with a reason, whatever breaks. Each test counts span by span.

mod backend;
mod reload;
mod statuses;
mod stop;
mod tls;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use otelcol_net::{Code, GrpcClient};
use otelcol_pdata::{Batch, Signal};
use otelcol_testkit::{Ledger, OtlpGrpcSink, Tally};
use otelcol_tests::{Running, free_port};
use tokio::task::JoinHandle;

use crate::otlp::{client, path};

const WAIT: Duration = Duration::from_secs(10);

/// A collector from OTLP to OTLP under load, and the books.
pub(super) struct Bench {
    pub(super) running: Running,
    pub(super) ledger: Arc<Ledger>,
    pub(super) port: u16,
    /// Requests that were refused.
    pub(super) refused: Arc<AtomicU64>,
}

/// Repeats soon and for ever, so that a test does not wait for long and a loss is a bug.
pub(super) const FOR_EVER: &str =
    "retry_on_failure: {initial_interval: 20ms, max_interval: 50ms, max_elapsed_time: 0}";

impl Bench {
    /// Starts one whose exporter `otlp` has these settings.
    pub(super) async fn start(exporter: &str) -> Self {
        let port = free_port();
        let running = Running::start(&Self::config(port, exporter)).await.unwrap();
        Self { running, ledger: Arc::default(), port, refused: Arc::default() }
    }

    pub(super) fn config(port: u16, exporter: &str) -> String {
        format!(
            "receivers:\n  otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:{port}'}}}}}}\n\
             exporters:\n  otlp: {{timeout: 5s, {exporter}}}\n\
             service:\n  pipelines: {{traces: {{receivers: [otlp], exporters: [otlp]}}}}\n  \
             telemetry: {{metrics: {{level: none}}}}\n"
        )
    }

    /// Sends `requests` requests of 10 spans, one after the other.
    pub(super) async fn send(&self, requests: usize) {
        let client = client(self.port);
        for _ in 0..requests {
            offer(&client, &self.ledger, &self.refused).await;
        }
    }

    /// Sends requests of 10 spans on four connections until it is told to stop.
    pub(super) fn load(&self) -> Load {
        let done = Arc::new(AtomicBool::new(false));
        let one = |_| {
            let (done, ledger, refused, client) =
                (Arc::clone(&done), Arc::clone(&self.ledger), Arc::clone(&self.refused), client(self.port));
            #[expect(clippy::disallowed_methods, reason = "load beside the collector")]
            tokio::spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    offer(&client, &ledger, &refused).await;
                }
            })
        };
        Load { senders: (0..4).map(one).collect(), done }
    }

    /// Waits until this many more spans were accepted, or the queue is full, which a backend that is away for long makes it.
    pub(super) async fn wait_for_accepted(&self, more: usize) {
        let (want, refused) = (self.ledger.len() + more, self.refused.load(Ordering::Relaxed));
        otelcol_tests::eventually(|| async {
            let now = self.ledger.len();
            let is_full = self.refused.load(Ordering::Relaxed) > refused;
            if now >= want || is_full { Ok(()) } else { Err(format!("{now} of {want} spans accepted")) }
        })
        .await;
    }

    /// Stops the collector and compares.
    pub(super) async fn settle(&mut self, sink: &OtlpGrpcSink) -> Tally {
        self.running.collector.shutdown().await;
        self.ledger.tally(&sink.batches())
    }

    /// Items that were dropped for this reason.
    pub(super) fn dropped(&self, reason: &str) -> f64 {
        self.value(
            "otelcol_exporter_dropped_items",
            &[("exporter", "otlp"), ("data_type", "traces"), ("reason", reason)],
        )
    }

    pub(super) fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.running.collector.shared().telemetry.value(name, labels).unwrap_or(0.0)
    }
}

/// Senders at work.
pub(super) struct Load {
    senders: Vec<JoinHandle<()>>,
    done: Arc<AtomicBool>,
}

impl Load {
    pub(super) async fn stop(self) {
        self.done.store(true, Ordering::Relaxed);
        for sender in self.senders {
            sender.await.unwrap();
        }
    }
}

async fn offer(client: &GrpcClient, ledger: &Ledger, refused: &AtomicU64) {
    let (numbers, batch) = ledger.batch(10);
    match client.call(path(Signal::Traces), batch.wire_chunks(), WAIT).await {
        Ok(_) => ledger.accept(numbers),
        Err(status) => {
            // Back pressure: the sender is told when to come again, and waits a little here.
            assert_eq!((status.code, status.retry_delay), (Code::Unavailable, Some(Duration::from_secs(1))));
            refused.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// All accepted, each once.
pub(super) fn exactly_once(tally: &Tally) {
    assert_eq!((tally.missing.len(), tally.duplicates, tally.unasked), (0, 0, 0), "{tally:?}");
    assert!(tally.accepted > 0);
}

/// All accepted; repeats are allowed where an answer was lost.
pub(super) fn at_least_once(tally: &Tally) {
    assert_eq!(tally.missing, Vec::<u64>::new(), "{tally:?}");
    assert!(tally.accepted > 0);
}

pub(super) fn total(batches: &[Batch]) -> usize {
    batches.iter().map(Batch::items).sum()
}
