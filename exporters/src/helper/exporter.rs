//! From a pipeline to a backend: queue, then repeats, then the time limit, then the sender.

use std::any::Any;
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use otelcol_confmap::GoDuration;
use otelcol_pdata::{Batch, Signal};
use otelcol_pipeline::status::Status;
use otelcol_pipeline::telemetry::Counter;
use otelcol_pipeline::{Component, ComponentError, ComponentId, ConsumeError, Consumer, Context, Host};
use otelcol_segment_log::Place;
use tokio::sync::{Mutex as AsyncMutex, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::batcher::Batcher;
use super::config::{QueueConfig, RetryConfig};
use super::job::{Job, Share, settle};
use super::notices::Notices;
use super::queue::Queue;
use super::retry::{Backoff, random};
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
pub struct Progress(Option<Box<dyn Any + Send>>);

impl Progress {
    /// Keeps `rest` for the next attempt.
    pub fn keep<T: Any + Send>(&mut self, rest: T) {
        self.0 = Some(Box::new(rest));
    }

    /// What the last attempt kept.
    pub fn take<T: Any + Send>(&mut self) -> Option<T> {
        self.0.take()?.downcast().ok().map(|rest| *rest)
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

/// The longest wait between two attempts of a stop, whose time is short; a backend may ask for a longer one.
const AT_A_STOP: Duration = Duration::from_secs(1);

/// A place on disk that is the exporter's own.
#[derive(Debug, Clone)]
pub struct OwnLog {
    /// Where it is and how it is written.
    pub place: Place,
    /// Counts batches that are not what was written.
    pub corrupt: Counter,
}

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

/// What the tasks that send share with the exporter.
pub(crate) struct Core {
    sender: Box<dyn Sender>,
    signal: Signal,
    timeout: Duration,
    retry: Option<RetryConfig>,
    stats: Stats,
    notices: Notices,
    /// Producers wait for the result, and a failure is theirs to handle.
    answers: bool,
    draining: CancellationToken,
    /// The backend did not take a batch that is on disk after the stop: the others stay there.
    leaves_stored: AtomicBool,
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
            leaves_stored: AtomicBool::new(false),
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
        if !self.context.tasks.wait(deadline).await {
            // The tasks hold at an await and end there at once.
            self.context.tasks.stop(Instant::now() + Duration::from_secs(1)).await;
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
                self.core.notices.takes(taken.not_stored.as_ref().map(|why| why as &dyn Display));
                if let Some(why) = taken.not_stored {
                    self.core.stats.not_stored.add(items as u64);
                    self.core.notices.lost(
                        "not_stored",
                        items,
                        &why,
                        "The storage of the queue can not take data. Keeping it in memory only.",
                    );
                }
                let Some(answer) = taken.answer else { return Ok(()) };
                answer.await.unwrap_or_else(|_| {
                    Err(ConsumeError::retryable("the exporter stopped before the batch was sent", None))
                })
            }
            Err(error) => {
                self.core.stats.enqueue_failed.add(items as u64);
                self.core.notices.takes(Some(&error));
                self.core.notices.lost("enqueue_failed", items, &error, "Exporting failed. Rejecting data.");
                Err(error)
            }
        }
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
        if let Some(with) = &self.queue {
            self.open_storage(with, host).await?;
            self.run_queue(with);
        }
        self.context.status.report(Status::Ok);
        Ok(())
    }

    async fn shutdown(&self, deadline: Instant) -> Result<(), ComponentError> {
        self.core.sender.hurry();
        self.core.draining.cancel();
        let mut lost = 0;
        if let Some(with) = &self.queue {
            lost = self.drain(&with.queue, deadline).await;
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

/// Where the tasks that send take their jobs from.
trait Jobs: Send + 'static {
    fn next(&mut self) -> impl Future<Output = Option<Job>> + Send;
}

impl Jobs for mpsc::UnboundedReceiver<Job> {
    async fn next(&mut self) -> Option<Job> {
        self.recv().await
    }
}

impl Jobs for mpsc::Receiver<Job> {
    async fn next(&mut self) -> Option<Job> {
        self.recv().await
    }
}

/// Counts the items of a batch as lost when a panic unwinds through the task that sends it.
struct CountPanic<'a> {
    stats: &'a Stats,
    items: usize,
}

impl Drop for CountPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.stats.send_failed.add(self.items as u64);
            self.stats.dropped(Reason::Panic).add(self.items as u64);
        }
    }
}

/// A batch was given up.
struct GaveUp {
    reason: Reason,
    error: ConsumeError,
}

