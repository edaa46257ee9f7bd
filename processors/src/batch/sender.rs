//! The task that hands batches on: in order, one at a time, and again while they are refused.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use otelcol_pdata::{Batch, Client, Signal};
use otelcol_pipeline::status::Status;
use otelcol_pipeline::{ConsumeError, Context, Output};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Config;
use super::buffer::{Buffer, Due, Taken, Trigger};
use super::telemetry::{Reason, Telemetry};

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// What is left of the time for the shutdown when the task gives up, so that it can still say what is left undone.
const REPORT_TIME: Duration = Duration::from_millis(50);

pub(super) struct Sender {
    buffer: Arc<Buffer>,
    /// Who sent what is in the buffer, as far as batches are kept apart by it.
    client: Option<Arc<Client>>,
    next: Output,
    signal: Signal,
    limits: Limits,
    stop: CancellationToken,
    end: Arc<End>,
    telemetry: Telemetry,
    outage: Option<Outage>,
    context: Context,
}

/// What the processor and its senders tell each other at the end.
#[derive(Default)]
pub(super) struct End {
    /// When all must be done, from the shutdown on.
    pub(super) deadline: OnceLock<Instant>,
    /// The items that were not handed on when a sender ended.
    pub(super) left: AtomicU64,
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    enough: usize,
    max_items: usize,
    max_bytes: usize,
    max_hold: Duration,
}

/// A time in which the next component takes nothing.
struct Outage {
    since: Instant,
    wait: Duration,
}

impl Sender {
    pub(super) fn new(
        context: &Context,
        config: &Config,
        signal: Signal,
        next: Output,
        buffer: Arc<Buffer>,
        client: Option<Arc<Client>>,
        end: Arc<End>,
    ) -> Self {
        let at_once = config.timeout.get().is_zero();
        let limits = Limits {
            enough: if at_once { 0 } else { config.send_batch_size },
            max_items: config.send_batch_max_size,
            max_bytes: config.send_batch_max_bytes,
            max_hold: config.max_hold.get(),
        };
        Self {
            buffer,
            client,
            next,
            signal,
            limits,
            stop: context.tasks.stop_token().clone(),
            end,
            telemetry: Telemetry::new(context, signal),
            outage: None,
            context: context.clone(),
        }
    }

    pub(super) async fn run(mut self) {
        // However the task ends, nobody waits for room that will never come.
        let _closing = Closing(Arc::clone(&self.buffer));
        let stop = self.stop.clone();
        while !stop.is_cancelled() {
            match self.buffer.due() {
                Due::Now(trigger) => self.send(trigger).await,
                Due::At(when) => tokio::select! {
                    () = stop.cancelled() => {}
                    () = self.buffer.changed() => {}
                    () = sleep_until(when) => {}
                },
                Due::Never => tokio::select! {
                    () = stop.cancelled() => {}
                    () = self.buffer.changed() => {}
                },
            }
        }
        self.buffer.close();
        self.send(Trigger::Timeout).await;
    }

    /// Sends all that waits. A last part that is too small for the size that triggered goes on waiting.
    async fn send(&mut self, trigger: Trigger) {
        let Taken { batches, mut bytes } = self.buffer.take();
        if batches.is_empty() {
            return;
        }
        let merged = Batch::merge(batches).with_client(self.client.clone());
        let mut parts = merged.split(self.limits.max_items, self.limits.max_bytes);
        let items: usize = parts.iter().map(Batch::items).sum();
        let share = |part: &Batch| (bytes as u128 * part.items() as u128 / items.max(1) as u128) as usize;
        let shares: Vec<usize> = parts.iter().map(share).collect();
        if trigger == Trigger::Size
            && parts.len() > 1
            && let Some(rest) = parts.pop_if(|part| part.items() < self.limits.enough)
        {
            let share = shares[parts.len()];
            bytes -= share;
            self.buffer.put_back(rest, share);
        }
        for (part, share) in parts.into_iter().zip(shares) {
            self.deliver(part, trigger).await;
            self.buffer.release(share);
            bytes -= share;
        }
        // Shares are rounded down.
        self.buffer.release(bytes);
    }

    async fn deliver(&mut self, part: Batch, trigger: Trigger) {
        let items = part.items() as u64;
        loop {
            let result = tokio::select! {
                biased;
                result = self.next.consume(part.clone()) => result,
                () = out_of_time(&self.stop, &self.end.deadline) => return self.leave(items),
            };
            match result {
                Ok(()) => {
                    self.end_outage();
                    return self.telemetry.sent(trigger, items);
                }
                Err(error) if error.is_permanent() => {
                    self.end_outage();
                    return self.telemetry.dropped(Reason::Permanent, items, &error);
                }
                Err(error) => {
                    let Some(wait) = self.refused(&error) else {
                        return self.telemetry.dropped(Reason::Refused, items, &error);
                    };
                    tokio::select! {
                        () = sleep(wait) => {}
                        () = out_of_time(&self.stop, &self.end.deadline) => return self.leave(items),
                    }
                }
            }
        }
    }

    /// How long to wait before the same data is offered again; `None` when it has been held for long enough.
    fn refused(&mut self, error: &ConsumeError) -> Option<Duration> {
        let now = Instant::now();
        let outage = match &mut self.outage {
            Some(outage) => outage,
            None => {
                tracing::warn!(
                    component = %self.context.id, signal = %self.signal, %error,
                    "the next component refuses data, holding it"
                );
                self.context
                    .status
                    .report(Status::Recoverable(format!("the next component refuses data: {error}")));
                self.outage.insert(Outage { since: now, wait: FIRST_WAIT })
            }
        };
        let held = now.duration_since(outage.since);
        if !self.limits.max_hold.is_zero() && held >= self.limits.max_hold && !self.stop.is_cancelled() {
            self.buffer.set_refusal(None);
            return None;
        }
        let wait = outage.wait.max(error.after().unwrap_or_default()).min(LONGEST_WAIT);
        outage.wait = (outage.wait * 2).min(LONGEST_WAIT);
        self.buffer.set_refusal(Some(wait));
        Some(wait)
    }

    fn end_outage(&mut self) {
        let Some(outage) = self.outage.take() else { return };
        self.buffer.set_refusal(None);
        self.context.status.report(Status::Ok);
        tracing::info!(
            component = %self.context.id, signal = %self.signal, after = ?outage.since.elapsed(),
            "the next component takes data again"
        );
    }

    fn leave(&self, items: u64) {
        self.end.left.fetch_add(items, Ordering::Relaxed);
        self.telemetry.left(items);
    }
}

/// Returns when the component has been asked to stop and its time is nearly over.
async fn out_of_time(stop: &CancellationToken, deadline: &OnceLock<Instant>) {
    stop.cancelled().await;
    let deadline = deadline.get().copied().unwrap_or_else(Instant::now);
    sleep_until(deadline.checked_sub(REPORT_TIME).unwrap_or(deadline)).await;
}

struct Closing(Arc<Buffer>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}
