//! Opening, with patience for whoever still has the files.

use std::path::Path;
use std::time::Duration;

use otelcol_pipeline::storage::{OpenedLog, StorageError};
use otelcol_pipeline::telemetry::Counter;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use crate::log::{Damage, Place, SegmentLog};

/// A file that another process has open is tried again this often.
const RETRY: Duration = Duration::from_millis(20);

/// Why a file could not be opened.
#[derive(Debug)]
pub enum OpenError {
    /// Another process has it.
    InUse,
    /// What went wrong, with the path.
    Failed(StorageError),
}

/// Tries until `timeout` is over while someone else has the file at `path` open. `attempt` blocks on the disk.
///
/// # Errors
/// The file could not be opened, or someone else has it still.
pub async fn patiently<T: Send + 'static>(
    path: &Path,
    timeout: Duration,
    attempt: impl Fn() -> Result<T, OpenError> + Clone + Send + 'static,
) -> Result<T, StorageError> {
    let deadline = Instant::now() + timeout;
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

/// Opens the log at `place`, made where there is none, within `timeout`. `corrupt` counts the records that are not what
/// was written, now and when they are read.
///
/// # Errors
/// The directory can not be made, read or written, or another process has the log open.
pub async fn open(place: Place, timeout: Duration, corrupt: Counter) -> Result<OpenedLog, StorageError> {
    let (directory, runtime) = (place.directory.clone(), Handle::current());
    let counter = corrupt.clone();
    let attempt = move || SegmentLog::open(place.clone(), runtime.clone(), counter.clone());
    let (log, records, damage) = patiently(&directory, timeout, attempt).await?;
    note_damage(&directory, &damage, &corrupt);
    Ok(OpenedLog { log, records })
}

fn note_damage(directory: &Path, damage: &Damage, corrupt: &Counter) {
    if damage.torn > 0 {
        tracing::info!(
            directory = %directory.display(), bytes = damage.torn,
            "cut off what was being written when the process ended"
        );
    }
    if damage.corrupt > 0 {
        corrupt.add(damage.corrupt as u64);
        tracing::error!(
            directory = %directory.display(), corrupt = damage.corrupt,
            "batches of a queue are not what was written: skipped them"
        );
    }
}
