//! From a pipeline to a backend: queue, then repeats, then the time limit, then the sender.

use std::any::Any;
use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use otelcol_pdata::{Batch, Signal};
use otelcol_pipeline::status::Status;
use otelcol_pipeline::storage::StorageError;
use otelcol_pipeline::telemetry::Counter;
use otelcol_pipeline::{Component, ComponentError, ComponentId, ConsumeError, Consumer, Context, Host};
use otelcol_segment_log::Place;
use tokio::sync::{Mutex as AsyncMutex, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::batcher::Batcher;
use super::config::{QueueConfig, RetryConfig};
use super::inheritance::{Inheritance, Left};
use super::job::{Job, unsent};
use super::notices::Notices;
use super::queue::Queue;
use super::sending::{Core, Jobs};
use super::stats::{QueueGauges, Reason, Stats};

/// What a backend said to a batch that it took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent {
    /// Items of the batch that it refused for good.
    pub rejected: usize,
    /// Its words; may be a warning where nothing was refused.
    pub message: String,
}

/// What a sender keeps of one batch between two attempts, so that it does not begin anew.
#[derive(Default)]
pub struct Progress {
    rest: Option<Box<dyn Any + Send>>,
    pub(super) open: Option<usize>,
    pub(super) sent: Sent,
}

impl Progress {
    /// Keeps `rest` for the next attempt: `open` items of the batch, while `sent` is what became of the others.
    pub fn keep<T: Any + Send>(&mut self, rest: T, open: usize, sent: Sent) {
        *self = Self { rest: Some(Box::new(rest)), open: Some(open), sent };
    }

    /// What the last attempt kept.
    pub fn take<T: Any + Send>(&mut self) -> Option<T> {
        self.rest.take()?.downcast().ok().map(|rest| *rest)
    }
}

/// Brings one batch to a backend.
#[async_trait]
pub trait Sender: Send + Sync + 'static {
    /// Opens what sending needs. A backend that can not be reached is no error.
    ///
    /// # Errors
    /// What could not be opened, with its address or path.
    async fn start(&self, host: &Host) -> Result<(), ComponentError> {
        let _ = host;
        Ok(())
    }

    /// Makes one attempt. Must be safe to drop at any await: a time limit or a stop ends it there. `progress` is the
    /// batch's own over all its attempts.
    ///
    /// # Errors
    /// Permanent when a repeat of the same batch is pointless, else retryable, with the wait the backend asked for.
    async fn send(&self, batch: &Batch, progress: &mut Progress) -> Result<Sent, ConsumeError>;

    /// A stop has begun, and what waits is to be sent by its deadline: no long waits from now on.
    fn hurry(&self) {}

    /// Finishes what was begun, by `deadline`. No send is under way.
    ///
    /// # Errors
    /// What was left undone.
    async fn shutdown(&self, deadline: Instant) -> Result<(), ComponentError> {
        let _ = deadline;
        Ok(())
    }
}

/// What stands between the pipeline and a [`Sender`].
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// `timeout` of one attempt. Zero: none.
    pub timeout: Duration,
    /// `sending_queue`. None or not enabled: a pipeline waits for the backend.
    pub queue: Option<QueueConfig>,
    /// `retry_on_failure`. None or not enabled: one attempt.
    pub retry: Option<RetryConfig>,
    /// Keeps the queue on disk where its settings name no storage extension.
    pub log: Option<OwnLog>,
}

/// A place on disk that is the exporter's own.
#[derive(Debug, Clone)]
pub struct OwnLog {
    /// Where it is and how it is written.
    pub place: Place,
    /// Counts batches that are not what was written.
    pub corrupt: Counter,
}

/// Under this name it leaves what waits in memory.
const LEFT: &str = "queue";

/// How long an exporter that is exchanged may take to let go of its log.
const LOG_TIMEOUT: Duration = Duration::from_secs(1);

/// An exporter: a [`Sender`] with a queue, repeats, a time limit and counters around it.
pub struct Exporter {
    context: Context,
    core: Arc<Core>,
    queue: Option<WithQueue>,
}

struct WithQueue {
    config: QueueConfig,
    log: Option<OwnLog>,
    queue: Arc<Queue>,
    jobs: Mutex<Option<mpsc::UnboundedReceiver<Job>>>,
}

