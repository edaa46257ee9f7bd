//! `file_storage`: keeps the state of components in files, one for each component.

mod config;
mod file;
mod format;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use otelcol_pipeline::storage::{Storage, StorageClient, StorageError};
use otelcol_pipeline::telemetry::Counter;
use otelcol_pipeline::{
    Component, ComponentError, ComponentId, Context, Extension, ExtensionFactory, Host, Kind,
};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep};

pub use config::Config;

use file::{Client, Corrupt, OpenError, Place, StoredFile};

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
    open: Mutex<HashMap<PathBuf, Weak<StoredFile>>>,
    corrupt: Counter,
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
        Self { id: context.id.clone(), config, open: Mutex::default(), corrupt }
    }

    async fn file(&self, path: PathBuf) -> Result<Arc<StoredFile>, StorageError> {
        let deadline = Instant::now() + self.config.timeout.get();
        loop {
            if let Some(file) = self.already_open(&path) {
                return Ok(file);
            }
            let place = Place {
                path: path.clone(),
                max_size: self.config.max_size,
                fsync: self.config.fsync,
                recreate: self.config.recreate,
            };
            let opened = tokio::task::spawn_blocking(|| StoredFile::open(place)).await;
            match opened.map_err(|panic| StorageError(panic.to_string()))? {
                Ok((file, corrupt)) => {
                    if let Some(corrupt) = corrupt {
                        self.note(&path, &corrupt);
                    }
                    let file = Arc::new(file);
                    self.open
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .insert(path, Arc::downgrade(&file));
                    return Ok(file);
                }
                Err(OpenError::Failed(why)) => return Err(why),
                Err(OpenError::InUse) if Instant::now() < deadline => sleep(RETRY).await,
                Err(OpenError::InUse) => {
                    let path = path.display();
                    return Err(StorageError(format!("open {path}: timeout: another process has it open")));
                }
            }
        }
    }

    fn already_open(&self, path: &PathBuf) -> Option<Arc<StoredFile>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).get(path).and_then(Weak::upgrade)
    }

    fn note(&self, path: &std::path::Path, corrupt: &Corrupt) {
        self.corrupt.inc();
        tracing::error!(
            extension = %self.id, file = %path.display(), moved_to = %corrupt.moved_to.display(), reason = %corrupt.why,
            "storage file is corrupt: moved it aside and began an empty one"
        );
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
}

/// contrib's name of a component's file, with an ending of our own: the formats differ, the directory may be shared.
fn file_name(kind: Kind, id: &ComponentId, name: &str) -> String {
    let mut raw = format!("{kind}_{}_{}", id.component_type(), id.name());
    if !name.is_empty() {
        raw.push('_');
        raw.push_str(name);
    }
    let name = sanitize(&raw);
    let name = if name.len() > MAX_NAME { format!("{:x}", Sha256::digest(&name)) } else { name };
    format!("{name}.kv")
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
