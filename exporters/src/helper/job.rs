//! What travels from the queue to the tasks that send: batches, and the claims on the queue that they settle.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use otelcol_pdata::{Batch, Signal};
use otelcol_pipeline::ConsumeError;
use otelcol_pipeline::storage::StorageLog;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::stored;

type Outcome = Result<(), ConsumeError>;

/// The answer to a producer that waits for it.
pub(crate) type Answer = oneshot::Receiver<Outcome>;

/// A batch to be sent, and its shares in what the queue accepted.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) content: Content,
    pub(crate) shares: Vec<Share>,
}

/// Where a batch is.
#[derive(Debug)]
pub(crate) enum Content {
    Here(Batch),
    /// On disk only, in the record of the job's one share.
    Stored(Signal),
}

impl Job {
    /// Whether all of it outlives the process.
    pub(crate) fn is_stored(&self) -> bool {
        self.shares.iter().all(Share::is_stored)
    }

    /// The batch, read from the disk where it is there only.
    ///
    /// # Errors
    /// It can not be read or is not what was written, and how many items that are.
    pub(crate) async fn load(self) -> Result<(Batch, Vec<Share>), Unreadable> {
        let signal = match self.content {
            Content::Here(batch) => return Ok((batch, self.shares)),
            Content::Stored(signal) => signal,
        };
        let claim = self.shares.first().map(|share| Arc::clone(&share.claim));
        let Some(record) = claim.as_ref().and_then(|claim| claim.record.as_ref()) else {
            let why = "a batch is neither in memory nor on disk".to_owned();
            return Err(Unreadable { items: 0, why, shares: self.shares });
        };
        let read = record.log.read(record.id).await.map_err(|why| why.to_string());
        let batch = read.and_then(|record| stored::decode(signal, &record));
        match batch {
            Ok(batch) => Ok((batch, self.shares)),
            Err(why) => {
                let items = claim.as_ref().map_or(0, |claim| claim.items);
                Err(Unreadable { items, why, shares: self.shares })
            }
        }
    }
}

/// A stored batch that can not be had back.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) items: usize,
    pub(crate) why: String,
    pub(crate) shares: Vec<Share>,
}

/// What a producer is told whose batch was not sent.
pub(crate) fn unsent() -> ConsumeError {
    ConsumeError::retryable("the exporter stopped before the batch was sent", None)
}

/// Tells all claims how the sending of a part went.
pub(crate) fn settle(shares: Vec<Share>, result: &Outcome) {
    for share in shares {
        share.settle(result.clone());
    }
}

/// A part of what the queue accepted in one piece. Dropped without being settled, it was not sent.
#[derive(Debug)]
pub(crate) struct Share {
    claim: Arc<Claim>,
    items: usize,
}

impl Share {
    pub(crate) fn new(claim: Claim) -> Self {
        claim.open.fetch_add(1, Ordering::Relaxed);
        Self { items: claim.items, claim: Arc::new(claim) }
    }

    /// The same in parts of so many spans, points or records each.
    pub(crate) fn divide(self, items: &[usize]) -> Vec<Self> {
        self.claim.open.fetch_add(items.len(), Ordering::Relaxed);
        self.claim.open.fetch_sub(1, Ordering::AcqRel);
        items.iter().map(|items| Self { claim: Arc::clone(&self.claim), items: *items }).collect()
    }

    /// Whether it outlives the process.
    pub(crate) fn is_stored(&self) -> bool {
        self.claim.record.is_some()
    }

    fn settle(self, result: Outcome) {
        self.claim.note(result);
        self.close();
    }

    fn close(&self) {
        self.claim.met.fetch_add(self.items, Ordering::Relaxed);
        self.claim.open.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        // What makes the sender panic must not come back after a restart.
        if std::thread::panicking() {
            self.close();
        }
    }
}

/// A batch's place on disk.
pub(crate) struct Record {
    pub(crate) log: Arc<dyn StorageLog>,
    pub(crate) id: u64,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Record({})", self.id)
    }
}

/// The room that one accepted batch takes up in the queue. Freed, and the producer answered, with the last share; what
/// is on disk is removed where all parts met their end.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) held: Arc<Held>,
    pub(crate) items: usize,
    pub(crate) pinned: usize,
    pub(crate) record: Option<Record>,
    pub(crate) answer: Option<oneshot::Sender<Outcome>>,
    pub(crate) room: Option<OwnedSemaphorePermit>,
    /// Shares that are not settled.
    open: AtomicUsize,
    /// Items that met their end.
    met: AtomicUsize,
    outcome: Mutex<Option<Outcome>>,
}

impl Claim {
    /// A claim on `held`, which counts it from now on.
    pub(crate) fn new(held: Arc<Held>, items: usize, pinned: usize) -> Self {
        held.batches.fetch_add(1, Ordering::Relaxed);
        held.pinned.fetch_add(pinned, Ordering::Relaxed);
        Self {
            held,
            items,
            pinned,
            record: None,
            answer: None,
            room: None,
            open: AtomicUsize::new(0),
            met: AtomicUsize::new(0),
            outcome: Mutex::default(),
        }
    }

    /// Adds the result of one part of the batch: the whole went well only when each part did.
    fn note(&self, result: Outcome) {
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        *outcome = Some(match (outcome.take(), result) {
            (Some(Err(before)), Err(error)) => Err(before.join(&error)),
            (Some(Err(error)), Ok(())) | (_, Err(error)) => Err(error),
            (_, Ok(())) => Ok(()),
        });
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.held.batches.fetch_sub(1, Ordering::Relaxed);
        self.held.pinned.fetch_sub(self.pinned, Ordering::Relaxed);
        let is_done = *self.open.get_mut() == 0;
        match &self.record {
            Some(record) if is_done => record.log.remove(record.id),
            Some(_) => _ = self.held.left_on_disk.fetch_add(self.items, Ordering::Relaxed),
            None if is_done || self.answer.is_some() => {}
            None => {
                let lost = self.items.saturating_sub(*self.met.get_mut());
                self.held.lost.fetch_add(lost, Ordering::Relaxed);
            }
        }
        let outcome = self.outcome.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(answer) = self.answer.take() {
            // A producer that has gone away needs no answer.
            _ = answer.send(outcome.unwrap_or_else(|| Err(unsent())));
        }
    }
}

/// What all claims of a queue hold together.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) batches: AtomicUsize,
    /// Bytes of memory.
    pub(crate) pinned: AtomicUsize,
    /// Items that were not sent and are sent after a restart.
    pub(crate) left_on_disk: AtomicUsize,
    /// Items that were not sent, and that nobody else has.
    pub(crate) lost: AtomicUsize,
}
