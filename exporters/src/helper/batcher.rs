//! `sending_queue::batch`: joins what waits in the queue into larger batches.

use std::sync::Arc;

use otelcol_pdata::Batch;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::config::{BatchConfig, Sizer};
use super::queue::{Claim, Job};

/// What is still too small to be sent.
struct Pending {
    batches: Vec<Batch>,
    size: usize,
    claims: Vec<Arc<Claim>>,
    flush_at: Instant,
}

/// Joins and splits jobs on their way from the queue to the tasks that send.
pub(crate) struct Batcher {
    config: BatchConfig,
    sizer: Sizer,
    pending: Option<Pending>,
}

impl Batcher {
    pub(crate) fn new(config: &BatchConfig, sizer: Sizer) -> Self {
        Self { config: config.clone(), sizer, pending: None }
    }

    /// Runs until `queue` has ended, then sends on what is left.
    pub(crate) async fn run(mut self, mut queue: mpsc::UnboundedReceiver<Job>, out: mpsc::Sender<Job>) {
        loop {
            let flush_at = self.pending.as_ref().map(|pending| pending.flush_at);
            let jobs = tokio::select! {
                biased;
                () = sleep_until(flush_at.unwrap_or_else(Instant::now)), if flush_at.is_some() => self.flush(),
                job = queue.recv() => match job {
                    Some(job) => self.add(job),
                    None => break,
                },
            };
            for job in jobs {
                if out.send(job).await.is_err() {
                    return;
                }
            }
        }
        for job in self.flush() {
            // The tasks that send end after this one; where they are gone, the claims say that nothing was sent.
            _ = out.send(job).await;
        }
    }

    fn flush(&mut self) -> Vec<Job> {
        let Some(Pending { batches, claims, .. }) = self.pending.take() else { return Vec::new() };
        vec![Job { batch: Batch::merge(batches), claims }]
    }

    /// Takes a job in and gives those that are large enough now.
    fn add(&mut self, job: Job) -> Vec<Job> {
        let size = self.sizer.size(&job.batch);
        let flush_at = self.flush_time();
        let fresh = || Pending { batches: Vec::new(), size: 0, claims: Vec::new(), flush_at };
        let mut pending = self.pending.take().unwrap_or_else(fresh);
        pending.size += size;
        pending.batches.push(job.batch);
        pending.claims.extend(job.claims.iter().cloned());
        if self.config.max_size > 0 && pending.size > self.config.max_size {
            return self.split(pending, &job.claims);
        }
        let full = pending.size >= self.config.min_size;
        self.pending = Some(pending);
        if full { self.flush() } else { Vec::new() }
    }

    /// Cuts what is too large. What was pending is smaller than the largest batch, so that all of it goes with the
    /// first part; the other parts are of the last job, whose claims are `last`.
    fn split(&mut self, pending: Pending, last: &[Arc<Claim>]) -> Vec<Job> {
        let merged = Batch::merge(pending.batches);
        let parts = match self.sizer {
            Sizer::Bytes => merged.split(0, self.config.max_size),
            Sizer::Items | Sizer::Requests => merged.split(self.config.max_size, 0),
        };
        let mut jobs: Vec<Job> =
            parts.into_iter().map(|batch| Job { batch, claims: last.to_vec() }).collect();
        if let Some(first) = jobs.first_mut() {
            first.claims = pending.claims;
        }
        if let Some(rest) = jobs.pop_if(|job| self.sizer.size(&job.batch) < self.config.min_size) {
            let size = self.sizer.size(&rest.batch);
            let flush_at = self.flush_time();
            self.pending = Some(Pending { batches: vec![rest.batch], size, claims: rest.claims, flush_at });
        }
        jobs
    }

    fn flush_time(&self) -> Instant {
        Instant::now() + self.config.flush_timeout.get()
    }
}