impl Core {
    async fn consume_jobs(&self, jobs: &AsyncMutex<impl Jobs>) {
        loop {
            // The lock is held while waiting: the others wait for their turn.
            let next = jobs.lock().await.next().await;
            let Some(job) = next else { return };
            let Some((batch, shares)) = self.load(job).await else { continue };
            let _count = CountPanic { stats: &self.stats, items: batch.items() };
            let is_stored = shares.iter().all(Share::is_stored);
            match self.deliver(&batch, is_stored || self.answers).await {
                Ok(()) => settle(shares, &Ok(())),
                // Stays on disk for the next start, as all that waits there.
                Err(given_up) if is_stored && given_up.reason == Reason::Shutdown => {
                    self.leaves_stored.store(true, Ordering::Relaxed);
                }
                Err(given_up) => settle(shares, &Err(self.give_up(batch.items(), given_up))),
            }
        }
    }

    /// The batch of a job. None where it stays on disk for the next start, or can not be read, which is counted.
    pub(crate) async fn load(&self, job: Job) -> Option<(Batch, Vec<Share>)> {
        if job.is_stored() && self.leaves_stored.load(Ordering::Relaxed) {
            return None;
        }
        match job.load().await {
            Ok(loaded) => Some(loaded),
            Err(unreadable) => {
                let error = ConsumeError::permanent(unreadable.why);
                let error = self.give_up(unreadable.items, GaveUp { reason: Reason::Unreadable, error });
                settle(unreadable.shares, &Err(error));
                None
            }
        }
    }

    /// Counts and tells that a batch is given up: lost where the queue had accepted it, else handed back.
    fn give_up(&self, items: usize, GaveUp { reason, error }: GaveUp) -> ConsumeError {
        self.stats.send_failed.add(items as u64);
        if self.answers {
            self.notices.lost(reason.as_str(), items, &error, "Exporting failed. Rejecting data.");
            return error;
        }
        self.stats.dropped(reason).add(items as u64);
        self.notices.lost(reason.as_str(), items, &error, "Exporting failed. Dropping data.");
        error
    }

    /// Makes attempts until one goes well or there is no point in another. `is_kept`: what is given up at a stop is not
    /// lost, as it is on disk or its producer has it.
    async fn deliver(&self, batch: &Batch, is_kept: bool) -> Result<(), GaveUp> {
        let sent = self.attempts(batch, is_kept).await?;
        let rejected = sent.rejected.min(batch.items());
        self.stats.sent.add((batch.items() - rejected) as u64);
        self.note_partial_success(&sent, rejected);
        Ok(())
    }

    fn note_partial_success(&self, sent: &Sent, rejected: usize) {
        if rejected == 0 && sent.message.is_empty() {
            return;
        }
        self.stats.send_failed.add(rejected as u64);
        self.stats.dropped(Reason::PartialSuccess).add(rejected as u64);
        let message = if sent.message.is_empty() { "no reason given" } else { &sent.message };
        self.notices.lost(Reason::PartialSuccess.as_str(), rejected, &message, "Partial success response");
    }

    async fn attempts(&self, batch: &Batch, is_kept: bool) -> Result<Sent, GaveUp> {
        let started = Instant::now();
        let mut backoff = self.retry.as_ref().map(Backoff::new);
        let mut progress = Progress::default();
        loop {
            let draining = self.draining.is_cancelled();
            let error = match self.attempt(batch, &mut progress).await {
                Ok(sent) => {
                    self.notices.answers(None);
                    return Ok(sent);
                }
                Err(error) if error.is_permanent() => {
                    self.notices.answers(Some(&error));
                    return Err(GaveUp { reason: Reason::Permanent, error });
                }
                Err(error) => error,
            };
            let (Some(retry), Some(backoff)) = (&self.retry, &mut backoff) else {
                self.notices.answers(Some(&error));
                return Err(GaveUp { reason: Reason::NoRetry, error });
            };
            if draining && is_kept {
                return Err(GaveUp { reason: Reason::Shutdown, error });
            }
            let longest = if draining { AT_A_STOP } else { Duration::MAX };
            let wait = backoff.next(random()).min(longest).max(error.after().unwrap_or_default());
            let longest = retry.max_elapsed_time.get();
            if !longest.is_zero() && started.elapsed().saturating_add(wait) > longest {
                let error = ConsumeError::retryable(format!("no more retries left: {error}"), error.after());
                return Err(GaveUp { reason: Reason::Expired, error });
            }
            self.notices.failing(&error, wait);
            let wait = tokio::time::sleep(wait);
            if draining {
                // The deadline ends the task.
                wait.await;
            } else {
                _ = self.draining.run_until_cancelled(wait).await;
            }
        }
    }

    async fn attempt(&self, batch: &Batch, progress: &mut Progress) -> Result<Sent, ConsumeError> {
        let send = self.sender.send(batch, progress);
        if self.timeout.is_zero() {
            return send.await;
        }
        tokio::time::timeout(self.timeout, send).await.unwrap_or_else(|_| {
            let timeout = GoDuration::from(self.timeout);
            Err(ConsumeError::retryable(format!("the backend has not answered within {timeout}"), None))
        })
    }
}
