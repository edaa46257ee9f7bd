//! `file_storage`: keeps the state of components in files, one for each component.

mod config;
mod file;
mod format;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_trait::async_trait;
use otelcol_pipeline::storage::{OpenedLog, Storage, StorageClient, StorageError};
use otelcol_pipeline::telemetry::{Counter, Gauge};
use otelcol_pipeline::{
    Component, ComponentError, ComponentId, Context, Extension, ExtensionFactory, Host, Kind,
};
use otelcol_segment_log::{patiently, space_name, sync_names};

pub use config::Config;

use file::{Client, Corrupt, Place, StoredFile};

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
    unused: Gauge,
}

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
        let unused = context.telemetry.gauge(
            "otelcol_file_storage_unused_queue_bytes",
            "Size of queues that hold data and that no exporter uses, in bytes.",
            &[("extension", &context.id.to_string())],
        );
        Self { id: context.id.clone(), config, open: Arc::default(), corrupt, corrupt_records, unused }
    }

    async fn file(&self, path: PathBuf) -> Result<Arc<StoredFile>, StorageError> {
        let place = Place {
            path: path.clone(),
            max_size: self.config.file_limit(),
            fsync: self.config.fsync,
            recreate: self.config.recreate,
        };
        let open = Arc::clone(&self.open);
        let attempt = move || {
            let open = || open.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(file) = open().get(&place.path).and_then(Weak::upgrade) {
                return Ok((file, None));
            }
            let (file, corrupt) = StoredFile::open(place.clone())?;
            let file = Arc::new(file);
            open().insert(place.path.clone(), Arc::downgrade(&file));
            Ok((file, corrupt))
        };
        let (file, corrupt) = patiently(&path, self.config.timeout.get(), attempt).await?;
        if let Some(corrupt) = corrupt {
            self.note(&path, &corrupt);
        }
        Ok(file)
    }

    fn note(&self, path: &Path, corrupt: &Corrupt) {
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
        if !self.config.create_directory {
            return Ok(());
        }
        let directory = &self.config.directory;
        let permissions = self.config.permissions().map_err(ComponentError::new)?;
        let made = DirBuilder::new().recursive(true).mode(permissions).create(directory);
        let made = made.and_then(|()| if self.config.fsync { sync_names(directory) } else { Ok(()) });
        made.map_err(|why| ComponentError::new(format!("create directory {}: {why}", directory.display())))
    }
}

#[async_trait]
impl Extension for FileStorage {
    /// What waits on disk for an exporter that is not there any more would wait for ever.
    async fn ready(&self) {
        let directory = self.config.directory.clone();
        let unused = tokio::task::spawn_blocking(move || otelcol_segment_log::unused(&directory)).await;
        let unused = unused.unwrap_or_default();
        self.unused.set(unused.iter().map(|(_, bytes)| *bytes as f64).sum());
        for (directory, bytes) in unused {
            tracing::warn!(
                extension = %self.id, directory = %directory.display(), bytes,
                "a queue on disk holds data that no exporter sends: give its exporter back its name, signal and \
                 storage, or remove the directory"
            );
        }
    }

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
        let place = otelcol_segment_log::Place {
            directory: self.config.directory.join(format!(
                "{}.{}",
                space_name(kind, id, name),
                otelcol_segment_log::ENDING
            )),
            max_size: self.config.queue_limit(),
            fsync: self.config.fsync,
        };
        otelcol_segment_log::open(place, self.config.timeout.get(), self.corrupt_records.clone()).await
    }
}

/// contrib's name of a component's file, with an ending of our own: the formats differ, the directory may be shared.
fn file_name(kind: Kind, id: &ComponentId, name: &str) -> String {
    space_name(kind, id, name) + ".kv"
}
