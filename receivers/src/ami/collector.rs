//! What happens by the clock: time passes for the desk, and metrics are sent.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use otelcol_pipeline::{ComponentError, Output};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::desk::Desk;

/// How often time passes for what waits.
pub(super) const TICK: Duration = Duration::from_millis(500);

/// The wait before the last metrics are offered again, if the pipeline names none.
const RETRY: Duration = Duration::from_millis(200);

pub(super) fn lock(desk: &Mutex<Desk>) -> MutexGuard<'_, Desk> {
    desk.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets time pass until the receiver stops.
pub(super) async fn pass_time(desk: Arc<Mutex<Desk>>, stop: CancellationToken) {
    let mut ticks = interval_at(Instant::now() + TICK, TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => lock(&desk).tick(),
        }
    }
}

/// Sends metrics.
#[derive(Clone, Debug)]
pub(super) struct Collector {
    pub(super) receiver: String,
    pub(super) output: Output,
    pub(super) desk: Arc<Mutex<Desk>>,
}

impl Collector {
    /// Sends metrics each interval until the receiver stops. What is refused is made good by the next ones: all of them are
    /// levels, or sums since the start.
    pub(super) async fn run(self, every: Duration, stop: CancellationToken) {
        let mut ticks = interval_at(Instant::now() + every, every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let Some(batch) = lock(&self.desk).collect() else { return };
            let points = batch.items();
            if let Err(error) = self.output.consume(batch).await {
                tracing::warn!(receiver = self.receiver, points, %error, "metrics of asterisk refused; the next ones make up for them");
            }
        }
    }

    /// Sends the last metrics, and offers them again until the deadline where they are refused.
    ///
    /// # Errors
    /// How many points nobody took.
    pub(super) async fn finish(&self, deadline: Instant) -> Result<(), ComponentError> {
        loop {
            let Some(batch) = lock(&self.desk).collect() else { return Ok(()) };
            let points = batch.items();
            let taken = self.output.consume_until(batch, sleep_until(deadline)).await;
            let Err(error) = taken else { return Ok(()) };
            let wait = error.after().unwrap_or(RETRY);
            if error.is_permanent() || Instant::now() + wait >= deadline {
                let message = format!("{points} points of the last ami metrics were not accepted: {error}");
                return Err(ComponentError::new(message));
            }
            sleep(wait).await;
        }
    }
}
