//! The log of a queue: batches in segments, one file after the other.
//!
//! Whoever appends or removes leaves word; one blocking task at a time does what has gathered, so that many appends
//! share one write and one fsync, and nobody who removes waits for the disk.

mod record;
mod segment;
mod segments;
#[cfg(test)]
mod tests;

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use async_trait::async_trait;
use bytes::Bytes;
use otelcol_pipeline::storage::{Appended, LogRecord, StorageError, StorageLog};
use otelcol_pipeline::telemetry::Counter;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use record::{HEADER, Header};
pub(crate) use segment::list;
pub(crate) use segments::Damage;
pub use segments::Place;
use segments::{Entry, Segments};

use crate::open::OpenError;
use crate::sync::sync_names;

/// How the directory of a log ends.
pub const ENDING: &str = "queue";
pub(crate) const LOCK: &str = "lock";

/// A log in a directory of its own, which a lock keeps others out of.
pub(crate) struct SegmentLog {
    me: Weak<Self>,
    directory: String,
    longest: u64,
    runtime: Handle,
    orders: Mutex<Orders>,
    segments: Mutex<Segments>,
    size: AtomicU64,
    corrupt: Counter,
    lock: Mutex<Option<File>>,
}

/// What is to be done.
#[derive(Default)]
struct Orders {
    appends: Vec<(Entry, oneshot::Sender<Result<Appended, StorageError>>)>,
    removals: Vec<u64>,
    waiting: Vec<oneshot::Sender<()>>,
    /// A task is at work and takes what comes.
    busy: bool,
    closed: bool,
}

impl Orders {
    fn is_empty(&self) -> bool {
        self.appends.is_empty() && self.removals.is_empty() && self.waiting.is_empty()
    }
}

/// A log that was opened.
pub(crate) type Opened = (Arc<SegmentLog>, Vec<LogRecord>, Damage);

impl SegmentLog {
    /// Opens the log at `place`, empty where there is none. Blocks on the disk.
    pub(crate) fn open(place: Place, runtime: Handle, corrupt: Counter) -> Result<Opened, OpenError> {
        let directory = place.directory.display().to_string();
        let failed =
            |why: &dyn std::fmt::Display| OpenError::Failed(StorageError(format!("open {directory}: {why}")));
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&place.directory);
        made.map_err(|why| failed(&why))?;
        if place.fsync {
            sync_names(&place.directory).map_err(|why| failed(&why))?;
        }
        let lock = take_lock(&place.directory.join(LOCK), &failed)?;
        let longest = place.longest();
        let (segments, records, damage) = Segments::open(place).map_err(|why| failed(&why))?;
        let log = Arc::new_cyclic(|me| Self {
            me: me.clone(),
            runtime,
            orders: Mutex::default(),
            size: AtomicU64::new(segments.size()),
            segments: Mutex::new(segments),
            corrupt,
            lock: Mutex::new(Some(lock)),
            directory,
            longest,
        });
        Ok((log, records, damage))
    }

    /// Leaves word, and sees that someone is at work.
    fn order(&self, add: impl FnOnce(&mut Orders)) {
        let mut orders = self.orders();
        add(&mut orders);
        let Some(me) = self.me.upgrade() else { return };
        if !std::mem::replace(&mut orders.busy, true) {
            drop(orders);
            drop(self.runtime.spawn_blocking(move || me.work()));
        }
    }

    fn work(&self) {
        let _closing = CloseOnPanic(self);
        loop {
            let mut orders = self.orders();
            if orders.is_empty() {
                orders.busy = false;
                return;
            }
            let closed = orders.closed;
            let Orders { appends, removals, waiting, .. } =
                std::mem::replace(&mut *orders, Orders { busy: true, closed, ..Orders::default() });
            drop(orders);
            let (entries, answers): (Vec<_>, Vec<_>) = appends.into_iter().unzip();
            let results = {
                let mut segments = self.segments();
                removals.into_iter().for_each(|number| segments.remove(number));
                let results = segments.append(&entries);
                if !waiting.is_empty() {
                    segments.close();
                }
                self.size.store(segments.size(), Ordering::Relaxed);
                results
            };
            for (answer, result) in answers.into_iter().zip(results) {
                // An append that nobody waits for any more is dropped here, which removes it.
                _ = answer.send(result.and_then(|number| self.appended(number)));
            }
            waiting.into_iter().for_each(|closing| _ = closing.send(()));
        }
    }

    fn appended(&self, number: u64) -> Result<Appended, StorageError> {
        let log = self.me.upgrade().ok_or_else(|| self.closed())?;
        Ok(Appended::new(log, number))
    }

    fn read_blocking(&self, number: u64) -> Result<Bytes, StorageError> {
        let failed = |why: &dyn std::fmt::Display| StorageError(format!("read {}: {why}", self.directory));
        let place = self.segments().locate(number);
        let (file, offset, len) = place.ok_or_else(|| failed(&format!("there is no record {number}")))?;
        let mut bytes = vec![0; HEADER + len];
        file.read_exact_at(&mut bytes, offset).map_err(|why| failed(&why))?;
        let bytes = Bytes::from(bytes);
        let payload = bytes.slice(HEADER..);
        let header = Header::decode(&bytes);
        if header.is_some_and(|header| header.number == number && header.matches(&payload)) {
            return Ok(payload);
        }
        self.corrupt.inc();
        Err(failed(&format!("record {number} is corrupt: its checksum does not match")))
    }

    fn closed(&self) -> StorageError {
        StorageError(format!("write {}: the log is closed", self.directory))
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn segments(&self) -> MutexGuard<'_, Segments> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was under way when the task panicked is not known: the log takes nothing more, and nobody waits for an answer.
struct CloseOnPanic<'a>(&'a SegmentLog);

