//! `sending_queue::batch`: joins what waits in the queue into larger batches.

use std::sync::Arc;

use otelcol_pdata::Batch;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::config::{BatchConfig, Sizer};
use super::exporter::Core;
use super::job::{Content, Job, Share};

/// What is still too small to be sent.
struct Pending {
    batches: Vec<Batch>,
    size: usize,
    shares: Vec<Share>,
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
    pub(crate) async fn run(
        mut self,
        core: Arc<Core>,
        mut queue: mpsc::UnboundedReceiver<Job>,
        out: mpsc::Sender<Job>,
    ) {
        loop {
            let flush_at = self.pending.as_ref().map(|pending| pending.flush_at);
            let jobs = tokio::select! {
                biased;
                () = sleep_until(flush_at.unwrap_or_else(Instant::now)), if flush_at.is_some() => self.flush(),
                job = queue.recv() => match job {
                    None => break,
                    Some(job) => match core.load(job).await {
                        Some((batch, shares)) => self.add(batch, shares),
                        None => continue,
                    },
                },
            };
            for job in jobs {
                if out.send(job).await.is_err() {
                    return;
                }
            }
        }
        for job in self.flush() {
            // The tasks that send end after this one; where they are gone, the shares say that nothing was sent.
            _ = out.send(job).await;
        }
    }

    fn flush(&mut self) -> Vec<Job> {
        let Some(Pending { batches, shares, .. }) = self.pending.take() else { return Vec::new() };
        vec![job(Batch::merge(batches), shares)]
    }

    /// Takes a batch in and gives those that are large enough now.
    fn add(&mut self, batch: Batch, mut shares: Vec<Share>) -> Vec<Job> {
        let size = self.sizer.size(&batch);
        let flush_at = self.flush_time();
        let fresh = || Pending { batches: Vec::new(), size: 0, shares: Vec::new(), flush_at };
        let mut pending = self.pending.take().unwrap_or_else(fresh);
        pending.size += size;
        pending.batches.push(batch);
        if self.config.max_size > 0 && pending.size > self.config.max_size {
            return self.split(pending, shares);
        }
        pending.shares.append(&mut shares);
        let full = pending.size >= self.config.min_size;
        self.pending = Some(pending);
        if full { self.flush() } else { Vec::new() }
    }

    /// Cuts what is too large. What was pending is smaller than the largest batch, so that all of it goes with the
    /// first part; each part has a share in the last batch, whose shares are `last`.
    fn split(&mut self, pending: Pending, last: Vec<Share>) -> Vec<Job> {
        let merged = Batch::merge(pending.batches);
        let parts = match self.sizer {
            Sizer::Bytes => merged.split(0, self.config.max_size),
            Sizer::Items | Sizer::Requests => merged.split(self.config.max_size, 0),
        };
        let shares = std::iter::repeat_n(last, parts.len());
        let mut jobs: Vec<Job> = parts.into_iter().zip(shares).map(|(part, last)| job(part, last)).collect();
        if let Some(first) = jobs.first_mut() {
            first.shares.extend(pending.shares);
        }
        if let Some(Job { content: Content::Here(rest), shares }) = jobs.pop_if(|job| self.is_small(job)) {
            let size = self.sizer.size(&rest);
            let flush_at = self.flush_time();
            self.pending = Some(Pending { batches: vec![rest], size, shares, flush_at });
        }
        jobs
    }

    fn is_small(&self, job: &Job) -> bool {
        matches!(&job.content, Content::Here(batch) if self.sizer.size(batch) < self.config.min_size)
    }

    fn flush_time(&self) -> Instant {
        Instant::now() + self.config.flush_timeout.get()
    }
}

fn job(batch: Batch, shares: Vec<Share>) -> Job {
    Job { content: Content::Here(batch), shares }
}
