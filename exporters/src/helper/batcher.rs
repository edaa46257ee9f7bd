//! `sending_queue::batch`: joins what waits in the queue into larger batches.

use std::collections::BTreeMap;
use std::sync::Arc;

use otelcol_pdata::{Batch, Client};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::config::{BatchConfig, Sizer};
use super::job::{Content, Job, Share};
use super::sending::Core;

/// What is still too small to be sent.
struct Pending {
    batches: Vec<Batch>,
    size: usize,
    shares: Vec<Share>,
    flush_at: Instant,
}

/// The values of the headers that keep batches apart.
type Partition = Vec<Vec<String>>;

/// Joins and splits jobs on their way from the queue to the tasks that send.
pub(crate) struct Batcher {
    config: BatchConfig,
    sizer: Sizer,
    pending: BTreeMap<Partition, Pending>,
}

impl Batcher {
    pub(crate) fn new(config: &BatchConfig, sizer: Sizer) -> Self {
        Self { config: config.clone(), sizer, pending: BTreeMap::new() }
    }

    /// Runs until `queue` has ended, then sends on what is left.
    pub(crate) async fn run(
        mut self,
        core: Arc<Core>,
        mut queue: mpsc::UnboundedReceiver<Job>,
        out: mpsc::Sender<Job>,
    ) {
        loop {
            let flush_at = self.pending.values().map(|pending| pending.flush_at).min();
            let jobs = tokio::select! {
                biased;
                () = sleep_until(flush_at.unwrap_or_else(Instant::now)), if flush_at.is_some() => self.flush(flush_at),
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
        for job in self.flush(None) {
            // The tasks that send end after this one; where they are gone, the shares say that nothing was sent.
            _ = out.send(job).await;
        }
    }

    /// What has waited until `due`; none: all that waits.
    fn flush(&mut self, due: Option<Instant>) -> Vec<Job> {
        let is_due = |pending: &Pending| due.is_none_or(|due| pending.flush_at <= due);
        let (flushed, rest) =
            std::mem::take(&mut self.pending).into_iter().partition(|(_, pending)| is_due(pending));
        self.pending = rest;
        flushed
            .into_values()
            .map(|pending: Pending| job(Batch::merge(pending.batches), pending.shares))
            .collect()
    }

    /// Takes a batch in and gives those that are large enough now.
    fn add(&mut self, batch: Batch, mut shares: Vec<Share>) -> Vec<Job> {
        let size = self.sizer.size(&batch);
        let flush_at = self.flush_time();
        let (partition, batch) = self.partition(batch);
        let fresh = || Pending { batches: Vec::new(), size: 0, shares: Vec::new(), flush_at };
        let mut pending = self.pending.remove(&partition).unwrap_or_else(fresh);
        pending.size += size;
        pending.batches.push(batch);
        if self.config.max_size > 0 && pending.size > self.config.max_size {
            return self.split(partition, pending, shares);
        }
        pending.shares.append(&mut shares);
        if pending.size >= self.config.min_size {
            return vec![job(Batch::merge(pending.batches), pending.shares)];
        }
        self.pending.insert(partition, pending);
        Vec::new()
    }

    /// What the batch is kept apart by. Of its headers, those are what a merged batch still has.
    fn partition(&self, batch: Batch) -> (Partition, Batch) {
        let keys = &self.config.partition.metadata_keys;
        if keys.is_empty() {
            return (Vec::new(), batch);
        }
        let metadata = batch.client().map(|client| client.metadata.only(keys)).unwrap_or_default();
        let partition = keys.iter().map(|key| metadata.get(key).to_vec()).collect();
        let client = (!metadata.is_empty()).then(|| Arc::new(Client { metadata, ..Client::default() }));
        (partition, batch.with_client(client))
    }

    /// Cuts what is too large. What was pending is smaller than the largest batch, so that all of it goes with the
    /// first part; each part has shares in the last batch, whose shares are `last`.
    fn split(&mut self, partition: Partition, pending: Pending, last: Vec<Share>) -> Vec<Job> {
        let mut earlier: usize = pending.batches.iter().rev().skip(1).map(Batch::items).sum();
        let merged = Batch::merge(pending.batches);
        let parts = match self.sizer {
            Sizer::Bytes => merged.split(0, self.config.max_size),
            Sizer::Items | Sizer::Requests => merged.split(self.config.max_size, 0),
        };
        let of_last = |part: &Batch| part.items().saturating_sub(std::mem::take(&mut earlier));
        let sizes: Vec<usize> = parts.iter().map(of_last).collect();
        let mut jobs: Vec<Job> = parts.into_iter().map(|part| job(part, Vec::new())).collect();
        for share in last {
            jobs.iter_mut().zip(share.divide(&sizes)).for_each(|(job, part)| job.shares.push(part));
        }
        if let Some(first) = jobs.first_mut() {
            first.shares.extend(pending.shares);
        }
        if let Some(Job { content: Content::Here(rest), shares }) = jobs.pop_if(|job| self.is_small(job)) {
            let size = self.sizer.size(&rest);
            let flush_at = self.flush_time();
            self.pending.insert(partition, Pending { batches: vec![rest], size, shares, flush_at });
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
