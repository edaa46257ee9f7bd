//! The tasks that send: they take jobs from the queue and make attempts until each has met its end.

use std::time::Duration;

use otelcol_confmap::GoDuration;
use otelcol_pdata::{Batch, Signal};
use otelcol_pipeline::ConsumeError;
use tokio::sync::{Mutex as AsyncMutex, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::config::RetryConfig;
use super::exporter::{Progress, Sender, Sent};
use super::inheritance::Inheritance;
use super::job::{Content, Job, Share, settle, unsent};
use super::notices::Notices;
use super::retry::{Backoff, random};
use super::stats::{Reason, Stats};

/// The longest wait between two attempts of a stop, whose time is short; a backend may ask for a longer one.
const AT_A_STOP: Duration = Duration::from_secs(1);

/// What the tasks that send share with the exporter.
pub(super) struct Core {
    pub(super) sender: Box<dyn Sender>,
    pub(super) signal: Signal,
    pub(super) timeout: Duration,
    pub(super) retry: Option<RetryConfig>,
    pub(super) stats: Stats,
    pub(super) notices: Notices,
    /// Producers wait for the result, and a failure is theirs to handle.
    pub(super) answers: bool,
    pub(super) draining: CancellationToken,
    /// A successor does not wait for attempts that are under way.
    pub(super) exchanged: CancellationToken,
    pub(super) inheritance: Inheritance,
}

/// Where the tasks that send take their jobs from.
pub(super) trait Jobs: Send + 'static {
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
pub(super) struct GaveUp {
    reason: Reason,
    error: ConsumeError,
    /// How far it had come.
    progress: Progress,
}

impl GaveUp {
    pub(super) fn new(reason: Reason, error: ConsumeError, progress: Progress) -> Self {
        Self { reason, error, progress }
    }
}

impl Core {
    /// Makes attempts for one job after the other until the queue has ended.
    pub(super) async fn consume_jobs(&self, jobs: &AsyncMutex<impl Jobs>) {
        loop {
            // The lock is held while waiting: the others wait for their turn.
            let next = jobs.lock().await.next().await;
            let Some(job) = next else { return };
            let Some((batch, shares)) = self.load(job).await else { continue };
            let _count = CountPanic { stats: &self.stats, items: batch.items() };
            let is_stored = shares.iter().all(Share::is_stored);
            match self.deliver(&batch, is_stored || self.answers).await {
                Ok(()) => settle(shares, &Ok(())),
                // On disk or the successor's: who waits for a result has the batch.
                Err(given_up) if given_up.reason == Reason::Shutdown && !self.answers => {
                    self.inheritance.leave(Content::Here(batch), shares);
                }
                Err(given_up) => settle(shares, &Err(self.give_up(batch.items(), given_up))),
            }
        }
    }

    /// The batch of a job. None where it is left to whoever starts next, or can not be read, which is counted.
    pub(super) async fn load(&self, job: Job) -> Option<(Batch, Vec<Share>)> {
        if self.inheritance.wants(&job) {
            self.inheritance.leave(job.content, job.shares);
            return None;
        }
        match job.load().await {
            Ok(loaded) => Some(loaded),
            Err(unreadable) => {
                let error = ConsumeError::permanent(unreadable.why);
                let given_up = GaveUp::new(Reason::Unreadable, error, Progress::default());
                let error = self.give_up(unreadable.items, given_up);
                settle(unreadable.shares, &Err(error));
                None
            }
        }
    }

    /// Counts and tells that a batch is given up: lost where the queue had accepted it, but for what had come through,
    /// else handed back as a whole.
    pub(super) fn give_up(&self, items: usize, GaveUp { reason, error, progress }: GaveUp) -> ConsumeError {
        if self.answers {
            self.stats.send_failed.add(items as u64);
            self.notices.lost(reason.as_str(), items, &error, "Exporting failed. Rejecting data.");
            return error;
        }
        let lost = progress.open.map_or(items, |open| open.min(items));
        self.came_through(items - lost, &progress.sent);
        self.stats.send_failed.add(lost as u64);
        self.stats.dropped(reason).add(lost as u64);
        self.notices.lost(reason.as_str(), lost, &error, "Exporting failed. Dropping data.");
        error
    }

    /// Makes attempts until one goes well or there is no point in another. `is_kept`: what is given up at a stop is not
    /// lost, as it is on disk or its producer has it.
    pub(super) async fn deliver(&self, batch: &Batch, is_kept: bool) -> Result<(), GaveUp> {
        let sent = self.attempts(batch, is_kept).await?;
        self.came_through(batch.items(), &sent);
        Ok(())
    }

    /// The backend has answered for so many items.
    fn came_through(&self, items: usize, sent: &Sent) {
        let rejected = sent.rejected.min(items);
        self.stats.sent.add((items - rejected) as u64);
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
            let attempt = self.exchanged.run_until_cancelled(self.attempt(batch, &mut progress)).await;
            let Some(attempt) = attempt else {
                return Err(GaveUp::new(Reason::Shutdown, unsent(), progress));
            };
            let error = match attempt {
                Ok(sent) => {
                    self.notices.answers(None);
                    return Ok(sent);
                }
                Err(error) if error.is_permanent() => {
                    self.notices.answers(Some(&error));
                    return Err(GaveUp::new(Reason::Permanent, error, progress));
                }
                Err(error) => error,
            };
            let (Some(retry), Some(backoff)) = (&self.retry, &mut backoff) else {
                self.notices.answers(Some(&error));
                return Err(GaveUp::new(Reason::NoRetry, error, progress));
            };
            if draining && (is_kept || self.inheritance.has_heir()) {
                return Err(GaveUp::new(Reason::Shutdown, error, progress));
            }
            let longest = if draining { AT_A_STOP } else { Duration::MAX };
            let wait = backoff.next(random()).min(longest).max(error.after().unwrap_or_default());
            let longest = retry.max_elapsed_time.get();
            if !longest.is_zero() && started.elapsed().saturating_add(wait) > longest {
                let error = ConsumeError::retryable(format!("no more retries left: {error}"), error.after());
                return Err(GaveUp::new(Reason::Expired, error, progress));
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