impl Exporter {
    /// Wraps `sender` as `settings` say.
    pub fn new(context: Context, signal: Signal, sender: impl Sender, settings: Settings) -> Arc<Self> {
        let queue = settings.queue.filter(|queue| queue.enabled).map(|config| {
            let (queue, jobs) = Queue::new(&config, signal);
            WithQueue { config, log: settings.log, queue: Arc::new(queue), jobs: Mutex::new(Some(jobs)) }
        });
        let answers = queue.as_ref().is_none_or(|with| with.config.wait_for_result);
        let core = Core {
            sender: Box::new(sender),
            signal,
            timeout: settings.timeout,
            retry: settings.retry.filter(|retry| retry.enabled),
            stats: Stats::new(&context, signal),
            notices: Notices::new(&context, signal),
            answers,
            draining: CancellationToken::new(),
            exchanged: CancellationToken::new(),
            inheritance: Inheritance::default(),
        };
        Arc::new(Self { context, core: Arc::new(core), queue })
    }

    /// Opens the queue's storage, where it has one, and takes in what is there.
    async fn open_storage(&self, with: &WithQueue, host: &Host) -> Result<(), ComponentError> {
        let opened = match (&with.config.storage, &with.log) {
            (Some(storage), _) => {
                let id: ComponentId = storage.parse().map_err(ComponentError::from_display)?;
                host.storage_log(&id, &self.context, self.core.signal.as_str()).await?
            }
            (None, Some(OwnLog { place, corrupt })) => {
                let opened = otelcol_segment_log::open(place.clone(), LOG_TIMEOUT, corrupt.clone()).await;
                opened.map_err(ComponentError::from_display)?
            }
            (None, None) => return Ok(()),
        };
        let (batches, items) = with.queue.restore(opened);
        if batches > 0 {
            tracing::info!(
                component = %self.context.id, "otelcol.signal" = %self.core.signal, batches, items,
                "the queue on disk holds batches from before: sending them"
            );
        }
        Ok(())
    }

    /// Goes on with what waited in the memory of the previous instance.
    async fn inherit(&self, with: &WithQueue) {
        // Who waits for results answers for them, and nobody waits for these.
        let left = if self.core.answers { None } else { self.context.handover.take::<Left>(LEFT) };
        let Some(left) = left.map(Left::take) else { return };
        let (batches, items) = (left.len(), left.iter().map(Batch::items).sum::<usize>());
        for batch in left {
            let items = batch.items();
            let not_stored = with.queue.take_over(batch).await;
            self.note_stored(items, not_stored);
        }
        tracing::info!(
            component = %self.context.id, "otelcol.signal" = %self.core.signal, batches, items,
            "what waited in the queue under the old configuration is sent under the new one"
        );
    }

    /// Spawns the tasks between the queue and the backend.
    fn run_queue(&self, with: &WithQueue) {
        let Some(jobs) = with.jobs.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        self.report_queue(&with.queue);
        match with.config.batching() {
            None => self.run_consumers(with.config.num_consumers, jobs),
            Some((batch, sizer)) => {
                let (out, batches) = mpsc::channel(1);
                let stop = self.context.tasks.stop_token().clone();
                let batcher = Batcher::new(batch, sizer).run(Arc::clone(&self.core), jobs, out);
                self.context.tasks.spawn("queue batcher", async move {
                    // Stopped only at the deadline: before, the end of the queue ends the task.
                    _ = stop.run_until_cancelled(batcher).await;
                });
                self.run_consumers(with.config.num_consumers, batches);
            }
        }
    }

    fn run_consumers(&self, number: usize, jobs: impl Jobs) {
        let jobs = Arc::new(AsyncMutex::new(jobs));
        for _ in 0..number {
            let (core, jobs, stop) =
                (Arc::clone(&self.core), Arc::clone(&jobs), self.context.tasks.stop_token().clone());
            self.context.tasks.spawn("queue consumer", async move {
                _ = stop.run_until_cancelled(core.consume_jobs(&jobs)).await;
            });
        }
    }

    /// Brings the queue's gauges up to date whenever self metrics are read, as long as the queue lives.
    fn report_queue(&self, queue: &Arc<Queue>) {
        let gauges = QueueGauges::new(&self.context.telemetry, &self.context.id, self.core.signal);
        let queue = Arc::downgrade(queue);
        self.context.telemetry.on_collect(move || {
            let Some(queue) = queue.upgrade() else {
                // A successor of the same name comes after this one.
                [&gauges.size, &gauges.capacity, &gauges.pinned, &gauges.disk]
                    .iter()
                    .for_each(|gauge| gauge.set(0.0));
                return false;
            };
            gauges.size.set(float(queue.size()));
            gauges.capacity.set(float(queue.capacity()));
            gauges.pinned.set(float(queue.pinned()));
            let disk = queue.disk_bytes().unwrap_or(0);
            gauges.disk.set(float(usize::try_from(disk).unwrap_or(usize::MAX)));
            true
        });
    }

