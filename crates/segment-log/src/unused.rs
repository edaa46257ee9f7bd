//! Logs that were left behind.

use std::fs;
use std::path::{Path, PathBuf};

use otelcol_pipeline::storage::StorageError;

use crate::log::{ENDING, LOCK, list, take_lock};
use crate::open::OpenError;

/// The logs in `directory` that hold something and that nobody has open, with their sizes in bytes. Blocks on the disk.
pub fn unused(directory: &Path) -> Vec<(PathBuf, u64)> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let logs = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let logs = logs.filter(|log| log.extension().is_some_and(|ending| ending == ENDING));
    let size = |log: &Path| -> u64 {
        let sizes = list(log).unwrap_or_default().into_iter().map(|(_, path)| path.metadata());
        sizes.filter_map(|found| Some(found.ok()?.len())).sum()
    };
    let mut found: Vec<_> = logs.map(|log| (size(&log), log)).filter(|(size, _)| *size > 0).collect();
    // Whoever has it open has its lock, in this process or another.
    found.retain(|(_, log)| {
        take_lock(&log.join(LOCK), &|why| OpenError::Failed(StorageError(why.to_string()))).is_ok()
    });
    found.sort_unstable();
    found.into_iter().map(|(size, log)| (log, size)).collect()
}
