//! `file_storage`: keeps the state of components in files, one for each component.

mod config;
mod file;
mod format;
mod log;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use otelcol_pipeline::storage::{OpenedLog, Storage, StorageClient, StorageError};
use otelcol_pipeline::telemetry::Counter;
use otelcol_pipeline::{
    Component, ComponentError, ComponentId, Context, Extension, ExtensionFactory, Host, Kind,
};
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

pub use config::Config;

use file::{Client, Corrupt, OpenError, Place, StoredFile};
use log::{Damage, SegmentLog};

/// The factory of `file_storage`.
pub fn factory() -> ExtensionFactory {
    ExtensionFactory::extension("file_storage", create)
}

#[expect(clippy::needless_pass_by_value, reason = "the signature of a factory")]
fn create(context: Context, config: Config) -> Result<Arc<dyn Extension>, ComponentError> {
    Ok(Arc::new(FileStorage::new(&context, config)))
}

struct FileStorage {
    id: ComponentId,
    config: Config,
    /// A component that a reload replaces may still hold its file when the next instance opens it.
    open: Arc<Mutex<HashMap<PathBuf, Weak<StoredFile>>>>,
    corrupt: Counter,
    corrupt_records: Counter,
}

/// A file that another process has open is tried again this often.
const RETRY: Duration = Duration::from_millis(20);
/// Names that are longer are hashed: a file name has 255 bytes at most, and some are made of it by a suffix.
const MAX_NAME: usize = 200;

impl FileStorage {
    fn new(context: &Context, config: Config) -> Self {
        let corrupt = context.telemetry.counter(
            "otelcol_file_storage_corrupt_files",
            "Number of files that were moved aside because their content was corrupt.",
            &[("extension", &context.id.to_string())],
        );
        let corrupt_records = context.telemetry.counter(
            "otelcol_file_storage_corrupt_records",
            "Number of batches of queues that were skipped because they are not what was written.",
            &[("extension", &context.id.to_string())],
        );
        Self { id: context.id.clone(), config, open: Arc::default(), corrupt, corrupt_records }
    }

    async fn file(&self, path: PathBuf) -> Result<Arc<StoredFile>, StorageError> {
        let place = Place {
            path: path.clone(),
            max_size: self.config.file_limit(),
            fsync: self.config.fsync,
            recreate: self.config.recreate,
        };
        let open = Arc::clone(&self.open);
        let (file, corrupt) = self
            .patiently(&path, move || {
                let open = || open.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(file) = open().get(&place.path).and_then(Weak::upgrade) {
                    return Ok((file, None));
                }
                let (file, corrupt) = StoredFile::open(place.clone())?;
                let file = Arc::new(file);
                open().insert(place.path.clone(), Arc::downgrade(&file));
                Ok((file, corrupt))
            })
            .await?;
        if let Some(corrupt) = corrupt {
            self.note(&path, &corrupt);
        }
        Ok(file)
    }

    /// Tries until `timeout` while someone else has the file open. `attempt` blocks on the disk.
    async fn patiently<T: Send + 'static>(
        &self,
        path: &Path,
        attempt: impl Fn() -> Result<T, OpenError> + Clone + Send + 'static,
    ) -> Result<T, StorageError> {
        let deadline = Instant::now() + self.config.timeout.get();
        loop {
            let opened = tokio::task::spawn_blocking(attempt.clone()).await;
            match opened.map_err(|panic| StorageError(panic.to_string()))? {
                Ok(opened) => return Ok(opened),
                Err(OpenError::Failed(why)) => return Err(why),
                Err(OpenError::InUse) if Instant::now() < deadline => sleep(RETRY).await,
                Err(OpenError::InUse) => {
                    let path = path.display();
                    return Err(StorageError(format!("open {path}: timeout: another process has it open")));
                }
            }
        }
    }

    fn note(&self, path: &Path, corrupt: &Corrupt) {
        self.corrupt.inc();
        tracing::error!(
            extension = %self.id, file = %path.display(), moved_to = %corrupt.moved_to.display(), reason = %corrupt.why,
            "storage file is corrupt: moved it aside and began an empty one"
        );
    }

    fn note_damage(&self, directory: &Path, damage: &Damage) {
        if damage.torn > 0 {
            tracing::info!(
                extension = %self.id, directory = %directory.display(), bytes = damage.torn,
                "cut off what was being written when the process ended"
            );
        }
        if damage.corrupt > 0 {
            self.corrupt_records.add(damage.corrupt as u64);
            tracing::error!(
                extension = %self.id, directory = %directory.display(), corrupt = damage.corrupt,
                "batches of a queue are not what was written: skipped them"
            );
        }
    }
}

#[async_trait]
impl Component for FileStorage {
    async fn start(&self, _host: &Host) -> Result<(), ComponentError> {
        let directory = &self.config.directory;
        if !self.config.create_directory || directory.is_dir() {
            return Ok(());
        }
        let permissions = self.config.permissions().map_err(ComponentError::new)?;
        DirBuilder::new()
            .recursive(true)
            .mode(permissions)
            .create(directory)
            .map_err(|why| ComponentError::new(format!("create directory {}: {why}", directory.display())))
    }
}

impl Extension for FileStorage {
    fn storage(self: Arc<Self>) -> Option<Arc<dyn Storage>> {
        Some(self)
    }
}

#[async_trait]
impl Storage for FileStorage {
    async fn open(
        &self,
        kind: Kind,
        id: &ComponentId,
        name: &str,
    ) -> Result<Arc<dyn StorageClient>, StorageError> {
        let path = self.config.directory.join(file_name(kind, id, name));
        Ok(Arc::new(Client(self.file(path).await?)))
    }

    async fn open_log(&self, kind: Kind, id: &ComponentId, name: &str) -> Result<OpenedLog, StorageError> {
        let directory = self.config.directory.join(base_name(kind, id, name) + ".queue");
        let place = log::Place {
            directory: directory.clone(),
            max_size: self.config.queue_limit(),
            fsync: self.config.fsync,
        };
        let (corrupt, runtime) = (self.corrupt_records.clone(), Handle::current());
        let attempt = move || SegmentLog::open(place.clone(), runtime.clone(), corrupt.clone());
        let (log, records, damage) = self.patiently(&directory, attempt).await?;
        self.note_damage(&directory, &damage);
        Ok(OpenedLog { log, records })
    }
}

/// contrib's name of a component's file, with an ending of our own: the formats differ, the directory may be shared.
fn file_name(kind: Kind, id: &ComponentId, name: &str) -> String {
    base_name(kind, id, name) + ".kv"
}

fn base_name(kind: Kind, id: &ComponentId, name: &str) -> String {
    let mut raw = format!("{kind}_{}_{}", id.component_type(), id.name());
    if !name.is_empty() {
        raw.push('_');
        raw.push_str(name);
    }
    let name = sanitize(&raw);
    if name.len() > MAX_NAME { format!("{:x}", Sha256::digest(&name)) } else { name }
}

/// contrib's rule: what is neither letter, digit, dot, hyphen nor underscore becomes a tilde and its number in hex.
fn sanitize(name: &str) -> String {
    let mut safe = String::with_capacity(name.len());
    for character in name.chars() {
        match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '_' => safe.push(character),
            other => safe.push_str(&format!("~{:04X}", u32::from(other))),
        }
    }
    safe
}
