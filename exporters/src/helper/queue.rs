//! The sending queue in memory.
//!
//! What a batch takes up is held by its [`Claim`], which frees it when the batch has met its end, so that the
//! capacity covers what waits and what is under way.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use otelcol_pdata::Batch;
use otelcol_pipeline::ConsumeError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::config::{QueueConfig, Sizer};

/// The answer to a producer that waits for it.
pub(crate) type Answer = oneshot::Receiver<Result<(), ConsumeError>>;

/// A batch to be sent, and the claims on the queue that it settles.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) batch: Batch,
    pub(crate) claims: Vec<Arc<Claim>>,
}

impl Job {
    /// Tells all claims how the sending went.
    pub(crate) fn settle(&self, result: &Result<(), ConsumeError>) {
        for claim in &self.claims {
            claim.note(result.clone());
        }
    }
}

/// The room that one accepted batch takes up in the queue. Freed, and the producer answered, with the last reference.
#[derive(Debug)]
pub(crate) struct Claim {
    held: Arc<Held>,
    items: usize,
    pinned: usize,
    outcome: Mutex<Option<Result<(), ConsumeError>>>,
    answer: Mutex<Option<oneshot::Sender<Result<(), ConsumeError>>>>,
    _room: OwnedSemaphorePermit,
}

impl Claim {
    /// Adds the result of one part of the batch: the whole went well only when each part did.
    fn note(&self, result: Result<(), ConsumeError>) {
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
        self.held.items.fetch_sub(self.items, Ordering::Relaxed);
        self.held.pinned.fetch_sub(self.pinned, Ordering::Relaxed);
        let answer = self.answer.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let outcome = self.outcome.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(answer) = answer {
            let unsent =
                || Err(ConsumeError::retryable("the exporter stopped before the batch was sent", None));
            // A producer that has gone away needs no answer.
            _ = answer.send(outcome.unwrap_or_else(unsent));
        }
    }
}

/// What all claims of a queue hold together.
#[derive(Debug, Default)]
struct Held {
    items: AtomicUsize,
    pinned: AtomicUsize,
}

/// The bounded queue between the pipeline and the tasks that send.
#[derive(Debug)]
pub(crate) struct Queue {
    sizer: Sizer,
    capacity: usize,
    block: bool,
    wait: bool,
    room: Arc<Semaphore>,
    held: Arc<Held>,
    entrance: Mutex<Option<mpsc::UnboundedSender<Job>>>,
}

impl Queue {
    /// A queue, and the end where its jobs come out.
    pub(crate) fn new(config: &QueueConfig) -> (Self, mpsc::UnboundedReceiver<Job>) {
        let (entrance, exit) = mpsc::unbounded_channel();
        let capacity = config.queue_size.min(Semaphore::MAX_PERMITS);
        let queue = Self {
            sizer: config.sizer(),
            capacity,
            block: config.block_on_overflow,
            wait: config.wait_for_result,
            room: Arc::new(Semaphore::new(capacity)),
            held: Arc::default(),
            entrance: Mutex::new(Some(entrance)),
        };
        (queue, exit)
    }

    /// Takes a batch in. With `wait_for_result` the answer comes when the batch has met its end.
    ///
    /// # Errors
    /// Refused when the queue is full or closed, permanent when the batch is larger than the whole queue.
    pub(crate) async fn offer(&self, batch: Batch) -> Result<Option<Answer>, ConsumeError> {
        let room = self.claim_room(self.sizer.size(&batch)).await?;
        let (asker, answer) = oneshot::channel();
        let (items, pinned) = (batch.items(), batch.pinned_bytes());
        self.held.items.fetch_add(items, Ordering::Relaxed);
        self.held.pinned.fetch_add(pinned, Ordering::Relaxed);
        let claim = Claim {
            held: Arc::clone(&self.held),
            items,
            pinned,
            outcome: Mutex::default(),
            answer: Mutex::new(self.wait.then_some(asker)),
            _room: room,
        };
        let job = Job { batch, claims: vec![Arc::new(claim)] };
        let entrance = self.entrance.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = entrance.as_ref().is_some_and(|entrance| entrance.send(job).is_ok());
        if !taken {
            return Err(stopped());
        }
        Ok(self.wait.then_some(answer))
    }

    async fn claim_room(&self, size: usize) -> Result<OwnedSemaphorePermit, ConsumeError> {
        let permits = u32::try_from(size).unwrap_or(u32::MAX);
        if size > self.capacity {
            let (sizer, capacity) = (self.sizer, self.capacity);
            return Err(ConsumeError::permanent(format!(
                "element size too large: a batch of {size} {sizer} can never fit a sending queue of {capacity}; raise queue_size or make batches smaller"
            )));
        }
        let room = Arc::clone(&self.room);
        if self.block {
            return room.acquire_many_owned(permits).await.map_err(|_| stopped());
        }
        room.try_acquire_many_owned(permits).map_err(|error| match error {
            tokio::sync::TryAcquireError::Closed => stopped(),
            tokio::sync::TryAcquireError::NoPermits => ConsumeError::refused("sending queue is full", None),
        })
    }

    /// Takes nothing more in; what is in still comes out, then the end.
    pub(crate) fn close(&self) {
        self.room.close();
        self.entrance.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// What waits or is under way, in units of the sizer.
    pub(crate) fn size(&self) -> usize {
        self.capacity - self.room.available_permits()
    }

    /// The most that may wait or be under way, in units of the sizer.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Spans, points or records that wait or are under way.
    pub(crate) fn items(&self) -> usize {
        self.held.items.load(Ordering::Relaxed)
    }

    /// Bytes of memory that what waits or is under way keeps from being freed.
    pub(crate) fn pinned(&self) -> usize {
        self.held.pinned.load(Ordering::Relaxed)
    }
}

fn stopped() -> ConsumeError {
    ConsumeError::refused("the exporter is stopped", None)
}
