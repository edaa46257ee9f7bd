//! One file: read once, then replaced as a whole by each write.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use otelcol_pipeline::storage::{StorageClient, StorageError, StorageOp};
use otelcol_segment_log::{OpenError, sync_parent};

use super::format::{self, Content, Contents, Index, ReadError};

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

/// An open file. In memory is only where its values are; other processes are kept out by a lock beside it.
#[derive(Debug)]
pub(super) struct StoredFile {
    place: Place,
    current: Mutex<Arc<Version>>,
    writing: Mutex<()>,
    _lock: File,
}

/// What was written last. It stays readable when another file takes its name.
#[derive(Debug, Default)]
struct Version {
    file: Option<File>,
    index: Index,
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
        let (version, corrupt) = match read(&place) {
            Ok(version) => (version, None),
            Err(ReadError::Io(why)) => return Err(failed(&why)),
            Err(ReadError::Corrupt(why)) if !place.recreate => {
                return Err(failed(&format!("file is corrupt: {why}: remove it, or set recreate to true")));
            }
            Err(ReadError::Corrupt(why)) => {
                let moved_to = move_aside(&place.path).map_err(|why| failed(&why))?;
                (Version::default(), Some(Corrupt { moved_to, why }))
            }
        };
        let file =
            Self { place, current: Mutex::new(Arc::new(version)), writing: Mutex::default(), _lock: lock };
        Ok((file, corrupt))
    }

    /// The value of a key. Blocks on the disk.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StorageError> {
        let version = Arc::clone(&self.current());
        let Some((file, stored)) = version.file.as_ref().zip(version.index.get(key)) else { return Ok(None) };
        let path = self.place.path.display();
        stored.read(file).map(Some).map_err(|why| StorageError(format!("read {key:?} in {path}: {why}")))
    }

    /// Blocks on the disk.
    fn write(&self, ops: Vec<StorageOp>) -> Result<(), StorageError> {
        let failed = |why: String| StorageError(format!("write {}: {why}", self.place.path.display()));
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let version = Arc::clone(&self.current());
        let mut contents: Contents =
            version.index.iter().map(|(key, stored)| (key.clone(), Content::Old(*stored))).collect();
        for op in ops {
            match op {
                StorageOp::Set(key, value) => _ = contents.insert(key, Content::New(value)),
                StorageOp::Delete(key) => _ = contents.remove(&key),
            }
        }
        let size = format::size(&contents);
        if self.place.max_size > 0 && size > self.place.max_size {
            return Err(failed(format!(
                "storage is full: {size} bytes, max_size is {}",
                self.place.max_size
            )));
        }
        let written = replace(&self.place.path, &contents, version.file.as_ref(), self.place.fsync);
        *self.current() = Arc::new(written.map_err(|why| failed(why.to_string()))?);
        Ok(())
    }

    fn current(&self) -> MutexGuard<'_, Arc<Version>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A component's access to its file.
pub(super) struct Client(pub(super) Arc<StoredFile>);

#[async_trait]
impl StorageClient for Client {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StorageError> {
        let (file, key) = (Arc::clone(&self.0), key.to_owned());
        let done = tokio::task::spawn_blocking(move || file.get(&key)).await;
        done.unwrap_or_else(|panic| Err(StorageError(panic.to_string())))
    }

    async fn write(&self, ops: Vec<StorageOp>) -> Result<(), StorageError> {
        let file = Arc::clone(&self.0);
        // Once begun a write is brought to its end, also when nobody waits for it any more.
        let done = tokio::task::spawn_blocking(move || file.write(ops)).await;
        done.unwrap_or_else(|panic| Err(StorageError(panic.to_string())))
    }
}

fn read(place: &Place) -> Result<Version, ReadError> {
    let file = match File::open(&place.path) {
        Ok(file) => file,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Version::default()),
        Err(why) => return Err(why.into()),
    };
    let size = file.metadata()?.len();
    if place.max_size > 0 && size > place.max_size {
        let expected = format!("expected at most {} bytes (max_size), found {size}", place.max_size);
        return Err(io::Error::other(expected).into());
    }
    let index = format::read(&mut BufReader::new(&file), size)?;
    Ok(Version { file: Some(file), index })
}

fn move_aside(path: &Path) -> io::Result<PathBuf> {
    let time = Timestamp::now().strftime("%Y%m%dT%H%M%S.%3fZ").to_string();
    let aside = beside(path, &format!("{time}.backup"));
    fs::rename(path, &aside)?;
    Ok(aside)
}

/// Puts a file in place of another in one step: whoever looks sees the old one or the new one.
fn replace(path: &Path, contents: &Contents, old: Option<&File>, fsync: bool) -> io::Result<Version> {
    let temporary = beside(path, "tmp");
    let file =
        private(OpenOptions::new().create(true).read(true).write(true).truncate(true)).open(&temporary)?;
    let mut out = BufWriter::new(&file);
    let written = format::write(contents, old, &mut out).and_then(|index| {
        out.flush()?;
        if fsync {
            file.sync_all()?;
        }
        fs::rename(&temporary, path)?;
        Ok(index)
    });
    drop(out);
    let index = written.inspect_err(|_| {
        // What remains of the attempt only takes space; the next write begins it anew.
        let _ = fs::remove_file(&temporary);
    })?;
    if fsync {
        sync_parent(path)?;
    }
    Ok(Version { file: Some(file), index })
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
