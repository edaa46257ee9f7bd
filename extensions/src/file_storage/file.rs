//! One file: read once, then replaced as a whole by each write.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use otelcol_pipeline::storage::{StorageClient, StorageError, StorageOp};
use otelcol_segment_log::{OpenError, sync_parent};

use super::format::{self, Entries};

/// Where a file is and how it is written.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    pub(super) max_size: u64,
    pub(super) fsync: bool,
    pub(super) recreate: bool,
}

/// A file that was moved aside, and why.
#[derive(Debug)]
pub(super) struct Corrupt {
    pub(super) moved_to: PathBuf,
    pub(super) why: String,
}

/// An open file. Its content is in memory; other processes are kept out by a lock beside it.
#[derive(Debug)]
pub(super) struct StoredFile {
    place: Place,
    current: Mutex<Arc<Entries>>,
    writing: Mutex<()>,
    _lock: File,
}

impl StoredFile {
    /// Opens the file at `place`, empty where there is none. Blocks on the disk.
    pub(super) fn open(place: Place) -> Result<(Self, Option<Corrupt>), OpenError> {
        let failed = |why: &dyn std::fmt::Display| {
            OpenError::Failed(StorageError(format!("open {}: {why}", place.path.display())))
        };
        let lock = private(OpenOptions::new().create(true).write(true).truncate(false))
            .open(beside(&place.path, "lock"))
            .map_err(|why| failed(&why))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse),
            Err(TryLockError::Error(why)) => return Err(failed(&why)),
        }
        let (entries, corrupt) = match read(&place) {
            Ok(entries) => (entries, None),
            Err(ReadError::Io(why)) => return Err(failed(&why)),
            Err(ReadError::Corrupt(why)) if !place.recreate => {
                return Err(failed(&format!("file is corrupt: {why}: remove it, or set recreate to true")));
            }
            Err(ReadError::Corrupt(why)) => {
                let moved_to = move_aside(&place.path).map_err(|why| failed(&why))?;
                (Entries::new(), Some(Corrupt { moved_to, why }))
            }
        };
        let file =
            Self { place, current: Mutex::new(Arc::new(entries)), writing: Mutex::default(), _lock: lock };
        Ok((file, corrupt))
    }

    fn write(&self, ops: Vec<StorageOp>) -> Result<(), StorageError> {
        let failed = |why: String| StorageError(format!("write {}: {why}", self.place.path.display()));
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut entries = Entries::clone(&self.current());
        for op in ops {
            match op {
                StorageOp::Set(key, value) => _ = entries.insert(key, Arc::new(value)),
                StorageOp::Delete(key) => _ = entries.remove(&key),
            }
        }
        let size = format::size(&entries);
        if self.place.max_size > 0 && size > self.place.max_size {
            return Err(failed(format!(
                "storage is full: {size} bytes, max_size is {}",
                self.place.max_size
            )));
        }
        replace(&self.place.path, &entries, self.place.fsync).map_err(|why| failed(why.to_string()))?;
        *self.current() = Arc::new(entries);
        Ok(())
    }

    fn current(&self) -> MutexGuard<'_, Arc<Entries>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A component's access to its file.
pub(super) struct Client(pub(super) Arc<StoredFile>);

#[async_trait]
impl StorageClient for Client {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.0.current().get(key).map(|value| Vec::clone(value)))
    }

    async fn write(&self, ops: Vec<StorageOp>) -> Result<(), StorageError> {
        let file = Arc::clone(&self.0);
        // Once begun a write is brought to its end, also when nobody waits for it any more.
        let done = tokio::task::spawn_blocking(move || file.write(ops)).await;
        done.unwrap_or_else(|panic| Err(StorageError(panic.to_string())))
    }
}

enum ReadError {
    Io(String),
    Corrupt(String),
}

fn read(place: &Place) -> Result<Entries, ReadError> {
    let size = match fs::metadata(&place.path) {
        Ok(found) => found.len(),
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Entries::new()),
        Err(why) => return Err(ReadError::Io(why.to_string())),
    };
    if place.max_size > 0 && size > place.max_size {
        let max_size = place.max_size;
        return Err(ReadError::Io(format!("expected at most {max_size} bytes (max_size), found {size}")));
    }
    let content = fs::read(&place.path).map_err(|why| ReadError::Io(why.to_string()))?;
    format::decode(&content).map_err(ReadError::Corrupt)
}

fn move_aside(path: &Path) -> io::Result<PathBuf> {
    let time = Timestamp::now().strftime("%Y%m%dT%H%M%S.%3fZ").to_string();
    let aside = beside(path, &format!("{time}.backup"));
    fs::rename(path, &aside)?;
    Ok(aside)
}

/// Puts a file in place of another in one step: whoever looks sees the old one or the new one.
fn replace(path: &Path, entries: &Entries, fsync: bool) -> io::Result<()> {
    let temporary = beside(path, "tmp");
    let file = private(OpenOptions::new().create(true).write(true).truncate(true)).open(&temporary)?;
    let mut out = BufWriter::new(&file);
    let written = format::write(entries, &mut out).and_then(|()| out.flush());
    drop(out);
    let written = written.and_then(|()| if fsync { file.sync_all() } else { Ok(()) });
    if let Err(why) = written.and_then(|()| fs::rename(&temporary, path)) {
        // What remains of the attempt only takes space; the next write begins it anew.
        let _ = fs::remove_file(&temporary);
        return Err(why);
    }
    if fsync { sync_parent(path) } else { Ok(()) }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

/// Only the collector's user reads what components keep.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options.mode(0o600)
}
