//! The flush: at each interval, and at the end.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use otelcol_pdata::Batch;
use otelcol_pipeline::storage::{StorageClient, StorageOp};
use otelcol_pipeline::{ComponentError, Context, Output};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::aggregator::{Aggregator, KeptGauge};
use super::kept;
use super::moment::Moment;
use super::otlp::{Style, resource_metrics};

/// The wait before the last interval is offered again, if the pipeline names none.
const RETRY: Duration = Duration::from_millis(200);

/// Hands intervals on, and keeps gauges on disk.
pub(super) struct Flusher {
    pub(super) shared: Arc<Shared>,
    /// The pipeline has not taken a flush by the end of the receiver.
    pub(super) too_late: CancellationToken,
    pub(super) output: Output,
    pub(super) storage: Option<Arc<dyn StorageClient>>,
    pub(super) style: Style,
}

impl std::fmt::Debug for Flusher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Flusher")
    }
}

/// A flush that the pipeline did not take; its points are back in the series.
#[derive(Debug, thiserror::Error)]
#[error("{points} points of the last statsd interval were not accepted: {message}")]
pub(super) struct NotTaken {
    pub(super) points: usize,
    message: String,
    after: Option<Duration>,
}

impl Flusher {
    /// Flushes at each interval until the receiver stops.
    pub(super) async fn run(self: Arc<Self>, interval: Duration) {
        let mut ticks = interval_at(Instant::now() + interval, interval);
        // After a flush that took long the next interval is a whole one again.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.shared.stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            if let Err(error) = self.flush(self.too_late.cancelled()).await {
                tracing::warn!(
                    receiver = %self.shared.context.id,
                    points = error.points,
                    error = %error.message,
                    "statsd flush refused; its points go with the next one"
                );
            }
            self.save().await;
        }
    }

    /// Flushes what came since the last flush, and offers it again until the deadline if it is refused.
    pub(super) async fn finish(&self, deadline: Instant) -> Result<(), NotTaken> {
        let result = loop {
            let Err(error) = self.flush(sleep_until(deadline)).await else { break Ok(()) };
            let wait = error.after.unwrap_or(RETRY);
            if Instant::now() + wait >= deadline {
                break Err(error);
            }
            sleep(wait).await;
        };
        self.save().await;
        result
    }

    async fn flush(&self, too_late: impl Future<Output = ()>) -> Result<(), NotTaken> {
        let interval = self.aggregator().take(Moment::now(&self.shared.context.clock));
        if interval.points.is_empty() {
            return Ok(());
        }
        let batch = Batch::from_metrics(resource_metrics(&interval, self.style));
        let points = batch.items();
        match self.output.consume_until(batch, too_late).await {
            Ok(()) => Ok(()),
            Err(error) if error.is_permanent() => {
                tracing::error!(receiver = %self.shared.context.id, points, %error, "statsd flush dropped");
                self.shared.report.lost(points, "permanent");
                Ok(())
            }
            Err(error) => {
                self.aggregator().merge_back(interval);
                Err(NotTaken { points, message: error.to_string(), after: error.after() })
            }
        }
    }

    /// Writes the gauges to disk if any changed.
    async fn save(&self) {
        let Some(storage) = &self.storage else { return };
        let Some(gauges) = self.aggregator().changed_gauges() else { return };
        let written = match kept::write(gauges, Moment::now(&self.shared.context.clock)) {
            Ok(bytes) => storage
                .write(vec![StorageOp::Set(kept::KEY.to_owned(), bytes)])
                .await
                .map_err(|error| error.to_string()),
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            self.aggregator().gauges_not_saved();
            tracing::warn!(receiver = %self.shared.context.id, %error, "statsd gauges were not saved; the next flush tries again");
        }
    }

    fn aggregator(&self) -> std::sync::MutexGuard<'_, Aggregator> {
        self.shared.aggregator.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the gauges that an earlier run kept. Ones that cannot be read are left behind with a warning: a gauge that starts
/// anew is better than a receiver that does not start.
///
/// # Errors
/// The storage cannot be read.
pub(super) async fn load(
    storage: &dyn StorageClient,
    context: &Context,
) -> Result<Vec<KeptGauge>, ComponentError> {
    let Some(bytes) = storage.get(kept::KEY).await.map_err(ComponentError::from_display)? else {
        return Ok(Vec::new());
    };
    Ok(kept::read(&bytes, Moment::now(&context.clock)).unwrap_or_else(|error| {
        tracing::warn!(receiver = %context.id, %error, "kept statsd gauges cannot be read and start anew");
        Vec::new()
    }))
}
