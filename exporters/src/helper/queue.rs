//! The sending queue, in memory or on disk.
//!
//! What a batch takes up is held by its claim, which frees it when the batch has met its end, so that the capacity
//! covers what waits and what is under way. What has to wait is held as bytes, whoever else decodes it: models take up
//! several times that. On disk, a batch is accepted when its record is written. The first ones
//! are kept in memory, too, and sent from there; the others are read when it is their turn.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use otelcol_pdata::{Batch, Signal};
use otelcol_pipeline::ConsumeError;
use otelcol_pipeline::storage::{LogRecord, OpenedLog, StorageError, StorageLog};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::config::{OnStorageError, QueueConfig, Sizer};
use super::job::{Answer, Claim, Content, Held, Job, Record, Share, settle};
use super::stored;

/// What producers are told to wait when there is no room.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Memory for batches that are on disk, too: what is sent within moments is not read back. Little, so that many queues
/// with an outage behind them leave a small `memory_limiter` room for what is new.
const KEPT_IN_MEMORY: usize = 2 * 1024 * 1024;

/// So many batches may share what others decode of them. With more an outage has begun, or something like it.
const DECODED: usize = 10;

/// The bounded queue between the pipeline and the tasks that send.
pub(crate) struct Queue {
    signal: Signal,
    sizer: Sizer,
    capacity: usize,
    block: bool,
    wait: bool,
    on_storage_error: OnStorageError,
    room: Arc<Semaphore>,
    held: Arc<Held>,
    entrance: Mutex<Option<mpsc::UnboundedSender<Job>>>,
    log: OnceLock<Arc<dyn StorageLog>>,
}

/// What became of a batch that was taken in.
pub(crate) struct Taken {
    /// With `wait_for_result`: what comes of it.
    pub(crate) answer: Option<Answer>,
    /// Why it is in memory only, where it should be on disk.
    pub(crate) not_stored: Option<StorageError>,
}

impl Queue {
    /// A queue, and the end where its jobs come out.
    pub(crate) fn new(config: &QueueConfig, signal: Signal) -> (Self, mpsc::UnboundedReceiver<Job>) {
        let (entrance, exit) = mpsc::unbounded_channel();
        let capacity = config.queue_size.min(Semaphore::MAX_PERMITS);
        let queue = Self {
            signal,
            sizer: config.sizer(),
            capacity,
            block: config.block_on_overflow,
            wait: config.wait_for_result,
            on_storage_error: config.on_storage_error,
            room: Arc::new(Semaphore::new(capacity)),
            held: Arc::default(),
            entrance: Mutex::new(Some(entrance)),
            log: OnceLock::new(),
        };
        (queue, exit)
    }

    /// Keeps what comes on disk from now on, and takes in what is there. Gives the number of batches and of items.
    pub(crate) fn restore(&self, opened: OpenedLog) -> (usize, usize) {
        let items = opened.records.iter().map(|record| record.items).sum();
        let batches = opened.records.len();
        for record in &opened.records {
            let size = match self.sizer {
                Sizer::Requests => 1,
                Sizer::Items => record.items,
                Sizer::Bytes => record.len,
            };
            self.restore_one(&opened.log, record, size);
        }
        _ = self.log.set(opened.log);
        (batches, items)
    }

    fn restore_one(&self, log: &Arc<dyn StorageLog>, record: &LogRecord, size: usize) {
        let mut claim = Claim::new(Arc::clone(&self.held), record.items, 0);
        claim.room = self.any_room(size);
        claim.record = Some(Record { log: Arc::clone(log), id: record.id });
        // Nothing closes the queue before it starts.
        _ = self.enter(Job { content: Content::Stored(self.signal), shares: vec![Share::new(claim)] });
    }

    /// Takes a batch in. With `wait_for_result` the answer comes when the batch has met its end.
    ///
    /// # Errors
    /// Refused when the queue is full or closed, permanent when the batch is larger than the whole queue.
    pub(crate) async fn offer(&self, batch: Batch) -> Result<Taken, ConsumeError> {
        let room = self.claim_room(self.sizer.size(&batch)).await?;
        let (record, not_stored) = match (self.store(&batch).await, self.on_storage_error) {
            (Ok(record), _) => (record, None),
            (Err(why), OnStorageError::Memory) => (None, Some(why)),
            (Err(why), OnStorageError::Refuse) => {
                return Err(self.refusal(&why, &batch));
            }
        };
        let answer = self.admit(batch, Some(room), record)?;
        Ok(Taken { answer, not_stored })
    }