impl Drop for CloseOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut orders = self.0.orders();
            tracing::error!(
                directory = self.0.directory,
                "writing to a queue on disk panicked: it takes nothing more"
            );
            *orders = Orders { closed: true, ..Orders::default() };
        }
    }
}

#[async_trait]
impl StorageLog for SegmentLog {
    async fn append(&self, payload: Vec<Bytes>, items: usize) -> Result<Appended, StorageError> {
        let (answer, result) = oneshot::channel();
        // Whoever closes it may have given it to another holder already.
        self.order(|orders| {
            if !orders.closed {
                orders.appends.push((Entry { payload, items }, answer));
            }
        });
        result.await.unwrap_or_else(|_| Err(self.closed()))
    }

    async fn read(&self, id: u64) -> Result<Bytes, StorageError> {
        let me = self.me.upgrade().ok_or_else(|| self.closed())?;
        let read = self.runtime.spawn_blocking(move || me.read_blocking(id)).await;
        read.unwrap_or_else(|panic| Err(StorageError(panic.to_string())))
    }

    fn remove(&self, id: u64) {
        self.order(|orders| orders.removals.push(id));
    }

    fn disk_bytes(&self) -> u64 {
        self.size.load(Ordering::Relaxed)
    }

    fn longest(&self) -> u64 {
        self.longest
    }

    async fn close(&self) {
        let (closing, closed) = oneshot::channel();
        self.order(|orders| {
            orders.closed = true;
            orders.waiting.push(closing);
        });
        // The task that answers may have gone with its runtime: then there is nothing left to wait for.
        _ = closed.await;
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

pub(crate) fn take_lock(
    path: &Path,
    failed: &impl Fn(&dyn std::fmt::Display) -> OpenError,
) -> Result<File, OpenError> {
    let lock = OpenOptions::new().create(true).write(true).truncate(false).mode(0o600).open(path);
    let lock = lock.map_err(|why| failed(&why))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse),
        Err(TryLockError::Error(why)) => Err(failed(&why)),
    }
}