    /// Sends what waits, by `deadline`. Gives the number of items that are lost; what is on disk stays there.
    async fn drain(&self, queue: &Queue, deadline: Instant) -> usize {
        queue.close();
        let (handover, tasks) = (&self.context.handover, &self.context.tasks);
        if handover.has_heir() && !tasks.wait(handover.hand_on_by(deadline)).await {
            self.core.exchanged.cancel();
        }
        if !tasks.wait(deadline).await {
            // The tasks hold at an await and end there at once.
            tasks.stop_token().cancel();
            tasks.wait_a_moment().await;
        }
        let lost = queue.lost();
        self.core.stats.send_failed.add(lost as u64);
        self.core.stats.dropped(Reason::Shutdown).add(lost as u64);
        // A disk that hangs must not hang the stop.
        let at_most = deadline.max(Instant::now() + Duration::from_secs(1));
        if tokio::time::timeout_at(at_most, queue.close_log()).await.is_err() {
            tracing::warn!(
                component = %self.context.id, "otelcol.signal" = %self.core.signal,
                "the disk does not answer: batches that were sent last may be sent again after the next start"
            );
        }
        let on_disk = queue.left_on_disk();
        if on_disk > 0 {
            tracing::info!(
                component = %self.context.id, "otelcol.signal" = %self.core.signal, items = on_disk,
                "what was not sent stays in the queue on disk and is sent when this exporter starts again with this storage"
            );
        }
        lost
    }

    async fn enqueue(&self, queue: &Queue, batch: Batch) -> Result<(), ConsumeError> {
        let items = batch.items();
        match queue.offer(batch).await {
            Ok(taken) => {
                self.note_stored(items, taken.not_stored);
                let Some(answer) = taken.answer else { return Ok(()) };
                answer.await.unwrap_or_else(|_| Err(unsent()))
            }
            Err(error) => {
                self.core.stats.enqueue_failed.add(items as u64);
                self.core.notices.takes(Some(&error));
                self.core.notices.lost("enqueue_failed", items, &error, "Exporting failed. Rejecting data.");
                Err(error)
            }
        }
    }

    fn note_stored(&self, items: usize, not_stored: Option<StorageError>) {
        self.core.notices.takes(not_stored.as_ref().map(|why| why as &dyn Display));
        let Some(why) = not_stored else { return };
        self.core.stats.not_stored.add(items as u64);
        let what = "The storage of the queue can not take data. Keeping it in memory only.";
        self.core.notices.lost("not_stored", items, &why, what);
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "self metrics are floating point numbers for Prometheus anyway"
)]
fn float(number: usize) -> f64 {
    number as f64
}

#[async_trait]
impl Component for Exporter {
    async fn start(&self, host: &Host) -> Result<(), ComponentError> {
        self.core.sender.start(host).await?;
        // Before a batch that waits on disk can say otherwise.
        self.context.status.report(Status::Ok);
        if let Some(with) = &self.queue {
            self.open_storage(with, host).await?;
            self.inherit(with).await;
            self.run_queue(with);
        }
        Ok(())
    }

    async fn shutdown(&self, deadline: Instant) -> Result<(), ComponentError> {
        if self.context.handover.has_heir() && !self.core.answers {
            self.core.inheritance.expect_heir();
        }
        self.core.sender.hurry();
        self.core.draining.cancel();
        let mut lost = 0;
        if let Some(with) = &self.queue {
            lost = self.drain(&with.queue, deadline).await;
        }
        if let Some(left) = Left::of(&self.core) {
            self.context.handover.put(LEFT, left);
        }
        let closed = self.core.sender.shutdown(deadline).await;
        if lost > 0 {
            let items = self.core.signal.items_name().replace('_', " ");
            return Err(ComponentError::new(format!(
                "{lost} {items} were not delivered at shutdown: the backend had not taken them by the deadline; a sending_queue with storage would have kept them"
            )));
        }
        closed
    }
}

#[async_trait]
impl Consumer for Exporter {
    async fn consume(&self, batch: Batch) -> Result<(), ConsumeError> {
        if batch.is_empty() {
            return Ok(());
        }
        if let Some(with) = &self.queue {
            return self.enqueue(&with.queue, batch).await;
        }
        let delivered = self.core.deliver(&batch, true).await;
        delivered.map_err(|given_up| self.core.give_up(batch.items(), given_up))
    }
}
