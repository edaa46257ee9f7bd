//! Keeping a component's state over a restart. Offered by extensions such as `file_storage`.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{ComponentId, Kind};

/// Why a storage could not be opened, read or written; the text holds the path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StorageError(pub String);

/// A storage extension: one space for each component that asks.
#[async_trait]
pub trait Storage: Send + Sync + 'static {
    /// Opens the space of one component. `name` tells several spaces of one component apart; may be empty.
    ///
    /// # Errors
    /// The path that could not be opened or whose content is not readable.
    async fn open(
        &self,
        kind: Kind,
        id: &ComponentId,
        name: &str,
    ) -> Result<Arc<dyn StorageClient>, StorageError>;

    /// Opens the log of one component: what a queue keeps its batches in. Only one holder at a time has it open.
    ///
    /// # Errors
    /// This storage has no logs; or the path that can not be opened, or that someone else has open.
    async fn open_log(&self, kind: Kind, id: &ComponentId, name: &str) -> Result<OpenedLog, StorageError> {
        let _ = name;
        Err(StorageError(format!("the storage has no logs, which the queue of {kind} {id} needs")))
    }
}

/// One change of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageOp {
    /// Puts a value in place of whatever the key held.
    Set(String, Vec<u8>),
    /// Takes a key away.
    Delete(String),
}

/// A component's own keys and values.
#[async_trait]
pub trait StorageClient: Send + Sync + 'static {
    /// The value of a key, `None` where there is none.
    ///
    /// # Errors
    /// The path that could not be read.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StorageError>;

    /// Does all of `ops` or none of them, also when the machine stops in the middle.
    ///
    /// # Errors
    /// The path that could not be written; the old values are still there.
    async fn write(&self, ops: Vec<StorageOp>) -> Result<(), StorageError>;
}

/// A log that was opened, and what is in it.
pub struct OpenedLog {
    /// The log.
    pub log: Arc<dyn StorageLog>,
    /// What was appended before and is not removed, oldest first.
    pub records: Vec<LogRecord>,
}

/// A record of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogRecord {
    /// Names the record in its log; later records have higher ones.
    pub id: u64,
    /// Spans, points or log records in it, as its writer said.
    pub items: usize,
    /// Size of the payload, in bytes.
    pub len: usize,
}

/// Records that are appended at one end, and read and removed in any order.
///
/// A key-value store is the wrong shape for a queue: each batch would be written twice, and the space of removed
/// ones has to be compacted.
#[async_trait]
pub trait StorageLog: Send + Sync + 'static {
    /// Appends the concatenation of `payload`, which holds `items` items. Returns when the record outlives the process;
    /// whether it outlives a loss of power is the storage's setting. Dropped before it returns, it appends nothing.
    ///
    /// # Errors
    /// The path that could not be written, or that the log is full. All older records are still there.
    async fn append(&self, payload: Vec<Bytes>, items: usize) -> Result<Appended, StorageError>;

    /// The payload of a record.
    ///
    /// # Errors
    /// The record is not there, can not be read, or is not what was written.
    async fn read(&self, id: u64) -> Result<Bytes, StorageError>;

    /// Removes a record. Takes effect soon; one that was removed just before the process dies may come back.
    fn remove(&self, id: u64);

    /// Space taken up, in bytes.
    fn disk_bytes(&self) -> u64;

    /// The longest payload that an empty log takes, in bytes.
    fn longest(&self) -> u64;

    /// Finishes what was begun and lets another holder open the log. Nothing can be appended afterwards.
    async fn close(&self);
}

/// A record that was appended and has no owner yet: dropped, it is removed again, so that a client that went away
/// while its data was written leaves nothing behind.
pub struct Appended {
    log: Arc<dyn StorageLog>,
    id: u64,
    kept: bool,
}

impl Appended {
    /// The record `id` of `log`, for implementations of [`StorageLog::append`].
    pub fn new(log: Arc<dyn StorageLog>, id: u64) -> Self {
        Self { log, id, kept: false }
    }

    /// Takes the record over. It stays until it is removed.
    pub fn keep(mut self) -> u64 {
        self.kept = true;
        self.id
    }
}

impl Drop for Appended {
    fn drop(&mut self) {
        if !self.kept {
            self.log.remove(self.id);
        }
    }
}