    /// Takes in a batch that a queue before this one had accepted, in any case. Gives why it is in memory only, where it
    /// should be on disk.
    pub(crate) async fn take_over(&self, batch: Batch) -> Option<StorageError> {
        let room = self.any_room(self.sizer.size(&batch));
        let stored = self.store(&batch).await;
        let (record, not_stored) = stored.map_or_else(|why| (None, Some(why)), |record| (record, None));
        // Nothing closes the queue before it starts.
        _ = self.admit(batch, room, record);
        not_stored
    }

    /// Brings a batch to the disk, where the queue is there.
    async fn store(&self, batch: &Batch) -> Result<Option<Record>, StorageError> {
        let Some(log) = self.log.get() else { return Ok(None) };
        let appended = log.append(stored::encode(batch), batch.items()).await?;
        Ok(Some(Record { log: Arc::clone(log), id: appended.keep() }))
    }

    /// The answer to whose batch could not be stored: with more than the storage ever takes there is no point in coming again.
    fn refusal(&self, why: &StorageError, batch: &Batch) -> ConsumeError {
        let size: usize = stored::encode(batch).iter().map(Bytes::len).sum();
        if self.log.get().is_some_and(|log| size as u64 > log.longest()) {
            return ConsumeError::permanent(format!(
                "element size too large: a batch of {size} bytes can never fit: {why}; raise max_size or make batches smaller"
            ));
        }
        ConsumeError::refused(format!("sending queue: {why}"), Some(AGAIN_AFTER))
    }

    /// Lets a batch in that has its room and its record.
    fn admit(
        &self,
        batch: Batch,
        room: Option<OwnedSemaphorePermit>,
        record: Option<Record>,
    ) -> Result<Option<Answer>, ConsumeError> {
        let waits = self.held.batches.load(Ordering::Relaxed) >= DECODED;
        let batch = if waits { batch.without_models() } else { batch };
        let (items, mut pinned) = (batch.items(), batch.pinned_bytes());
        let full = self.pinned() + pinned > KEPT_IN_MEMORY;
        let content = if record.is_some() && full {
            pinned = 0;
            Content::Stored(self.signal)
        } else {
            Content::Here(batch)
        };
        let mut claim = Claim::new(Arc::clone(&self.held), items, pinned);
        let (asker, answer) = oneshot::channel();
        claim.answer = self.wait.then_some(asker);
        claim.room = room;
        claim.record = record;
        self.enter(Job { content, shares: vec![Share::new(claim)] })?;
        Ok(self.wait.then_some(answer))
    }

    fn enter(&self, job: Job) -> Result<(), ConsumeError> {
        let entrance = self.entrance.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = match entrance.as_ref() {
            Some(entrance) => entrance.send(job).err().map(|refused| refused.0),
            None => Some(job),
        };
        let Some(job) = refused else { return Ok(()) };
        // Its producer keeps it, so that the disk must not.
        settle(job.shares, &Err(stopped()));
        Err(stopped())
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
            tokio::sync::TryAcquireError::NoPermits => {
                ConsumeError::refused("sending queue is full", Some(AGAIN_AFTER))
            }
        })
    }

    /// Room for what was accepted before, as far as there is: a smaller queue_size than then does not take that back.
    fn any_room(&self, size: usize) -> Option<OwnedSemaphorePermit> {
        let permits = u32::try_from(size.min(self.room.available_permits())).unwrap_or(u32::MAX);
        Arc::clone(&self.room).try_acquire_many_owned(permits).ok()
    }

    /// Takes nothing more in; what is in still comes out, then the end.
    pub(crate) fn close(&self) {
        self.room.close();
        self.entrance.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Ends the use of the disk, when no job is left.
    pub(crate) async fn close_log(&self) {
        if let Some(log) = self.log.get() {
            log.close().await;
        }
    }

    /// What waits or is under way, in units of the sizer.
    pub(crate) fn size(&self) -> usize {
        self.capacity - self.room.available_permits()
    }

    /// The most that may wait or be under way, in units of the sizer.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Items that were in memory only when the tasks that send them ended.
    pub(crate) fn lost(&self) -> usize {
        self.held.lost.load(Ordering::Relaxed)
    }

    /// Items that were not sent and wait on disk for the next start.
    pub(crate) fn left_on_disk(&self) -> usize {
        self.held.left_on_disk.load(Ordering::Relaxed)
    }

    /// Bytes of memory that what waits or is under way keeps from being freed.
    pub(crate) fn pinned(&self) -> usize {
        self.held.pinned.load(Ordering::Relaxed)
    }

    /// Bytes on disk; None for a queue in memory.
    pub(crate) fn disk_bytes(&self) -> Option<u64> {
        self.log.get().map(|log| log.disk_bytes())
    }
}

fn stopped() -> ConsumeError {
    ConsumeError::refused("the exporter is stopped", None)
}
