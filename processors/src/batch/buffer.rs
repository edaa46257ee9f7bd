//! What waits to be sent: bounded by the memory it holds.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use otelcol_pdata::Batch;
use otelcol_pipeline::ConsumeError;
use tokio::sync::{Notify, Semaphore, TryAcquireError, watch};
use tokio::time::Instant;

use super::Config;

/// Why a batch is sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trigger {
    Size,
    Timeout,
}

/// When the next batch is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Now(Trigger),
    At(Instant),
    Never,
}

/// Data taken out of the buffer. Its memory stays booked until [`Buffer::release`].
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) batches: Vec<Batch>,
    pub(super) bytes: usize,
}

pub(super) struct Buffer {
    waiting: Mutex<Waiting>,
    room: Arc<Room>,
    wake: Notify,
    limits: Limits,
}

/// The memory that the buffers of one processor share.
pub(super) struct Room {
    /// One permit a byte.
    bytes: Semaphore,
    refusal: watch::Sender<Option<Duration>>,
}

impl Room {
    pub(super) fn new(config: &Config) -> Arc<Self> {
        Arc::new(Self { bytes: Semaphore::new(config.max_buffer_bytes), refusal: watch::Sender::new(None) })
    }
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    timeout: Duration,
    items: usize,
    bytes: usize,
    capacity: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    taken: Taken,
    items: usize,
    since: Option<Instant>,
    closed: bool,
}

impl Buffer {
    pub(super) fn new(config: &Config, room: Arc<Room>) -> Self {
        let capacity = config.max_buffer_bytes;
        // A buffer that only fills up would wait for its timeout: half full is enough to send.
        let half = (capacity / 2).max(1);
        let bytes =
            if config.send_batch_max_bytes == 0 { half } else { config.send_batch_max_bytes.min(half) };
        let limits = Limits { timeout: config.timeout.get(), items: config.send_batch_size, bytes, capacity };
        Self { waiting: Mutex::default(), room, wake: Notify::new(), limits }
    }

    /// Takes a batch in. Waits for room while the next component is at work, and refuses while that refuses.
    pub(super) async fn push(&self, batch: Batch) -> Result<(), ConsumeError> {
        let bytes = batch.pinned_bytes().clamp(1, self.limits.capacity);
        self.book(bytes).await?;
        let items = batch.items();
        let mut waiting = self.lock();
        if waiting.closed {
            return Err(stopped());
        }
        let first = waiting.since.is_none();
        waiting.since.get_or_insert_with(Instant::now);
        waiting.items += items;
        waiting.taken.bytes += bytes;
        waiting.taken.batches.push(batch);
        let enough = self.enough(&waiting);
        drop(waiting);
        if first || enough {
            self.wake.notify_one();
        }
        Ok(())
    }

    async fn book(&self, bytes: usize) -> Result<(), ConsumeError> {
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        let permit = match self.room.bytes.try_acquire_many(permits) {
            Ok(permit) => permit,
            Err(TryAcquireError::Closed) => return Err(stopped()),
            Err(TryAcquireError::NoPermits) => {
                let mut refusal = self.room.refusal.subscribe();
                tokio::select! {
                    biased;
                    permit = self.room.bytes.acquire_many(permits) => permit.map_err(|_| stopped())?,
                    refused = refusal.wait_for(Option::is_some) => {
                        let after = refused.ok().and_then(|refused| *refused);
                        return Err(ConsumeError::refused("batch buffer is full and the next component refuses data", after));
                    }
                }
            }
        };
        permit.forget();
        Ok(())
    }

    /// Frees the memory of data that has left.
    pub(super) fn release(&self, bytes: usize) {
        self.room.bytes.add_permits(bytes);
    }

    /// Says that the next component refuses and will be asked again after this time, or that it takes data again.
    pub(super) fn set_refusal(&self, after: Option<Duration>) {
        self.room.refusal.send_if_modified(|refusal| std::mem::replace(refusal, after) != after);
    }

    /// When there is something to send.
    pub(super) fn due(&self) -> Due {
        let waiting = self.lock();
        let Some(since) = waiting.since else { return Due::Never };
        if self.enough(&waiting) {
            return Due::Now(Trigger::Size);
        }
        let at = since + self.limits.timeout;
        if at <= Instant::now() { Due::Now(Trigger::Timeout) } else { Due::At(at) }
    }

    /// Returns when something came in that may change what is due.
    pub(super) async fn changed(&self) {
        self.wake.notified().await;
    }

    /// All that waits.
    pub(super) fn take(&self) -> Taken {
        let mut waiting = self.lock();
        waiting.items = 0;
        waiting.since = None;
        std::mem::take(&mut waiting.taken)
    }

    /// Puts back what is too little to be sent, before all that came in meanwhile.
    pub(super) fn put_back(&self, batch: Batch, bytes: usize) {
        let mut waiting = self.lock();
        waiting.since.get_or_insert_with(Instant::now);
        waiting.items += batch.items();
        waiting.taken.bytes += bytes;
        waiting.taken.batches.insert(0, batch);
    }

    /// Refuses everything from now on, also what waits for room.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.room.bytes.close();
    }

    fn enough(&self, waiting: &Waiting) -> bool {
        let at_once = self.limits.timeout.is_zero() || self.limits.items == 0;
        at_once || waiting.items >= self.limits.items || waiting.taken.bytes >= self.limits.bytes
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stopped() -> ConsumeError {
    ConsumeError::refused("the batch processor has stopped", None)
}
